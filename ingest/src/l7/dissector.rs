//! The contract of dissectors.

use super::{out::Out, stamp::Stamp};
use crate::flow::Way;

/// Reads one flow of a protocol and makes rows of it. Bytes decide nothing but what is in the rows: whatever comes, it neither
/// fails nor panics, and what it holds is bounded by limits of its own, each with a name and a reason.
pub(crate) trait Dissector: std::fmt::Debug + Send {
    /// The next bytes of one direction; over UDP, a datagram.
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>);

    /// Bytes of one direction that the capture does not have.
    fn gap(&mut self, gap: Gap, out: &mut Out<'_>);

    /// One direction is closed: nothing more comes of it.
    fn closed(&mut self, _way: Way, _at: Stamp, _out: &mut Out<'_>) {}

    /// Whether nothing of what comes will be read: the flow then takes no more memory.
    fn is_over(&self) -> bool {
        false
    }

    /// Nothing more comes at all: what waits for an answer becomes a row without one.
    fn end(&mut self, end: End, out: &mut Out<'_>);

    /// Bytes of memory held, for limits.
    fn size_bytes(&self) -> usize;
}

/// Bytes in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    pub(crate) way: Way,
    /// The packet that carried them.
    pub(crate) at: Stamp,
    pub(crate) bytes: &'a [u8],
}

/// Bytes that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) way: Way,
    /// A packet beside the hole.
    pub(crate) at: Stamp,
    /// How many.
    pub(crate) bytes: u64,
}

/// How a flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By a reset.
    Reset,
    /// In any other way: closed, quiet for too long, or the capture is over.
    Quiet,
}

/// Reads nothing more of a flow: what follows is encrypted.
#[derive(Debug)]
pub(crate) struct PassedOver;

impl Dissector for PassedOver {
    fn data(&mut self, _: Chunk<'_>, _: &mut Out<'_>) {}

    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {}

    fn is_over(&self) -> bool {
        true
    }

    fn end(&mut self, _: End, _: &mut Out<'_>) {}

    fn size_bytes(&self) -> usize {
        0
    }
}
