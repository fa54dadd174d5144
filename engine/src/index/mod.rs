//! The index of one table in one segment: which rows have which values, exactly, in about a byte a row.
//!
//! Rows of network traffic have few distinct *keys* (the [`Key`] and [`KeyMirrored`] columns taken together: roughly one
//! per flow), and a reply has the key of its request with the ends swapped. So a key is stored once, with the list of its
//! rows and one bit for each that says which way round it is. A *virtual key* is `2 * key + bit`: every row has exactly one,
//! so predicates over key columns are combined as small sets of virtual keys and become rows only at the end.
//! [`Row`] columns, which differ from packet to packet, keep one code per row.
//!
//! ```text
//!  values("src_ip") ─► array ─► caller's mask ─► select ─► Selection::Keys ─┐ and, or     rows_of
//!  values("flags")  ─► array ─► caller's mask ─► select ─► Selection::Rows ─┴──────────► ────────► Bitmap of rows
//! ```
//!
//! The engine knows no predicate: [`Index::values`] gives a column's distinct values, the caller evaluates what it likes
//! over them and hands back a mask. Nothing here is updated in place; [`build()`] makes the file when the segment is sealed.
//!
//! # The file, version 1
//!
//! Integers are little-endian. The sections follow the directory without gaps, in the order in which it lists them.
//!
//! | offset | size | header |
//! |---|---|---|
//! | 0 | 8 | magic `WTINDEX\n` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | bytes of the directory, *D*; at most 16 MiB |
//! | 16 | 8 | xxh3-64 of the directory |
//! | 24 | *D* | directory |
//! | 24 + *D* | | sections, to the end of the file |
//!
//! | size | directory |
//! |---|---|
//! | 4 | rows, at most 2²⁸ |
//! | 4 | keys, *K*; numbered from 0 in order of first row |
//! | 2, 2, 4 | number of dictionaries, columns, posting blocks |
//! | 22 each | dictionary: 1 value type, 1 whether NULL occurs (0 or 1), 4 number of values *V*, 16 section |
//! | 23 + name each | column: 1 role (0 row, 1 key), 2 position of the mirror column (0xffff none), 2 position of the dictionary, 2 bytes of name, name in UTF-8, 16 section |
//! | 16 | counts: section |
//! | 20 each | posting block: 4 keys in it, 16 section |
//!
//! | size | section, as the directory has it |
//! |---|---|
//! | 4 | bytes when decompressed, at most 2³⁰ |
//! | 4 | bytes in the file: one zstd frame |
//! | 8 | xxh3-64 of the bytes in the file |
//!
//! Value types: 1 timestamp (ns), 2 int64, 3 uint32, 4 uint16, 5 uint8, 6 boolean, 7 UTF-8 text.
//! *Planes* of *n* integers: one byte *w*, then *w* × *n* bytes: the lowest byte of each, then the second of each, and so on.
//! *Varint*: LEB128 of at most 32 bits.
//!
//! | section, decompressed | content |
//! |---|---|
//! | dictionary of numbers | planes of *V* differences, each from the value before, the first from 0; signed values with the sign bit flipped |
//! | dictionary of text | planes of *V* lengths in bytes, then the texts |
//! | key column | planes of *K* codes: the value in rows that go the way of the key's first row |
//! | row column | planes of one code per row |
//! | counts | planes of *K* numbers of rows that go the way of the key's first row, planes of *K* numbers of rows that go the other way |
//! | posting block | for each of its keys: varint of the first row's distance from that of the key before (from 0 in a block's first key), then for each further row varint of distance from the row before × 2, + 1 if it goes the other way |
//!
//! A code is a position in the dictionary, whose values ascend (text by bytes); NULL has the code *V*. Columns that mirror
//! each other share a dictionary. A block is closed by the key with which it reaches 64 KiB.
//!
//! [`Key`]: crate::table::IndexKind::Key
//! [`KeyMirrored`]: crate::table::IndexKind::KeyMirrored
//! [`Row`]: crate::table::IndexKind::Row

mod build;
mod cells;
mod codec;
mod codes;
mod dictionary;
mod gather;
mod group;
mod layout;
mod limits;
mod postings;
mod read;
mod selection;
#[cfg(test)]
mod tests;
mod verify;

pub use build::build;
pub use read::Index;
pub use selection::Selection;
