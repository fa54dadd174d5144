//! stub

/// One capturing interface, as an Interface Description Block says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// `LINKTYPE_` value.
    pub link_type: u16,
    /// Bytes kept of each packet at most; 0 for no limit.
    pub snaplen: u32,
    /// The interface's name; empty when not known.
    pub name: String,
    /// Unit of the source's timestamps.
    pub resolution: Resolution,
}

/// The unit that a source's timestamps are whole multiples of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Microseconds.
    Micro,
    /// Nanoseconds, or anything that is not whole microseconds.
    Nano,
}
