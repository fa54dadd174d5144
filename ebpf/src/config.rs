//! What a caller asks of a capture. Plain values; [`crate::Capture::open`] checks them.

use std::fmt;

/// Bytes of ring that hold a few milliseconds of ten gigabit a second. More is slower: it no longer fits the processor's cache.
pub const DEFAULT_RING_BYTES: u32 = 32 << 20;

/// Most bytes of a frame any way in hands over: more than the largest packet the kernel passes around without jumbograms.
pub const MAX_SNAPLEN: u32 = crate::event::MAX_CAPLEN;

/// What to capture, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Which interfaces.
    pub interfaces: Interfaces,
    /// Which way in; [`Method::Auto`] takes the best that works here.
    pub method: Method,
    /// Bytes of each frame to keep, at most [`MAX_SNAPLEN`].
    pub snaplen: u32,
    /// Bytes of ring between kernel and reader, rounded up to what the kernel accepts. A packet socket has one ring per named
    /// interface.
    pub ring_bytes: u32,
    /// Classic BPF as `tcpdump -ddd` prints it. Only the packet socket runs it ([`crate::Capture::filter_in_kernel`]); with the
    /// other ways the caller filters.
    pub filter: Option<Vec<FilterInsn>>,
    /// Also take frames for other stations. The interface returns to what it was when the capture ends, however it ends.
    pub promiscuous: bool,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        Self {
            interfaces: Interfaces::Any,
            method: Method::Auto,
            snaplen: MAX_SNAPLEN,
            ring_bytes: DEFAULT_RING_BYTES,
            filter: None,
            promiscuous: false,
        }
    }
}

/// Which interfaces to capture from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interfaces {
    /// Every interface that is up, also those that come later.
    Any,
    /// These, up or down; one that goes away is taken up again when it returns.
    Named(Vec<String>),
}

impl Interfaces {
    /// Whether an interface of this name and state is asked for.
    pub(crate) fn want(&self, name: &str, up: bool) -> bool {
        match self {
            Self::Any => up,
            Self::Named(names) => names.iter().any(|wanted| wanted == name),
        }
    }
}

/// The way from the kernel to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// TCX, else clsact, else the packet socket; each step down is said in [`crate::Capture::fallbacks`].
    Auto,
    /// A BPF program on the interface's TCX hooks (kernel 6.6 and later); gone with the process, whatever happens to it.
    Tcx,
    /// The same program on the clsact queueing discipline (kernel 5.8 and later); stays behind after a `SIGKILL` until the next
    /// capture cleans up.
    Clsact,
    /// `AF_PACKET` with a memory-mapped ring, as tcpdump does; needs no BPF rights.
    PacketSocket,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::PacketSocket => "packet socket",
        })
    }
}

/// One instruction of classic BPF, in the fields and the order of the kernel's `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterInsn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when true.
    pub jt: u8,
    /// Instructions to skip when false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}
