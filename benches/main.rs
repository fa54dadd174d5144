//! Benchmarks of the stages a packet passes: decode, index, seal, scan, selective fetch. All run on generated traffic, so
//! that numbers of two machines or two commits can be compared; `docs/benchmarks.md` has those of a real capture.
//!
//! `cargo bench` runs all of them, `cargo bench -- decode` one stage. One program, because each that links the query engine
//! takes as long to build as all the others.

mod decode;
mod fetch;
mod index;
mod scan;
mod seal;
mod traffic;

fn main() {
    divan::main();
}
