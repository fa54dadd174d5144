//! The bitmap index of `packets`: made at a seal, and asked for one host.

use std::path::PathBuf;

use divan::{Bencher, black_box};
use wiretape::{
    engine::index::{Index, build},
    ingest::tables::PACKETS,
};

use crate::traffic;

/// From the rows of a segment to the bytes of its index.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn make(bencher: Bencher<'_, '_>) {
    let rows = traffic::rows();
    bencher
        .counter(traffic::items())
        .bench_local(|| build(&PACKETS, black_box(&rows.packets)).expect("rows make an index"));
}

/// From a closed file to the rows of one host, either way: what a needle query pays before it reads a row.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn first_question(bencher: Bencher<'_, '_>) {
    let (_dir, path) = index_file();
    bencher.bench_local(|| {
        let index = Index::open(&path).expect("an index of our own");
        rows_of_host(&index)
    });
}

/// The same of an index that is open and has been asked before.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn next_question(bencher: Bencher<'_, '_>) {
    let (_dir, path) = index_file();
    let index = Index::open(&path).expect("an index of our own");
    assert!(rows_of_host(&index) > 0, "the host is in the traffic");
    bencher.bench_local(|| rows_of_host(&index));
}

fn index_file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("packets.idx");
    let bytes = build(&PACKETS, &traffic::rows().packets).expect("rows make an index");
    std::fs::write(&path, bytes).expect("room for the index");
    (dir, path)
}

fn rows_of_host(index: &Index) -> u64 {
    let either = ["src_ip", "dst_ip"].map(|column| {
        let values = index.values(column).expect("sound bytes").expect("an indexed column");
        let values = values.as_any().downcast_ref::<arrow::array::StringArray>().expect("addresses are text");
        let mask = values.iter().map(|v| v == Some(traffic::HOST)).collect();
        index.select(column, &mask).expect("sound bytes")
    });
    let [src, dst] = either;
    let selection = index.or(src, dst).expect("sound bytes");
    index.rows_of(&selection).expect("sound bytes").cardinality()
}
