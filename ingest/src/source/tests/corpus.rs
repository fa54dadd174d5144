//! Every capture of the corpus against what tshark says of it: packets, bytes, first and last time, damage.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::*;

/// Where the truth is tshark's own view. It lists Custom, Systemd Journal and unknown blocks of these files as frames that have
/// no interface; they are no packets. Frames, and their bytes, to take off.
const BLOCKS_THAT_ARE_NO_PACKETS: &[(&str, u64, u64)] =
    &[("fmt-pcapng-be-18.pcapng", 4, 24 + 60 + 36 + 32), ("fmt-pcapng-be-202.pcapng", 3, 24 + 60 + 32)];

/// Files that begin with a Simple Packet Block, which has no time: tshark's first time is that of the next packet, ours 0.
const FIRST_PACKET_HAS_NO_TIME: &[&str] = &["fmt-pcapng-be-18.pcapng", "fmt-pcapng-le-16.pcapng"];

#[test]
fn packets_bytes_and_times_of_the_corpus_are_those_of_the_truth() {
    let dir = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it to tests"))
        .join("../../shared/corpus/dev-set");
    let Ok(entries) = fs::read_dir(dir.join("truth")) else {
        eprintln!("SKIPPED: no corpus at {}", dir.display());
        return;
    };
    let (mut checked, mut differences) = (0, Vec::new());
    for entry in entries {
        let path = entry.unwrap().path();
        let Some(name) = path.file_stem().and_then(|n| n.to_str()) else { continue };
        if path.extension().is_none_or(|e| e != "json") || !dir.join(name).is_file() {
            continue;
        }
        let truth: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let outcome = drain(CaptureFile::open(&dir.join(name)).unwrap());
        let (no_packets, their_bytes) = BLOCKS_THAT_ARE_NO_PACKETS
            .iter()
            .find(|(file, ..)| *file == name)
            .map_or((0, 0), |(_, n, bytes)| (*n, *bytes));
        let timeless = usize::from(FIRST_PACKET_HAS_NO_TIME.contains(&name));
        assert!(outcome.frames.iter().take(timeless).all(|f| f.ts_ns == 0));
        let number = |field: &str| truth[field].as_u64().unwrap();
        let ours = (
            outcome.frames.len() as u64 + no_packets,
            outcome.frames.iter().map(|f| f.data.len() as u64).sum::<u64>() + their_bytes,
            outcome.frames.iter().map(|f| u64::from(f.orig_len)).sum::<u64>() + their_bytes,
            outcome.frames.iter().skip(timeless).map(|f| f.ts_ns).min(),
            outcome.frames.iter().map(|f| f.ts_ns).max(),
            matches!(outcome.error, Some(SourceError::Damaged { .. })),
        );
        let theirs = (
            number("packets"),
            number("captured_bytes"),
            number("wire_bytes"),
            truth["first_ns"].as_i64(),
            truth["last_ns"].as_i64(),
            number("tshark_exit") != 0,
        );
        if ours != theirs {
            differences.push(format!("{name}: {ours:?}, truth {theirs:?}, {:?}", outcome.error));
        }
        checked += 1;
    }
    assert!(differences.is_empty(), "{} of {checked} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(checked > 100, "only {checked} captures were found");
}
