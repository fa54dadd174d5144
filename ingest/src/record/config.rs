//! What a recorder may be told.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use wiretape_engine::{raw::Codec, retention::Policy};

use crate::pipeline::PipelineConfig;

/// The least budget that can be recorded within: eight logs of a megabyte.
pub const MIN_BUDGET_BYTES: u64 = 8 << 20;

/// The caller's wall clock, ns since the epoch: there is none here.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// A clock that `now_ns` reads.
    pub fn new(now_ns: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now_ns))
    }

    /// The time.
    pub fn now_ns(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_ns())
    }
}

/// How to record. The limits of a segment are what a crash makes the next start replay, and the least that retention drops.
#[derive(Debug, Clone)]
pub struct RecordConfig {
    /// Value of the `capture_source` column: `ebpf`, `af_packet` or `file`.
    pub capture_source: String,
    /// Packets of a segment at most. Default 2^20.
    pub segment_rows: u32,
    /// Bytes of its raw log. Default 512 MiB, and never more than an eighth of the disk budget.
    pub segment_bytes: u64,
    /// Time of it, ns. Default an hour.
    pub segment_ns: i64,
    /// How long a packet may be unsynced before a sync begins. Default 1 s.
    pub sync_interval: Duration,
    /// How many bytes may be. Default 8 MB.
    pub sync_bytes: u64,
    /// What may be dropped, and when. Default nothing.
    pub policy: Policy,
    /// Codec of the sealed raw component.
    pub codec: Codec,
    /// Threads that compress it.
    pub workers: usize,
    /// A key log to follow (see [`crate::keylog`]): what is written to it goes into the raw logs, and rows wait a second for it.
    pub keylog: Option<PathBuf>,
    /// Limits of decoding and flows, and the name of this node.
    pub pipeline: PipelineConfig,
}

impl Default for RecordConfig {
    fn default() -> Self {
        RecordConfig {
            capture_source: "file".to_owned(),
            segment_rows: 1 << 20,
            segment_bytes: 512 << 20,
            segment_ns: 3600 * 1_000_000_000,
            sync_interval: Duration::from_secs(1),
            sync_bytes: 8 << 20,
            policy: Policy::default(),
            codec: Codec::default(),
            workers: 1,
            keylog: None,
            pipeline: PipelineConfig::default(),
        }
    }
}

impl RecordConfig {
    /// Bytes at which a log is full.
    pub(super) fn log_limit_bytes(&self) -> u64 {
        self.policy.budget_bytes().map_or(self.segment_bytes, |budget| self.segment_bytes.min(budget / 8))
    }

    /// Bytes that the budget has to have room for besides what is open: the copy that a seal makes of a log, and what was
    /// dropped and waits for its readers.
    pub(super) fn reserve_bytes(&self) -> u64 {
        2 * self.log_limit_bytes()
    }

    /// Whether nothing more may come in while this much is open.
    pub(super) fn is_over_budget(&self, open_bytes: u64) -> bool {
        self.policy.budget_bytes().is_some_and(|budget| open_bytes.saturating_add(self.reserve_bytes()) > budget)
    }
}
