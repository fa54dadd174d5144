//! Capture files built byte by byte, read back, cut, broken and compressed. The builders are here, the cases beside it.

mod build;
mod compressed;
mod corpus;
mod hostile;
mod pcap;
mod pcapng;
mod recognise;

use std::io::{Cursor, Read, Write};

use super::{CaptureFile, Event, SourceError};
use crate::frame::{Direction, Interface};

/// A frame that outlives its file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    ts_ns: i64,
    interface: u32,
    link_type: u16,
    orig_len: u32,
    data: Vec<u8>,
    direction: Option<Direction>,
}

/// All that a file gave.
#[derive(Debug, Default)]
struct Outcome {
    interfaces: Vec<Interface>,
    frames: Vec<Kept>,
    secrets: Vec<Vec<u8>>,
    /// How it ended, when not cleanly.
    error: Option<SourceError>,
}

impl Outcome {
    /// The frames of a file that must be whole.
    fn whole(self) -> Vec<Kept> {
        assert!(self.error.is_none(), "{:?}", self.error);
        self.frames
    }

    /// Offset and message of the damage that must be there.
    fn damage(&self) -> (u64, String) {
        match &self.error {
            Some(e @ SourceError::Damaged { offset, frames, .. }) => {
                assert_eq!(*frames, self.frames.len() as u64);
                (*offset, e.to_string())
            }
            other => panic!("damage expected, not {other:?}"),
        }
    }
}

fn read(bytes: &[u8]) -> Outcome {
    read_from(Cursor::new(bytes.to_vec()))
}

fn read_from(reader: impl Read + Send + 'static) -> Outcome {
    match CaptureFile::from_reader("t".to_owned(), Box::new(reader)) {
        Ok(capture) => drain(capture),
        Err(e) => Outcome { error: Some(e), ..Outcome::default() },
    }
}

fn drain(mut capture: CaptureFile) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        match capture.next_event() {
            Ok(Some(Event::Interface(interface))) => outcome.interfaces.push(interface),
            Ok(Some(Event::Secrets(log))) => outcome.secrets.push(log.to_vec()),
            Ok(Some(Event::Frame(f))) => {
                assert!(
                    (f.interface as usize) < outcome.interfaces.len(),
                    "an interface is announced before its frames"
                );
                outcome.frames.push(Kept {
                    ts_ns: f.ts_ns,
                    interface: f.interface,
                    link_type: f.link_type,
                    orig_len: f.orig_len,
                    data: f.data.to_vec(),
                    direction: f.direction,
                });
            }
            Ok(None) => break,
            Err(e) => {
                outcome.error = Some(e);
                break;
            }
        }
    }
    assert!(matches!(capture.next_event(), Ok(None)), "the end stays the end, after an error too");
    assert!(capture.buffer.capacity() <= 17 << 20, "memory is bounded");
    outcome
}

fn compressed_with_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A reader that gives at most `step` bytes a call.
struct Dribble {
    bytes: Cursor<Vec<u8>>,
    step: usize,
}

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = out.len().min(self.step);
        self.bytes.read(&mut out[..n])
    }
}
