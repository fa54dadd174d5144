//! Ends a running statement at its deadline.
//!
//! Dropping the stream drops the plan's streams with it, and DataFusion's operators abort the tasks that they spawned
//! when they are dropped: so ending the stream ends the work.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    error::{DataFusionError, Result},
    execution::{RecordBatchStream, SendableRecordBatchStream},
};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::{Instant, Sleep};

use crate::SqlError;

/// When a statement must have ended, and the limit that says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// `limit` from now on.
    pub(crate) fn after(limit: Duration) -> Deadline {
        Deadline { at: Instant::now() + limit, limit }
    }

    /// When it is.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// What a statement that reaches it is told.
    pub(crate) fn error(&self) -> SqlError {
        SqlError::new("57014", format!("canceling statement due to the time limit of {:?}", self.limit))
    }

    /// The future's answer, or the error of the deadline when that comes first.
    pub(crate) async fn bound<T>(
        deadline: Option<Deadline>,
        work: impl Future<Output = Result<T, SqlError>>,
    ) -> Result<T, SqlError> {
        match deadline {
            Some(deadline) => match tokio::time::timeout_at(deadline.at, work).await {
                Ok(answer) => answer,
                Err(_) => Err(deadline.error()),
            },
            None => work.await,
        }
    }
}

/// `inner` until `deadline`; then one error, and the end.
pub(crate) fn bounded(inner: SendableRecordBatchStream, deadline: Option<Deadline>) -> SendableRecordBatchStream {
    match deadline {
        Some(deadline) => Box::pin(Bounded {
            schema: inner.schema(),
            inner: Some(inner),
            sleep: Box::pin(tokio::time::sleep_until(deadline.at)),
            deadline,
        }),
        None => inner,
    }
}

struct Bounded {
    schema: SchemaRef,
    inner: Option<SendableRecordBatchStream>,
    sleep: Pin<Box<Sleep>>,
    deadline: Deadline,
}

impl Stream for Bounded {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        if this.sleep.poll_unpin(cx).is_ready() {
            this.inner = None;
            return Poll::Ready(Some(Err(DataFusionError::External(Box::new(this.deadline.error())))));
        }
        let polled = inner.poll_next_unpin(cx);
        if let Poll::Ready(None) = polled {
            this.inner = None;
        }
        polled
    }
}

impl RecordBatchStream for Bounded {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }
}
