//! Frames to rows, on one thread: what bounds an import.

use divan::{Bencher, black_box};
use wiretape::ingest::decode::{DecodeLimits, Decoder};

use crate::traffic;

/// Headers alone.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn headers(bencher: Bencher<'_, '_>) {
    bencher
        .counter(traffic::items())
        .counter(traffic::bytes())
        .with_inputs(|| Decoder::new(DecodeLimits::default()))
        .bench_local_refs(|decoder| {
            for packet in traffic::packets() {
                black_box(decoder.decode(&traffic::frame(packet)));
            }
        });
}

/// Headers, flows, and the row of each packet in its builder.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn pipeline(bencher: Bencher<'_, '_>) {
    bencher.counter(traffic::items()).counter(traffic::bytes()).with_inputs(traffic::pipeline).bench_local_refs(
        |pipeline| {
            for packet in traffic::packets() {
                pipeline.push(&traffic::frame(packet), None);
            }
        },
    );
}
