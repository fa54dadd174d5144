//! `system.columns`: the columns of the tables, as they are declared.

use wiretape_engine::{ColumnDef, table::IndexKind};

use super::{Column, Facts, SystemTable, boolean, count, optional_text, text};
use crate::table::{grouped, shown_columns};

pub(super) static COLUMNS: SystemTable =
    SystemTable { name: "columns", comment: "One row per column of the tables in system.tables, and of views.", rows };

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let named = |name: String, columns: Vec<ColumnDef>| {
        columns.into_iter().enumerate().map(move |(i, c)| (name.clone(), i, c)).collect::<Vec<_>>()
    };
    let tables = facts.tables.iter().flat_map(|t| named(t.sql_name(), shown_columns(t)));
    let views = grouped::groups(facts.tables).into_iter().flat_map(|g| named(g.view.to_owned(), grouped::columns(g)));
    let all: Vec<_> = tables.chain(views).collect();
    vec![
        text("table_name", all.iter().map(|(name, ..)| name.as_str())),
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
