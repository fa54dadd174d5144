//! Index files with their skin off: the directory, then every section decompressed. [`sealed`] makes the file of it, with
//! sizes and checksums that hold, so that mutations reach the rules behind them. The byte tables are in
//! `engine/src/index/mod.rs`.

use xxhash_rust::xxh3::xxh3_64;

use crate::{put, u32_at};

/// The first eight bytes of an index file.
pub const MAGIC: &[u8] = b"WTINDEX\n";
const HEADER_BYTES: usize = 24;
/// Rows at most: with the 2²⁸ of the format every second input would cost a gigabyte and show nothing else.
const MAX_ROWS: u32 = 1 << 16;

/// The index file that `open` describes; `None` where its directory does not say where its sections are, or is too large.
pub fn sealed(open: &[u8]) -> Option<Vec<u8>> {
    if u32_at(open, 0)? > MAX_ROWS {
        return None;
    }
    let (places, directory_bytes) = places(open)?;
    let (head, mut rest) = open.split_at_checked(directory_bytes)?;
    let (mut directory, mut stored) = (head.to_vec(), Vec::new());
    for place in places {
        let raw;
        (raw, rest) = rest.split_at((u32_at(open, place)? as usize).min(rest.len()));
        let section = zstd::bulk::compress(raw, 1).ok()?;
        put(&mut directory, place + 4, &(section.len() as u32).to_le_bytes());
        put(&mut directory, place + 8, &xxh3_64(&section).to_le_bytes());
        stored.extend(section);
    }
    let mut file = [MAGIC, &1u32.to_le_bytes(), &(directory.len() as u32).to_le_bytes()].concat();
    file.extend(xxh3_64(&directory).to_le_bytes());
    file.extend(directory);
    file.extend(stored);
    Some(file)
}

/// The open form of a good index file.
pub fn open(file: &[u8]) -> Option<Vec<u8>> {
    let directory = file.get(HEADER_BYTES..)?.get(..u32_at(file, 12)? as usize)?;
    let mut rest = file.get(HEADER_BYTES + directory.len()..)?;
    let mut out = directory.to_vec();
    for place in places(directory)?.0 {
        let stored;
        (stored, rest) = rest.split_at_checked(u32_at(directory, place + 4)? as usize)?;
        out.extend(zstd::bulk::decompress(stored, u32_at(directory, place)? as usize).ok()?);
    }
    Some(out)
}

/// Where in the directory each section is described, and where the directory ends.
fn places(directory: &[u8]) -> Option<(Vec<usize>, usize)> {
    let u16_at = |at: usize| directory.get(at..)?.first_chunk().map(|b| usize::from(u16::from_le_bytes(*b)));
    let (mut places, mut at) = (Vec::new(), 16);
    for _ in 0..u16_at(8)? {
        places.push(at + 6);
        at += 22;
    }
    for _ in 0..u16_at(10)? {
        at += 7 + u16_at(at + 5)?;
        places.push(at);
        at += 16;
    }
    places.push(at);
    at += 16;
    for _ in 0..u32_at(directory, 12)? {
        places.push(at + 4);
        at += 20;
        if at > directory.len() {
            return None;
        }
    }
    (at <= directory.len()).then_some((places, at))
}
