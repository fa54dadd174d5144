//! Tests of the language as a whole; those of one part stand beside it.

mod known;
