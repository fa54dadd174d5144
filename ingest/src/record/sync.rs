//! Makes logs durable on a thread of its own, so that a slow disk never holds up capturing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use wiretape_engine::{Error, fs::Syncer};

/// What the thread is told.
enum Order {
    /// Go on with this log; the one before is complete.
    Log(Syncer),
    /// Enough is unsynced.
    Now,
}

/// The sync thread.
#[derive(Debug)]
pub(super) struct SyncThread {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<Error>>>,
}

impl SyncThread {
    /// Syncs every `interval`, and when told to.
    pub(super) fn start(interval: Duration) -> SyncThread {
        let (orders, inbox) = mpsc::channel();
        let failure = Arc::new(Mutex::new(None));
        let failed = Arc::clone(&failure);
        let thread = std::thread::spawn(move || {
            let mut log: Option<Syncer> = None;
            let mut open = true;
            while open {
                let mut next = None;
                match inbox.recv_timeout(interval) {
                    Ok(Order::Log(syncer)) => next = Some(syncer),
                    Ok(Order::Now) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => open = false,
                }
                // Orders that came in while the last sync ran are all answered by the next.
                while next.is_none() {
                    match inbox.try_recv() {
                        Ok(Order::Log(syncer)) => next = Some(syncer),
                        Ok(Order::Now) => {}
                        Err(_) => break,
                    }
                }
                if let Some(Err(e)) = log.as_ref().map(Syncer::sync) {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                }
                log = next.or(log);
            }
        });
        SyncThread { orders: Some(orders), thread: Some(thread), failure }
    }

    /// The log to sync from now on. The one before is synced to its end first.
    pub(super) fn log(&self, syncer: Syncer) {
        self.order(Order::Log(syncer));
    }

    /// Starts a sync, unless one is under way: then another follows it.
    pub(super) fn now(&self) {
        self.order(Order::Now);
    }

    /// A sync that went wrong. Data may be lost if the machine stops, and trying again would not say so.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The thread ends only when this sender is dropped.
            let _ = orders.send(order);
        }
    }
}

/// Syncs once more and ends the thread.
impl Drop for SyncThread {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
