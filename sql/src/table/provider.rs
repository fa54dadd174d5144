//! A stored table as a DataFusion table provider.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    error::Result,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::ExecutionPlan,
};
use wiretape_engine::{TableDef, View};

use super::{
    evaluate::{Evaluation, evaluate},
    live,
    predicate::Predicate,
    rows_exec, scan,
};
use crate::config::ScanOptions;

/// One table at one version.
#[derive(Debug)]
pub(super) struct StoredTable {
    view: Arc<View>,
    table: &'static TableDef,
    schema: SchemaRef,
    options: ScanOptions,
    /// The last filters evaluated. The optimizer asks about filters several times before the scan, which asks again.
    last: Mutex<Option<(Vec<Expr>, Arc<Evaluation>)>>,
}

impl StoredTable {
    pub(super) fn new(view: Arc<View>, table: &'static TableDef, options: ScanOptions) -> Self {
        StoredTable { view, table, schema: table.schema(), options, last: Mutex::new(None) }
    }

    fn evaluate(&self, filters: &[Expr]) -> Result<Arc<Evaluation>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, evaluation)) = last.as_ref()
            && seen == filters
        {
            return Ok(Arc::clone(evaluation));
        }
        let evaluation = Arc::new(evaluate(&self.view, self.table, filters, self.options.use_index)?);
        *last = Some((filters.to_vec(), Arc::clone(&evaluation)));
        Ok(evaluation)
    }
}

#[async_trait]
impl TableProvider for StoredTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Exact for filters that the index answers, when together they select few enough rows; the others are looked at
    /// again by a filter above, but prune.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let all: Vec<Expr> = filters.iter().map(|f| (*f).clone()).collect();
        let exact = self.evaluate(&all)?.exact;
        Ok(filters
            .iter()
            .map(|f| match exact && Predicate::of(f, self.table).is_some() {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Inexact,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let sealed = self.scan_sealed(state, projection, filters, limit)?;
        live::with_open_segments(sealed, &self.view, self.table, state, projection, filters)
    }
}

impl StoredTable {
    fn scan_sealed(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let evaluation = self.evaluate(filters)?;
        if evaluation.segments.is_empty() {
            return rows_exec::nothing(&evaluation, self.table, projection);
        }
        let nothing_left = evaluation.exact && filters.iter().all(|f| Predicate::of(f, self.table).is_some());
        if nothing_left && let Some(plan) = rows_exec::plan(&evaluation, self.table, projection, limit)? {
            return Ok(plan);
        }
        scan::plan(&evaluation, self.table, &self.schema, state, projection, filters.is_empty(), limit)
    }
}
