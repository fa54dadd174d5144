//! A table of parts as users see it: one row per `part_key`, merged from the parts that the segments hold.
//!
//! Nearly every flow begins and ends within one segment, so its one part is already the row. Those pass straight
//! through, with the index and the page bounds at work; only the rest is grouped:
//!
//! ```text
//!  parts where part = 3 ────────────────────────────────┐
//!                                                        ├─ union all ─► rows
//!  parts where part <> 3 ─► group by key, merge columns ─┘
//! ```

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::DataType,
    catalog::TableProvider,
    common::{Column, TableReference},
    datasource::{ViewTable, provider_as_source},
    error::{DataFusionError, Result},
    functions_aggregate::expr_fn::{bit_or, last_value, max, min, sum},
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, cast, col, lit},
};
use wiretape_engine::{TableDef, table::Merge};

use super::provider::StoredTable;

/// A part with both bits holds the row's start and its end.
const WHOLE: u8 = 3;

/// The merged view of `parts`.
pub(super) fn view(parts: Arc<StoredTable>, table: &'static TableDef, key: &str) -> Result<Arc<dyn TableProvider>> {
    let source = provider_as_source(parts);
    let scan = || LogicalPlanBuilder::scan(TableReference::bare(table.name), Arc::clone(&source), None);
    let whole = scan()?.filter(col("part").eq(lit(WHOLE)))?.project(whole_columns(table))?.build()?;
    let merged = merge(scan()?.filter(col("part").not_eq(lit(WHOLE)))?, table, key)?;
    let union = LogicalPlanBuilder::from(whole).union(merged)?;
    let columns = table.columns.iter().map(|c| Expr::Column(Column::new_unqualified(c.name)));
    let plan = union.project(with_duration(columns.collect(), table))?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

fn whole_columns(table: &TableDef) -> Vec<Expr> {
    table.columns.iter().map(|c| col(c.name).alias(c.name)).collect()
}

fn merge(parts: LogicalPlanBuilder, table: &TableDef, key: &str) -> Result<LogicalPlan> {
    let (_, key) = table
        .column(key)
        .ok_or_else(|| DataFusionError::Internal(format!("{} has no column {key}", table.name)))?;
    // Columns that are the same in every part are group keys too, so that filters on them reach the scan.
    let same = |c: &&wiretape_engine::ColumnDef| c.merge == Merge::Same && c.name != key.name;
    let groups: Vec<Expr> = std::iter::once(key).chain(table.columns.iter().filter(same)).map(|c| col(c.name)).collect();
    let newest_last: Vec<SortExpr> = vec![col("end_ts").sort(true, true), col("part").sort(true, true)];
    let aggregates: Vec<Expr> = table
        .columns
        .iter()
        .filter(|c| c.merge != Merge::Same)
        .map(|c| {
            let column = || col(c.name);
            let merged = match c.merge {
                Merge::Sum => sum(column()),
                Merge::Min => min(column()),
                Merge::Max => max(column()),
                Merge::Or => cast(bit_or(column()), DataType::UInt8),
                Merge::Last | Merge::Same => last_value(column(), newest_last.clone()),
            };
            merged.alias(c.name)
        })
        .collect();
    let split: (Vec<Expr>, Vec<Expr>) = (groups, aggregates);
    let plain: Vec<Expr> = split.1.iter().map(unaliased).collect();
    let aggregated = parts.aggregate(split.0, plain.clone())?;
    let columns = table
        .columns
        .iter()
        .map(|c| match split.1.iter().position(|e| e.schema_name().to_string() == c.name) {
            Some(at) => plain.get(at).map_or_else(
                || col(c.name),
                |e| Expr::Column(Column::new_unqualified(e.schema_name().to_string())).alias(c.name),
            ),
            None => col(c.name).alias(c.name),
        })
        .collect::<Vec<_>>();
    aggregated.project(columns)?.build()
}

fn unaliased(expr: &Expr) -> Expr {
    match expr {
        Expr::Alias(alias) => (*alias.expr).clone(),
        other => other.clone(),
    }
}

/// Adds `duration_ns` behind the two times it is the difference of, and leaves out the parts' own bookkeeping.
fn with_duration(columns: Vec<Expr>, table: &TableDef) -> Vec<Expr> {
    let mut out = Vec::with_capacity(columns.len());
    for (expr, def) in columns.into_iter().zip(table.columns) {
        if def.name == "part" {
            continue;
        }
        out.push(expr);
        if def.name == "end_ts" {
            let ns = |name| cast(col(name), DataType::Int64);
            out.push((ns("end_ts") - ns("start_ts")).alias("duration_ns"));
        }
    }
    out
}
