//! Wiretape's way in: from bytes on the wire to rows of the store. It knows no SQL, no clock and no thread but its own.
//!
//! ```text
//!  source ── Frame ──► raw log (engine)
//!                └───► decode ── Decoded ──► flow table ──► rows of `flows`
//!                                   └──────────────────────► rows of `packets`
//! ```
//!
//! Bytes from the wire never cause an error here: malformed traffic is an anomaly in a column. Only a source that cannot
//! be read, or a store that cannot be written, stops an import. The same frames give the same rows, always.

pub mod decode;
pub mod flow;
pub mod frame;
pub mod import;
pub mod keylog;
pub mod l7;
pub mod pipeline;
pub mod record;
pub mod replay;
pub mod source;
pub mod tables;

pub use frame::{Frame, Interface};
pub use tables::TABLES;
