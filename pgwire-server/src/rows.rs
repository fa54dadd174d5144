//! Rows on their way to a client: a query's batches, computed by a task of their own so that encoding and computing
//! overlap, or rows this crate made itself. A source may be read in portions; dropping it stops the work.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use datafusion::{
    common::cast::as_string_array, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::{StreamExt, TryStreamExt};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use wiretape_sql::SqlError;

use crate::{encode::BatchRows, error::PgError};

/// Batches computed ahead of the one being sent: one ready and one on its way keep both sides busy.
const BATCHES_AHEAD: usize = 2;

/// A stream of batches computed by a task.
#[derive(Debug)]
struct Batches {
    queue: mpsc::Receiver<Result<RecordBatch, PgError>>,
    task: JoinHandle<()>,
}

impl Batches {
    fn spawn(mut stream: SendableRecordBatchStream) -> Self {
        let (sender, queue) = mpsc::channel(BATCHES_AHEAD);
        let task = tokio::spawn(async move {
            while let Some(batch) = stream.next().await {
                let failed = batch.is_err();
                let batch = batch.map_err(|error| PgError::from(SqlError::from(error)));
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Self { queue, task }
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>, PgError> {
        match self.queue.recv().await {
            Some(batch) => batch.map(Some),
            None if self.task.is_finished() => Ok(None),
            // The queue closes a moment before the task ends; a panic is known only then.
            None => match (&mut self.task).await {
                Err(error) if error.is_panic() => Err(PgError::internal("the query failed in an unforeseen way")),
                _ => Ok(None),
            },
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where rows come from, and those of the current batch that were not sent yet.
#[derive(Debug)]
pub(crate) struct RowStream {
    batches: Option<Batches>,
    current: Option<BatchRows>,
}

impl RowStream {
    /// Rows as `stream` computes them.
    pub(crate) fn running(stream: SendableRecordBatchStream) -> Self {
        Self { batches: Some(Batches::spawn(stream)), current: None }
    }

    /// Rows of text columns, all there already.
    pub(crate) fn texts(columns: Vec<Vec<String>>) -> Result<Self, PgError> {
        let fields: Vec<Field> = columns.iter().map(|_| Field::new("", DataType::Utf8, true)).collect();
        let arrays: Vec<ArrayRef> =
            columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| PgError::internal(&error.to_string()))?;
        Ok(Self { batches: None, current: Some(BatchRows::new(&batch)?) })
    }

    /// The next row of the current batch, which then counts as taken; `None` at its end.
    pub(crate) fn take_row(&mut self) -> Option<(usize, &BatchRows)> {
        let batch = self.current.as_mut()?;
        let row = batch.take_row()?;
        Some((row, batch))
    }

    /// Whether waiting for the next batch would wait indeed.
    pub(crate) fn would_wait(&self) -> bool {
        self.batches.as_ref().is_some_and(|batches| batches.queue.is_empty())
    }

    /// Goes on to the next batch; false at the end.
    pub(crate) async fn advance(&mut self) -> Result<bool, PgError> {
        self.current = None;
        let Some(batches) = &mut self.batches else { return Ok(false) };
        match batches.next().await {
            Ok(Some(batch)) => {
                self.current = Some(BatchRows::new(&batch)?);
                Ok(true)
            }
            end => {
                self.batches = None;
                end.map(|_| false)
            }
        }
    }
}

/// A reader of a [`RowStream`], which several may share: a cursor and the FETCHes from it.
#[derive(Debug, Clone)]
pub(crate) struct RowSource {
    pub(crate) stream: Arc<Mutex<RowStream>>,
    /// Rows this reader may still take; `None` for all.
    pub(crate) left: Option<u64>,
}

impl RowSource {
    pub(crate) fn new(stream: RowStream) -> Self {
        Self { stream: Arc::new(Mutex::new(stream)), left: None }
    }

    /// Another reader of the same rows, which takes at most `left`.
    pub(crate) fn limited(&self, left: Option<u64>) -> Self {
        Self { stream: Arc::clone(&self.stream), left }
    }
}

/// The one column of EXPLAIN in PostgreSQL.
pub(crate) const QUERY_PLAN: &str = "QUERY PLAN";

/// DataFusion's EXPLAIN, two columns of one cell each plan, as PostgreSQL shows plans: one column, a line a row.
pub(crate) fn plan_lines(stream: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = Arc::new(Schema::new(vec![Field::new(QUERY_PLAN, DataType::Utf8, true)]));
    let lines_schema = Arc::clone(&schema);
    let lines = stream.and_then(move |batch| {
        let schema = Arc::clone(&lines_schema);
        async move {
            let mut lines: Vec<String> = Vec::new();
            if let (Some(kinds), Some(plans)) = (batch.columns().first(), batch.columns().get(1)) {
                for (kind, plan) in as_string_array(kinds)?.iter().zip(as_string_array(plans)?) {
                    lines.push(format!("{}:", kind.unwrap_or_default()));
                    lines.extend(plan.unwrap_or_default().lines().map(|line| format!("  {line}")));
                }
            }
            Ok(RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(lines))])?)
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, lines))
}
