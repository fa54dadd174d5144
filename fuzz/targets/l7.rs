//! Talks of the protocol that `WIRETAPE_FUZZ_PROTOCOL` names, with holes, repetitions and resets, through decoder, flow table,
//! reassembly, recognition, dissector and rows, with limits small enough to be met.
#![no_main]

use std::{alloc::System, sync::LazyLock};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Int64Type,
};
use cap::Cap;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use wiretape_fuzz::{
    protocols::{self, Protocol},
    seeds,
    talk::{self, Act, Pause},
    talk_mutator,
    wire::{LINK_TYPE, Packet, Wire},
};
use wiretape_ingest::{
    Frame,
    flow::FlowConfig,
    l7::L7Limits,
    pipeline::{Pipeline, PipelineConfig, SegmentRows},
};

/// What is held is counted, and more than this at once is an error: a message of 16 KiB may not take it. The window of one
/// decompressor is 16 MiB.
const MAX_HEAP_BYTES: usize = 64 << 20;

/// What is held between packets beside what the limits bound: flows, names, builders, and the fixed part of dissectors.
const FIXED_BYTES: usize = 1 << 20;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

static PROTOCOL: LazyLock<&Protocol> = LazyLock::new(|| {
    let name = std::env::var("WIRETAPE_FUZZ_PROTOCOL").expect("WIRETAPE_FUZZ_PROTOCOL says which protocol");
    protocols::find(&name).unwrap_or_else(|| panic!("{name} is not among the protocols of fuzz/src/protocols.rs"))
});

const LIMITS: [L7Limits; 2] = [
    L7Limits {
        body_bytes: 1 << 10,
        waiting_bytes: 16 << 10,
        waiting_flow_bytes: 8 << 10,
        pending_bytes: 1 << 20,
        pending_calls: 8,
    },
    L7Limits {
        body_bytes: 16,
        waiting_bytes: 1 << 10,
        waiting_flow_bytes: 512,
        pending_bytes: 4 << 10,
        pending_calls: 2,
    },
];

fuzz_target!(init: seeds::write_talks(), |data: &[u8]| {
    let protocol: &'static Protocol = *PROTOCOL;
    HEAP.set_limit(HEAP.allocated() + MAX_HEAP_BYTES).expect("more than there is");
    let rows = Run::new(protocol, data).all();
    // Rows are a pure function of what is pushed. Shown for some: it costs as much again.
    if data.last().is_some_and(|byte| byte % 8 == 0) {
        check_same(&rows, &Run::new(protocol, data).all());
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    talk_mutator::mutate(data, size, max_size, seed)
});

/// The same packets give the same rows.
fn check_same(rows: &[RecordBatch], again: &[RecordBatch]) {
    assert_eq!(rows.len(), again.len());
    for (batch, other) in rows.iter().zip(again) {
        let columns = batch.columns().iter().zip(other.columns());
        for (field, (column, other)) in batch.schema_ref().fields().iter().zip(columns) {
            assert_eq!(column, other, "{}", field.name());
        }
    }
}

/// One input on its way through.
struct Run<'a> {
    turns: &'a [u8],
    limits: L7Limits,
    wire: Wire,
    pipeline: Pipeline,
    ts_ns: i64,
    /// Packets of each segment, the first of which is 1.
    packets: Vec<i64>,
    /// Rows of calls that were shown since the last seal, and of all segments before.
    flushed: usize,
    sealed: u64,
    held_before: usize,
    rows: Vec<RecordBatch>,
}

impl<'a> Run<'a> {
    fn new(protocol: &'static Protocol, data: &'a [u8]) -> Run<'a> {
        let (first, turns) = talk::split(data);
        let limits = LIMITS[usize::from(first) % LIMITS.len()];
        let flow = FlowConfig { max_flows: 3, ..FlowConfig::default() };
        let config = PipelineConfig { flow, l7: Some(limits), ..PipelineConfig::default() };
        let mut pipeline = Pipeline::new(config, "file".to_owned());
        pipeline.begin_segment(1);
        Run {
            turns,
            limits,
            wire: Wire::new(protocol),
            pipeline,
            ts_ns: 1_700_000_000_000_000_000,
            packets: vec![0],
            flushed: 0,
            sealed: 0,
            held_before: HEAP.allocated(),
            rows: Vec::new(),
        }
    }

    /// Plays everything: the rows of calls.
    fn all(mut self) -> Vec<RecordBatch> {
        for turn in talk::turns(self.turns) {
            match turn.pause() {
                Pause::Short => self.ts_ns += 1_000_000,
                Pause::Long => self.ts_ns += 11_000_000_000,
                Pause::Flush => self.flush(),
                Pause::Seal => self.seal(),
            }
            if turn.act() == Act::Learn {
                self.pipeline.learn_secrets(turn.bytes);
            }
            for packet in self.wire.packets(&turn) {
                self.push(&packet);
            }
        }
        if let Some(packet) = self.wire.last() {
            self.push(&packet);
        }
        // Shown for some, as it costs a segment's rows.
        if self.turns.last().is_some_and(|byte| byte % 8 == 1) {
            self.seal();
            self.check_held();
        }
        self.pipeline.finish();
        let counters = self.pipeline.l7_counters();
        assert_eq!((counters.pending_bytes, counters.waiting_bytes), (0, 0), "nothing is held at the end");
        self.seal();
        assert_eq!(counters.calls, self.sealed);
        self.rows
    }

    fn push(&mut self, packet: &Packet) {
        let frame = Frame {
            ts_ns: self.ts_ns,
            interface: 0,
            link_type: LINK_TYPE,
            orig_len: packet.bytes.len() as u32,
            data: &packet.bytes[..packet.captured],
            direction: None,
        };
        self.pipeline.push(&frame, None);
        *self.packets.last_mut().expect("a segment") += 1;
        let counters = self.pipeline.l7_counters();
        assert!(counters.pending_bytes <= self.limits.pending_bytes as u64, "{counters:?}");
        assert!(counters.waiting_bytes <= self.limits.waiting_bytes as u64, "{counters:?}");
    }

    /// What is really held is what is counted, give or take.
    fn check_held(&mut self) {
        let counters = self.pipeline.l7_counters();
        let rows: usize = self.rows.iter().map(RecordBatch::get_array_memory_size).sum();
        let held = HEAP.allocated().saturating_sub(self.held_before);
        let counted = counters.pending_bytes as usize + counters.waiting_bytes as usize;
        assert!(held <= rows + 2 * counted + FIXED_BYTES, "{held} bytes are held, {rows} of rows, and {counters:?}");
    }

    fn flush(&mut self) {
        let shown = self.pipeline.flush().expect("rows make batches");
        self.flushed += shown.calls.iter().map(|(_, batch)| batch.num_rows()).sum::<usize>();
    }

    fn seal(&mut self) {
        let rows = self.pipeline.seal().expect("rows make batches");
        let segment = self.packets.len() as i64;
        assert_eq!(rows.packets.num_rows() as i64, self.packets[self.packets.len() - 1]);
        self.check_calls(&rows, segment);
        self.rows.extend(rows.calls.into_iter().map(|(_, batch)| batch));
        self.flushed = 0;
        self.packets.push(0);
        self.pipeline.begin_segment(segment as u32 + 1);
    }

    /// Calls are numbered without holes, and say packets that there are.
    fn check_calls(&mut self, rows: &SegmentRows, segment: i64) {
        let mut call_ids = Vec::new();
        // What dissection says of itself is beside them.
        for (_, batch) in rows.calls.iter().filter(|(table, _)| !table.system) {
            call_ids.extend_from_slice(numbers(batch, "call_id"));
            for name in ["first_packet_id", "last_packet_id"] {
                for id in numbers(batch, name) {
                    let packets = self.packets.get((id >> 32) as usize - 1).copied().unwrap_or(0);
                    assert!((id & 0xffff_ffff) < packets, "{name} {id:x} is no packet");
                }
            }
        }
        call_ids.sort_unstable();
        assert!(call_ids.iter().copied().eq((segment << 32..).take(call_ids.len())), "{call_ids:x?}");
        assert!(self.flushed <= call_ids.len(), "rows that were shown are sealed");
        self.sealed += call_ids.len() as u64;
    }
}

/// The values of a column of numbers.
fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> &'a [i64] {
    batch.column_by_name(name).expect("a column of calls").as_primitive::<Int64Type>().values()
}
