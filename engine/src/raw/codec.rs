//! One frame through a codec and back. Contexts and tables are kept from frame to frame: making them costs more than a
//! small frame does.
//!
//! ```text
//! LZ4 frame (lz4_Frame_format.md 1.6.3): 04 22 4D 18 │ 60 70 73 │ { size: u32, bytes }… │ 00 00 00 00
//!                                        magic        FLG BD HC    blocks, independent    end mark
//! ```
//!
//! Frames carry no checksum of their own: the seek table has one for each.

use std::{fmt, io};

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::{CParameter, compress_bound},
};

use super::Codec;

/// Zstandard level. On captured traffic, in frames this small, level 3 takes half as long again and saves 2 % of the
/// disk; level -1 takes a quarter less time and 2 % more disk.
const ZSTD_LEVEL: i32 = 1;

/// Magic, FLG (version 1, independent blocks, no sizes or checksums), BD (blocks of at most 4 MiB), header checksum.
const LZ4_HEADER: [u8; 7] = [0x04, 0x22, 0x4D, 0x18, 0x60, 0x70, 0x73];
/// Largest block of an LZ4 frame with the header above.
const LZ4_BLOCK_BYTES: usize = 4 << 20;
/// Set in the size of an LZ4 block that is stored as it is.
const LZ4_STORED: u32 = 1 << 31;

/// Compresses frames. One for each thread.
pub(crate) struct Encoder {
    kind: EncoderKind,
    out: Vec<u8>,
}

enum EncoderKind {
    Plain,
    Lz4(CompressTable),
    Zstd(Box<Compressor<'static>>),
}

impl Encoder {
    pub(crate) fn new(codec: Codec) -> io::Result<Encoder> {
        let kind = match codec {
            Codec::Plain => EncoderKind::Plain,
            Codec::Lz4 => EncoderKind::Lz4(CompressTable::default()),
            Codec::Zstd => {
                let mut compressor = Compressor::new(ZSTD_LEVEL)?;
                compressor.set_parameter(CParameter::ChecksumFlag(false))?;
                compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
                EncoderKind::Zstd(Box::new(compressor))
            }
        };
        Ok(Encoder { kind, out: Vec::new() })
    }

    /// The bytes to store for `plain`.
    pub(crate) fn encode<'a>(&'a mut self, plain: &'a [u8]) -> io::Result<&'a [u8]> {
        match &mut self.kind {
            EncoderKind::Plain => return Ok(plain),
            EncoderKind::Lz4(table) => encode_lz4(plain, table, &mut self.out)?,
            EncoderKind::Zstd(compressor) => {
                self.out.clear();
                self.out.reserve(compress_bound(plain.len()));
                compressor.compress_to_buffer(plain, &mut self.out)?;
            }
        }
        Ok(&self.out)
    }
}

fn encode_lz4(plain: &[u8], table: &mut CompressTable, out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    out.extend_from_slice(&LZ4_HEADER);
    for block in plain.chunks(LZ4_BLOCK_BYTES) {
        let start = out.len();
        out.resize(start + 4 + get_maximum_output_size(block.len()), 0);
        let room = out.get_mut(start + 4..).unwrap_or_default();
        let n = compress_into_with_table(block, room, table).map_err(io::Error::other)?;
        out.truncate(start + 4 + n);
        let mut size = n;
        if n >= block.len() {
            out.truncate(start + 4);
            out.extend_from_slice(block);
            size = block.len() | LZ4_STORED as usize;
        }
        let size = u32::try_from(size).map_err(io::Error::other)?;
        if let Some(slot) = out.get_mut(start..start + 4) {
            slot.copy_from_slice(&size.to_le_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

/// Decompresses frames.
pub(crate) enum Decoder {
    Plain,
    Lz4,
    Zstd(Box<Decompressor<'static>>),
}

impl Decoder {
    pub(crate) fn new(codec: Codec) -> io::Result<Decoder> {
        Ok(match codec {
            Codec::Plain => Decoder::Plain,
            Codec::Lz4 => Decoder::Lz4,
            Codec::Zstd => Decoder::Zstd(Box::new(Decompressor::new()?)),
        })
    }

    /// Replaces the content of `plain` by the `plain_len` bytes that `stored` holds. Any other number of bytes is an
    /// error. For [`Codec::Plain`] the two vectors change places.
    pub(crate) fn decode(&mut self, stored: &mut Vec<u8>, plain: &mut Vec<u8>, plain_len: usize) -> Result<(), String> {
        match self {
            Decoder::Plain => std::mem::swap(stored, plain),
            Decoder::Lz4 => decode_lz4(stored, plain, plain_len)?,
            Decoder::Zstd(decompressor) => {
                plain.clear();
                plain.reserve(plain_len);
                decompressor.decompress_to_buffer(stored, plain).map_err(|e| format!("zstd: {e}"))?;
            }
        }
        if plain.len() != plain_len {
            return Err(format!("a frame holds {} bytes where the seek table records {plain_len}", plain.len()));
        }
        Ok(())
    }
}

fn decode_lz4(stored: &[u8], plain: &mut Vec<u8>, plain_len: usize) -> Result<(), String> {
    let mut rest = stored.strip_prefix(&LZ4_HEADER).ok_or("no LZ4 frame header")?;
    plain.resize(plain_len, 0);
    let mut room = plain.as_mut_slice();
    loop {
        let (size, after) = rest.split_first_chunk::<4>().ok_or("an LZ4 block size is cut off")?;
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            return match (room.len(), after.len()) {
                (0, 0) => Ok(()),
                (0, _) => Err("bytes after the end of an LZ4 frame".to_owned()),
                (missing, _) => Err(format!("an LZ4 frame holds {missing} bytes less than the seek table records")),
            };
        }
        let len = (size & !LZ4_STORED) as usize;
        let (block, after) = after.split_at_checked(len).ok_or("an LZ4 block is cut off")?;
        let n = if size & LZ4_STORED != 0 {
            room.get_mut(..len).ok_or("an LZ4 frame holds more than the seek table records")?.copy_from_slice(block);
            len
        } else {
            let window = room.len().min(LZ4_BLOCK_BYTES);
            decompress_into(block, room.get_mut(..window).unwrap_or_default()).map_err(|e| format!("lz4: {e}"))?
        };
        room = room.get_mut(n..).unwrap_or_default();
        rest = after;
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}
