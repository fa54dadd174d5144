//! The one integration-test binary: linking DataFusion once per test file would eat the CI budget.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]
#![expect(clippy::indexing_slicing, reason = "what a test's helper does not find fails the test")]

mod bpf;
mod cli;
mod crash;
mod golden;
mod index_oracle;
mod kfl;
mod killed;
mod pgwire;
mod record;
mod recording;
mod replay;
mod roundtrip;
mod schema;
mod slt;
mod support;
mod tidy;
