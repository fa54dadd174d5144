//! The open segment: what a recorder has taken in and not yet sealed, as other threads and processes see it.
//!
//! ```text
//! open/0000000042/
//!   raw.pcapng               the packets: the write-ahead log (see crate::raw)
//!   packets.rows             their rows, a chunk every fraction of a second
//!   flows.000003.rows        parts of flows: a later row of the same key replaces the earlier one
//! ```
//!
//! The one fact to know: rows here are made from the log and are never the only copy of anything. They are not fsynced;
//! after a crash they are thrown away and made again. A reader takes the whole chunks that are there when its view is
//! made, holds the files open, and so sees the same rows from its first to its last, even if the segment is sealed
//! meanwhile.

mod rows;
mod segment;

pub use rows::RowsWriter;
pub use segment::LiveSegment;
#[doc(hidden)]
pub use segment::fuzz_live;
