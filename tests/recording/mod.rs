//! `wiretape record` as a user runs it: the real program, on real interfaces of network namespaces of the tests' own, and on
//! streams.
//!
//! They need root, iproute2 and tcpdump, and share their ways of making namespaces and traffic with the capture crate's
//! tests. Without these each says `SKIPPED` on standard error; with `WIRETAPE_TESTS_REQUIRE_TOOLS` set their absence is a
//! failure.

#![expect(clippy::cast_possible_truncation, reason = "the numbers of these tests are small")]

mod doctor;
mod ending;
mod equal;
mod filter;
mod full;
mod kill;
#[expect(dead_code, reason = "shared with the capture crate's tests, which need more of it")]
#[path = "../../ebpf/tests/live/namespace.rs"]
mod namespace;
mod program;
#[expect(dead_code, reason = "shared with the capture crate's tests, which need more of it")]
#[path = "../../ebpf/tests/live/recorder.rs"]
mod recorder;
mod replay;
mod retention;
mod service;
mod stream;
#[path = "../../ebpf/tests/live/traffic.rs"]
mod traffic;
mod visible;

/// What `--method` takes, each a way from the kernel.
const METHODS: [&str; 3] = ["tcx", "clsact", "packet"];
