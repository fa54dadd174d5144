//! What the caller decides about a database's queries: limits, and where files may go. Read once, by the binary; this
//! crate looks at no environment and no configuration file.

use std::{path::PathBuf, time::Duration};

/// Memory of all running statements together, unless the caller says otherwise: 1 GiB.
pub const DEFAULT_MEMORY_LIMIT_BYTES: usize = 1 << 30;

/// Disk that spilled sorts and groups may take together, unless the caller says otherwise: 32 GiB.
pub const DEFAULT_SPILL_LIMIT_BYTES: u64 = 32 << 30;

/// Limits and permissions shared by all sessions of a [`Database`](crate::Database).
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes that all running statements may hold together; beyond it they spill, then end with SQLSTATE 53200.
    pub memory_limit_bytes: usize,
    /// How long one statement may run from start to last row; `None` for as long as it takes.
    pub time_limit: Option<Duration>,
    /// The folder that `COPY … TO 'file'` may write below; `None` refuses such files. Relative names start at this
    /// folder. `/` is the whole file system, and there relative names start at the working directory.
    pub export_dir: Option<PathBuf>,
    /// Whether sessions begin with the bitmap indexes in use (`SET wiretape.use_index`).
    pub use_index: bool,
    /// Threads that one statement may keep busy; at least 1.
    pub threads: usize,
    /// Where sorts and groups spill; `None` for the system's temporary folder.
    pub spill_dir: Option<PathBuf>,
    /// Bytes of disk that spilling may take.
    pub spill_limit_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            memory_limit_bytes: DEFAULT_MEMORY_LIMIT_BYTES,
            time_limit: None,
            export_dir: None,
            use_index: true,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            spill_dir: None,
            spill_limit_bytes: DEFAULT_SPILL_LIMIT_BYTES,
        }
    }
}

/// What a table scan is told by its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanOptions {
    /// Whether bitmaps may answer predicates.
    pub(crate) use_index: bool,
}
