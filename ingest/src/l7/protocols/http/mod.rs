//! HTTP in its versions, and what rides on it.

mod body;
mod content;
mod cookies;
mod fields;
mod h1;
mod handover;
mod row;
mod table;
mod target;
mod trace;

pub(crate) use h1::HTTP;
