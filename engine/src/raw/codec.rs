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
pub(crate) enum Encoder {
    Plain,
    Lz4(CompressTable),
    Zstd(Box<Compressor<'static>>),
}

impl Encoder {
    pub(crate) fn new(codec: Codec) -> io::Result<Encoder> {
        Ok(match codec {
            Codec::Plain => Encoder::Plain,
            Codec::Lz4 => Encoder::Lz4(CompressTable::default()),
            Codec::Zstd => {
                let mut compressor = Compressor::new(ZSTD_LEVEL)?;
                compressor.set_parameter(CParameter::ChecksumFlag(false))?;
                compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
                Encoder::Zstd(Box::new(compressor))
            }
        })
    }

    /// Puts the bytes to store for `plain` into `out` from `at` on, and returns where they end. `out` grows when it has
    /// too little room and never shrinks here: clearing it for each frame would cost a twentieth of compressing one.
    pub(crate) fn encode(&mut self, plain: &[u8], out: &mut Vec<u8>, at: usize) -> io::Result<usize> {
        let bound = match self {
            Encoder::Plain => plain.len(),
            Encoder::Lz4(_) => {
                let blocks = plain.len().div_ceil(LZ4_BLOCK_BYTES);
                LZ4_HEADER.len() + 4 * (blocks + 1) + blocks * get_maximum_output_size(LZ4_BLOCK_BYTES.min(plain.len()))
            }
            Encoder::Zstd(_) => compress_bound(plain.len()),
        };
        if out.len() < at + bound {
            out.resize(at + bound, 0);
        }
        let mut room = out.get_mut(at..).unwrap_or_default();
        match self {
            Encoder::Plain => put(&mut room, plain)?,
            Encoder::Lz4(table) => encode_lz4(plain, table, &mut room)?,
            Encoder::Zstd(compressor) => {
                let n = compressor.compress_to_buffer(plain, room)?;
                return Ok(at + n);
            }
        }
        let left = room.len();
        Ok(out.len() - left)
    }
}

/// Copies `bytes` to the front of `room`, which is then what is left of it.
fn put(room: &mut &mut [u8], bytes: &[u8]) -> io::Result<()> {
    io::Write::write_all(room, bytes)
}

fn encode_lz4(plain: &[u8], table: &mut CompressTable, room: &mut &mut [u8]) -> io::Result<()> {
    put(room, &LZ4_HEADER)?;
    for block in plain.chunks(LZ4_BLOCK_BYTES) {
        let behind_size = room.get_mut(4..).unwrap_or_default();
        let n = compress_into_with_table(block, behind_size, table).map_err(io::Error::other)?;
        if n < block.len() {
            put(room, &u32::try_from(n).map_err(io::Error::other)?.to_le_bytes())?;
            let _compressed = room.split_off_mut(..n);
        } else {
            let size = u32::try_from(block.len()).map_err(io::Error::other)?;
            put(room, &(size | LZ4_STORED).to_le_bytes())?;
            put(room, block)?;
        }
    }
    put(room, &[0; 4])
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
