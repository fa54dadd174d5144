//! Raw components mended after a mutation: the sizes that follow from the file's length and the checksums are put right,
//! everything else stays as the fuzzer made it. The byte tables are in `engine/src/raw/seek.rs`.

use xxhash_rust::xxh3::xxh3_64;

use crate::{put, u32_at};

const FOOTER_MAGIC: &[u8] = b"WTRAWSK1";
const FOOTER_BYTES: usize = 56;
const FRAME_ENTRY_BYTES: usize = 20;
const PLAIN: u8 = 0;

/// Mends `file` in place; does nothing where there is no seek table to start from.
pub fn mend(file: &mut [u8]) {
    let end = if file.ends_with(FOOTER_MAGIC) { file.len() } else { file.len().saturating_sub(4) };
    let Some(footer) = end.checked_sub(FOOTER_BYTES).filter(|at| file[at + 48..end] == *FOOTER_MAGIC) else { return };
    let table_bytes = u32_at(file, footer + 32).unwrap_or(0) as usize;
    let frames = u32_at(file, footer).unwrap_or(0) as usize;
    // The table is framed by its type and length.
    let Some(table) = end.checked_sub(table_bytes).filter(|at| *at >= 8 && *at <= footer) else { return };
    if frames > (footer - table) / FRAME_ENTRY_BYTES {
        return;
    }
    let is_plain = file[footer + 13] == PLAIN;
    let content_bytes = table - 8;
    let (mut offset, mut plain_bytes, mut rows) = (0, 0u64, 0u32);
    for entry in (table..).step_by(FRAME_ENTRY_BYTES).take(frames) {
        let left = content_bytes - offset;
        let is_last = entry == table + (frames - 1) * FRAME_ENTRY_BYTES;
        let stored = if is_last { left } else { (u32_at(file, entry).unwrap_or(0) as usize).min(left) };
        let plain = if is_plain { stored as u32 } else { u32_at(file, entry + 4).unwrap_or(0) };
        let checksum = xxh3_64(&file[offset..offset + stored]);
        put(file, entry, &(stored as u32).to_le_bytes());
        put(file, entry + 4, &plain.to_le_bytes());
        put(file, entry + 12, &checksum.to_le_bytes());
        offset += stored;
        plain_bytes += u64::from(plain);
        rows = rows.wrapping_add(u32_at(file, entry + 8).unwrap_or(0));
    }
    put(file, footer + 8, &rows.to_le_bytes());
    put(file, footer + 16, &plain_bytes.to_le_bytes());
    let checksum = xxh3_64(&file[table..footer + 40]);
    put(file, footer + 40, &checksum.to_le_bytes());
}
