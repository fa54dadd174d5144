//! A scan that needs no Parquet: the filters are answered by bitmaps and only `packet_id`, or only the number of rows,
//! is wanted. This is what makes `count(*)` of a needle and a PCAP of one host a matter of milliseconds.

use std::{fmt, sync::Arc};

use croaring::Bitmap;
use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions},
        datatypes::{Schema, SchemaRef},
    },
    error::{DataFusionError, Result},
    execution::TaskContext,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
        stream::RecordBatchStreamAdapter,
    },
};
use futures::stream;
use wiretape_engine::TableDef;

use super::{
    PACKET_ID,
    evaluate::{Evaluation, Summary},
};
use crate::leaf::{self, leaf_plan};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// The plan, if `projection` asks for nothing but `packet_id` (or for no column at all).
pub(super) fn plan(
    evaluation: &Evaluation,
    table: &TableDef,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(projection) = projection else { return Ok(None) };
    if projection.iter().any(|at| table.columns.get(*at).is_none_or(|c| c.name != PACKET_ID)) {
        return Ok(None);
    }
    let mut segments = Vec::new();
    for s in &evaluation.segments {
        let Some(rows) = &s.rows else { return Ok(None) };
        segments.push((s.segment.id(), Arc::clone(rows)));
    }
    let schema = Arc::new(table.schema().project(projection)?);
    Ok(Some(Arc::new(RowsExec::new(segments, schema, limit, evaluation.summary.clone()))))
}

/// The plan of a scan of which nothing is left: no segment holds a row that could match.
pub(super) fn nothing(
    evaluation: &Evaluation,
    table: &TableDef,
    projection: Option<&Vec<usize>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = match projection {
        Some(projection) => Arc::new(table.schema().project(projection)?),
        None => table.schema(),
    };
    Ok(Arc::new(RowsExec::new(Vec::new(), schema, None, evaluation.summary.clone())))
}

#[derive(Debug)]
pub(super) struct RowsExec {
    segments: Arc<[(u32, Arc<Bitmap>)]>,
    schema: SchemaRef,
    limit: Option<usize>,
    summary: Summary,
    properties: Arc<PlanProperties>,
}

impl RowsExec {
    fn new(segments: Vec<(u32, Arc<Bitmap>)>, schema: SchemaRef, limit: Option<usize>, summary: Summary) -> Self {
        let properties = leaf::properties(Arc::clone(&schema), 1);
        RowsExec { segments: segments.into(), schema, limit, summary, properties }
    }

    /// What the index left out.
    pub(super) fn summary(&self) -> &Summary {
        &self.summary
    }
}

impl DisplayAs for RowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IndexRowsExec: {}, pages=0", self.summary)
    }
}

impl ExecutionPlan for RowsExec {
    leaf_plan!("IndexRowsExec");

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let cursor = Cursor {
            segments: Arc::clone(&self.segments),
            at: 0,
            from: 0,
            left: self.limit.unwrap_or(usize::MAX),
            schema: Arc::clone(&self.schema),
        };
        let batches = stream::iter(cursor);
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

/// Walks the bitmaps, a batch at a time.
struct Cursor {
    segments: Arc<[(u32, Arc<Bitmap>)]>,
    at: usize,
    /// The first row of the current segment not yet given.
    from: u32,
    left: usize,
    schema: SchemaRef,
}

impl Iterator for Cursor {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            let (segment, rows) = self.segments.get(self.at)?;
            let mut buffer = [0u32; BATCH_ROWS];
            let mut iter = rows.iter();
            iter.reset_at_or_after(self.from);
            let want = BATCH_ROWS.min(self.left);
            let got = iter.next_many(buffer.get_mut(..want).unwrap_or_default());
            let found = buffer.get(..got).unwrap_or_default();
            let Some(last) = found.last() else {
                self.at += 1;
                self.from = 0;
                continue;
            };
            self.left -= got;
            match last.checked_add(1) {
                Some(next) => self.from = next,
                None => {
                    self.at += 1;
                    self.from = 0;
                }
            }
            return Some(batch(*segment, found, &self.schema));
        }
        None
    }
}

fn batch(segment: u32, rows: &[u32], schema: &Arc<Schema>) -> Result<RecordBatch> {
    let base = i64::from(segment) << 32;
    let columns = schema
        .fields()
        .iter()
        .map(|_| Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| base | i64::from(*r)))) as ArrayRef)
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(DataFusionError::from)
}
