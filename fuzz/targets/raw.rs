//! Any bytes as a raw component: damage is an error, and a component that verifies gives every packet, one by one, all at
//! once, and as a capture file that reads back.
#![no_main]

use std::{io::Cursor, path::Path};

use libfuzzer_sys::fuzz_target;
use wiretape_engine::{
    Error,
    raw::{ExportError, PcapngWriter, RawReader},
};
use wiretape_fuzz::{raw_file, seeds, with_file};
use wiretape_ingest::source::{CaptureFile, Event};

/// Rows asked for one by one: the others are found in the same way.
const ROWS: u32 = 64;

fuzz_target!(init: seeds::write(seeds::raw), |data: &[u8]| {
    with_file(data, ask);
    let mut mended = data.to_vec();
    raw_file::mend(&mut mended);
    if mended != data {
        with_file(&mended, ask);
    }
});

fn ask(path: &Path) {
    let Ok(reader) = RawReader::open(path) else { return };
    let verified = reader.verify().is_ok();
    for row in (0..reader.rows().min(ROWS)).rev() {
        let packet = reader.frame(row);
        assert!(packet.is_ok() || !verified, "verified, but row {row} is {packet:?}");
        // The same frame would be found damaged again and again.
        if packet.is_err() {
            break;
        }
    }
    assert!(reader.frame(reader.rows()).is_err());
    let mut file = PcapngWriter::new(Vec::new());
    let exported =
        reader.for_each(0..reader.rows(), 0, |_, packet| match reader.interfaces().get(packet.interface as usize) {
            Some(interface) => file.push(interface, &packet),
            None => Err(Error::Missing { what: "interface".to_owned() }.into()),
        });
    match exported {
        Ok(()) if verified => assert_eq!(frames(file.finish().expect("memory takes it")), u64::from(reader.rows())),
        Err(ExportError::Store(error)) => assert!(!verified, "verified, but {error}"),
        _ => {}
    }
}

/// Frames in a capture file that we wrote.
fn frames(file: Vec<u8>) -> u64 {
    let mut capture = CaptureFile::from_reader("export".to_owned(), Box::new(Cursor::new(file))).expect("our own file");
    let mut frames = 0;
    while let Some(event) = capture.next_event().expect("an export reads back") {
        frames += u64::from(matches!(event, Event::Frame(_)));
    }
    frames
}
