//! A stored table as a DataFusion table provider.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::{Session, TableProvider},
    error::Result,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType, utils::conjunction},
    physical_plan::{ExecutionPlan, filter::FilterExecBuilder},
};
use wiretape_engine::{TableDef, View};

use super::{
    evaluate::{Evaluation, evaluate, physical, unqualified},
    frame_filter, live, pages_exec,
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
    /// Whether any filter of the index, and any of bytes, was ever said to need no second look.
    promised: AtomicBool,
    promised_bytes: AtomicBool,
}

impl StoredTable {
    pub(super) fn new(view: Arc<View>, table: &'static TableDef, options: ScanOptions) -> Self {
        StoredTable {
            view,
            table,
            schema: table.schema(),
            options,
            last: Mutex::new(None),
            promised: AtomicBool::new(false),
            promised_bytes: AtomicBool::new(false),
        }
    }

    fn evaluate(&self, filters: &[Expr]) -> Result<Arc<Evaluation>> {
        // The optimizer's filters name the table, the scan's do not.
        let filters = &*filters.iter().map(unqualified).collect::<Result<Vec<_>>>()?;
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
        let evaluation = self.evaluate(&all)?;
        self.promised.fetch_or(evaluation.exact, Ordering::Relaxed);
        self.promised_bytes.fetch_or(evaluation.sure, Ordering::Relaxed);
        Ok(filters
            .iter()
            .map(|f| match self.answers(f, &evaluation) {
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
        live::with_open_segments(sealed, &self.view, self.table, projection, filters)
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
        let scan = |projection: Option<&Vec<usize>>, limit| {
            scan::plan(&evaluation, self.table, &self.schema, state, projection, filters.is_empty(), limit)
        };
        if let Some(filter) = self.owed(filters, &evaluation)? {
            return filtered(&filter, &self.schema, projection, |columns| scan(Some(columns), None));
        }
        if filters.iter().all(|f| self.answers(f, &evaluation))
            && let Some(plan) = rows_exec::plan(&evaluation, self.table, projection, limit)?
        {
            return Ok(plan);
        }
        // Filters of bytes are applied above; the file scan would gain nothing from them.
        let of_bytes = |f: &Expr| evaluation.exact && frame_filter::is_in(f);
        if filters.iter().all(|f| self.answers(f, &evaluation) || of_bytes(f)) {
            let partitions = state.config().target_partitions();
            if let Some(plan) = pages_exec::plan(&evaluation, self.table, projection, limit, partitions)? {
                return Ok(plan);
            }
        }
        scan(projection, limit)
    }

    /// Whether the rows of `evaluation` need no second look for this filter.
    fn answers(&self, filter: &Expr, evaluation: &Evaluation) -> bool {
        let indexed = || Predicate::of(filter, self.table).is_some();
        evaluation.exact && (indexed() || evaluation.sure && frame_filter::is_in(filter))
    }

    /// The filter that the rows of `evaluation` must still pass here. Whether filters are exact was said of all of them
    /// together; a scan with others may find the index answering none of them, and nobody else looks at them again.
    fn owed(&self, filters: &[Expr], evaluation: &Evaluation) -> Result<Option<Expr>> {
        let promised = |f: &Expr| match frame_filter::is_in(f) {
            true => self.promised_bytes.load(Ordering::Relaxed),
            false => self.promised.load(Ordering::Relaxed) && Predicate::of(f, self.table).is_some(),
        };
        let owed = filters.iter().filter(|f| promised(f) && !self.answers(f, evaluation));
        Ok(conjunction(owed.map(unqualified).collect::<Result<Vec<_>>>()?))
    }
}

/// A scan of the columns of `projection` and those of `filter`, filtered, with the columns of `projection` only.
pub(super) fn filtered(
    filter: &Expr,
    schema: &SchemaRef,
    projection: Option<&Vec<usize>>,
    scan: impl FnOnce(&Vec<usize>) -> Result<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let wanted = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
    let mut columns = wanted.clone();
    for column in filter.column_refs() {
        let at = schema.index_of(&column.name)?;
        if !columns.contains(&at) {
            columns.push(at);
        }
    }
    let filter = physical(filter, &Arc::new(schema.project(&columns)?))?;
    let filter = FilterExecBuilder::new(filter, scan(&columns)?);
    Ok(Arc::new(filter.apply_projection(Some((0..wanted.len()).collect()))?.build()?))
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{AsArray, RecordBatch},
        datatypes::DataType,
    };
    use datafusion::{
        logical_expr::{col, lit},
        physical_plan::collect,
    };

    use super::*;
    use crate::tests::support::{PACKETS, minutes, open};

    /// Two filters that no row passes, and each alone half of them: exact together, and not apart.
    #[tokio::test]
    async fn a_scan_with_other_filters_than_were_asked_about_is_exact_too() {
        let (_dir, session) = open(&[minutes(0, 40), minutes(40, 40)]);
        let view = session.database().db().view().unwrap();
        let table = StoredTable::new(view, &PACKETS, ScanOptions { use_index: true });
        let (flags, proto) = (col("tcp_flags").eq(lit(0x12_u8)), col("proto").eq(lit("udp")));
        let asked = table.supports_filters_pushdown(&[&flags, &proto]).unwrap();
        assert_eq!(asked, [TableProviderFilterPushDown::Exact, TableProviderFilterPushDown::Exact]);
        let state = session.context().state();
        let rows = async |projection: Option<Vec<usize>>, filters: &[Expr], limit| {
            let plan = table.scan(&state, projection.as_ref(), filters, limit).await.unwrap();
            collect(plan, state.task_ctx()).await.unwrap()
        };
        let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        assert_eq!(count(&rows(None, &[flags.clone(), proto.clone()], None).await), 0);
        assert_eq!(count(&rows(Some(vec![]), std::slice::from_ref(&flags), None).await), 40);
        assert_eq!(count(&rows(None, &[], None).await), 80);
        let protos = rows(Some(vec![5]), std::slice::from_ref(&flags), Some(50)).await;
        assert_eq!(count(&protos), 40, "the limit is of rows that pass");
        for batch in protos {
            let texts = arrow::compute::cast(batch.column(0), &DataType::Utf8).unwrap();
            assert!(texts.as_string::<i32>().iter().all(|proto| proto == Some("tcp")));
        }
    }
}
