//! The rows of a plan in portions that take the plan above a few milliseconds each, with a pause for the runtime between.
//!
//! What a row costs above is not known beforehand: it is measured, by the time from one portion to the next. Portions
//! begin at one row, so that even a join with millions of rows per portion pauses after the first.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::tree_node::TreeNodeRecursion,
    error::{DataFusionError, Result},
    execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext},
    physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties},
};
use futures::{Stream, StreamExt};

/// A portion that took less is followed by one of twice the size.
const SHORT: Duration = Duration::from_millis(5);
/// A portion that took more is followed by one of half the size.
const LONG: Duration = Duration::from_millis(20);
/// Work between two pauses: little enough that others hardly wait, much enough that pauses cost nothing.
const SPELL: Duration = Duration::from_millis(10);

/// Hands over its input's rows in portions.
#[derive(Debug)]
pub(super) struct PacedExec {
    input: Arc<dyn ExecutionPlan>,
    max_rows: usize,
}

impl PacedExec {
    /// `input` in portions of at most `max_rows` rows.
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, max_rows: usize) -> PacedExec {
        PacedExec { input, max_rows }
    }
}

impl DisplayAs for PacedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacedExec")
    }
}

impl ExecutionPlan for PacedExec {
    fn name(&self) -> &'static str {
        "PacedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        match inputs.into_iter().next() {
            Some(input) => Ok(Arc::new(PacedExec { input, max_rows: self.max_rows })),
            None => Err(DataFusionError::Internal("a paced plan without an input".to_owned())),
        }
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Paced {
            inner: self.input.execute(partition, context)?,
            rest: None,
            rows: 1,
            max_rows: self.max_rows,
            handed_over: None,
            worked: Duration::ZERO,
        }))
    }
}

struct Paced {
    inner: SendableRecordBatchStream,
    /// What is left of the input's last batch.
    rest: Option<RecordBatch>,
    /// Rows of the next portion.
    rows: usize,
    max_rows: usize,
    /// When the last portion was.
    handed_over: Option<Instant>,
    /// Time spent above since the last pause.
    worked: Duration,
}

impl Paced {
    /// Takes note of how long the last portion took; whether it is time for a pause.
    fn note(&mut self) -> bool {
        let Some(took) = self.handed_over.take().map(|at| at.elapsed()) else { return false };
        if took < SHORT {
            self.rows = self.rows.saturating_mul(2).min(self.max_rows);
        } else if took > LONG {
            self.rows = (self.rows / 2).max(1);
        }
        self.worked += took;
        if self.worked < SPELL {
            return false;
        }
        self.worked = Duration::ZERO;
        true
    }
}

impl Stream for Paced {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.note() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let batch = match self.rest.take() {
            Some(batch) => batch,
            None => match ready!(self.inner.poll_next_unpin(context)) {
                Some(Ok(batch)) => batch,
                end => return Poll::Ready(end),
            },
        };
        let rows = self.rows.min(batch.num_rows());
        if rows < batch.num_rows() {
            self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        self.handed_over = Some(Instant::now());
        Poll::Ready(Some(Ok(batch.slice(0, rows))))
    }
}

impl RecordBatchStream for Paced {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{AsArray, Int64Array},
        datatypes::{DataType, Field, Int64Type, Schema},
    };
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::{FutureExt, stream};

    use super::*;

    fn paced(rows: i64, max_rows: usize) -> Paced {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from_iter_values(0..rows))]);
        let inner = RecordBatchStreamAdapter::new(schema, stream::iter([Ok(batch.unwrap())]));
        let (inner, worked) = (Box::pin(inner), Duration::ZERO);
        Paced { inner, rest: None, rows: 1, max_rows, handed_over: None, worked }
    }

    #[tokio::test]
    async fn portions_grow_while_they_are_quick_and_hold_every_row_once() {
        let batches: Vec<RecordBatch> = paced(1000, 300).map(Result::unwrap).collect().await;
        let sizes: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
        assert!(sizes[0] == 1 && sizes.windows(2).all(|two| two[1] <= 2 * two[0] && two[1] <= 300), "{sizes:?}");
        assert!(sizes.len() < 100, "{sizes:?}");
        let rows = batches.iter().flat_map(|b| b.column(0).as_primitive::<Int64Type>().values().to_vec());
        assert_eq!(rows.collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn portions_shrink_when_they_take_long_and_a_pause_comes_first() {
        let mut paced = paced(1000, 300);
        paced.rows = 64;
        assert_eq!(paced.next().now_or_never().unwrap().unwrap().unwrap().num_rows(), 64);
        std::thread::sleep(LONG * 2);
        assert!(paced.next().now_or_never().is_none(), "a pause");
        assert_eq!(paced.next().now_or_never().unwrap().unwrap().unwrap().num_rows(), 32);
    }
}
