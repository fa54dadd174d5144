//! Tests of the whole crate, over a small database that each test makes for itself.

mod copy;
mod errors;
mod exports;
mod filters;
mod queries;
pub(crate) mod support;
