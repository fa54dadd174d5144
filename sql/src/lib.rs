//! Wiretape's SQL: DataFusion over the store, read-only by construction.
//!
//! ```text
//!  text ──parse──► Statement ──plan──► Prepared (one View, typed) ──run──► Outcome
//!                                                                   ├─ Rows      a stream of record batches
//!                                                                   ├─ CopyOut   bytes or batches for a client
//!                                                                   └─ Copied    a file was written
//!  Database (store, limits, caches) ──session()──► Session, one per connection
//! ```
//!
//! A [`Session`] turns SQL text into a stream of record batches or, for `COPY`, into the exact packets. It knows no
//! protocol and no client: encodings of rows belong to those who speak to one. Every error is a [`SqlError`] with a
//! SQLSTATE and, where it has one, a position in the text.

pub mod bpf;
mod catalog;
mod comments;
mod config;
mod cooperate;
mod copy;
mod database;
mod entries;
mod error;
pub mod export;
mod filters;
mod follow;
mod group;
pub mod kfl;
mod leaf;
mod limit;
mod names;
mod prepared;
mod report;
mod retired;
mod session;
mod statement;
mod system;
mod table;
#[cfg(test)]
mod tests;
mod udf;

pub use catalog::{CATALOG, PUBLIC, SYSTEM};
pub use comments::Comment;
pub use config::{Config, DEFAULT_MEMORY_LIMIT_BYTES, DEFAULT_SPILL_LIMIT_BYTES};
pub use copy::{CopyData, CopyFormat, CopyOptions, CopyOut, CopyPlan};
pub use database::Database;
pub use entries::statement::{KflStatement, at_start as kfl_statement};
pub use error::SqlError;
pub use follow::Follow;
pub use names::unique_names;
pub use prepared::{Outcome, Prepared, QueryPlan, SetPlan};
pub use report::{Bytes, Report, Understood};
pub use session::Session;
pub use statement::{Ast, CopySource, CopyStatement, CopyTarget, Kind, Statement};
pub use table::{Scan, ScanBy};
