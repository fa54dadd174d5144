//! Reading a raw component: one packet, many packets (see [`fetch`](super::fetch)), or all of it to prove it whole.
//!
//! Opening reads the seek table alone. Everything that comes from disk is checked where it is read: a frame's bytes
//! against its checksum, blocks and packets against the frame's end. A rule that does not hold is [`Error::Damaged`].

use std::{
    collections::VecDeque,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    Interface, OwnedPacket, RawPacket,
    codec::Decoder,
    pcapng::{self, next_block, push_interface, push_section, read_packet},
    seek::{Frame, SeekTable, read_at},
};
use crate::{Error, Result};

/// Plain bytes of frames kept for the next [`RawReader::frame`]. Neighbours are asked for one after the other, so a few
/// frames do; every open segment may hold this much.
const CACHE_BYTES: usize = 256 << 10;

/// A raw component, open for reading. Share it between threads.
#[derive(Debug)]
pub struct RawReader {
    path: PathBuf,
    file: File,
    table: SeekTable,
    cache: Mutex<Cache>,
}

impl RawReader {
    /// Opens the component at `path`, whatever its codec, by its seek table.
    pub fn open(path: &Path) -> Result<RawReader> {
        let file = File::open(path).map_err(Error::io(path))?;
        let table = SeekTable::read(path, &file)?;
        Ok(RawReader { path: path.to_owned(), file, table, cache: Mutex::default() })
    }

    /// A file that `table` describes.
    pub(crate) fn over(path: &Path, file: File, table: SeekTable) -> RawReader {
        RawReader { path: path.to_owned(), file, table, cache: Mutex::default() }
    }

    /// Packets here: rows 0 to this, exclusive.
    pub fn rows(&self) -> u32 {
        self.table.rows()
    }

    /// The interfaces, by number.
    pub fn interfaces(&self) -> &[Interface] {
        &self.table.interfaces
    }

    /// Bytes of pcapng, decompressed.
    pub fn plain_bytes(&self) -> u64 {
        self.table.plain_bytes
    }

    /// Bytes of all packets together.
    pub fn captured_bytes(&self) -> u64 {
        self.table.captured_bytes
    }

    /// The packet of `row`. Its neighbours come cheaper for a while; for many packets, see
    /// [`for_each`](Self::for_each).
    pub fn frame(&self, row: u32) -> Result<OwnedPacket> {
        let index = self.frame_of(row)?;
        let plain = self.cached(index)?;
        let mut walk = self.walk(index, &plain);
        Ok(walk.packet(row)?.to_owned())
    }

    /// Reads everything and checks checksums, block structure, interfaces and totals. The first fault found is the
    /// error.
    pub fn verify(&self) -> Result<()> {
        let mut scratch = self.scratch()?;
        let mut plain = Vec::new();
        let mut check = Check { interfaces: &self.table.interfaces, seen: 0, row: 0, captured: 0 };
        for (index, frame) in self.table.frames.iter().enumerate() {
            self.load(index, &mut scratch, &mut plain)?;
            let mut rest = plain.as_slice();
            if index == 0 {
                rest = check.section(rest).map_err(|what| self.damaged(index, 0, what))?;
            }
            while !rest.is_empty() {
                let at = plain.len() - rest.len();
                check.block(&mut rest).map_err(|what| self.damaged(index, at, what))?;
            }
            if check.row != frame.end_row {
                return Err(self.damaged(index, 0, "the frame does not hold the rows that the seek table records"));
            }
        }
        let last = self.table.frames.len().saturating_sub(1);
        if self.table.frames.is_empty() {
            return Err(self.damaged(last, 0, "no section header"));
        }
        if check.seen != check.interfaces.len() {
            return Err(self.damaged(last, 0, "interfaces of the seek table are missing"));
        }
        if check.captured != self.table.captured_bytes {
            return Err(self.damaged(last, 0, "packets do not add up to the bytes that the seek table records"));
        }
        Ok(())
    }

    /// The frame that holds `row`.
    pub(super) fn frame_of(&self, row: u32) -> Result<usize> {
        if row >= self.rows() {
            let what = format!("packet {row} in {}, which holds {}", self.path.display(), self.rows());
            return Err(Error::Missing { what });
        }
        Ok(self.table.frames.partition_point(|f| f.end_row <= row))
    }

    /// Row after the last one of frame `index`.
    pub(super) fn end_row(&self, index: usize) -> u32 {
        self.table.frames.get(index).map_or(0, |f| f.end_row)
    }

    /// What [`load`](Self::load) works with.
    pub(super) fn scratch(&self) -> Result<Scratch> {
        let decoder = Decoder::new(self.table.codec).map_err(Error::io(&self.path))?;
        Ok(Scratch { decoder, stored: Vec::new() })
    }

    /// Reads frame `index` into `plain`, decompressed and checked against its checksum.
    pub(super) fn load(&self, index: usize, scratch: &mut Scratch, plain: &mut Vec<u8>) -> Result<()> {
        let Some(frame) = self.table.frames.get(index) else {
            return Err(Error::Missing { what: format!("frame {index} in {}", self.path.display()) });
        };
        scratch.stored.resize(frame.stored_len as usize, 0);
        read_at(&self.path, &self.file, &mut scratch.stored, frame.offset)?;
        if xxh3_64(&scratch.stored) != frame.checksum {
            return Err(Error::damaged(
                &self.path,
                frame.offset,
                format!("frame {index}: its checksum does not match"),
            ));
        }
        let decoded = scratch.decoder.decode(&mut scratch.stored, plain, frame.plain_len as usize);
        decoded.map_err(|what| Error::damaged(&self.path, frame.offset, format!("frame {index}: {what}")))
    }

    /// A way through the packets of frame `index`, whose bytes are `plain`.
    pub(super) fn walk<'a>(&'a self, index: usize, plain: &'a [u8]) -> Walk<'a> {
        let first_row = index.checked_sub(1).map_or(0, |before| self.end_row(before));
        Walk { reader: self, index, first_row, plain, rest: plain, next_row: first_row }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Frames here.
    pub(super) fn frames(&self) -> usize {
        self.table.frames.len()
    }

    fn cached(&self, index: usize) -> Result<Arc<Vec<u8>>> {
        let mut cache = self.lock();
        if let Some(plain) = cache.get(index) {
            return Ok(plain);
        }
        let spare = cache.spare.pop();
        // Others need not wait while this frame is decompressed.
        drop(cache);
        let mut scratch = match spare {
            Some(scratch) => scratch,
            None => self.scratch()?,
        };
        let mut plain = Vec::new();
        self.load(index, &mut scratch, &mut plain)?;
        let plain = Arc::new(plain);
        let mut cache = self.lock();
        cache.put(index, Arc::clone(&plain));
        if cache.spare.is_empty() {
            cache.spare.push(scratch);
        }
        Ok(plain)
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn damaged(&self, index: usize, at: usize, what: &str) -> Error {
        let offset = self.table.frames.get(index).map_or(0, |f: &Frame| f.offset);
        Error::damaged(&self.path, offset, format!("frame {index}, byte {at} of its content: {what}"))
    }
}

/// A decoder and the buffer it reads from, kept from frame to frame.
#[derive(Debug)]
pub(super) struct Scratch {
    decoder: Decoder,
    stored: Vec<u8>,
}

/// A way through one frame's packets.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    reader: &'a RawReader,
    index: usize,
    first_row: u32,
    plain: &'a [u8],
    rest: &'a [u8],
    next_row: u32,
}

impl<'a> Walk<'a> {
    /// The packet of `row`, which this frame holds. Going forward costs the blocks between; going back starts again.
    pub(super) fn packet(&mut self, row: u32) -> Result<RawPacket<'a>> {
        if row < self.next_row {
            (self.rest, self.next_row) = (self.plain, self.first_row);
        }
        self.find(row).map_err(|what| self.reader.damaged(self.index, self.plain.len() - self.rest.len(), what))
    }

    fn find(&mut self, row: u32) -> Result<RawPacket<'a>, &'static str> {
        loop {
            let block = next_block(&mut self.rest)?;
            if block.kind == pcapng::PACKET {
                self.next_row += 1;
                if self.next_row > row {
                    return read_packet(block.body, &self.reader.table.interfaces);
                }
            }
        }
    }
}

/// Frames of late, the most recent last, and decoders that nobody uses.
#[derive(Debug, Default)]
struct Cache {
    frames: VecDeque<(usize, Arc<Vec<u8>>)>,
    bytes: usize,
    spare: Vec<Scratch>,
}

impl Cache {
    fn get(&mut self, index: usize) -> Option<Arc<Vec<u8>>> {
        let at = self.frames.iter().position(|(i, _)| *i == index)?;
        let entry = self.frames.remove(at)?;
        let plain = Arc::clone(&entry.1);
        self.frames.push_back(entry);
        Some(plain)
    }

    fn put(&mut self, index: usize, plain: Arc<Vec<u8>>) {
        if plain.len() > CACHE_BYTES || self.frames.iter().any(|(i, _)| *i == index) {
            return;
        }
        self.bytes += plain.len();
        self.frames.push_back((index, plain));
        while self.bytes > CACHE_BYTES {
            let Some((_, oldest)) = self.frames.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }
}

/// What verification has seen so far.
struct Check<'a> {
    interfaces: &'a [Interface],
    seen: usize,
    row: u32,
    captured: u64,
}

impl Check<'_> {
    fn section<'b>(&self, plain: &'b [u8]) -> Result<&'b [u8], &'static str> {
        let mut expected = Vec::new();
        push_section(&mut expected);
        plain.strip_prefix(expected.as_slice()).ok_or("no section header of ours at the start")
    }

    fn block(&mut self, rest: &mut &[u8]) -> Result<(), &'static str> {
        let before = *rest;
        let block = next_block(rest)?;
        match block.kind {
            pcapng::PACKET => {
                let packet = read_packet(block.body, self.interfaces.get(..self.seen).unwrap_or_default())?;
                self.row = self.row.checked_add(1).ok_or("more packets than rows can be")?;
                self.captured += packet.data.len() as u64;
                Ok(())
            }
            pcapng::INTERFACE => {
                let interface = self.interfaces.get(self.seen).ok_or("an interface that the seek table lacks")?;
                let name_len = u16::try_from(interface.name.len()).map_err(|_| "an interface's name is too long")?;
                let mut expected = Vec::new();
                push_interface(&mut expected, interface, name_len);
                self.seen += 1;
                let same = before.get(..before.len() - rest.len()) == Some(expected.as_slice());
                if same { Ok(()) } else { Err("an interface differs from the seek table's") }
            }
            pcapng::STATISTICS => {
                let statistics = pcapng::read_statistics(block.body)?;
                let known = (statistics.interface as usize) < self.seen;
                if known { Ok(()) } else { Err("statistics of an interface that is not there") }
            }
            pcapng::SECRETS => pcapng::read_secrets(block.body).map(drop),
            _ => Err("a block that is none of packet, interface, statistics and secrets"),
        }
    }
}
