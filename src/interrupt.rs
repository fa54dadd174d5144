//! Ctrl-C (and SIGTERM, SIGHUP): the first asks the running command to stop cleanly, the second ends the process.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use crate::Failure;

static STOP: AtomicBool = AtomicBool::new(false);
static WAKE: OnceLock<Notify> = OnceLock::new();

/// Starts listening. Once per process.
pub(crate) fn install() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        wake().notify_waiters();
    })
    .map_err(Failure::from)
}

/// Set once the user wants to stop; for loops that look now and then.
pub(crate) fn flag() -> &'static AtomicBool {
    &STOP
}

/// Returns once the user wants to stop; for futures.
pub(crate) async fn requested() {
    // Registered before the flag is read, so that no signal in between is missed.
    let mut woken = std::pin::pin!(wake().notified());
    woken.as_mut().enable();
    if !STOP.load(Ordering::SeqCst) {
        woken.await;
    }
}

fn wake() -> &'static Notify {
    WAKE.get_or_init(Notify::new)
}
