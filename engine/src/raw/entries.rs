//! All of a sealed raw component from its beginning, entry by entry, as [`LogTail`](super::LogTail) gives a log.

use std::sync::Arc;

use super::{Interface, LogEntry, RawReader, pcapng::next_block, read::Scratch};
use crate::Result;

/// A way through a raw component.
#[derive(Debug)]
pub struct Entries {
    reader: Arc<RawReader>,
    scratch: Scratch,
    /// The frame at hand, decompressed; `taken` bytes of it were given out.
    plain: Vec<u8>,
    taken: usize,
    /// The frame after it.
    next_frame: usize,
    interfaces: Vec<Interface>,
}

impl Entries {
    /// The entries of `reader`.
    pub fn of(reader: Arc<RawReader>) -> Result<Entries> {
        let scratch = reader.scratch()?;
        Ok(Entries { reader, scratch, plain: Vec::new(), taken: 0, next_frame: 0, interfaces: Vec::new() })
    }

    /// The next entry, or None at the end.
    pub fn next_entry(&mut self) -> Result<Option<LogEntry<'_>>> {
        let (at, kind, body) = loop {
            if self.taken == self.plain.len() {
                if self.next_frame == self.reader.frames() {
                    return Ok(None);
                }
                self.reader.load(self.next_frame, &mut self.scratch, &mut self.plain)?;
                self.next_frame += 1;
                self.taken = 0;
            }
            let at = self.taken;
            let mut rest = self.plain.get(at..).unwrap_or_default();
            let block = next_block(&mut rest).map_err(|what| self.reader.damaged(self.next_frame - 1, at, what))?;
            self.taken = self.plain.len() - rest.len();
            if LogEntry::is(block.kind) {
                break (at, block.kind, at + 8..self.taken - 4);
            }
        };
        let body = self.plain.get(body).unwrap_or_default();
        let entry = LogEntry::read(kind, body, &mut self.interfaces);
        entry.map(Some).map_err(|what| self.reader.damaged(self.next_frame - 1, at, what))
    }
}
