//! A scan of few rows, which the index named: only the pages that hold them are read, straight from the file.
//!
//! DataFusion's file scan is made for rows by the million. It fetches whole column chunks where it has no filter, and for
//! each file it goes through a dozen steps and several threads, which takes longer than reading some hundred pages.

use std::{fmt, ops::ControlFlow, sync::Arc};

use datafusion::{
    arrow::datatypes::SchemaRef,
    error::Result,
    execution::TaskContext,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet},
        stream::RecordBatchReceiverStream,
    },
};
use wiretape_engine::{
    TableDef,
    segment::{PAGE_ROWS, ROW_GROUP_ROWS},
};

use super::{
    evaluate::{Evaluation, Summary},
    pages::Wanted,
    selected::pages_of,
};
use crate::leaf::{self, leaf_plan};

/// Pages that are worth a task of their own: reading one takes some 10 µs, a task and its rows' way some 50.
const PAGES_PER_TASK: usize = 32;

/// Batches read ahead of the consumer.
const READ_AHEAD: usize = 2;

/// The plan, if the rows of every segment are known; in at most `partitions` parts.
pub(super) fn plan(
    evaluation: &Evaluation,
    table: &TableDef,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
    partitions: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let schema = match projection {
        Some(projection) => Arc::new(table.schema().project(projection)?),
        None => table.schema(),
    };
    let mut stretches = Vec::new();
    for s in &evaluation.segments {
        let Some(rows) = &s.rows else { return Ok(None) };
        let (Some(component), Some(path)) = (s.segment.parquet(table.name), s.segment.parquet_path(table.name)) else {
            continue;
        };
        let (size, path) = (component.size_bytes, std::path::absolute(path)?);
        let file_rows = s.segment.rows(table.name);
        let all = u32::try_from(file_rows).unwrap_or(u32::MAX);
        for start in (0..all).step_by(ROW_GROUP_ROWS) {
            let range = start..all.min(start.saturating_add(u32::try_from(ROW_GROUP_ROWS).unwrap_or(u32::MAX)));
            let pages = pages_of(rows, range.clone());
            if pages > 0 {
                let (path, rows) = (path.clone(), Arc::clone(rows));
                stretches.push((pages, Wanted { path, size, file_rows, rows, range }));
            }
        }
    }
    let pages: usize = stretches.iter().map(|(pages, _)| pages).sum();
    let tasks = (pages * schema.fields().len()).div_ceil(PAGES_PER_TASK).clamp(1, partitions.max(1));
    let parts = dealt(stretches, pages.div_ceil(tasks).max(1));
    let total = evaluation.segments.iter().map(|s| s.segment.rows(table.name).div_ceil(PAGE_ROWS as u64)).sum();
    let shown = Shown { table: table.name.to_owned(), summary: evaluation.summary.clone(), pages, total };
    Ok(Some(Arc::new(PagesExec::new(parts, schema, limit, shown))))
}

/// Neighbours together, in parts of some `pages` pages. Stretches of one file are one again within a part.
fn dealt(stretches: Vec<(usize, Wanted)>, pages: usize) -> Vec<Arc<[Wanted]>> {
    let mut parts: Vec<Vec<Wanted>> = Vec::new();
    let mut seen = 0;
    for (weight, stretch) in stretches {
        let part = seen / pages;
        seen += weight;
        if part >= parts.len() {
            parts.push(vec![stretch]);
            continue;
        }
        let Some(last) = parts.last_mut() else { continue };
        match last.last_mut() {
            Some(before) if before.path == stretch.path => before.range.end = stretch.range.end,
            _ => last.push(stretch),
        }
    }
    parts.into_iter().map(Into::into).collect()
}

/// What EXPLAIN shows.
#[derive(Debug)]
struct Shown {
    table: String,
    summary: Summary,
    /// Pages of one column that hold rows, and all of them.
    pages: usize,
    total: u64,
}

#[derive(Debug)]
pub(super) struct PagesExec {
    parts: Vec<Arc<[Wanted]>>,
    schema: SchemaRef,
    limit: Option<usize>,
    shown: Shown,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl PagesExec {
    fn new(parts: Vec<Arc<[Wanted]>>, schema: SchemaRef, limit: Option<usize>, shown: Shown) -> PagesExec {
        let properties = leaf::properties(Arc::clone(&schema), parts.len().max(1));
        PagesExec { parts, schema, limit, shown, properties, metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl PagesExec {
    /// What the index left out; pages that are read, and all.
    pub(super) fn shown(&self) -> (&Summary, (usize, usize)) {
        (&self.shown.summary, (self.shown.pages, usize::try_from(self.shown.total).unwrap_or(usize::MAX)))
    }
}

impl DisplayAs for PagesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown { table, summary, pages, total } = &self.shown;
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(
            f,
            "IndexPagesExec: table={table}, {summary}, pages={pages}/{total}, projection=[{}]",
            columns.join(", ")
        )
    }
}

impl ExecutionPlan for PagesExec {
    leaf_plan!("IndexPagesExec");

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), READ_AHEAD);
        let Some(part) = self.parts.get(partition).cloned() else { return Ok(stream.build()) };
        let (tx, schema) = (stream.tx(), Arc::clone(&self.schema));
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let mut left = self.limit.unwrap_or(usize::MAX);
        stream.spawn_blocking(move || {
            let cache = context.runtime_env().cache_manager.get_file_metadata_cache();
            let batch_rows = context.session_config().batch_size();
            for wanted in part.iter() {
                let read = wanted.read(&schema, &*cache, batch_rows, |batch| {
                    metrics.record_output(batch.num_rows());
                    left = left.saturating_sub(batch.num_rows());
                    match tx.blocking_send(Ok(batch)) {
                        Ok(()) if left > 0 => ControlFlow::Continue(()),
                        _ => ControlFlow::Break(()), // nobody wants the rest
                    }
                })?;
                if read.is_break() {
                    break;
                }
            }
            Ok(())
        });
        Ok(stream.build())
    }
}

#[cfg(test)]
mod tests {
    use croaring::Bitmap;

    use super::*;

    /// Proves that each stretch goes to one part, that parts weigh about the same, and that stretches of a file join.
    #[test]
    fn parts_are_even_and_whole() {
        let stretch = |file: &str, start: u32| Wanted {
            path: file.into(),
            size: 0,
            file_rows: 0,
            rows: Arc::new(Bitmap::new()),
            range: start..start + 10,
        };
        let stretches = vec![(9, stretch("a", 0)), (1, stretch("a", 10)), (4, stretch("a", 30)), (6, stretch("b", 0))];
        let parts = dealt(stretches, 10);
        let shown: Vec<Vec<_>> =
            parts.iter().map(|p| p.iter().map(|w| (w.path.to_str().unwrap(), w.range.clone())).collect()).collect();
        assert_eq!(shown, [vec![("a", 0..20)], vec![("a", 30..40), ("b", 0..10)]]);
    }
}
