//! The tables that begin with the same columns, as one: those columns of all of them, and a summary in words.

use std::sync::Arc;

use datafusion::{
    catalog::TableProvider,
    common::TableReference,
    datasource::{ViewTable, provider_as_source},
    error::Result,
    functions::string::expr_fn::concat_ws,
    logical_expr::{Expr, LogicalPlanBuilder, cast, col, lit},
};
use wiretape_engine::{ColumnDef, ColumnGroup, TableDef, View, table::Kind};

use super::{merged::MergedTable, provider::StoredTable};
use crate::config::ScanOptions;

/// Behind the common columns, what a row says at a glance.
const SUMMARY: ColumnDef =
    ColumnDef::new("summary", Kind::Text, false, "The words of method, target, status and error_type in one text.");

/// The columns whose words make it, of those that the group has.
const SUMMARISED: [&str; 4] = ["method", "target", "status", "error_type"];

/// The groups of `tables`, each once.
pub(crate) fn groups(tables: &[&'static TableDef]) -> Vec<&'static ColumnGroup> {
    let mut groups: Vec<&'static ColumnGroup> = Vec::new();
    for group in tables.iter().filter_map(|t| t.group) {
        if groups.iter().all(|g| g.view != group.view) {
            groups.push(group);
        }
    }
    groups
}

/// The columns that users see of the view of `group`.
pub(crate) fn columns(group: &ColumnGroup) -> Vec<ColumnDef> {
    group.columns.iter().copied().chain([SUMMARY]).collect()
}

/// The view of `group` over the version of the database in `view`. Tables without rows there are left out: a plan of one
/// scan per protocol that was ever thought of would take longer than the query.
pub(crate) fn view(
    view: &Arc<View>,
    group: &'static ColumnGroup,
    tables: &[&'static TableDef],
    options: ScanOptions,
) -> Result<Arc<dyn TableProvider>> {
    let of_group = || tables.iter().copied().filter(|t| t.group.is_some_and(|g| g.view == group.view));
    let mut filled: Vec<&'static TableDef> = of_group().filter(|t| view.has_rows(t.name)).collect();
    if filled.is_empty() {
        filled.extend(of_group().next());
    }
    let summarised = SUMMARISED.iter().filter(|name| group.columns.iter().any(|c| c.name == **name));
    let words: Vec<Expr> =
        summarised.map(|name| cast(col(*name), datafusion::arrow::datatypes::DataType::Utf8)).collect();
    let shown = || {
        let columns = group.columns.iter().map(|c| col(c.name).alias(c.name));
        columns.chain([concat_ws(lit(" "), words.clone()).alias(SUMMARY.name)]).collect::<Vec<Expr>>()
    };
    let mut union: Option<LogicalPlanBuilder> = None;
    for table in filled {
        let source = provider_as_source(Arc::new(StoredTable::new(Arc::clone(view), table, options)));
        let rows = LogicalPlanBuilder::scan(TableReference::bare(table.name), source, None)?.project(shown())?;
        union = Some(match union {
            Some(union) => union.union(rows.build()?)?,
            None => rows,
        });
    }
    let plan = union.unwrap_or_else(|| LogicalPlanBuilder::empty(false)).build()?;
    Ok(Arc::new(MergedTable::new(ViewTable::new(plan, None))))
}
