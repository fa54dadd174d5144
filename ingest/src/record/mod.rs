//! The recorder: packets from a live source into the log at once, rows behind it, segments behind those.
//!
//! ```text
//!  caller's thread   Recorder::push ─► open/<id>/raw.pcapng ─► tick: flush, statistics, roll
//!  sync thread                              └─ fdatasync, every second or 8 MB
//!  follow thread                            └─ LogTail ─► Replay ─► open/<id>/*.rows ─► readers
//!  seal thread                                               └─ rows + log ─► segments/<id>/ ─► manifest, log removed
//!                                                                                └─ retention
//! ```
//!
//! The one fact to know: the log on disk is the only link between capturing and all that comes after. There is no queue to
//! overflow and no second copy to lose: rows are made by reading the log, whether a moment later, after a crash
//! ([`recover()`]) or in a year ([`Replay`]). When making rows falls behind, the log on disk grows, and nothing else does.

mod ahead;
mod config;
mod coverage;
mod follow;
#[cfg(feature = "ebpf")]
mod live;
mod log_side;
mod recover;
mod replay;
mod retire;
mod seal;
mod stream;
mod sync;

pub use config::{Clock, MIN_BUDGET_BYTES, RecordConfig};
pub use coverage::LogNotes;
#[cfg(feature = "ebpf")]
pub use live::{LiveError, record_live};
pub use log_side::{Counts, RecordError, RecordReport, Recorder};
pub use recover::{Recovered, open_writer, recover};
pub use replay::{Replay, TableRows};
pub use retire::retire;
pub use stream::{StreamError, record_stream};

use crate::Frame;

/// Decides whether a frame of this link type is recorded.
pub type FrameFilter<'a> = &'a mut dyn FnMut(u16, &Frame<'_>) -> bool;
