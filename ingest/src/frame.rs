//! What every source yields: a frame, and the interface it was seen on.

pub use wiretape_engine::raw::{Direction, Interface, Resolution};

/// One captured frame, borrowed from its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Arrival time, ns since the epoch, UTC. May go back from one frame to the next.
    pub ts_ns: i64,
    /// Which of the source's interfaces, counted from 0 in the order they were announced.
    pub interface: u32,
    /// `LINKTYPE_` value of the first header (<https://www.tcpdump.org/linktypes.html>).
    pub link_type: u16,
    /// Length on the wire in bytes; at least `data.len()` unless the file lies.
    pub orig_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
    /// Which way it passed the interface, where the source says.
    pub direction: Option<Direction>,
}
