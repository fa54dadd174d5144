//! `kfl_match('filter')`: whether a row of a table is an entry that a filter selects.

use std::sync::Arc;

use datafusion::{
    common::TableReference,
    datasource::provider_as_source,
    error::Result,
    logical_expr::{Expr, LogicalPlanBuilder, Operator, col, in_subquery, lit},
};

use super::{
    bind::{self, Parser},
    compile,
    lower::joined,
    plan,
};
use crate::filters::{FilterFunction, Rows};

/// The function.
#[derive(Debug)]
pub(crate) struct KflMatch;

impl FilterFunction for KflMatch {
    fn name(&self) -> &'static str {
        "kfl_match"
    }

    /// A row of a table that has entries of its own is asked by its columns; one of a view, by its key among all entries. It is
    /// never NULL, so that NOT gives the other rows.
    fn expr(&self, text: &str, rows: &Rows<'_>) -> Result<Expr> {
        let source = rows.source();
        let filter = compile(self.name(), text, source.planning.now_ns)?;
        source.planning.notice(filter.notice.clone());
        let Some(table) = source.tables().iter().copied().find(|t| t.name == rows.table().name) else {
            rows.must_be_a_filter(self)?;
            let key = rows.table().key;
            let entries = TableReference::bare(super::ENTRIES);
            let scan = LogicalPlanBuilder::scan(entries, provider_as_source(plan::provider(&filter, source)?), None)?;
            let keys = scan.project([col(key)])?.build()?;
            return Ok(in_subquery(rows.column(key), Arc::new(keys)));
        };
        let schema = plan::schema(table, rows.relation().cloned())?;
        let functions = bind::functions_of(&rows.view()?)?;
        let parser = Parser::new(&functions, &schema);
        let mut kinds = Vec::new();
        for entry in table.entries {
            kinds.extend(plan::condition(&filter, table, entry, &parser)?);
        }
        match kinds.is_empty() {
            true => Ok(lit(false)),
            false => Ok(joined(Operator::Or, kinds).is_true()),
        }
    }
}
