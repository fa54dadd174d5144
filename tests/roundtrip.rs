//! Packets in, packets out: what is exported is what was captured, byte for byte, to the nanosecond, with original lengths
//! and link types.

use std::path::Path;

use wiretape::sql::{
    CopyFormat,
    export::{self, Destination},
};

use crate::support::{
    corpus,
    frames::{self, OwnedFrame},
    store::{RUNTIME, Store},
};

/// Exports every packet of `store` and reads them back.
fn exported(store: &Store, format: CopyFormat) -> Vec<OwnedFrame> {
    let path = store.path(&format!("all.{}", format.name()));
    let destination = Destination::File(path.clone());
    let written = RUNTIME.block_on(export::pcap(&store.session, None, format, destination));
    let written = written.unwrap_or_else(|e| panic!("{}: {e:?}", path.display()));
    let frames = frames::read(&path);
    assert_eq!(frames.len() as u64, written, "as many packets in the file as the export counted");
    frames
}

/// Says at which frame two lists part, rather than printing both.
fn assert_same(name: &str, got: &[OwnedFrame], expected: &[OwnedFrame]) {
    for (n, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(got == expected, "{name}: frame {n} is\n{got:?}\nwhere the capture has\n{expected:?}");
    }
    assert_eq!(got.len(), expected.len(), "{name}: number of frames");
}

/// Imports in small segments, exports in both formats, compares.
fn goes_round(name: &str, path: &Path) {
    let mut expected = frames::read(path);
    let (store, report) = Store::of(path, 700);
    assert_eq!(report.packets, expected.len() as u64, "{name}");
    // Exports are in time order; frames of one time stay in the order of the file.
    expected.sort_by_key(|frame| frame.ts_ns);
    assert_same(name, &exported(&store, CopyFormat::Pcapng), &expected);
    let one_link_type = expected.windows(2).all(|pair| pair[0].link_type == pair[1].link_type);
    if one_link_type && !expected.is_empty() {
        assert_same(name, &exported(&store, CopyFormat::Pcap), &expected);
    }
}

#[test]
fn every_capture_comes_out_as_it_went_in() {
    let Some(corpus) = corpus() else { return };
    let mut names: Vec<String> = std::fs::read_dir(corpus.join("truth"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert!(names.len() > 100, "the corpus is whole");
    for name in names {
        goes_round(&name, &corpus.join(&name));
    }
}

#[test]
fn a_generated_capture_comes_out_as_it_went_in() {
    let dir = tempfile::tempdir().unwrap();
    goes_round("office", &frames::office(dir.path(), 4000));
}

/// A file that goes back in time: the export is the stable sort of it, which is what tools expect to read.
#[test]
fn a_capture_that_goes_back_in_time_is_exported_in_time_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut packets = wiretape::demo::packets();
    packets.truncate(2000);
    for chunk in packets.chunks_mut(7) {
        chunk.reverse();
    }
    packets.rotate_left(900);
    let path = dir.path().join("disorder.pcap");
    std::fs::write(&path, wiretape::demo::pcap(&packets)).unwrap();
    assert!(!frames::read(&path).is_sorted_by_key(|frame| frame.ts_ns), "the capture does go back");
    goes_round("disorder", &path);
}

/// Only what the predicate names, and all of it.
#[test]
fn a_filtered_export_holds_the_frames_of_the_filter() {
    let dir = tempfile::tempdir().unwrap();
    let path = frames::office(dir.path(), 4000);
    let (store, _) = Store::of(&path, 700);
    let target = store.path("arp.pcap");
    let work = export::pcap(&store.session, Some("proto = 'arp'"), CopyFormat::Pcap, Destination::File(target.clone()));
    RUNTIME.block_on(work).unwrap();
    let mut expected = frames::read(&path);
    expected.retain(|frame| frame.data[12..14] == [0x08, 0x06]);
    assert!(!expected.is_empty());
    assert_same("arp", &frames::read(&target), &expected);
}
