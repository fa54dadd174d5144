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
    index_file,
};

/// Larger seeds only make every step slower.
const MAX_BYTES: usize = 16 << 10;
/// Packets of a seed.
const PACKETS_EACH: usize = 24;

/// Puts seeds into the folder that `WIRETAPE_FUZZ_SEEDS` names, if it is set. For a target's `init`.
pub fn write(make: fn() -> Vec<Vec<u8>>) {
    let Some(folder) = env::var_os("WIRETAPE_FUZZ_SEEDS").map(PathBuf::from) else { return };
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    for seed in make().iter().filter(|s| s.len() <= MAX_BYTES) {
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
    seeds.extend(corpus().iter().filter_map(|path| fs::read(path).ok()));
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
    for path in corpus() {
        let mut seed = Vec::new();
        each_frame(&path, |frame| {
            if seed.len() + frame.data.len() < MAX_BYTES / 2 {
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
        let SegmentRows { packets, flows } = rows(&packets);
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

/// Captures of the shared corpus that are not large.
fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/dev-set");
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no corpus at ../shared/corpus, seeds are of generated traffic only");
        return Vec::new();
    };
    let is_small_capture = |path: &PathBuf| {
        path.to_string_lossy().contains(".pcap") && path.metadata().is_ok_and(|m| m.is_file() && m.len() < 1 << 20)
    };
    entries.flatten().map(|e| e.path()).filter(is_small_capture).collect()
}

fn each_frame(path: &Path, mut f: impl FnMut(Frame<'_>)) {
    let Ok(bytes) = fs::read(path) else { return };
    let Ok(mut capture) = CaptureFile::from_reader(path.display().to_string(), Box::new(Cursor::new(bytes))) else {
        return;
    };
    while let Ok(Some(event)) = capture.next_event() {
        if let Event::Frame(frame) = event {
            f(frame);
        }
    }
}
