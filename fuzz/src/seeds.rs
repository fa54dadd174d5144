//! Where fuzzing starts: inputs made from the demo's traffic, and from the shared corpus of captures where this machine has
//! it. Nothing of it is committed.

use std::{
    env, fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use wiretape_engine::{
    Writer,
    fs::Fs,
    index,
    live::RowsWriter,
    raw::{Codec, Interface, PcapngWriter, RawPacket, RawWriter, Resolution},
};
use wiretape_ingest::{
    Frame,
    import::{ImportConfig, import_file},
    pipeline::{Pipeline, PipelineConfig, SegmentRows},
    source::{CaptureFile, Event},
    tables::{FLOWS, PACKETS},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    demo::{self, Packet},
    frames::{self, Then},
    index_file, talk_seeds,
};

/// Larger seeds only make every step slower.
const MAX_BYTES: usize = 16 << 10;
/// Captures that are larger have nothing else in them.
const MAX_CAPTURE_BYTES: u64 = 1 << 20;
/// Packets of a seed.
const PACKETS_EACH: usize = 24;
/// Packets of an open segment: the descriptions of columns take most of a chunk of their rows.
const ROWS_EACH: usize = 4;

/// Puts seeds into the folder that `WIRETAPE_FUZZ_SEEDS` names, if it is set. For a target's `init`.
pub fn write(make: fn() -> Vec<Vec<u8>>) {
    if let Some(folder) = env::var_os("WIRETAPE_FUZZ_SEEDS").map(PathBuf::from) {
        put(&folder, &make());
    }
}

/// Puts talks of all protocols into folders `l7-<protocol>` of the folder that `WIRETAPE_FUZZ_SEEDS` names, if it is set, and
/// ends: those of captures, and those that dissectors' tests put into the folder that `WIRETAPE_FUZZ_TALKS` names.
pub fn write_talks() {
    let Some(folder) = env::var_os("WIRETAPE_FUZZ_SEEDS").map(PathBuf::from) else { return };
    let of_tests = env::var_os("WIRETAPE_FUZZ_TALKS").map(|talks| talk_seeds::of_tests(Path::new(&talks)));
    for (protocol, talks) in of_tests.into_iter().flatten().chain(talk_seeds::of_captures()) {
        put(&folder.join(format!("l7-{protocol}")), &talks);
    }
    std::process::exit(0);
}

fn put(folder: &Path, seeds: &[Vec<u8>]) {
    fs::create_dir_all(folder).expect("a folder for the seeds");
    assert!(
        seeds.is_empty() || seeds.iter().any(|s| s.len() <= MAX_BYTES),
        "no seed is small enough for {}",
        folder.display()
    );
    for seed in seeds.iter().filter(|s| s.len() <= MAX_BYTES) {
        fs::write(folder.join(format!("{:016x}", xxh3_64(seed))), seed).expect("room for the seeds");
    }
}

/// Capture files of every format and compression.
pub fn capture() -> Vec<Vec<u8>> {
    let mut plain = Vec::new();
    for packets in stretches() {
        plain.push(demo::pcap(&packets));
        plain.push(pcapng(&packets));
    }
    let mut seeds: Vec<Vec<u8>> = plain.iter().take(6).flat_map(|file| compressed(file)).collect();
    seeds.extend(plain);
    seeds.extend(corpus(MAX_CAPTURE_BYTES).iter().filter_map(|path| fs::read(path).ok()));
    seeds
}

/// Sequences of frames: a few flows at a time, and the beginnings of the corpus's captures.
pub fn decode() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for packets in stretches() {
        let mut seed = Vec::new();
        for (at, packet) in packets.iter().enumerate() {
            let then = if at % 7 == 6 { Then::Seal } else { Then::Go };
            frames::push(&mut seed, 1, packet.data.len() as u32, &packet.data, then);
        }
        seeds.push(seed);
    }
    for path in corpus(MAX_CAPTURE_BYTES) {
        let mut seed = Vec::new();
        each_event(&path, |event| {
            if let Event::Frame(frame) = event
                && seed.len() + frame.data.len() < MAX_BYTES / 2
            {
                frames::push(&mut seed, frame.link_type, frame.orig_len, frame.data, Then::Go);
            }
        });
        seeds.push(seed);
    }
    seeds
}

/// Indexes of both tables, as files and with their skin off.
pub fn index() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for packets in stretches().into_iter().take(8) {
        let SegmentRows { packets, flows, .. } = rows(&packets);
        for (table, batch) in [(&PACKETS, packets), (&FLOWS, flows)] {
            let file = index::build(table, &batch).expect("rows make an index");
            seeds.push(index_file::open(&file).expect("a good index opens"));
            seeds.push(file);
        }
    }
    seeds
}

/// Raw components of every codec.
pub fn raw() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for packets in stretches().into_iter().take(8) {
        for codec in [Codec::Plain, Codec::Lz4, Codec::Zstd] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let mut writer = RawWriter::create(&Fs::default(), dir.path(), codec, 0).expect("an empty folder");
            writer.interface(&interface()).expect("a short name");
            for packet in &packets {
                writer.push(&raw_packet(packet)).expect("an Ethernet frame");
            }
            let summary = writer.finish().expect("room for a few packets");
            seeds.push(fs::read(dir.path().join(summary.file_name)).expect("the file just written"));
        }
    }
    seeds
}

/// A manifest and its segments' descriptions, with their checksums and without.
pub fn manifest() -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (capture, db) = (dir.path().join(demo::FILE_NAME), dir.path().join("db"));
    fs::write(&capture, demo::pcap(&demo::packets())).expect("room for the demo");
    let mut writer = Writer::open(&db).expect("a new database");
    let config = ImportConfig { segment_rows: 1 << 13, ..ImportConfig::default() };
    let never = AtomicBool::new(false);
    import_file(&mut writer, &db, &capture, &config, &mut |_| {}, &never).expect("the demo is a good capture");
    let mut seeds = vec![fs::read(db.join("manifest.json")).expect("a manifest")];
    for folder in fs::read_dir(db.join("segments")).expect("segments").flatten() {
        seeds.push(fs::read(folder.path().join("segment.json")).expect("a sealed segment"));
    }
    seeds
}

/// Open segments: a log, and rows of either table.
pub fn live() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for mut packets in stretches().into_iter().take(8) {
        packets.truncate(ROWS_EACH);
        let SegmentRows { packets: of_packets, flows, .. } = rows(&packets);
        for (table, batch, rows_each) in [(&PACKETS, of_packets, ROWS_EACH), (&FLOWS, flows, ROWS_EACH / 2)] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let mut writer = RowsWriter::create(&Fs::default(), dir.path(), table).expect("an empty folder");
            for at in (0..batch.num_rows()).step_by(rows_each) {
                let rows = batch.slice(at, rows_each.min(batch.num_rows() - at));
                writer.append(&rows).expect("room for a few rows");
            }
            let rows = fs::read(dir.path().join(format!("{}.000000.rows", table.name))).expect("the file just written");
            seeds.push([&(rows.len() as u16).to_le_bytes()[..], &rows, &pcapng(&packets)].concat());
        }
    }
    seeds
}

/// Filters, each with a packet.
pub fn filter() -> Vec<Vec<u8>> {
    let packets = demo::packets();
    let filters = FILTERS.iter().zip(packets.iter().cycle());
    filters.map(|(filter, packet)| [&[1], filter.as_bytes(), &[0], &packet.data].concat()).collect()
}

/// Something of everything that a filter can ask.
const FILTERS: &[&str] = &[
    "tcp port 80 and host 10.0.0.1",
    "not (udp portrange 1024-2048 or icmp)",
    "src net 192.168.0.0/16 and dst net 10.0.0.0 mask 255.0.0.0",
    "ether host 00:11:22:33:44:55 or ether multicast",
    "ip6 and dst port 443",
    "ip6 host fd00::1 or net fe80::/10",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10.1",
    "ip[0] & 0xf != 5",
    "(ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2) != 0",
    "icmp[icmptype] == icmp-echo or icmp6[icmp6type] = icmp6-echo",
    "vlan 100 and vlan 200 and ip",
    "mpls 1024 and mpls or pppoes 7 and ip",
    "geneve 0xb and ether src host 00:11:22:33:44:55",
    "vxlan and tcp",
    "greater 100 and less 1500 or len = 60",
    "ether proto 0x88cc or arp or rarp or stp or lldp",
    "ip proto \\tcp or ip6 protochain 6 or proto 47",
    "ip broadcast or ip multicast or ip6 multicast",
    "ether[0:4] = 0xffffffff && ether[len - 1] % 7 >= 2 * 3 ^ 1",
    "llc and iso or isis or l1 and csnp",
    "inbound and ifname eth0 or outbound",
    "type mgt subtype beacon or wlan addr1 00:11:22:33:44:55",
    "host 1.2.3.4 or 5.6.7.8 or port http or 53 or sctp port 36412",
    "gateway host or atalk or ipx or decnet src 1.2",
    "dst host ::ffff:1.2.3.4 and src port ftp-data and not tcp[13] = 0x12",
];

/// KFL filters.
pub fn kfl() -> Vec<Vec<u8>> {
    KFL_FILTERS.iter().map(|filter| filter.as_bytes().to_vec()).collect()
}

/// Something of everything that KFL has, of both its versions.
const KFL_FILTERS: &[&str] = &[
    r#"http && status_code >= 500 || !dns"#,
    r#"http && method in ["POST", 'PUT'] && request.headers["x"] == r"\d" // more"#,
    r#"dns_questions.exists(q, q.endsWith(".xyz") || size(q) > 60) # more"#,
    r#"[1, 2].map(x, x > 1, x * 2) == [4] && {"a": 1}.a in [1u == 1u ? 1 : 2]"#,
    r#"map_get(request.headers, "authorization", "").matches("(?i)^basic [[:alpha:]]{3,}\\b")"#,
    r#"timestamp > now() - duration("1h5m10.5s") && timestamp.getHours("Europe/Berlin") < 6"#,
    r#"timestamp("2026-03-02T17:00:00Z") < timestamp && src.ip.in_cidr("10.0.0.0/8")"#,
    r#"dyn(1) == 1.5e3 && type(dyn("")) == string && has(query_string.a) || .path == null"#,
    r#"string(1) + "\u00e9\x41\101" == '''a''' && bytes("a") == b"\xff" && int("1") / -2 % 3 > 0x1f"#,
    r#"local_labels.all(k, k.startsWith("a")) && [[1]][0].exists_one(v, v == 1) && [1].filter(v, v > 0) == []"#,
    r#"http and request.path contains "/x" or response.status == r"4.*""#,
    r#"elapsedTime > 1000 and src.pod == "p" and protocol.name != "redis""#,
    r#"timestamp >= minutes(-5) and request.headers["A"] != nil and dst.namespace.exists()"#,
    r#"timestamp > 1635190131000 and timestamp < datetime("10/25/2021, 7:28:51.000 PM")"#,
];

/// Short stretches of the demo's hour, from all over it.
fn stretches() -> Vec<Vec<Packet>> {
    let packets = demo::packets();
    let apart = (packets.len() / 40).max(1);
    packets.chunks(apart).map(|chunk| chunk.iter().take(PACKETS_EACH).cloned().collect()).collect()
}

fn rows(packets: &[Packet]) -> SegmentRows {
    let mut pipeline = Pipeline::new(PipelineConfig::default(), "file".to_owned());
    pipeline.begin_segment(1);
    for packet in packets {
        let orig_len = packet.data.len() as u32;
        let data = packet.data.as_slice();
        let frame = Frame { ts_ns: packet.ts_ns, interface: 0, link_type: 1, orig_len, data, direction: None };
        pipeline.push(&frame, Some("eth0"));
    }
    pipeline.finish();
    pipeline.seal().expect("rows make batches")
}

fn pcapng(packets: &[Packet]) -> Vec<u8> {
    let mut writer = PcapngWriter::new(Vec::new());
    for packet in packets {
        writer.push(&interface(), &raw_packet(packet)).expect("an Ethernet frame");
    }
    writer.finish().expect("memory takes it")
}

fn interface() -> Interface {
    Interface { link_type: 1, snaplen: 65_535, name: "eth0".to_owned(), resolution: Resolution::Nano }
}

fn raw_packet(packet: &Packet) -> RawPacket<'_> {
    let orig_len = packet.data.len() as u32;
    RawPacket { ts_ns: packet.ts_ns, interface: 0, orig_len, data: &packet.data, direction: None }
}

fn compressed(file: &[u8]) -> [Vec<u8>; 3] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(file).expect("memory takes it");
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(file).expect("memory takes it");
    [
        gzip.finish().expect("memory takes it"),
        lz4.finish().expect("memory takes it"),
        zstd::stream::encode_all(file, 3).expect("memory takes it"),
    ]
}

/// Captures of the shared corpus of at most so many bytes.
pub(crate) fn corpus(max_bytes: u64) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/dev-set");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no corpus at ../shared/corpus, seeds are of generated traffic only");
        return Vec::new();
    };
    let is_small_capture = |path: &PathBuf| {
        path.to_string_lossy().contains(".pcap") && path.metadata().is_ok_and(|m| m.is_file() && m.len() < max_bytes)
    };
    entries.flatten().map(|e| e.path()).filter(is_small_capture).collect()
}

pub(crate) fn each_event(path: &Path, mut f: impl FnMut(Event<'_>)) {
    let Ok(bytes) = fs::read(path) else { return };
    let Ok(mut capture) = CaptureFile::from_reader(path.display().to_string(), Box::new(Cursor::new(bytes))) else {
        return;
    };
    while let Ok(Some(event)) = capture.next_event() {
        f(event);
    }
}
