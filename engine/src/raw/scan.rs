//! A seek table for a raw log that has none yet, so that packets of an open segment are fetched as those of a sealed one.
//!
//! A scan goes on where it stopped, so nothing is read twice.

use std::{fs::File, path::Path};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    Codec, FRAME_BYTES, Interface, RawReader,
    pcapng::{self, next_block, read_interface, read_packet},
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
            let taken = self.take(&buffer).map_err(|what| Error::damaged(path, self.offset, what))?;
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
            let before = rest;
            let whole = before
                .first_chunk::<8>()
                .is_some_and(|&[_, _, _, _, a, b, c, d]| u32::from_le_bytes([a, b, c, d]) as usize <= before.len());
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
                pcapng::PACKET => {
                    self.captured_bytes += read_packet(block.body, &self.interfaces)?.data.len() as u64;
                    rows = rows.checked_add(1).ok_or("more packets than rows can be")?;
                }
                pcapng::INTERFACE => self.interfaces.push(read_interface(block.body)?),
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
