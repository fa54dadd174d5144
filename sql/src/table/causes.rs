//! What a filter failed of that a Parquet scan evaluates.
//!
//! The reader of Parquet files keeps of a filter's error only a text that programs cannot read, neither its SQLSTATE nor
//! its wording. So when a scan fails with that text, the filters that were given to it are evaluated once more, over the
//! same rows as they were before the filters were given, and the error of that is the answer. It costs nothing but when
//! a statement fails.

use std::sync::Arc;

use datafusion::{
    datasource::source::DataSource,
    error::Result,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{PhysicalExpr, stream::RecordBatchStreamAdapter},
};
use futures::{StreamExt, TryStreamExt};

/// How the reader says that a filter failed.
const FILTER_FAILED: &str = "Error evaluating filter predicate";

/// Filters that a scan took over, and the scan without them; the filters count its columns.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) source: Arc<dyn DataSource>,
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
}

/// `rows` with the errors of filters as they were before the reader had them.
pub(super) fn restored(
    rows: SendableRecordBatchStream,
    taken: &Arc<[Taken]>,
    context: &Arc<TaskContext>,
) -> SendableRecordBatchStream {
    if taken.is_empty() {
        return rows;
    }
    let (schema, taken, context) = (rows.schema(), Arc::clone(taken), Arc::clone(context));
    let rows = rows.or_else(move |error| {
        let (taken, context) = (Arc::clone(&taken), Arc::clone(&context));
        async move {
            if !error.to_string().contains(FILTER_FAILED) {
                return Err(error);
            }
            for taken in taken.iter() {
                taken.evaluate(&context).await?;
            }
            Err(error)
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

impl Taken {
    /// Evaluates the filters over every row, for their errors only.
    async fn evaluate(&self, context: &Arc<TaskContext>) -> Result<()> {
        for partition in 0..self.source.output_partitioning().partition_count() {
            let mut rows = self.source.open(partition, Arc::clone(context))?;
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                for filter in &self.filters {
                    filter.evaluate(&batch)?;
                }
            }
        }
        Ok(())
    }
}
