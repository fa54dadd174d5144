//! Rows of open segments: what a recorder has taken in and not sealed. They have no index, so every row is read and the
//! filters are applied to each.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::datatypes::SchemaRef,
    error::Result,
    execution::TaskContext,
    logical_expr::{Expr, utils::conjunction},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
        stream::RecordBatchReceiverStream, union::UnionExec,
    },
};
use wiretape_engine::{TableDef, View, live::LiveSegment};

use super::{
    evaluate::{external, unqualified},
    provider::filtered,
};
use crate::leaf::{self, leaf_plan};

/// Batches read ahead of the consumer.
const READ_AHEAD: usize = 2;

/// `sealed`, and the rows of the open segments that pass `filters`. Both give the columns at `projection`.
pub(super) fn with_open_segments(
    sealed: Arc<dyn ExecutionPlan>,
    view: &View,
    table: &'static TableDef,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
) -> Result<Arc<dyn ExecutionPlan>> {
    let open: Vec<_> = view.live().iter().filter(|s| s.rows(table.name) > 0).cloned().collect();
    if open.is_empty() {
        return Ok(sealed);
    }
    let schema = table.schema();
    let scan = |columns: &Vec<usize>| -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(OpenSegmentsExec::new(open, table, columns.clone(), Arc::new(schema.project(columns)?))))
    };
    let open = match conjunction(filters.iter().map(unqualified).collect::<Result<Vec<_>>>()?) {
        Some(filter) => filtered(&filter, &schema, projection, scan)?,
        None => scan(&projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect()))?,
    };
    UnionExec::try_new(vec![sealed, open])
}

#[derive(Debug)]
pub(super) struct OpenSegmentsExec {
    segments: Vec<Arc<LiveSegment>>,
    table: &'static TableDef,
    columns: Arc<[usize]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl OpenSegmentsExec {
    fn new(
        segments: Vec<Arc<LiveSegment>>,
        table: &'static TableDef,
        columns: Vec<usize>,
        schema: SchemaRef,
    ) -> OpenSegmentsExec {
        let properties = leaf::properties(Arc::clone(&schema), segments.len());
        OpenSegmentsExec { segments, table, columns: columns.into(), schema, properties }
    }

    /// The table, the open segments and their rows.
    pub(super) fn shown(&self) -> (&'static str, usize, u64) {
        (self.table.name, self.segments.len(), self.segments.iter().map(|s| s.rows(self.table.name)).sum())
    }
}

impl DisplayAs for OpenSegmentsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, segments, rows) = self.shown();
        write!(f, "OpenSegmentsExec: table={table}, segments={segments}, rows={rows}")
    }
}

impl ExecutionPlan for OpenSegmentsExec {
    leaf_plan!("OpenSegmentsExec");

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), READ_AHEAD);
        let (tx, columns, table) = (stream.tx(), Arc::clone(&self.columns), self.table);
        if let Some(segment) = self.segments.get(partition).cloned() {
            stream.spawn_blocking(move || {
                for batch in segment.read(table, &columns) {
                    if tx.blocking_send(batch.map_err(external)).is_err() {
                        break; // nobody wants the rest
                    }
                }
                Ok(())
            });
        }
        Ok(stream.build())
    }
}
