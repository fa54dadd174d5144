//! Where and when bytes were seen.

/// The packet that carried a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Its time, ns since the epoch.
    pub(crate) ts_ns: i64,
    /// Its id in `packets`.
    pub(crate) packet_id: i64,
}

/// The first and the last packet of something that takes several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Stamp,
    pub(crate) last: Stamp,
}

impl Span {
    /// Of what one packet carries.
    pub(crate) fn at(stamp: Stamp) -> Span {
        Span { first: stamp, last: stamp }
    }

    /// The same, up to `last`.
    pub(crate) fn until(self, last: Stamp) -> Span {
        Span { last, ..self }
    }
}
