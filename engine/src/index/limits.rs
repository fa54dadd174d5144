//! What an index may grow to. They bound what building can take and what hostile bytes on disk can make a reader allocate.

/// Rows of one segment's table: sixteen times what a segment is filled to. Keeps row numbers, doubled key numbers and
/// posting gaps within 32 bits, and every section within [`MAX_SECTION_BYTES`].
pub(super) const MAX_ROWS: u32 = 1 << 24;
/// Bytes of one section when decompressed: a code of four bytes for each of [`MAX_ROWS`].
pub(super) const MAX_SECTION_BYTES: u32 = 1 << 26;
/// Bytes of the directory: 20 for each posting block, of which even [`MAX_ROWS`] make some thousands.
pub(super) const MAX_DIRECTORY_BYTES: u32 = 1 << 20;
/// Key columns of a table: one bit each says NULL while keys are being told apart, and the tables have some ten.
pub(super) const MAX_KEY_COLUMNS: usize = 64;
/// Bytes at which a posting block is closed: what the first question about a key must read and check. Measured on 3.2 M
/// packets, postings in blocks of this size compress as well as in one piece, within 1 %.
pub(super) const BLOCK_BYTES: usize = 64 << 10;
