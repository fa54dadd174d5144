//! HTTP in its versions, and what rides on it.

mod body;
mod content;
mod cookies;
mod fields;
mod row;
mod table;
mod target;
mod trace;
