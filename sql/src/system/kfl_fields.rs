//! `system.kfl_fields`: the variables of KFL, and which tables' rows have them.

use wiretape_engine::TableDef;

use super::{Column, Facts, SystemTable, optional_text, text};
use crate::kfl::vocabulary::{self, Group, Origin, Var};

pub(super) static KFL_FIELDS: SystemTable = SystemTable {
    name: "kfl_fields",
    comment: "One row per variable of KFL, the filter language; tables is NULL where nothing is recorded that it could say.",
    rows,
};

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let all: Vec<(&Group, &Var)> = vocabulary::groups().flat_map(|g| g.vars.iter().map(move |var| (g, var))).collect();
    let origin = |g: &Group| match g.origin {
        Origin::Kubeshark => "kubeshark",
        Origin::Wiretape => "wiretape",
    };
    vec![
        text("name", all.iter().map(|(_, var)| var.name)),
        text("type", all.iter().map(|(_, var)| var.ty.ty().to_string())),
        text("topic", all.iter().map(|(group, _)| group.title)),
        text("origin", all.iter().map(|(group, _)| origin(group))),
        text("meaning", all.iter().map(|(_, var)| var.meaning)),
        optional_text("tables", all.iter().map(|(_, var)| tables_with(facts.tables, var.name))),
    ]
}

/// Names of the tables whose entries have the variable.
fn tables_with(tables: &[&'static TableDef], variable: &str) -> Option<String> {
    let has = |t: &&&TableDef| t.entries.iter().any(|entry| t.variable(entry, variable).is_some());
    let mut names: Vec<&str> = tables.iter().filter(has).map(|t| t.name).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| names.join(", "))
}
