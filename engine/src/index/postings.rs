//! The rows of each key: lists of ascending row numbers with one bit for the way round, in blocks of whole keys.
//!
//! In a block a key is the varint of its first row's distance from that of the key before (from 0 for the block's first
//! key), then for each further row the varint of `distance from the row before << 1 | mirrored`. A key's first row is
//! never mirrored. How many rows a key has stands in the counts section, see [`Counts`].

use croaring::{Bitmap, Portable};

use super::{
    codec::{Cursor, join_planes, put_planes, put_varint},
    limits::BLOCK_BYTES,
};

/// How many rows each virtual key has.
#[derive(Debug)]
pub(super) struct Counts {
    /// Indexed by virtual key: `2 * key + mirrored`.
    rows: Vec<u32>,
    /// The virtual keys that have any row.
    pub(super) live: Bitmap,
}

impl Counts {
    /// The section: byte planes of the forward rows of each key, then of the mirrored ones.
    pub(super) fn encode(virtual_keys: &[u32], keys: usize) -> Vec<u8> {
        let mut rows = vec![0u64; keys * 2];
        for &virtual_key in virtual_keys {
            if let Some(n) = rows.get_mut(virtual_key as usize) {
                *n += 1;
            }
        }
        let mut out = Vec::new();
        for mirrored in 0..2 {
            let of_way: Vec<u64> = rows.iter().skip(mirrored).step_by(2).copied().collect();
            put_planes(&of_way, &mut out);
        }
        out
    }

    /// Reads the section. The counts of a table with key columns add up to its `rows`.
    pub(super) fn decode(raw: &[u8], keys: usize, rows: u32) -> Result<Counts, String> {
        let mut cursor = Cursor::new(raw);
        let mut next = || {
            let (_, planes) = cursor.planes(keys, 4)?;
            Some(join_planes::<u32>(planes, keys))
        };
        let (Some(forward), Some(mirrored)) = (next(), next()) else {
            return Err("counts that are cut off".to_owned());
        };
        if !cursor.is_at_end() {
            return Err("bytes after the end of the counts".to_owned());
        }
        if forward.contains(&0) {
            return Err("a key whose first row is missing".to_owned());
        }
        let total: u64 = forward.iter().chain(&mirrored).map(|&n| u64::from(n)).sum();
        if keys > 0 && total != u64::from(rows) {
            return Err(format!("counts of {total} rows in a table of {rows}"));
        }
        let rows: Vec<u32> = forward.into_iter().zip(mirrored).flat_map(|(f, m)| [f, m]).collect();
        let virtual_keys: Vec<u32> = (0u32..).zip(&rows).filter(|(_, n)| **n > 0).map(|(v, _)| v).collect();
        let mut live = Bitmap::of(&virtual_keys);
        live.run_optimize();
        Ok(Counts { rows, live })
    }

    /// Rows of a virtual key.
    pub(super) fn of(&self, virtual_key: u32) -> u32 {
        self.rows.get(virtual_key as usize).copied().unwrap_or_default()
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.rows.len() * 4 + self.live.get_serialized_size_in_bytes::<Portable>()
    }
}

/// Encodes the postings of all keys: how many keys each block holds, and its bytes. `virtual_keys` is that of each row.
pub(super) fn encode(virtual_keys: &[u32], keys: usize) -> Vec<(u32, Vec<u8>)> {
    let (starts, rows) = sort_by_key(virtual_keys, keys);
    let mut blocks = Vec::new();
    let (mut keys_in_block, mut bytes, mut first_before) = (0, Vec::new(), 0);
    for bounds in starts.windows(2) {
        let &[from, to] = bounds else { continue };
        let mut before = None;
        for &row_and_way in rows.get(from as usize..to as usize).unwrap_or_default() {
            let (row, mirrored) = (row_and_way >> 1, row_and_way & 1);
            match before {
                None => {
                    put_varint(u64::from(row - first_before), &mut bytes);
                    first_before = row;
                }
                Some(before) => put_varint(u64::from((row - before) << 1 | mirrored), &mut bytes),
            }
            before = Some(row);
        }
        keys_in_block += 1;
        if bytes.len() >= BLOCK_BYTES {
            blocks.push((keys_in_block, std::mem::take(&mut bytes)));
            (keys_in_block, first_before) = (0, 0);
        }
    }
    if keys_in_block > 0 {
        blocks.push((keys_in_block, bytes));
    }
    blocks
}

/// Counting sort: for each key where its rows start, and all rows as `row << 1 | mirrored`.
fn sort_by_key(virtual_keys: &[u32], keys: usize) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; keys + 1];
    for virtual_key in virtual_keys {
        if let Some(n) = starts.get_mut(*virtual_key as usize / 2 + 1) {
            *n += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut next = starts.clone();
    let mut rows = vec![0u32; virtual_keys.len()];
    for (row, virtual_key) in (0u32..).zip(virtual_keys) {
        if let Some(at) = next.get_mut(*virtual_key as usize / 2) {
            if let Some(slot) = rows.get_mut(*at as usize) {
                *slot = row << 1 | virtual_key & 1;
            }
            *at += 1;
        }
    }
    (starts, rows)
}

/// One way round of a key, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ways {
    Forward,
    Mirrored,
    Both,
}

/// A decompressed block whose rules were checked.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// For each key where its second row stands in `bytes`, and its first row.
    starts: Vec<(u32, u32)>,
}

impl Block {
    /// Checks the postings of the keys from `first_key` on: rows ascend and stay below `rows`, and are as many of each way
    /// as `counts` says.
    pub(super) fn decode(
        bytes: Vec<u8>,
        first_key: u32,
        keys: u32,
        rows: u32,
        counts: &Counts,
    ) -> Result<Block, String> {
        let mut cursor = Cursor::new(&bytes);
        let mut starts = Vec::new();
        let mut first = 0u32;
        for key in first_key..first_key.saturating_add(keys) {
            let forward = counts.of(key * 2);
            let mirrored = counts.of(key * 2 + 1);
            first = cursor.varint().and_then(|d| first.checked_add(d)).filter(|&r| r < rows).ok_or_else(cut_off)?;
            let start = u32::try_from(cursor.at()).map_err(|_| "a block that is too large".to_owned())?;
            starts.push((start, first));
            let (mut row, mut mirrored_seen) = (first, 0);
            for _ in 1..u64::from(forward) + u64::from(mirrored) {
                let posting = cursor.varint().ok_or_else(cut_off)?;
                row = row.checked_add(posting >> 1).filter(|&r| r < rows).ok_or_else(cut_off)?;
                if posting < 2 {
                    return Err(format!("rows of key {key} that do not ascend"));
                }
                mirrored_seen += posting & 1;
            }
            if mirrored_seen != mirrored {
                return Err(format!("{mirrored_seen} mirrored rows of key {key} instead of {mirrored}"));
            }
        }
        if !cursor.is_at_end() {
            return Err("bytes after the end of a block of postings".to_owned());
        }
        Ok(Block { bytes, starts })
    }

    /// Calls `visit` with the rows of the block's key number `key`, ascending. `rows` is how many it has both ways.
    #[inline]
    pub(super) fn visit(&self, key: usize, rows: u32, ways: Ways, mut visit: impl FnMut(u32)) {
        let Some(&(start, first)) = self.starts.get(key) else { return };
        if ways != Ways::Mirrored {
            visit(first);
        }
        let mut cursor = Cursor::new(self.bytes.get(start as usize..).unwrap_or_default());
        let mut row = first;
        for _ in 1..rows {
            let Some(posting) = cursor.varint() else { return };
            row += posting >> 1;
            let wanted = match ways {
                Ways::Both => true,
                Ways::Forward => posting & 1 == 0,
                Ways::Mirrored => posting & 1 == 1,
            };
            if wanted {
                visit(row);
            }
        }
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.capacity() + self.starts.capacity() * size_of::<(u32, u32)>()
    }
}

fn cut_off() -> String {
    "postings that are cut off or leave the table".to_owned()
}
