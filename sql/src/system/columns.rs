//! `system.columns`: the columns of the tables, as they are declared.

use wiretape_engine::{TableDef, table::IndexKind};

use super::{Column, Facts, SystemTable, boolean, count, optional_text, text};
use crate::table::shown_columns;

pub(super) static COLUMNS: SystemTable =
    SystemTable { name: "columns", comment: "One row per column of the tables in system.tables.", rows };

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let columns = |t: &'static TableDef| shown_columns(t).into_iter().enumerate().map(move |(i, c)| (t, i, c));
    let all: Vec<_> = facts.tables.iter().flat_map(|t| columns(t)).collect();
    vec![
        text("table_name", all.iter().map(|(t, ..)| t.sql_name())),
        count("position", all.iter().map(|(_, i, _)| *i as u64 + 1)),
        text("name", all.iter().map(|(.., c)| c.name)),
        text("type", all.iter().map(|(.., c)| c.kind.sql_name())),
        boolean("nullable", all.iter().map(|(.., c)| c.nullable)),
        optional_text("index", all.iter().map(|(.., c)| index_name(c.index).map(str::to_owned))),
        text("comment", all.iter().map(|(.., c)| c.comment)),
    ]
}

/// What the column's index is made of.
fn index_name(index: IndexKind) -> Option<&'static str> {
    match index {
        IndexKind::None => None,
        IndexKind::Key | IndexKind::KeyMirrored { .. } => Some("key"),
        IndexKind::Row => Some("row"),
    }
}
