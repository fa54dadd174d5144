//! gzip, zstd and lz4: several members, every cut, damage in the middle.

use std::io::Write;

use super::{build::small_pcap, *};

type Compress = fn(&[u8]) -> Vec<u8>;

const CODECS: [(&str, Compress); 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .filename("a.pcap")
        .comment("made by a test")
        .extra(vec![1, 2, 3])
        .write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    info.block_size = lz4_flex::frame::BlockSize::Max64KB;
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A capture that does not compress to nothing, of some hundred kilobytes.
fn noisy_pcap() -> Vec<u8> {
    let mut bytes = small_pcap(0).0;
    let mut state = 1u32;
    for i in 0..900u32 {
        let len = 400 + i % 300;
        bytes.extend(super::build::pcap_record(crate::source::order::Order::Little, [i, 0, len, len], &[], &[]));
        for _ in 0..len {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Five bits of noise a byte: compressible, but not by much.
            bytes.push(state.to_be_bytes()[0] & 31);
        }
    }
    bytes
}

#[test]
fn each_codec_is_recognised_by_content_and_gives_the_same_frames() {
    let plain = noisy_pcap();
    let expected = read(&plain).whole();
    assert_eq!(expected.len(), 900);
    for (name, compress) in CODECS {
        let stored = compress(&plain);
        assert!(stored.len() < plain.len());
        let capture = CaptureFile::from_reader("t".to_owned(), Box::new(Cursor::new(stored.clone()))).unwrap();
        assert_eq!((capture.compression(), capture.format()), (Some(name), "pcap"));
        assert!(drain(capture).whole() == expected, "{name}");
        let dribbled = read_from(Dribble { bytes: Cursor::new(stored), step: 3 }).whole();
        assert!(dribbled == expected, "{name}, three bytes at a time");
    }
}

#[test]
fn several_members_or_frames_are_one_stream() {
    let plain = noisy_pcap();
    let expected = read(&plain).whole();
    for (name, compress) in CODECS {
        let (a, rest) = plain.split_at(100_003);
        let (b, c) = rest.split_at(5);
        let stored = [compress(a), compress(b), compress(b""), compress(c)].concat();
        assert!(read(&stored).whole() == expected, "{name}");
    }
    // Zero bytes after the last gzip member are padding.
    assert!(read(&[gzip(&plain), vec![0; 700]].concat()).whole() == expected);
    // A zstd stream may begin with a skippable frame.
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    assert!(read(&[&skippable[..], &zstd(&plain)].concat()).whole() == expected);
}

#[test]
fn every_cut_of_a_small_file_is_damage_after_the_whole_packets() {
    let (plain, ends) = small_pcap(12);
    let all = read(&plain).whole();
    for (name, compress) in CODECS {
        let stored = compress(&plain);
        for cut in 4..stored.len() {
            let outcome = read(&stored[..cut]);
            let (offset, message) = outcome.damage();
            let whole = outcome.frames.len();
            assert_eq!(outcome.frames, all[..whole], "{name} cut at {cut}");
            let start = if whole == 0 { 24 } else { ends[whole - 1] };
            assert!(offset == start as u64 || (whole == 0 && offset == 0), "{name} cut at {cut}: {message}");
            assert!(message.contains(&format!("of the decompressed {name} stream: ")), "{message}");
        }
        // Only the end of the last member or frame is missing: all packets are there, and it is said all the same.
        let outcome = read(&stored[..stored.len() - 1]);
        assert_eq!(outcome.frames, all, "{name}");
        assert_eq!(
            outcome.damage().1,
            format!(
                "t: damaged at byte {} of the decompressed {name} stream: the {name} stream is cut short; packets before it: 12",
                plain.len()
            )
        );
    }
}

/// How much of `plain` a file gives when its compressed form is damaged at `at`: the last whole packet's end.
fn readable(stored: &[u8]) -> u64 {
    read(stored).damage().0
}

#[test]
fn a_cut_gives_all_that_had_decompressed() {
    let plain = noisy_pcap();
    for (name, compress) in CODECS {
        let stored = compress(&plain);
        let half = readable(&stored[..stored.len() / 2]);
        // gzip gives nearly half; zstd and lz4 lose at most the block that is cut, 128 and 64 KiB.
        let least = plain.len() as u64 / 2 - if name == "gzip" { 2000 } else { 131_072 };
        assert!(half >= least, "{name}: {half} of {}", plain.len());
    }
}

#[test]
fn damage_in_the_middle_loses_no_packet_before_it() {
    let plain = noisy_pcap();
    for (name, compress) in CODECS {
        // The second of two members or frames is damaged in its first bytes: all of the first must come.
        let (a, b) = plain.split_at(plain.len() / 2);
        let whole = readable(&compress(a));
        let mut second = compress(b);
        let body = if name == "gzip" { 30 } else { 8 };
        second[body..body + 40].fill(0xff);
        let offset = readable(&[compress(a), second].concat());
        assert_eq!(offset, whole, "{name}");
    }
}

/// Compresses two halves in one member or frame, flushed between; and says how long the first is.
fn flushed(name: &str, halves: (&[u8], &[u8])) -> (Vec<u8>, usize) {
    fn write<W: Write>(mut encoder: W, (a, b): (&[u8], &[u8]), len: impl Fn(&W) -> usize) -> (W, usize) {
        encoder.write_all(a).unwrap();
        encoder.flush().unwrap();
        let first = len(&encoder);
        encoder.write_all(b).unwrap();
        (encoder, first)
    }
    match name {
        "gzip" => {
            let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            let (encoder, first) = write(encoder, halves, |e| e.get_ref().len());
            (encoder.finish().unwrap(), first)
        }
        "zstd" => {
            let encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            let (encoder, first) = write(encoder, halves, |e| e.get_ref().len());
            (encoder.finish().unwrap(), first)
        }
        _ => {
            let encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            let (encoder, first) = write(encoder, halves, |e| e.get_ref().len());
            (encoder.finish().unwrap(), first)
        }
    }
}

#[test]
fn damage_within_a_member_gives_every_byte_before_it() {
    let plain = noisy_pcap();
    for (name, _) in CODECS {
        for split in [100, 40_000, 200_003] {
            let (mut stored, first) = flushed(name, plain.split_at(split));
            let cut = readable(&stored[..first]);
            stored[first..first + 60].fill(0xff);
            // A cut at the flush and damage at the flush leave the same.
            assert_eq!(readable(&stored), cut, "{name}, damaged after {split}");
            assert!(split as u64 - cut < 716, "{name}: {cut} of {split}");
        }
    }
}

#[test]
fn a_wrong_checksum_is_damage_after_all_packets() {
    let plain = noisy_pcap();
    for (name, compress) in CODECS {
        let mut stored = compress(&plain);
        let at = stored.len() - if name == "gzip" { 8 } else { 1 };
        stored[at] ^= 1;
        let outcome = read(&stored);
        assert!(outcome.frames.len() >= 600, "{name}: {}", outcome.frames.len());
        outcome.damage();
    }
}

#[test]
fn bytes_after_the_last_member_that_are_no_other_are_damage() {
    let (plain, _) = small_pcap(3);
    for (name, compress) in CODECS {
        let outcome = read(&[compress(&plain), b"trailing rubbish".to_vec()].concat());
        assert_eq!(outcome.frames.len(), 3, "{name}");
        assert_eq!(outcome.damage().0, plain.len() as u64, "{name}");
    }
}

#[test]
fn progress_counts_stored_bytes() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let stored = gzip(&noisy_pcap());
    file.write_all(&stored).unwrap();
    let mut capture = CaptureFile::open(file.path()).unwrap();
    assert_eq!(capture.size_bytes(), Some(stored.len() as u64));
    assert_eq!(capture.name(), file.path().display().to_string());
    while capture.next_event().unwrap().is_some() {}
    assert_eq!(capture.bytes_read(), stored.len() as u64);
}
