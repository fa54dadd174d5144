//! Captures in network namespaces of the tests' own, held against tcpdump's at the same time.
//!
//! They need root, iproute2 and tcpdump. Without them each says `SKIPPED` on standard error; with
//! `WIRETAPE_TESTS_REQUIRE_TOOLS` set their absence is a failure.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]
#![expect(clippy::indexing_slicing, reason = "what a test's helper does not find fails the test")]
#![expect(clippy::cast_possible_truncation, reason = "numbers of packets made here are small")]

mod equal;
mod lifecycle;
mod loss;
mod namespace;
mod recorder;
mod rights;
mod traffic;

use wiretape_ebpf::{CaptureConfig, Interfaces, Method};

/// Every way in, as the tests run through them.
const METHODS: [Method; 3] = [Method::Tcx, Method::Clsact, Method::PacketSocket];

fn config(method: Method, names: &[&str]) -> CaptureConfig {
    let interfaces = Interfaces::Named(names.iter().map(|&name| name.to_owned()).collect());
    CaptureConfig { interfaces, method, ..CaptureConfig::default() }
}
