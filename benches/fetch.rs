//! The exact packets back: those of one host as a capture file, and single ones.

use std::io;

use divan::Bencher;
use tokio::runtime::Runtime;
use wiretape::{
    engine::raw::RawReader,
    sql::{
        CopyFormat,
        export::{Destination, pcap},
    },
};

use crate::traffic;

/// From a predicate to the bytes of a pcap file, thrown away.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn export_host(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = traffic::database(dir.path());
    let runtime = Runtime::new().expect("threads");
    let predicate = format!("src_ip = '{0}' or dst_ip = '{0}'", traffic::HOST);
    bencher.bench_local(|| {
        let nowhere = Destination::Writer(Box::new(io::sink()));
        let session = db.session();
        let export = pcap(&session, Some(&predicate), CopyFormat::Pcap, nowhere);
        let packets = runtime.block_on(export).expect("a sound export");
        assert!(packets > 0, "the host is in the traffic");
    });
}

/// Packets that lie far apart, each in another compressed frame.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn single_packets(bencher: Bencher<'_, '_>) {
    const APART: u32 = 9_973;
    let dir = tempfile::tempdir().expect("a temporary folder");
    drop(traffic::database(dir.path()));
    let segments = dir.path().join("db/segments");
    let segment = std::fs::read_dir(segments).expect("a database").flatten().next().expect("one segment").path();
    let reader = RawReader::open(&segment.join("raw.pcapng.lz4")).expect("a component of our own");
    let rows: Vec<u32> = (0..reader.rows()).step_by(APART as usize).collect();
    bencher
        .counter(divan::counter::ItemsCount::new(rows.len()))
        .bench_local(|| rows.iter().map(|row| reader.frame(*row).expect("sound bytes").data.len()).sum::<usize>());
}
