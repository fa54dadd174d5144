//! Any bytes as a capture file of any format and compression: read to the end, with what every reader may rely on checked.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use wiretape_fuzz::seeds;
use wiretape_ingest::source::{CaptureFile, Event, MAX_CAPTURED_BYTES};

fuzz_target!(init: seeds::write(seeds::capture), |data: &[u8]| {
    let Ok(mut capture) = CaptureFile::from_reader("fuzz".to_owned(), Box::new(Cursor::new(data.to_vec()))) else {
        return;
    };
    let mut interfaces = Vec::new();
    loop {
        match capture.next_event() {
            Ok(Some(Event::Interface(interface))) => interfaces.push(interface),
            Ok(Some(Event::Secrets(_))) => {}
            Ok(Some(Event::Frame(frame))) => {
                let interface = interfaces.get(frame.interface as usize).expect("an interface comes before its frames");
                assert_eq!(interface.link_type, frame.link_type);
                assert!(frame.data.len() <= MAX_CAPTURED_BYTES as usize);
            }
            Ok(None) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
    assert!(matches!(capture.next_event(), Ok(None)), "the end stays the end");
    assert!(capture.bytes_read() <= data.len() as u64);
});
