//! What dissection may hold at most. Every limit is there because bytes on the wire would otherwise decide how much memory is
//! taken.

use super::conversation::Held;

/// Bounds on dissection. Memory is counted over all flows where not said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L7Limits {
    /// Bytes of a body that a row keeps. Default 64 KiB.
    pub body_bytes: usize,
    /// Memory of segments out of order that wait for what is missing, over all flows. Default 64 MiB.
    pub waiting_bytes: usize,
    /// … and of one direction of one flow. Default 1 MiB, more than any receive window that is common.
    pub waiting_flow_bytes: usize,
    /// Memory of conversations that are read, with the messages and calls in them that are not complete. Default 256 MiB.
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

/// What dissection did and gave up. Monotonic but for the sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct L7Counters {
    /// Rows of all protocols.
    pub calls: u64,
    /// Flows in which no protocol was recognised.
    pub unrecognised: u64,
    /// Holes in streams that are read: bytes that the capture does not have.
    pub gaps: u64,
    /// Bytes missing in them.
    pub gap_bytes: u64,
    /// Holes that were given up early because too much waited behind them.
    pub gaps_at_limit: u64,
    /// Conversations given up because all together held too much; what is said in them later is read as from the middle.
    pub conversations_dropped: u64,
    /// Requests dropped from the front of a queue that was full.
    pub calls_dropped: u64,
    /// Bytes of memory of segments that wait for a hole to be filled, now.
    pub waiting_bytes: u64,
    /// The same, at most in this segment.
    pub waiting_peak_bytes: u64,
    /// Bytes of memory of conversations and what is not complete in them, now.
    pub pending_bytes: u64,
    /// The same, at most in this segment.
    pub pending_peak_bytes: u64,
}

impl L7Counters {
    /// A conversation that held so much holds so much now.
    #[inline]
    pub(super) fn held(&mut self, before: Held, after: Held) {
        self.pending_bytes = (self.pending_bytes + after.pending as u64).saturating_sub(before.pending as u64);
        self.waiting_bytes = (self.waiting_bytes + after.waiting as u64).saturating_sub(before.waiting as u64);
    }

    /// A segment begins.
    pub(super) fn begin_segment(&mut self) {
        (self.pending_peak_bytes, self.waiting_peak_bytes) = (self.pending_bytes, self.waiting_bytes);
    }

    /// Takes note of what is held after a packet.
    #[inline]
    pub(super) fn note_peaks(&mut self) {
        self.pending_peak_bytes = self.pending_peak_bytes.max(self.pending_bytes);
        self.waiting_peak_bytes = self.waiting_peak_bytes.max(self.waiting_bytes);
    }
}
