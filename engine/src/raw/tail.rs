//! Reading a raw log while it grows: block by block, and never further than the last whole one.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    Interface, RawPacket, Statistics,
    pcapng::{self, next_block, read_section, whole_block},
};
use crate::{Error, Result};

/// Bytes asked of the operating system at a time.
const READ_BYTES: usize = 1 << 20;

/// A reader that follows a raw log.
#[derive(Debug)]
pub struct LogTail {
    path: PathBuf,
    file: File,
    /// Bytes of the file from `buffer_at` on; `taken` of them were given out.
    buffer: Vec<u8>,
    buffer_at: u64,
    taken: usize,
    interfaces: Vec<Interface>,
    comment: String,
}

/// What a raw log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEntry<'a> {
    /// The next interface; they are numbered from 0.
    Interface(&'a Interface),
    /// The next packet, and the interface it names.
    Packet {
        /// The packet.
        packet: RawPacket<'a>,
        /// Where it was captured.
        interface: &'a Interface,
    },
    /// What an interface has counted.
    Statistics(Statistics),
    /// Lines of a log of TLS secrets.
    Secrets(&'a [u8]),
}

impl<'a> LogEntry<'a> {
    /// Whether a block of this type is an entry.
    pub(super) fn is(kind: u32) -> bool {
        matches!(kind, pcapng::PACKET | pcapng::STATISTICS | pcapng::INTERFACE | pcapng::SECRETS)
    }

    /// From a block of such a type, behind `interfaces`, to which an interface is added.
    pub(super) fn read(
        kind: u32,
        body: &'a [u8],
        interfaces: &'a mut Vec<Interface>,
    ) -> Result<LogEntry<'a>, &'static str> {
        const MISSING: &str = "a packet names an interface that is not there";
        match kind {
            pcapng::STATISTICS => pcapng::read_statistics(body).map(LogEntry::Statistics),
            pcapng::SECRETS => pcapng::read_secrets(body).map(LogEntry::Secrets),
            pcapng::INTERFACE => {
                interfaces.push(pcapng::read_interface(body)?);
                interfaces.last().map(LogEntry::Interface).ok_or(MISSING)
            }
            _ => {
                let packet = pcapng::read_packet(body, interfaces)?;
                let interface = interfaces.get(packet.interface as usize).ok_or(MISSING)?;
                Ok(LogEntry::Packet { packet, interface })
            }
        }
    }
}

impl LogTail {
    /// Opens the log at `path`, at its beginning.
    pub fn open(path: &Path) -> Result<LogTail> {
        let file = File::open(path).map_err(Error::io(path))?;
        Ok(LogTail {
            path: path.to_owned(),
            file,
            buffer: Vec::new(),
            buffer_at: 0,
            taken: 0,
            interfaces: Vec::new(),
            comment: String::new(),
        })
    }

    /// The comment of the section header, once an entry was read.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Bytes of whole blocks read so far.
    pub fn offset(&self) -> u64 {
        self.buffer_at + self.taken as u64
    }

    /// The next entry, or None where the log ends for now. A block that breaks a rule is an error, and stays one: what
    /// is behind it cannot be found.
    pub fn next_entry(&mut self) -> Result<Option<LogEntry<'_>>> {
        let (at, kind, body) = loop {
            let Some(len) = self.whole_block()? else { return Ok(None) };
            let (at, start) = (self.offset(), self.taken);
            let mut bytes = self.buffer.get(start..start + len).unwrap_or_default();
            let block = next_block(&mut bytes).map_err(|what| Error::damaged(&self.path, at, what))?;
            self.taken += len;
            match block.kind {
                pcapng::SECTION => {
                    let comment = read_section(block.body).map_err(|what| Error::damaged(&self.path, at, what))?;
                    comment.clone_into(&mut self.comment);
                }
                kind if LogEntry::is(kind) => break (at, kind, start + 8..start + len - 4),
                _ => {}
            }
        };
        let body = self.buffer.get(body).unwrap_or_default();
        let entry = LogEntry::read(kind, body, &mut self.interfaces);
        entry.map(Some).map_err(|what| Error::damaged(&self.path, at, what))
    }

    /// Length of the block at hand once all of it is in the buffer; None while the file ends before.
    fn whole_block(&mut self) -> Result<Option<usize>> {
        loop {
            let ready = self.buffer.get(self.taken..).unwrap_or_default();
            if let Some(len) = whole_block(ready).map_err(|what| Error::damaged(&self.path, self.offset(), what))? {
                return Ok(Some(len));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads on. False at the end of the file.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.taken);
        self.buffer_at += self.taken as u64;
        self.taken = 0;
        let len = self.buffer.len();
        self.buffer.resize(len + READ_BYTES, 0);
        let target = self.buffer.get_mut(len..).unwrap_or_default();
        let read = match self.file.read_at(target, self.buffer_at + len as u64) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
            other => other,
        };
        let read = read.map_err(Error::io(&self.path));
        self.buffer.truncate(len + *read.as_ref().unwrap_or(&0));
        read.map(|n| n > 0)
    }
}
