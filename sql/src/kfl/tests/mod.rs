//! Tests of the language as a whole; those of one part stand beside it.

mod docs;
mod generator;
mod known;
mod oracle;
mod roundtrip;
mod row;
mod v1;
mod values;
mod wrong;
