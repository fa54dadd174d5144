//! What dissection may hold at most. Every limit is there because bytes on the wire would otherwise decide how much memory is
//! taken.

/// Bounds on dissection. Memory is counted over all flows where not said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L7Limits {
    /// Bytes of a body that a row keeps. Default 64 KiB.
    pub body_bytes: usize,
    /// Segments out of order that wait for what is missing, over all flows. Default 64 MiB.
    pub waiting_bytes: usize,
    /// … and of one direction of one flow. Default 1 MiB, more than any receive window that is common.
    pub waiting_flow_bytes: usize,
    /// What dissectors hold of messages and calls that are not complete, over all flows. Default 256 MiB.
    pub pending_bytes: usize,
    /// Requests of one flow that wait for their responses. Default 1,000: pipelines and HTTP/2 streams are far below.
    pub pending_calls: usize,
}

impl Default for L7Limits {
    fn default() -> L7Limits {
        L7Limits {
            body_bytes: 64 << 10,
            waiting_bytes: 64 << 20,
            waiting_flow_bytes: 1 << 20,
            pending_bytes: 256 << 20,
            pending_calls: 1000,
        }
    }
}

/// What dissection did and gave up. Monotonic but for the two sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct L7Counters {
    /// Rows of all protocols.
    pub calls: u64,
    /// Flows in which no protocol was recognised.
    pub unrecognised: u64,
    /// Holes in streams: bytes that the capture does not have.
    pub gaps: u64,
    /// Bytes missing in them.
    pub gap_bytes: u64,
    /// Holes that were given up early because too much waited behind them.
    pub gaps_at_limit: u64,
    /// Conversations given up because dissectors held too much.
    pub conversations_dropped: u64,
    /// Requests dropped from the front of a queue that was full.
    pub calls_dropped: u64,
    /// Bytes that wait for a hole to be filled, now.
    pub waiting_bytes: u64,
    /// Bytes that dissectors hold, now.
    pub pending_bytes: u64,
}
