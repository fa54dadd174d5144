//! Any bytes as the files of an open segment, its raw log and the chunks of its rows: damage is an error, and what there is is
//! read.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | bytes of rows, little-endian; cut at the end of the input |
//! | 2 | … | rows, of `packets` and of `flows` |
//! | … | … | the raw log |
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use wiretape_engine::{
    TableDef,
    live::fuzz_live,
    raw::{LOG_FILE, LogEntry, LogTail},
};
use wiretape_fuzz::{seeds, with_files};
use wiretape_ingest::tables::{FLOWS, PACKETS};

fuzz_target!(init: seeds::write(seeds::live), |data: &[u8]| {
    let Some(([low, high], rest)) = data.split_first_chunk() else { return };
    let (rows, log) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
    let files = [("packets.000000.rows", rows), ("flows.000000.rows", rows), (LOG_FILE, log)];
    with_files(&files, |folder| {
        read(folder);
        tail(folder);
    });
});

/// As a statement does.
fn read(folder: &Path) {
    let Ok(Some(segment)) = fuzz_live(folder, &[&PACKETS, &FLOWS]) else { return };
    for table in [&PACKETS, &FLOWS] as [&'static TableDef; 2] {
        let columns: Vec<usize> = (0..table.columns.len()).collect();
        let read: Result<usize, _> = segment.read(table, &columns).map(|batch| batch.map(|b| b.num_rows())).sum();
        if let Ok(read) = read {
            assert!(read as u64 <= segment.rows(table.name));
        }
    }
    let Ok(packets) = segment.raw() else { return };
    for row in 0..packets.rows() {
        packets.frame(row).expect("a packet that was found is read");
    }
    assert_eq!(packets.rows(), tail(folder).expect("what is read at once is read bit by bit"));
}

/// As the thread does that makes rows: the packets of the log, none where it is damaged.
fn tail(folder: &Path) -> Option<u32> {
    let mut log = LogTail::open(&folder.join(LOG_FILE)).expect("a file");
    let mut packets = 0;
    while let Some(entry) = log.next_entry().ok()? {
        packets += u32::from(matches!(entry, LogEntry::Packet { .. }));
    }
    Some(packets)
}
