//! Ctrl-C (and SIGTERM, SIGHUP): the first asks the running command to stop cleanly, the second ends the process.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::Failure;

/// Signals this close together are one wish: `timeout` and some shells signal both the process and its group.
const SAME_WISH: Duration = Duration::from_millis(300);

static STOP: AtomicBool = AtomicBool::new(false);
static WAKE: OnceLock<Notify> = OnceLock::new();

/// Starts listening. Once per process.
pub(crate) fn install() -> Result<(), Failure> {
    let mut first: Option<Instant> = None;
    ctrlc::set_handler(move || {
        let first = first.get_or_insert_with(Instant::now);
        if STOP.swap(true, Ordering::SeqCst) && first.elapsed() > SAME_WISH {
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

/// As if the user had asked: for a part of the program whose end is the end of all.
pub(crate) fn request() {
    STOP.store(true, Ordering::SeqCst);
    wake().notify_waiters();
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
