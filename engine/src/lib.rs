//! Wiretape's store: what is on disk and how it is read back. It knows no protocol, no SQL and no clock.
//!
//! ```text
//!  TableDef (table!) ──► builders ──► RecordBatch ──┐
//!                                                   ├─► Writer::seal ──► segments/<id>/ ──► manifest.json
//!  frames ──► RawWriter (pcapng, seekable frames) ──┘                                            │
//!                                                                                               ▼
//!                     Segment { parquet paths, Index, RawReader } ◄── View ◄────────────────── Db
//! ```
//!
//! A recorder's open segment is on disk as well: its raw log, and rows that readers see while it grows ([`live`]).
//!
//! A [`Db`] is a directory. Its [`View`] is a list of immutable [`Segment`]s at one manifest version; a reader holds the
//! `Arc<View>` for as long as it likes and never waits for a writer. A [`Writer`] is the one process that may add
//! segments. [`index`] answers predicates over a segment's rows from bitmaps; [`raw`] gives the exact packets back.

pub mod column;
pub mod db;
mod error;
pub mod fs;
pub mod index;
pub mod live;
pub mod manifest;
mod parallel;
pub mod raw;
pub mod retention;
mod sealed_json;
pub mod segment;
pub mod table;
pub mod verify;
mod writer;

pub use db::{Db, View};
pub use error::{Error, Result};
pub use segment::Segment;
pub use writer::{LogMaker, Writer};

pub use table::{ColumnDef, ColumnGroup, TableDef};

#[doc(hidden)]
pub use sealed_json::fuzz_manifest;
