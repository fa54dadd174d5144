//! The one integration-test binary: linking DataFusion once per test file would eat the CI budget.

mod support;
mod tidy;
