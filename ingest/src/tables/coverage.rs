//! `system.coverage`: when was anything recorded, and what was lost.

use wiretape_engine::{
    column::{I64, Symbol, Ts},
    table,
    table::Encoding,
};

table! {
    /// One row per recorded interface, minute and segment: what the kernel showed, what is in, and where the rest went. A minute without a row was not recorded.
    pub static COVERAGE: "coverage", row CoverageRow, builder CoverageBuilder, schema system {
        /// The minute's start, UTC.
        ts: Ts [encoded(Encoding::Delta)],
        /// Name of the capturing node, where one was given.
        node: Option<Symbol>,
        /// The interface.
        iface: Symbol,
        /// How it was captured: af_packet, ebpf or file.
        capture_source: Symbol,
        /// From when within the minute it was recorded.
        start_ts: Ts [encoded(Encoding::Delta)],
        /// Until when.
        end_ts: Ts [encoded(Encoding::Delta)],
        /// Packets that the kernel showed to the capture.
        received: I64,
        /// Packets that are in.
        recorded: I64,
        /// Captured bytes of these.
        recorded_bytes: I64,
        /// Packets lost because the ring between kernel and recorder was full.
        dropped_ring: I64,
        /// Packets kept out by a limit: disk full, budget used up.
        dropped_limit: I64,
        /// Packets that the capture filter kept out.
        filtered: I64,
        /// 1 where a recording began after an earlier one had ended or was killed.
        restarts: I64,
        /// Time without recording before that, ns: from the last sign of life of the recording before, so what a killed one lost is within it.
        gap_ns: I64,
    }
}
