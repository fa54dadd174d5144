//! What may end a running statement early: the client's CancelRequest, its disappearance, the statement time-out, the
//! server's end. [`Interrupts::guard`] races them against the statement's work; dropping that work stops it.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use pgwire::messages::startup::SecretKey;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{error::PgError, wire::Receiver};

/// The connections that can be cancelled, by process id.
#[derive(Debug, Default)]
pub(crate) struct Cancels {
    connections: Mutex<HashMap<i32, (SecretKey, Arc<Notify>)>>,
}

impl Cancels {
    /// Enters a connection; dropping the entry takes it out again.
    pub(crate) fn enter(self: &Arc<Self>, pid: i32, secret: SecretKey) -> CancelEntry {
        let signal = Arc::new(Notify::new());
        self.lock().insert(pid, (secret, Arc::clone(&signal)));
        CancelEntry { cancels: Arc::clone(self), pid, signal }
    }

    /// Cancels what connection `pid` runs, if `secret` is its secret. Says nothing either way, as PostgreSQL does.
    pub(crate) fn cancel(&self, pid: i32, secret: &SecretKey) {
        if let Some((expected, signal)) = self.lock().get(&pid)
            && expected.eq_value(secret)
        {
            signal.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, (SecretKey, Arc<Notify>)>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among the [`Cancels`].
#[derive(Debug)]
pub(crate) struct CancelEntry {
    cancels: Arc<Cancels>,
    pid: i32,
    signal: Arc<Notify>,
}

impl Drop for CancelEntry {
    fn drop(&mut self) {
        self.cancels.lock().remove(&self.pid);
    }
}

/// Why a statement did not end by itself.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The statement failed; the client is told.
    Error(PgError),
    /// There is nobody left to tell.
    ClientGone,
}

impl From<PgError> for Stop {
    fn from(error: PgError) -> Self {
        Stop::Error(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Self {
        Stop::ClientGone
    }
}

/// The interrupts of one connection.
#[derive(Debug)]
pub(crate) struct Interrupts {
    entry: CancelEntry,
    shutdown: watch::Receiver<bool>,
    deadline: Option<Instant>,
}

impl Interrupts {
    pub(crate) fn new(entry: CancelEntry, shutdown: watch::Receiver<bool>) -> Self {
        Self { entry, shutdown, deadline: None }
    }

    /// A new statement begins: forgets a cancel that came too late for the last one and starts the time-out.
    pub(crate) fn begin(&mut self, timeout: Option<Duration>) {
        let _ = self.entry.signal.notified().now_or_never();
        self.deadline = timeout.map(|timeout| Instant::now() + timeout);
    }

    /// Resolves when the server ends.
    pub(crate) async fn shutdown(&mut self) {
        // An error means that the server is gone without a word, which is an end too.
        let _ = self.shutdown.wait_for(|ended| *ended).await;
    }

    /// Runs `work` unless an interrupt comes first.
    pub(crate) async fn guard<T>(&mut self, receiver: &mut Receiver, work: impl Future<Output = T>) -> Result<T, Stop> {
        let deadline = self.deadline;
        let time_out = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let signal = Arc::clone(&self.entry.signal);
        tokio::select! {
            biased;
            () = signal.notified() => Err(Stop::Error(PgError::cancelled())),
            () = time_out => Err(Stop::Error(PgError::new("57014", "canceling statement due to statement timeout"))),
            () = self.shutdown() => Err(Stop::Error(shutting_down())),
            done = work => Ok(done),
            () = receiver.hangup() => Err(Stop::ClientGone),
        }
    }
}

/// 57P01: what every connection is told at the server's end.
pub(crate) fn shutting_down() -> PgError {
    PgError::fatal("57P01", "terminating connection because the server is shutting down")
}
