//! What a capture tells its caller: interfaces that come and go, and frames.

/// Something that happened on the wire or to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An interface is being captured. Told before the first of its frames, and again when one comes back.
    InterfaceUp(LiveInterface),
    /// An interface went away, or down while all that are up were asked for. None of its frames follow.
    InterfaceGone {
        /// Our number of it.
        index: u32,
        /// Its name when it was last seen.
        name: String,
    },
    /// A frame, lent until the sink returns.
    Frame(LiveFrame<'a>),
}

/// An interface a capture reads from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInterface {
    /// Our number: stable while this capture lives, and the same again when an interface of this name and link type returns.
    pub index: u32,
    /// The kernel's number; another one after a return.
    pub ifindex: u32,
    /// Its name.
    pub name: String,
    /// `LINKTYPE_*` of its frames: 1 Ethernet, 101 raw IP.
    pub link_type: u16,
    /// Bytes of each frame that are kept.
    pub snaplen: u32,
}

/// One frame, as `tcpdump -s 0` would show it: a VLAN tag from the metadata is back in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveFrame<'a> {
    /// [`LiveInterface::index`] of its interface.
    pub interface: u32,
    /// Nanoseconds since 1970, never before the interface's frame before it.
    pub ts_ns: i64,
    /// Bytes on the wire. A super-packet counts whole: up to 64 KiB and more.
    pub orig_len: u32,
    /// Which way it went, where the way in knows.
    pub direction: Option<Direction>,
    /// The bytes, at most the snap length.
    pub data: &'a [u8],
}

/// Which way a frame crossed its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the interface into this machine. Every frame of the loopback, which is shown once.
    In,
    /// From this machine to the interface.
    Out,
}

/// What became of an interface's frames since the capture began. Once the ring is drained
/// `seen = delivered + dropped_ring + copy_errors`, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// [`LiveInterface::index`]; `None` for what the kernel counts for all interfaces together (one packet socket for all).
    pub interface: Option<u32>,
    /// Frames the kernel offered to the ring, the filter's rejects not among them.
    pub seen: u64,
    /// Frames given to the sink.
    pub delivered: u64,
    /// Frames lost because the ring was full: the reader was too slow, or the ring too small.
    pub dropped_ring: u64,
    /// Frames that could not be handed over: the kernel would not copy them, or their link type has no number.
    pub copy_errors: u64,
    /// Frames the filter in the kernel rejected, where there is one.
    pub filtered: Option<u64>,
}
