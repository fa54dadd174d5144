//! A small database: a table `packets` of a few columns, its packets in the raw log, in as many segments as asked for.

use std::{path::Path, sync::Arc};

use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use futures::TryStreamExt;
use wiretape_engine::{
    TableDef, Writer,
    column::{I64, Ip, Symbol, Ts, U8, U16},
    raw::{Codec, Interface, RawPacket, Resolution},
    table,
};

use crate::{Config, Database, Outcome, Session, SqlError};

table! {
    /// One row per frame.
    pub static PACKETS: "packets", row PacketRow, builder PacketBuilder {
        /// When.
        ts: Ts,
        /// Which.
        packet_id: I64,
        /// From.
        src_ip: Option<Ip> [mirrors("dst_ip")],
        /// To.
        dst_ip: Option<Ip> [mirrors("src_ip")],
        /// To.
        dst_port: Option<U16>,
        /// Of.
        proto: Option<Symbol> [key()],
        /// Bits.
        tcp_flags: Option<U8> [row_index()],
    }
}

pub(crate) static TABLES: &[&TableDef] = &[&PACKETS];

/// 21 November 2025, 23:30 UTC, in ns.
pub(crate) const START_NS: i64 = 1_763_767_800_000_000_000;

pub(crate) const MINUTE_NS: i64 = 60_000_000_000;

/// A packet to be: its time in ns after [`START_NS`] and the link type of its interface. Its bytes tell its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    pub(crate) after_ns: i64,
    pub(crate) link_type: u16,
}

/// `n` Ethernet packets, one a minute from `first` minutes on.
pub(crate) fn minutes(first: i64, n: i64) -> Vec<Packet> {
    (first..first + n).map(|m| Packet { after_ns: m * MINUTE_NS + 7, link_type: 1 }).collect()
}

/// The bytes of the packet at `row` of `segment`.
pub(crate) fn bytes_of(segment: u32, row: u32) -> Vec<u8> {
    let mut bytes = format!("segment {segment} row {row} ").into_bytes();
    bytes.resize(60, b'.');
    bytes
}

/// Makes a database of these segments.
pub(crate) fn make(dir: &Path, segments: &[Vec<Packet>]) {
    let mut writer = Writer::open(dir).unwrap();
    for packets in segments {
        let mut segment = writer.begin_segment(Codec::Zstd, 1).unwrap();
        let mut rows = PacketBuilder::default();
        for (row, packet) in (0_u32..).zip(packets) {
            let interface = Interface {
                link_type: packet.link_type,
                snaplen: 0,
                name: format!("if{}", packet.link_type),
                resolution: Resolution::Nano,
            };
            let number = segment.raw().interface(&interface).unwrap();
            let data = bytes_of(segment.id(), row);
            let raw = RawPacket {
                ts_ns: START_NS + packet.after_ns,
                interface: number,
                orig_len: 1500,
                data: &data,
                direction: None,
            };
            segment.raw().push(&raw).unwrap();
            rows.push(PacketRow {
                ts: raw.ts_ns,
                packet_id: i64::from(segment.id()) << 32 | i64::from(row),
                // One row of a hundred has an address of its own, which the index finds.
                src_ip: Some(
                    std::net::Ipv4Addr::new(
                        10,
                        0,
                        0,
                        if row % 100 == 99 { 99 } else { u8::try_from(row % 3).unwrap() },
                    )
                    .into(),
                ),
                dst_ip: Some("2001:db8::1".parse().unwrap()),
                dst_port: Some(if row % 2 == 0 { 443 } else { 53 }),
                proto: Some(if row % 2 == 0 { "tcp" } else { "udp" }),
                tcp_flags: (row % 2 == 0).then_some(0x12),
            });
        }
        let sealed = segment.seal(&[(&PACKETS, rows.finish().unwrap())]).unwrap();
        writer.commit(&sealed, |_| ()).unwrap();
    }
}

/// A database of these segments, and a session over it. Files may be written below the folder `out` beside it.
pub(crate) fn open(segments: &[Vec<Packet>]) -> (tempfile::TempDir, Session) {
    open_with(segments, |_| ())
}

/// As [`open`], with a configuration.
pub(crate) fn open_with(segments: &[Vec<Packet>], configure: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Session) {
    let dir = tempfile::tempdir().unwrap();
    let (db, out) = (dir.path().join("db"), dir.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    make(&db, segments);
    let mut config = Config { export_dir: Some(out), threads: 2, ..Config::default() };
    configure(&mut config);
    let database: Arc<Database> = Database::open(&db, TABLES, config).unwrap();
    (dir, database.session())
}

/// The rows of a query.
pub(crate) async fn rows(session: &Session, sql: &str) -> Result<Vec<RecordBatch>, SqlError> {
    match session.query(sql).await? {
        Outcome::Rows(stream) => Ok(stream.try_collect().await?),
        other => panic!("{sql} gave {other:?}"),
    }
}

/// The rows of a query as a text table.
pub(crate) async fn shown(session: &Session, sql: &str) -> String {
    let rows = rows(session, sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    pretty_format_batches(&rows).unwrap().to_string()
}

/// The single value of a query, as text.
pub(crate) async fn value(session: &Session, sql: &str) -> String {
    let rows = rows(session, sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let batch = rows.iter().find(|b| b.num_rows() > 0).unwrap_or_else(|| panic!("{sql}: no row"));
    assert_eq!((batch.num_rows(), batch.num_columns()), (1, 1), "{sql}");
    arrow::util::display::array_value_to_string(batch.column(0), 0).unwrap()
}

/// Time, and bytes, of each packet of a pcap or pcapng file of ours.
pub(crate) fn packets_in(file: &[u8]) -> Vec<(i64, String)> {
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let text = |from: usize, len: usize| String::from_utf8(file[from..from + len].to_vec()).unwrap();
    let short = |t: String| t.trim_end_matches(['.', ' ']).to_owned();
    let mut packets = Vec::new();
    if u32_at(0) == 0xa1b2_3c4d {
        let mut at = 24;
        while at < file.len() {
            let (seconds, ns, len) = (u32_at(at), u32_at(at + 4), u32_at(at + 8) as usize);
            assert_eq!(u32_at(at + 12), 1500, "original length");
            packets.push((i64::from(seconds) * 1_000_000_000 + i64::from(ns), short(text(at + 16, len))));
            at += 16 + len;
        }
        return packets;
    }
    assert_eq!(u32_at(0), 0x0a0d_0d0a, "neither pcap nor pcapng");
    let mut at = 0;
    while at < file.len() {
        if u32_at(at) == 6 {
            let ts = i64::from(u32_at(at + 12)) << 32 | i64::from(u32_at(at + 16));
            assert_eq!(u32_at(at + 24), 1500, "original length");
            packets.push((ts, short(text(at + 28, u32_at(at + 20) as usize))));
        }
        at += u32_at(at + 4) as usize;
    }
    packets
}
