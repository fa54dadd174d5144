//! The seek table at the end of a raw component: where frames are, which rows they hold, and the interfaces.
//!
//! ```text
//! compressed   5E 2A 4D 18 │ length: u32 │ table                    a skippable frame of both zstd and LZ4
//! plain        57 52 53 80 │ total: u32  │ table │ total: u32       a pcapng block of a type for local use
//!
//! table = { stored u32, plain u32, rows u32, xxh3 u64 }  per frame
//!         { link type u16, exponent u8, 0 u8, snaplen u32, name length u16, name }  per interface
//!         zeros up to a multiple of 4
//!         footer
//! ```
//!
//! The footer, found from the end of the file, is
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | frames |
//! | 4 | 4 | interfaces |
//! | 8 | 4 | rows |
//! | 12 | 1 | version, 1 |
//! | 13 | 1 | codec: 0 plain, 1 LZ4, 2 Zstandard |
//! | 14 | 2 | 0 |
//! | 16 | 8 | plain bytes of all frames |
//! | 24 | 8 | captured bytes of all packets |
//! | 32 | 8 | bytes of the table with this footer |
//! | 40 | 8 | XXH3-64 of the table up to here |
//! | 48 | 8 | `WTRAWSK1` |

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use xxhash_rust::xxh3::xxh3_64;

use super::{Codec, Interface, MAX_FRAME_BYTES, Resolution};
use crate::{Error, Result};

const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
/// Types from 0x80000000 on are for local use: readers of pcapng skip what they do not know.
const PLAIN_BLOCK_TYPE: u32 = 0x8053_5257;
const FOOTER_MAGIC: [u8; 8] = *b"WTRAWSK1";
const VERSION: u8 = 1;
const FRAME_ENTRY_BYTES: usize = 20;
const INTERFACE_ENTRY_BYTES: usize = 10;
/// The block of a packet without bytes. What a frame has room for bounds what its rows can make a reader remember.
const MIN_PACKET_BYTES: u32 = 32;
const FOOTER_BYTES: usize = 56;
/// Where the footer's checksum stands; it covers all that is before it.
const CHECKSUM_FROM_END: usize = 16;

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it starts in the file.
    pub(crate) offset: u64,
    /// XXH3-64 of its stored bytes.
    pub(crate) checksum: u64,
    /// Bytes in the file.
    pub(crate) stored_len: u32,
    /// Bytes of pcapng.
    pub(crate) plain_len: u32,
    /// Row after its last one.
    pub(crate) end_row: u32,
}

/// What the table says of the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeekTable {
    pub(crate) codec: Codec,
    /// In file order; together they fill the file up to the table.
    pub(crate) frames: Vec<Frame>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) plain_bytes: u64,
    pub(crate) captured_bytes: u64,
}

impl SeekTable {
    /// Packets in the file.
    pub(crate) fn rows(&self) -> u32 {
        self.frames.last().map_or(0, |f| f.end_row)
    }

    /// The table as it stands at the end of the file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut table = Vec::with_capacity(self.frames.len() * FRAME_ENTRY_BYTES + FOOTER_BYTES);
        let mut first_row = 0;
        for f in &self.frames {
            table.extend_from_slice(&f.stored_len.to_le_bytes());
            table.extend_from_slice(&f.plain_len.to_le_bytes());
            table.extend_from_slice(&(f.end_row - first_row).to_le_bytes());
            table.extend_from_slice(&f.checksum.to_le_bytes());
            first_row = f.end_row;
        }
        for i in &self.interfaces {
            let name_len = u16::try_from(i.name.len()).map_err(|_| too_large())?;
            table.extend_from_slice(&i.link_type.to_le_bytes());
            table.extend_from_slice(&[i.resolution.exponent(), 0]);
            table.extend_from_slice(&i.snaplen.to_le_bytes());
            table.extend_from_slice(&name_len.to_le_bytes());
            table.extend_from_slice(i.name.as_bytes());
        }
        table.resize(table.len().next_multiple_of(4), 0);
        let count = |n: usize| u32::try_from(n).map_err(|_| too_large());
        table.extend_from_slice(&count(self.frames.len())?.to_le_bytes());
        table.extend_from_slice(&count(self.interfaces.len())?.to_le_bytes());
        table.extend_from_slice(&self.rows().to_le_bytes());
        table.extend_from_slice(&[VERSION, self.codec.number(), 0, 0]);
        table.extend_from_slice(&self.plain_bytes.to_le_bytes());
        table.extend_from_slice(&self.captured_bytes.to_le_bytes());
        let len = count(table.len() + 8 + CHECKSUM_FROM_END)?;
        table.extend_from_slice(&u64::from(len).to_le_bytes());
        let checksum = xxh3_64(&table);
        table.extend_from_slice(&checksum.to_le_bytes());
        table.extend_from_slice(&FOOTER_MAGIC);
        let (magic, len, trailer) = match self.codec {
            Codec::Plain => {
                let total = len.checked_add(12).ok_or_else(too_large)?;
                (PLAIN_BLOCK_TYPE, total, total.to_le_bytes().to_vec())
            }
            Codec::Lz4 | Codec::Zstd => (SKIPPABLE_MAGIC, len, Vec::new()),
        };
        let mut out = [magic.to_le_bytes(), len.to_le_bytes()].concat();
        out.append(&mut table);
        out.extend_from_slice(&trailer);
        Ok(out)
    }

    /// Reads the table of the raw component at `path`, and checks it against the file's length.
    pub(crate) fn read(path: &Path, file: &File) -> Result<SeekTable> {
        let file_len = file.metadata().map_err(Error::io(path))?.len();
        let damaged = |what: &str| Error::damaged(path, file_len, what);
        let tail_len = (FOOTER_BYTES + 4).min(usize::try_from(file_len).unwrap_or(usize::MAX));
        let mut tail = vec![0; tail_len];
        read_at(path, file, &mut tail, file_len - tail_len as u64)?;
        // In a compressed file the footer comes last; in a plain one a block length follows it.
        let (footer, trailer_len) = if tail.ends_with(&FOOTER_MAGIC) {
            (tail.as_slice(), 0)
        } else {
            (tail.get(..tail_len.saturating_sub(4)).unwrap_or_default(), 4)
        };
        let footer = footer.last_chunk::<FOOTER_BYTES>().ok_or_else(|| damaged("too short for a seek table"))?;
        if !footer.ends_with(&FOOTER_MAGIC) {
            return Err(damaged("no seek table at the end"));
        }
        let table_len = footer.get(32..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b));
        let whole_len =
            table_len.checked_add(8 + trailer_len).filter(|n| *n <= file_len && table_len >= FOOTER_BYTES as u64);
        let whole_len = whole_len.ok_or_else(|| damaged("the seek table's length is out of range"))?;
        let at = file_len - whole_len;
        let mut bytes =
            vec![0; usize::try_from(whole_len).map_err(|_| damaged("the seek table is larger than memory"))?];
        read_at(path, file, &mut bytes, at)?;
        parse(&bytes, trailer_len, at).map_err(|what| Error::damaged(path, at, what))
    }
}

/// Reads exactly `buffer` at `offset`; a file that ends before is damaged.
pub(crate) fn read_at(path: &Path, file: &File, buffer: &mut [u8], offset: u64) -> Result<()> {
    file.read_exact_at(buffer, offset).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Error::damaged(path, offset, "the file ends here"),
        _ => Error::io(path)(e),
    })
}

fn too_large() -> Error {
    Error::Limit { what: "the seek table of a raw component".to_owned(), limit: "4 GiB".to_owned() }
}

/// `bytes` is the skippable frame or block, which starts at file offset `at`.
fn parse(bytes: &[u8], trailer_len: u64, at: u64) -> Result<SeekTable, &'static str> {
    let mut rest = bytes;
    let magic = u32::from_le_bytes(take(&mut rest)?);
    let len = u32::from_le_bytes(take(&mut rest)?);
    let table = rest.get(..rest.len().saturating_sub(usize::try_from(trailer_len).unwrap_or(0))).unwrap_or_default();
    let trailer = rest.get(table.len()..).unwrap_or_default();
    let (head, footer) = table.split_at_checked(table.len().saturating_sub(FOOTER_BYTES)).ok_or("no footer")?;

    let mut fields = footer;
    let frames = u32::from_le_bytes(take(&mut fields)?) as usize;
    let interfaces = u32::from_le_bytes(take(&mut fields)?);
    let rows = u32::from_le_bytes(take(&mut fields)?);
    let [version, codec, zero_0, zero_1] = take(&mut fields)?;
    let plain_bytes = u64::from_le_bytes(take(&mut fields)?);
    let captured_bytes = u64::from_le_bytes(take(&mut fields)?);
    let table_len = u64::from_le_bytes(take(&mut fields)?);
    let checksum = u64::from_le_bytes(take(&mut fields)?);
    if version != VERSION {
        return Err("a seek table of another version");
    }
    if xxh3_64(table.get(..table.len() - CHECKSUM_FROM_END).unwrap_or_default()) != checksum {
        return Err("the seek table's checksum does not match");
    }
    let codec = Codec::from_number(codec).ok_or("the seek table names an unknown codec")?;
    let wrapped = match codec {
        Codec::Plain => magic == PLAIN_BLOCK_TYPE && len as usize == bytes.len() && trailer == len.to_le_bytes(),
        Codec::Lz4 | Codec::Zstd => magic == SKIPPABLE_MAGIC && len as usize == table.len() && trailer.is_empty(),
    };
    if !wrapped || table_len != table.len() as u64 || zero_0 != 0 || zero_1 != 0 {
        return Err("the seek table is not framed as its codec asks");
    }

    let entries = frames.checked_mul(FRAME_ENTRY_BYTES).and_then(|n| head.split_at_checked(n));
    let (entries, mut rest) = entries.ok_or("the seek table lacks frames")?;
    let frames = parse_frames(entries, at, rows, plain_bytes)?;
    let interfaces = parse_interfaces(&mut rest, interfaces)?;
    if rest.len() > 3 || rest.iter().any(|b| *b != 0) {
        return Err("the seek table holds more than it records");
    }
    Ok(SeekTable { codec, frames, interfaces, plain_bytes, captured_bytes })
}

fn parse_frames(entries: &[u8], end: u64, rows: u32, plain_bytes: u64) -> Result<Vec<Frame>, &'static str> {
    let mut frames = Vec::with_capacity(entries.len() / FRAME_ENTRY_BYTES);
    let (mut offset, mut end_row, mut plain_sum) = (0u64, 0u32, 0u64);
    for mut entry in entries.chunks_exact(FRAME_ENTRY_BYTES) {
        let stored_len = u32::from_le_bytes(take(&mut entry)?);
        let plain_len = u32::from_le_bytes(take(&mut entry)?);
        let rows = u32::from_le_bytes(take(&mut entry)?);
        let checksum = u64::from_le_bytes(take(&mut entry)?);
        if plain_len as usize > MAX_FRAME_BYTES {
            return Err("a frame is over the limit");
        }
        if rows > plain_len / MIN_PACKET_BYTES {
            return Err("a frame records more packets than it has room for");
        }
        end_row = end_row.checked_add(rows).ok_or("rows of the seek table are out of range")?;
        frames.push(Frame { offset, checksum, stored_len, plain_len, end_row });
        offset += u64::from(stored_len);
        plain_sum += u64::from(plain_len);
    }
    if (offset, end_row, plain_sum) != (end, rows, plain_bytes) {
        return Err("frames of the seek table do not add up to its totals");
    }
    Ok(frames)
}

fn parse_interfaces(rest: &mut &[u8], count: u32) -> Result<Vec<Interface>, &'static str> {
    if count as usize > rest.len() / INTERFACE_ENTRY_BYTES {
        return Err("the seek table lacks interfaces");
    }
    let mut interfaces = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let link_type = u16::from_le_bytes(take(rest)?);
        let [exponent, zero] = take(rest)?;
        let snaplen = u32::from_le_bytes(take(rest)?);
        let name_len = usize::from(u16::from_le_bytes(take(rest)?));
        let (name, after) = rest.split_at_checked(name_len).ok_or("an interface's name is cut off")?;
        *rest = after;
        let name = str::from_utf8(name).map_err(|_| "an interface's name is not UTF-8")?.to_owned();
        if zero != 0 {
            return Err("an interface of the seek table is not as this version writes it");
        }
        let resolution = Resolution::from_exponent(exponent).ok_or("an interface's resolution is neither µs nor ns")?;
        interfaces.push(Interface { link_type, snaplen, name, resolution });
    }
    Ok(interfaces)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (value, rest) = bytes.split_first_chunk::<N>().ok_or("the seek table is cut off")?;
    *bytes = rest;
    Ok(*value)
}
