//! HTTP in its versions, and what rides on it.

mod h2;
mod table;

pub(crate) use table::{HTTP, HttpBuilder, HttpRow};
