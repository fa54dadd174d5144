//! A seek table for a raw log that has none yet, so that packets of an open segment are fetched as those of a sealed one.
//!
//! A scan goes on where it stopped, so nothing is read twice.

use std::{fs::File, path::Path};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    Codec, FRAME_BYTES, Interface, LogEntry, RawReader,
    pcapng::{self, next_block, read_section, whole_block},
    seek::{Frame, SeekTable, read_at},
};
use crate::{Error, Result};

/// What of a raw log is known so far.
#[derive(Debug, Default)]
pub(crate) struct LogScan {
    /// Frames that no later block will change.
    frames: Vec<Frame>,
    interfaces: Vec<Interface>,
    captured_bytes: u64,
    /// Where the next frame begins.
    offset: u64,
    buffer: Vec<u8>,
}

/// Bytes read at a time; a frame ends with each.
const READ_BYTES: usize = 1 << 20;

impl LogScan {
    /// A reader over the first `len` bytes of the log `file`, or what of them are whole blocks. `path` is its name, for
    /// errors: the file may have lost it.
    pub(crate) fn reader(&mut self, path: &Path, file: File, len: u64) -> Result<RawReader> {
        let mut wanted = READ_BYTES;
        while self.offset < len {
            let size = usize::try_from(len - self.offset).unwrap_or(usize::MAX).min(wanted);
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(size, 0);
            read_at(path, &file, &mut buffer, self.offset)?;
            let last = self.offset + size as u64 == len;
            let taken = match self.take(&buffer) {
                Ok(taken) => taken,
                Err(what) => {
                    // Some of what it said is taken in, and would be once more.
                    let at = std::mem::take(self).offset;
                    return Err(Error::damaged(path, at, what));
                }
            };
            self.buffer = buffer;
            match taken {
                0 if last => break,
                0 => wanted = wanted.saturating_mul(2),
                _ => wanted = READ_BYTES,
            }
        }
        let plain_bytes = self.offset;
        let (frames, interfaces) = (self.frames.clone(), self.interfaces.clone());
        let table =
            SeekTable { codec: Codec::Plain, frames, interfaces, plain_bytes, captured_bytes: self.captured_bytes };
        Ok(RawReader::over(path, file, table))
    }

    /// Cuts `bytes` into frames. Returns how many of them are in whole blocks.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut rows = self.frames.last().map_or(0, |f| f.end_row);
        let mut frame = bytes;
        let mut rest = bytes;
        loop {
            let whole = whole_block(rest)?.is_some();
            let full = frame.len() - rest.len() >= FRAME_BYTES;
            if full || !whole {
                self.cut(frame, frame.len() - rest.len(), rows);
                frame = rest;
            }
            if !whole {
                return Ok(bytes.len() - rest.len());
            }
            let block = next_block(&mut rest)?;
            match block.kind {
                pcapng::SECTION => {
                    read_section(block.body)?;
                }
                kind if LogEntry::is(kind) => {
                    if let LogEntry::Packet { packet, .. } = LogEntry::read(kind, block.body, &mut self.interfaces)? {
                        self.captured_bytes += packet.data.len() as u64;
                        rows = rows.checked_add(1).ok_or("more packets than rows can be")?;
                    }
                }
                _ => {}
            }
        }
    }

    fn cut(&mut self, frame: &[u8], len: usize, end_row: u32) {
        let stored = frame.get(..len).unwrap_or_default();
        if let (Ok(stored_len), false) = (u32::try_from(len), stored.is_empty()) {
            let (offset, checksum) = (self.offset, xxh3_64(stored));
            self.frames.push(Frame { offset, checksum, stored_len, plain_len: stored_len, end_row });
            self.offset += u64::from(stored_len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fs::Fs,
        raw::{LOG_FILE, LogTail, LogWriter, RawPacket, Resolution, Statistics},
    };

    /// A log of every kind of block.
    fn log(dir: &Path) -> Vec<u8> {
        let mut log = LogWriter::create(&Fs::default(), dir, 7, "of a test").unwrap();
        log.interface(&Interface { link_type: 1, snaplen: 0, name: "lo".to_owned(), resolution: Resolution::Nano })
            .unwrap();
        log.secrets(b"CLIENT_RANDOM 1 2\n").unwrap();
        for ts_ns in 0..3 {
            log.push(&RawPacket { ts_ns, interface: 0, orig_len: 60, data: &[0x55; 60], direction: None }).unwrap();
        }
        log.statistics(&Statistics { interface: 0, ts_ns: 3, ..Statistics::default() }).unwrap();
        log.flush().unwrap();
        std::fs::read(dir.join(LOG_FILE)).unwrap()
    }

    /// The packets that a follower reads; none where it meets damage.
    fn followed(path: &Path) -> Option<u32> {
        let mut tail = LogTail::open(path).unwrap();
        let mut packets = 0;
        while let Some(entry) = tail.next_entry().ok()? {
            packets += u32::from(matches!(entry, LogEntry::Packet { .. }));
        }
        Some(packets)
    }

    /// Proves that a log that ends anywhere, or has any byte wrong, is to a statement what it is to the recorder's own reader:
    /// as many packets, or damage; and that damage stays damage.
    #[test]
    fn a_damaged_log_is_the_same_to_all_readers() {
        let dir = tempfile::tempdir().unwrap();
        let good = log(dir.path());
        let path = dir.path().join("damaged");
        let (mut whole, mut damaged) = (0, 0);
        for at in 0..good.len() {
            let cut = good.get(..at).unwrap().to_vec();
            let flipped = |bits: u8| {
                let mut bytes = good.clone();
                *bytes.get_mut(at).unwrap() ^= bits;
                bytes
            };
            for bytes in [cut, flipped(1), flipped(0x80), flipped(0xff)] {
                std::fs::write(&path, &bytes).unwrap();
                let mut scan = LogScan::default();
                let mut read = || scan.reader(&path, File::open(&path).unwrap(), bytes.len() as u64).ok();
                let rows = read().map(|reader| reader.rows());
                assert_eq!(rows, followed(&path), "at {at}");
                assert_eq!(rows, read().map(|reader| reader.rows()), "a second time, at {at}");
                *if rows.is_some() { &mut whole } else { &mut damaged } += 1;
            }
        }
        assert!(whole > good.len() && damaged > good.len() / 4, "{whole} whole, {damaged} damaged");
    }
}
