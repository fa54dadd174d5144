//! Live packet capture from the Linux kernel.
//!
//! ```text
//!              ┌ TCX (6.6+) ┐
//!  interface ──┤ clsact     ├─ kernel program ─► ring ──┐
//!              │            │                           ├─► Capture::poll ─► Event ─► caller
//!              └ AF_PACKET ─┴─ filter ─► TPACKET_V3 ────┘
//! ```
//!
//! [`Capture`] takes the best way the machine allows and says which it could not take and why. Frames come out as `tcpdump -s 0`
//! shows them: a VLAN tag the network card stripped is back in its place, super-packets are whole, the loopback is there once,
//! and a device without link header gives raw IP. What was lost is counted exactly, per interface. The crate knows nothing of
//! packets' contents, of files, or of the database.
//!
//! The kernel program is Rust as well (`probe/`); its object is committed and embedded, so no toolchain is needed to build or run
//! this crate. [`permissions()`] tells which of the ways this machine and this user allow.
//!
//! ```no_run
//! use std::time::Duration;
//! use wiretape_ebpf::{Capture, CaptureConfig, Event};
//!
//! # fn main() -> Result<(), wiretape_ebpf::CaptureError> {
//! let mut capture = Capture::open(&CaptureConfig::default())?;
//! capture.fallbacks().iter().for_each(|note| eprintln!("{note}"));
//! loop {
//!     capture.poll(Duration::from_secs(1), &mut |event| match event {
//!         Event::Frame(frame) => println!("{} {} bytes", frame.ts_ns, frame.orig_len),
//!         other => println!("{other:?}"),
//!     })?;
//! }
//! # }
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!("live capture is Linux only; leave this crate out elsewhere");

mod capture;
mod clock;
mod config;
mod error;
#[path = "../probe/src/event.rs"]
#[expect(dead_code, reason = "the kernel program uses more of it than this side reads")]
mod event;
mod filter;
mod interfaces;
mod live;
mod mapping;
mod packet_ring;
mod packet_socket;
mod path;
mod permissions;
#[cfg(test)]
mod prebuilt_tests;
mod ring;
mod syscalls;
mod table;
mod tc;

pub use capture::Capture;
pub use config::{CaptureConfig, DEFAULT_RING_BYTES, FilterInsn, Interfaces, MAX_SNAPLEN, Method};
pub use error::CaptureError;
pub use interfaces::{LINKTYPE_ETHERNET, LINKTYPE_RAW, NetInterface, interfaces};
pub use live::{Direction, Event, InterfaceCounters, LiveFrame, LiveInterface};
pub use permissions::{Check, Present, permissions};
pub use tc::check_object;
