//! Sequences of frames of any link type through decoder, flow table and row builders, with limits small enough to be met.
#![no_main]

use arrow::{array::AsArray, compute, datatypes::Int64Type};
use libfuzzer_sys::fuzz_target;
use wiretape_fuzz::{
    frames::{self, Then},
    seeds,
};
use wiretape_ingest::{
    decode::{DecodeLimits, Decoder},
    flow::FlowConfig,
    pipeline::{Pipeline, PipelineConfig, SegmentRows},
};

const LIMITS: DecodeLimits = DecodeLimits { fragment_bytes: 4096, datagrams: 4, timeout_ns: 1 << 30 };

fuzz_target!(init: seeds::write(seeds::decode), |data: &[u8]| {
    let flow = FlowConfig { max_flows: 3, active_ns: 1 << 40, ..FlowConfig::default() };
    let config = PipelineConfig { decode: LIMITS, flow, ..PipelineConfig::default() };
    let mut decoder = Decoder::new(LIMITS);
    let mut pipeline = Pipeline::new(config, "file".to_owned());
    let (mut segment, mut pushed) = (1, 0);
    pipeline.begin_segment(segment);
    for (frame, then) in frames::read(data) {
        let decoded = decoder.decode(&frame);
        assert!(decoded.payload_len.unwrap_or(0) as usize >= decoded.payload.len());
        pipeline.push(&frame, None);
        pushed += 1;
        if then == Then::Seal {
            check(&pipeline.seal().expect("rows make batches"), pushed);
            (segment, pushed) = (segment + 1, 0);
            pipeline.begin_segment(segment);
        }
    }
    pipeline.finish();
    check(&pipeline.seal().expect("rows make batches"), pushed);
});

/// Every frame has a row, and the packets of the flows are the packets that have a flow.
fn check(rows: &SegmentRows, pushed: usize) {
    assert_eq!(rows.packets.num_rows(), pushed);
    let sum = |name: &str| {
        let column = rows.flows.column_by_name(name).expect("a column of flows");
        compute::sum(column.as_primitive::<Int64Type>()).unwrap_or(0)
    };
    let flow_id = rows.packets.column_by_name("flow_id").expect("a column of packets");
    let in_flows = flow_id.len() - flow_id.null_count();
    assert_eq!(sum("packets_out") + sum("packets_in"), in_flows as i64);
}
