//! Behaviours of the raw component: what goes in comes back, damage is found, other tools can read it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{Error, fs::Fs};

const CODECS: [Codec; 3] = [Codec::Plain, Codec::Lz4, Codec::Zstd];

fn interface(link_type: u16, name: &str, resolution: Resolution) -> Interface {
    Interface { link_type, snaplen: 0, name: name.to_owned(), resolution }
}

fn packet(interface: u32, ts_ns: i64, data: Vec<u8>) -> OwnedPacket {
    let orig_len = u32::try_from(data.len()).unwrap() + 7;
    OwnedPacket { ts_ns, interface, orig_len, data, direction: None }
}

/// An Ethernet frame of a local experimental type, its bytes half predictable.
fn ethernet(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xB5];
    while data.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.push(if data.len() % 2 == 0 { 0x41 } else { (state >> 32) as u8 });
    }
    data.truncate(len);
    data
}

fn many(n: usize, len: usize) -> Vec<OwnedPacket> {
    (0..n).map(|i| packet(0, 1_700_000_000_000_000_000 + i as i64 * 1_001, ethernet(len, i as u64))).collect()
}

fn write_to(
    fs: &Fs,
    dir: &Path,
    codec: Codec,
    workers: usize,
    interfaces: &[Interface],
    packets: &[OwnedPacket],
) -> crate::Result<RawSummary> {
    let mut writer = RawWriter::create(fs, dir, codec, workers)?;
    // Each interface is announced when its first packet comes, as a capture may do.
    let mut announced = 0;
    for (row, p) in packets.iter().enumerate() {
        while announced <= p.interface as usize {
            assert_eq!(writer.interface(&interfaces[announced])?, announced as u32);
            announced += 1;
        }
        assert_eq!(writer.push(&p.as_ref())?, row as u32);
    }
    for i in &interfaces[announced..] {
        writer.interface(i)?;
    }
    let bytes_in = writer.bytes_in();
    let summary = writer.finish()?;
    assert_eq!(summary.plain_bytes, bytes_in);
    Ok(summary)
}

fn write(dir: &Path, codec: Codec, workers: usize, interfaces: &[Interface], packets: &[OwnedPacket]) -> RawReader {
    let summary = write_to(&Fs::default(), dir, codec, workers, interfaces, packets).unwrap();
    let path = dir.join(&summary.file_name);
    assert_eq!(summary.rows as usize, packets.len());
    assert_eq!(summary.captured_bytes, packets.iter().map(|p| p.data.len() as u64).sum::<u64>());
    let bytes = fs::read(&path).unwrap();
    assert_eq!(summary.stored_bytes, bytes.len() as u64);
    assert_eq!(summary.checksum, xxhash_rust::xxh3::xxh3_64(&bytes));
    let reader = RawReader::open(&path).unwrap();
    assert_eq!(reader.plain_bytes(), summary.plain_bytes);
    assert_eq!(reader.captured_bytes(), summary.captured_bytes);
    reader
}

fn fetch(reader: &RawReader, rows: impl IntoIterator<Item = u32>, threads: usize) -> Vec<(u32, OwnedPacket)> {
    let mut got = Vec::new();
    reader
        .for_each(rows, threads, |row, p| {
            got.push((row, p.to_owned()));
            Ok::<_, Error>(())
        })
        .unwrap();
    got
}

fn any_packet(interfaces: Vec<Interface>) -> impl Strategy<Value = OwnedPacket> {
    let len = prop_oneof![8 => 0..200usize, 4 => 0..2000usize, 1 => 0..200_000usize];
    let direction = prop_oneof![Just(None), Just(Some(Direction::In)), Just(Some(Direction::Out))];
    (0..interfaces.len(), any::<i64>(), any::<u32>(), len, any::<u64>(), direction).prop_map(
        move |(i, ts_ns, orig_len, len, seed, direction)| {
            let ts_ns = if interfaces[i].resolution == Resolution::Micro { ts_ns / 1000 * 1000 } else { ts_ns };
            OwnedPacket { ts_ns, interface: i as u32, orig_len, data: ethernet(len, seed), direction }
        },
    )
}

fn any_capture() -> impl Strategy<Value = (Vec<Interface>, Vec<OwnedPacket>)> {
    let resolution = prop_oneof![Just(Resolution::Micro), Just(Resolution::Nano)];
    let one = (any::<u16>(), any::<u32>(), "\\PC{0,12}", resolution)
        .prop_map(|(link_type, snaplen, name, resolution)| Interface { link_type, snaplen, name, resolution });
    prop::collection::vec(one, 1..20).prop_flat_map(|interfaces| {
        let packets = prop::collection::vec(any_packet(interfaces.clone()), 0..200);
        (Just(interfaces), packets)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packets_come_back_as_they_were(
        (interfaces, packets) in any_capture(), codec in 0..3usize, workers in 0..3usize,
    ) {
        let dir = TempDir::new().unwrap();
        let reader = write(dir.path(), CODECS[codec], workers, &interfaces, &packets);
        prop_assert_eq!(reader.rows() as usize, packets.len());
        prop_assert_eq!(reader.interfaces(), interfaces.as_slice());
        reader.verify().unwrap();
        let all: Vec<_> = (0u32..).zip(packets.iter().cloned()).collect();
        for threads in [0, 2] {
            prop_assert_eq!(&fetch(&reader, 0..reader.rows(), threads), &all);
        }
        let backwards: Vec<_> = all.iter().rev().cloned().collect();
        prop_assert_eq!(&fetch(&reader, (0..reader.rows()).rev(), 2), &backwards);
        for (row, p) in &all {
            prop_assert_eq!(&reader.frame(*row).unwrap(), p);
        }
    }
}

#[test]
fn a_selection_gives_the_same_packets_with_and_without_threads() {
    let dir = TempDir::new().unwrap();
    let packets = many(20_000, 400);
    let reader = write(dir.path(), Codec::Zstd, 2, &[interface(1, "eth0", Resolution::Nano)], &packets);
    let rows: Vec<u32> =
        (0..20_000).filter(|r| r % 97 == 3 || (5_000..5_100).contains(r)).flat_map(|r| [r, r]).collect();
    let expected: Vec<_> = rows.iter().map(|r| (*r, packets[*r as usize].clone())).collect();
    for threads in [0, 1, 2, 5] {
        assert!(fetch(&reader, rows.iter().copied(), threads) == expected, "{threads} threads");
    }
}

#[test]
fn an_error_of_the_callback_ends_a_fetch() {
    let dir = TempDir::new().unwrap();
    let reader = write(dir.path(), Codec::Zstd, 0, &[interface(1, "", Resolution::Nano)], &many(5_000, 400));
    for threads in [0, 2] {
        let mut calls = 0;
        let result = reader.for_each(0..5_000, threads, |row, _| {
            calls += 1;
            if row == 100 { Err(ExportError::Time { ts_ns: 1 }) } else { Ok(()) }
        });
        assert!(matches!(result, Err(ExportError::Time { ts_ns: 1 })));
        assert_eq!(calls, 101);
    }
}

#[test]
fn a_row_that_is_not_there_is_missing() {
    let dir = TempDir::new().unwrap();
    let reader = write(dir.path(), Codec::Lz4, 0, &[interface(1, "", Resolution::Nano)], &many(3, 60));
    assert!(matches!(reader.frame(3), Err(Error::Missing { .. })));
    assert!(matches!(reader.for_each([0, 3], 0, |_, _| Ok::<_, Error>(())), Err(Error::Missing { .. })));
    let empty = TempDir::new().unwrap();
    let reader = write(empty.path(), Codec::Lz4, 0, &[], &[]);
    assert!(matches!(reader.frame(0), Err(Error::Missing { .. })));
    reader.verify().unwrap();
}

#[test]
fn frames_hold_whole_packets_and_a_large_one_has_its_own() {
    let dir = TempDir::new().unwrap();
    // Block overhead is 32 bytes: the second packet ends exactly where a frame may, the fourth is one byte over.
    let first = 28 + 32;
    let mut packets = vec![packet(0, 1, vec![7; 1000 - 32]), packet(0, 2, vec![8; FRAME_BYTES - first - 1000 - 32])];
    packets.extend([packet(0, 3, vec![9; 16]), packet(0, 4, vec![10; FRAME_BYTES - 48 - 32 + 1])]);
    packets.extend([packet(0, 5, vec![11; MAX_PACKET_BYTES]), packet(0, 6, vec![12; 5])]);
    for codec in CODECS {
        let reader = write(dir.path(), codec, 1, &[interface(1, "", Resolution::Nano)], &packets);
        assert_eq!([0, 1, 2, 3, 4, 5].map(|row| reader.frame_of(row).unwrap()), [0, 0, 1, 2, 3, 4], "{codec:?}");
        assert_eq!(fetch(&reader, 0..6, 0).into_iter().map(|(_, p)| p).collect::<Vec<_>>(), packets);
        reader.verify().unwrap();
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut writer = RawWriter::create(&Fs::default(), dir.path(), Codec::Plain, 0).unwrap();
    writer.interface(&interface(1, "", Resolution::Micro)).unwrap();
    let too_long = vec![0; MAX_PACKET_BYTES + 1];
    for bad in [packet(0, 1_001, vec![1]), packet(0, 0, too_long)] {
        assert!(matches!(writer.push(&bad.as_ref()), Err(Error::Limit { .. })));
    }
    assert!(matches!(writer.push(&packet(1, 0, vec![1]).as_ref()), Err(Error::Missing { .. })));
    let long_name = interface(1, &"x".repeat(65_536), Resolution::Nano);
    assert!(matches!(writer.interface(&long_name), Err(Error::Limit { .. })));
    assert_eq!(writer.interface(&interface(1, &"x".repeat(65_535), Resolution::Nano)).unwrap(), 1);
    let at_end = writer.push(&packet(1, i64::MIN, vec![1]).as_ref()).unwrap();
    let summary = writer.finish().unwrap();
    let reader = RawReader::open(&dir.path().join(summary.file_name)).unwrap();
    reader.verify().unwrap();
    assert_eq!((reader.rows(), reader.frame(at_end).unwrap().ts_ns), (1, i64::MIN));
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let interfaces = [interface(1, "eth0", Resolution::Micro), interface(113, "любой", Resolution::Nano)];
    let mut packets = many(6, 40);
    packets.iter_mut().for_each(|p| p.ts_ns = p.ts_ns / 1000 * 1000);
    packets[3] = OwnedPacket { direction: Some(Direction::Out), interface: 1, ..packets[3].clone() };
    for codec in CODECS {
        let dir = TempDir::new().unwrap();
        drop(write(dir.path(), codec, 0, &interfaces, &packets));
        let path = dir.path().join(codec.file_name());
        let good = fs::read(&path).unwrap();
        let broken = |bytes: &[u8], what: &str| {
            fs::write(&path, bytes).unwrap();
            match RawReader::open(&path).and_then(|r| r.verify()) {
                Err(Error::Damaged { path: named, .. }) => assert_eq!(named, path),
                other => panic!("{codec:?}, {what}: {other:?}"),
            }
        };
        for at in 0..good.len() {
            for bit in [0x01, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= bit;
                broken(&bad, &format!("byte {at} flipped"));
            }
            broken(&good[..at], &format!("cut at {at}"));
        }
        broken(&[good.as_slice(), &[0; 4]].concat(), "bytes after the end");
    }
}

#[test]
fn a_table_that_lies_with_a_right_checksum_is_damage_and_not_a_panic() {
    let dir = TempDir::new().unwrap();
    for codec in CODECS {
        drop(write(dir.path(), codec, 0, &[interface(1, "eth0", Resolution::Nano)], &many(20, 40)));
        let path = dir.path().join(codec.file_name());
        let good = fs::read(&path).unwrap();
        let footer_end = good.len() - if codec == Codec::Plain { 4 } else { 0 };
        let field =
            |at: usize| u64::from_le_bytes(good[footer_end - 56 + at..footer_end - 56 + at + 8].try_into().unwrap());
        let start = footer_end - field(32) as usize;
        for at in (start..footer_end - 16).filter(|at| !(footer_end - 24..footer_end - 16).contains(at)) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            let checksum = xxhash_rust::xxh3::xxh3_64(&bad[start..footer_end - 16]);
            bad[footer_end - 16..footer_end - 8].copy_from_slice(&checksum.to_le_bytes());
            fs::write(&path, &bad).unwrap();
            let result = RawReader::open(&path).and_then(|r| {
                let _ = r.for_each(0..r.rows().min(1000), 0, |_, _| Ok::<_, Error>(()));
                r.verify()
            });
            assert!(matches!(result, Err(Error::Damaged { .. })), "{codec:?}, byte {at}: {result:?}");
        }
        fs::remove_file(&path).unwrap();
    }
}

/// A fetch of all rows gathers those of a frame: four thousand million of them would fill any memory.
#[test]
fn more_rows_than_a_frame_has_room_for_are_damage() {
    let dir = TempDir::new().unwrap();
    drop(write(dir.path(), Codec::Zstd, 0, &[interface(1, "", Resolution::Nano)], &many(3, 0)));
    let path = dir.path().join(Codec::Zstd.file_name());
    let mut bytes = fs::read(&path).unwrap();
    let footer = bytes.len() - 56;
    let table = bytes.len() - u64::from_le_bytes(bytes[footer + 32..footer + 40].try_into().unwrap()) as usize;
    for (rows, is_sound) in [(3, true), (u32::MAX, false)] {
        for at in [table + 8, footer + 8] {
            bytes[at..at + 4].copy_from_slice(&rows.to_le_bytes());
        }
        let checksum = xxhash_rust::xxh3::xxh3_64(&bytes[table..footer + 40]);
        bytes[footer + 40..footer + 48].copy_from_slice(&checksum.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let opened = RawReader::open(&path);
        assert_eq!(opened.is_ok(), is_sound, "{rows} rows: {opened:?}");
    }
}

#[test]
fn a_writer_stopped_at_any_step_reports_it() {
    let packets = many(4_000, 1_000);
    for (codec, workers) in [(Codec::Plain, 0), (Codec::Lz4, 1), (Codec::Zstd, 2)] {
        let mut stops = 0;
        loop {
            let dir = TempDir::new().unwrap();
            let fs = Fs::stopping_after(stops);
            let done = write_to(&fs, dir.path(), codec, workers, &[interface(1, "", Resolution::Nano)], &packets);
            let path = dir.path().join(codec.file_name());
            match (&done, RawReader::open(&path)) {
                (Ok(_), reader) => reader.and_then(|r| r.verify()).unwrap(),
                (Err(Error::Io { .. }), Err(Error::Damaged { .. } | Error::Io { .. })) => {}
                // Stopped at the fsync: all is in the file.
                (Err(Error::Io { .. }), Ok(reader)) => reader.verify().unwrap(),
                other => panic!("{codec:?} stopped after {stops}: {other:?}"),
            }
            if done.is_ok() {
                break;
            }
            stops += 1;
        }
        assert!(stops >= 4, "{codec:?} took {stops} steps only");
    }
}

#[test]
fn a_dropped_writer_leaves_nobody_writing() {
    let dir = TempDir::new().unwrap();
    let fs = Fs::default();
    let mut writer = RawWriter::create(&fs, dir.path(), Codec::Zstd, 2).unwrap();
    writer.interface(&interface(1, "", Resolution::Nano)).unwrap();
    for p in many(5_000, 1_000) {
        writer.push(&p.as_ref()).unwrap();
    }
    drop(writer);
    let steps = fs.steps_taken();
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(fs.steps_taken(), steps);
}

/// Runs a stock tool over `input`; None, loudly, where it is not installed.
pub(super) fn tool(command: &[&str], input: Vec<u8>) -> Option<Vec<u8>> {
    let child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: {} is not installed, so what it makes of our files is not tested", command[0]);
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = feeder.join().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn stock_tools_decompress_and_read_the_component() {
    let interfaces = [interface(1, "eth0", Resolution::Micro), interface(1, "wlan0", Resolution::Nano)];
    let mut packets = many(2_000, 200);
    for (i, p) in packets.iter_mut().enumerate() {
        p.ts_ns = p.ts_ns / 1000 * 1000 + i64::from(i % 2 == 1);
        p.interface = (i % 2) as u32;
        p.direction = [None, Some(Direction::In), Some(Direction::Out)][i % 3];
    }
    for (codec, command) in [(Codec::Plain, "cat"), (Codec::Lz4, "lz4"), (Codec::Zstd, "zstd")] {
        let dir = TempDir::new().unwrap();
        let reader = write(dir.path(), codec, 1, &interfaces, &packets);
        let stored = fs::read(dir.path().join(codec.file_name())).unwrap();
        let command = if codec == Codec::Plain { vec![command] } else { vec![command, "-dc"] };
        let Some(plain) = tool(&command, stored) else { continue };
        if codec != Codec::Plain {
            assert_eq!(plain.len() as u64, reader.plain_bytes());
        }
        let fields = "frame.time_epoch frame.interface_name frame.len frame.cap_len frame.packet_flags";
        let mut command = vec!["tshark", "-r", "-", "-Tfields"];
        command.extend(fields.split(' ').flat_map(|f| ["-e", f]));
        let Some(text) = tool(&command, plain) else { continue };
        let expected: Vec<String> = packets.iter().map(tshark_line).collect();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{codec:?}");
    }
}

fn tshark_line(p: &OwnedPacket) -> String {
    let (seconds, nanos) = (p.ts_ns / 1_000_000_000, p.ts_ns % 1_000_000_000);
    let name = ["eth0", "wlan0"][p.interface as usize];
    let flags = match p.direction {
        None => "",
        Some(Direction::In) => "0x00000001",
        Some(Direction::Out) => "0x00000002",
    };
    format!("{seconds}.{nanos:09}\t{name}\t{}\t{}\t{flags}", p.orig_len, p.data.len())
}
