//! `system.dissection`: what reading application protocols did, and what it gave up to stay within its limits.

use wiretape_engine::{
    column::{I64, Symbol, Ts},
    table,
    table::Encoding,
};

use crate::l7::L7Counters;

table! {
    /// One row per segment: what reading application protocols did, and what was given up to stay within its limits. What is not zero behind gap_bytes means that calls of a flood are missing.
    pub static DISSECTION: "dissection", row DissectionRow, builder DissectionBuilder, schema system {
        /// Time of the segment's first packet, UTC.
        ts: Ts [encoded(Encoding::Delta)],
        /// Name of the capturing node, where one was given.
        node: Option<Symbol>,
        /// How it was captured: af_packet, ebpf or file.
        capture_source: Symbol,
        /// Rows of all protocols.
        calls: I64,
        /// Flows that ended or said much without showing what they speak.
        unrecognised: I64,
        /// Holes in streams that are read: bytes that the capture does not have.
        gaps: I64,
        /// Bytes missing in them.
        gap_bytes: I64,
        /// Holes given up before their time because too much waited behind them.
        gaps_at_limit: I64,
        /// Conversations given up because all together held too much; what they said later is read as from the middle.
        conversations_dropped: I64,
        /// Requests given up because too many waited for their responses.
        calls_dropped: I64,
        /// Bytes of memory that conversations and what is not complete in them took at most.
        pending_peak_bytes: I64,
        /// Bytes of memory that segments waiting for what is missing took at most.
        waiting_peak_bytes: I64,
    }
}

/// The row of a segment in which dissection went on from `before` to `now`.
pub(crate) fn row<'a>(
    ts_ns: i64,
    node: Option<&'a str>,
    capture_source: &'a str,
    before: &L7Counters,
    now: &L7Counters,
) -> DissectionRow<'a> {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let since = |count: fn(&L7Counters) -> u64| signed(count(now).saturating_sub(count(before)));
    DissectionRow {
        ts: ts_ns,
        node,
        capture_source,
        calls: since(|c| c.calls),
        unrecognised: since(|c| c.unrecognised),
        gaps: since(|c| c.gaps),
        gap_bytes: since(|c| c.gap_bytes),
        gaps_at_limit: since(|c| c.gaps_at_limit),
        conversations_dropped: since(|c| c.conversations_dropped),
        calls_dropped: since(|c| c.calls_dropped),
        pending_peak_bytes: signed(now.pending_peak_bytes),
        waiting_peak_bytes: signed(now.waiting_peak_bytes),
    }
}
