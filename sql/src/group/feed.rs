//! The rows of one partition with numbers on them, as the input of one aggregation after the other.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
};
use datafusion::{
    error::Result,
    execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext, memory_pool::MemoryReservation},
    physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties},
};
use futures::{Stream, StreamExt};

use super::coder::Coder;
use crate::leaf::{self, leaf_plan};

/// The input of a partition, and the coder that stands between it and the aggregation. Only the partition's own task
/// takes the lock.
pub(super) struct Feed(Mutex<State>);

struct State {
    input: SendableRecordBatchStream,
    columns: Vec<usize>,
    coder: Coder,
    reservation: MemoryReservation,
    max_texts: usize,
    /// No more rows for the aggregation that runs: the coder remembers as much as it may.
    full: bool,
    /// The input has ended.
    ended: bool,
}

impl Feed {
    pub(super) fn new(
        input: SendableRecordBatchStream,
        columns: Vec<usize>,
        reservation: MemoryReservation,
        max_texts: usize,
    ) -> Feed {
        let coder = Coder::new(&input.schema(), columns.iter().copied());
        Feed(Mutex::new(State { input, columns, coder, reservation, max_texts, full: false, ended: false }))
    }

    /// Forgets all texts and lets the next aggregation begin; false when there are no rows for it.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state();
        state.coder = Coder::new(&state.input.schema(), state.columns.iter().copied());
        state.reservation.free();
        state.full = false;
        !state.ended
    }

    /// The texts of numbers that the aggregation which runs was given.
    pub(super) fn decode(&self, numbers: &ArrayRef) -> Result<ArrayRef> {
        self.state().coder.decode(numbers)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        let state = &mut *self.state();
        if state.full || state.ended {
            return Poll::Ready(None);
        }
        let Some(batch) = ready!(state.input.poll_next_unpin(context)) else {
            state.ended = true;
            return Poll::Ready(None);
        };
        let batch = batch.and_then(|batch| state.coder.encode(&batch));
        // What does not fit into memory is forgotten after this batch, like what is too much by our own limits.
        let fits = state.reservation.try_resize(state.coder.size_bytes()).is_ok();
        state.full = !fits || state.coder.is_full(state.max_texts);
        Poll::Ready(Some(batch))
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// A feed as a plan of one partition, whichever that is.
#[derive(Debug)]
pub(super) struct FeedExec {
    feed: Arc<Feed>,
    properties: Arc<PlanProperties>,
}

impl FeedExec {
    pub(super) fn new(feed: Arc<Feed>, schema: SchemaRef) -> FeedExec {
        let properties = leaf::properties(schema, 1);
        FeedExec { feed, properties }
    }
}

impl DisplayAs for FeedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FeedExec")
    }
}

impl ExecutionPlan for FeedExec {
    leaf_plan!("FeedExec");

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(self.properties.equivalence_properties().schema());
        Ok(Box::pin(Fed { feed: Arc::clone(&self.feed), schema }))
    }
}

struct Fed {
    feed: Arc<Feed>,
    schema: SchemaRef,
}

impl Stream for Fed {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.feed.poll(context)
    }
}

impl RecordBatchStream for Fed {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{DictionaryArray, RecordBatch},
        datatypes::{Field, Int32Type, Schema},
    };
    use datafusion::{
        execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool},
        physical_plan::stream::RecordBatchStreamAdapter,
    };
    use futures::stream;

    use super::*;

    /// Proves that memory which is refused ends a run after one batch, and that the rest comes in the runs after it.
    #[tokio::test]
    async fn without_memory_each_batch_is_a_run() {
        let text: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let schema = Arc::new(Schema::new(vec![Field::new("text", super::super::text_type(), true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(text)]).unwrap();
        let input = stream::iter([Ok(batch.clone()), Ok(batch)]);
        let input = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), input));
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1));
        let feed = Arc::new(Feed::new(input, vec![0], MemoryConsumer::new("test").register(&pool), 1000));
        let mut runs = Vec::new();
        while feed.begin() {
            let fed = Fed { feed: Arc::clone(&feed), schema: Arc::clone(&schema) };
            runs.push(fed.map(|batch| batch.unwrap().num_rows()).collect::<Vec<_>>().await);
        }
        assert_eq!(runs, [vec![3], vec![3], vec![]]);
    }
}
