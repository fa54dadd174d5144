//! What the benchmarks work on: the demo's hour over and over, each time an hour later and in another office, until there
//! are 200,000 packets; as packets, as rows, and as a database. The same every time.

use std::{path::Path, sync::LazyLock};

use divan::counter::{BytesCount, ItemsCount};
use wiretape::{
    Db,
    demo::{self, Packet},
    ingest::{
        Frame,
        pipeline::{Pipeline, PipelineConfig, SegmentRows},
    },
};

/// Packets, give or take nothing.
pub(crate) const PACKETS: usize = 200_000;

/// A workstation of the fourth office.
pub(crate) const HOST: &str = "10.23.1.47";

static TRAFFIC: LazyLock<Vec<Packet>> = LazyLock::new(|| {
    let hour = demo::packets();
    let offices = (0u8..).flat_map(|office| hour.iter().map(move |packet| moved(packet, office)));
    offices.take(PACKETS).collect()
});

/// All packets, in time order.
pub(crate) fn packets() -> &'static [Packet] {
    &TRAFFIC
}

/// For `counter`: packets a run.
pub(crate) fn items() -> ItemsCount {
    ItemsCount::new(PACKETS)
}

/// For `counter`: captured bytes a run.
pub(crate) fn bytes() -> BytesCount {
    BytesCount::new(packets().iter().map(|p| p.data.len()).sum::<usize>())
}

/// A packet as sources yield it.
pub(crate) fn frame(packet: &Packet) -> Frame<'_> {
    let orig_len = u32::try_from(packet.data.len()).expect("a packet fits Ethernet");
    Frame { ts_ns: packet.ts_ns, interface: 0, link_type: 1, orig_len, data: &packet.data, direction: None }
}

/// A pipeline at the start of its first segment.
pub(crate) fn pipeline() -> Pipeline {
    let mut pipeline = Pipeline::new(PipelineConfig::default(), "file".to_owned());
    pipeline.begin_segment(1);
    pipeline
}

/// The rows of all packets, as one segment.
pub(crate) fn rows() -> SegmentRows {
    let mut pipeline = pipeline();
    for packet in packets() {
        pipeline.push(&frame(packet), None);
    }
    pipeline.finish();
    pipeline.seal().expect("rows make batches")
}

/// A database below `dir` with all packets in one segment.
pub(crate) fn database(dir: &Path) -> Db {
    let capture = dir.join(demo::FILE_NAME);
    std::fs::write(&capture, demo::pcap(packets())).expect("room for the capture");
    let db = Db::open(dir.join("db")).expect("a new database");
    db.import(&capture).expect("a capture file of our own");
    db
}

/// The packet in another office: hosts of 10.20.0.0/16 get addresses of 10.(20 + office).0.0/16, and it is later by as many
/// hours. Checksums stay as they were: nothing here looks at them.
fn moved(packet: &Packet, office: u8) -> Packet {
    let mut data = packet.data.clone();
    let tagged = data.get(12..14) == Some(&[0x81, 0x00]);
    let header = if tagged { 18 } else { 14 };
    let is_ipv4 = data.get(header - 2..header) == Some(&[0x08, 0x00]);
    for address in [header + 12, header + 16] {
        if let Some([10, network @ 20]) = data.get_mut(address..address + 2).filter(|_| is_ipv4) {
            *network += office;
        }
    }
    Packet { ts_ns: packet.ts_ns + i64::from(office) * demo::DURATION_NS, data }
}
