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

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    catalog::{Session, TableProvider},
    common::TableReference,
    datasource::{ViewTable, provider_as_source},
    error::{DataFusionError, Result},
    functions_aggregate::expr_fn::{bit_or, last_value, max, min, sum},
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, TableProviderFilterPushDown, TableType, cast, col, lit,
    },
    physical_plan::ExecutionPlan,
};
use wiretape_engine::{
    ColumnDef, TableDef,
    table::{Kind, Merge},
};

use super::provider::StoredTable;

/// The times of a row's first and last moment.
const START: &str = "start_ts";
const END: &str = "end_ts";

/// A part with both bits holds the row's start and its end.
const WHOLE: u8 = 3;

/// A part that holds only the start, or only the end.
const START_ONLY: u8 = 1;
const END_ONLY: u8 = 2;

/// The merged view of `parts`.
pub(super) fn view(parts: Arc<StoredTable>, table: &'static TableDef, key: &str) -> Result<Arc<dyn TableProvider>> {
    let source = provider_as_source(parts);
    let scan = || LogicalPlanBuilder::scan(TableReference::bare(table.name), Arc::clone(&source), None);
    let whole = scan()?.filter(col(PART).eq(lit(WHOLE)))?.project(whole_columns(table))?.build()?;
    let merged = merge(scan()?.filter(col(PART).not_eq(lit(WHOLE)))?, table, key)?;
    let union = LogicalPlanBuilder::from(whole).union(merged)?;
    let plan = union.project(shown(table))?.build()?;
    Ok(Arc::new(MergedTable(ViewTable::new(plan, None))))
}

/// A view that clients see as a table: it is one to its users, and `\dt` and catalog browsers list only tables.
#[derive(Debug)]
pub(crate) struct MergedTable(ViewTable);

impl MergedTable {
    pub(crate) fn new(view: ViewTable) -> MergedTable {
        MergedTable(view)
    }
}

#[async_trait]
impl TableProvider for MergedTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.0.get_logical_plan()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.0.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.scan(state, projection, filters, limit).await
    }
}

fn whole_columns(table: &TableDef) -> Vec<Expr> {
    table.columns.iter().map(|c| col(c.name).alias(c.name)).collect()
}

fn merge(parts: LogicalPlanBuilder, table: &TableDef, key: &str) -> Result<LogicalPlan> {
    let (_, key) =
        table.column(key).ok_or_else(|| DataFusionError::Internal(format!("{} has no column {key}", table.name)))?;
    // Columns that are the same in every part are group keys too, so that filters on them reach the scan.
    let same = |c: &&ColumnDef| c.merge == Merge::Same && c.name != key.name;
    let groups: Vec<Expr> =
        std::iter::once(key).chain(table.columns.iter().filter(same)).map(|c| col(c.name)).collect();
    // By place in the flow's life, not by time alone: captured times may go back.
    let newest_last: Vec<SortExpr> = vec![
        col(PART).eq(lit(END_ONLY)).sort(true, true),
        col(PART).not_eq(lit(START_ONLY)).sort(true, true),
        col(END).sort(true, true),
    ];
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
                Merge::Or => bit_or(column()),
                Merge::Last | Merge::Same => last_value(column(), newest_last.clone()),
            };
            merged.alias(c.name)
        })
        .collect();
    let columns: Vec<Expr> = table.columns.iter().map(|c| col(c.name).alias(c.name)).collect();
    parts.aggregate(groups, aggregates)?.project(columns)?.build()
}

/// Bookkeeping of parts, which users do not see.
pub(crate) const PART: &str = "part";

/// The bit of a part that holds the row's end.
pub(crate) const ENDS: u8 = END_ONLY;

/// What users see besides what is stored, behind the later of the two times it is the difference of.
const DURATION: ColumnDef = ColumnDef::new("duration_ns", Kind::I64, false, "end_ts - start_ts, ns.");

/// The columns that users see of `table`.
pub(crate) fn shown_columns(table: &TableDef) -> Vec<ColumnDef> {
    let mut columns = Vec::with_capacity(table.columns.len() + 1);
    for column in table.columns {
        if table.part_key.is_some() && column.name == PART {
            continue;
        }
        columns.push(*column);
        if table.part_key.is_some() && column.name == END {
            columns.push(DURATION);
        }
    }
    columns
}

fn shown(table: &TableDef) -> Vec<Expr> {
    let ns = |name| cast(col(name), DataType::Int64);
    let expr = |c: ColumnDef| match c.name == DURATION.name {
        true => (ns(END) - ns(START)).alias(DURATION.name),
        false => col(c.name),
    };
    shown_columns(table).into_iter().map(expr).collect()
}
