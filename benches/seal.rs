//! From memory to disk: the raw log as packets come, and Parquet and indexes when a segment is sealed.

use divan::{Bencher, black_box};
use wiretape::{
    engine::{
        Writer,
        fs::Fs,
        raw::{Codec, Interface, RawPacket, RawWriter, Resolution},
    },
    ingest::tables::{FLOWS, PACKETS},
};

use crate::traffic;

/// Parquet and index of both tables, fsynced; the raw log is there by then, and empty here.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn tables(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut writer = Writer::open(dir.path()).expect("an empty folder");
    let rows = traffic::rows();
    bencher
        .counter(traffic::items())
        .with_inputs(|| {
            let segment = writer.begin_segment(Codec::default(), 0).expect("room for a segment");
            (segment, [(&PACKETS, rows.packets.clone()), (&FLOWS, rows.flows.clone())])
        })
        .bench_local_values(|(segment, tables)| segment.seal(&tables).expect("room for a segment"));
}

/// Appending, compressing and writing every packet on one thread.
#[divan::bench(sample_count = 10, sample_size = 1, args = [Codec::Plain, Codec::Lz4, Codec::Zstd])]
fn raw_log(bencher: Bencher<'_, '_>, codec: Codec) {
    let interface = Interface { link_type: 1, snaplen: 0, name: String::new(), resolution: Resolution::Nano };
    bencher
        .counter(traffic::items())
        .counter(traffic::bytes())
        .with_inputs(|| tempfile::tempdir().expect("a temporary folder"))
        .bench_local_refs(|dir| {
            let mut log = RawWriter::create(&Fs::default(), dir.path(), codec, 0).expect("an empty folder");
            let number = log.interface(&interface).expect("a short name");
            for frame in traffic::packets().iter().map(traffic::frame) {
                let (ts_ns, orig_len, data) = (frame.ts_ns, frame.orig_len, frame.data);
                log.push(&RawPacket { ts_ns, interface: number, orig_len, data, direction: None })
                    .expect("an Ethernet frame");
            }
            black_box(log.finish().expect("room for the log"))
        });
}
