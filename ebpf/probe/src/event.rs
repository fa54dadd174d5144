//! The layout the kernel program and user space agree on. This one file is compiled into both.
//!
//! Every record in the ring begins with a [`Header`]; what follows depends on its `kind`. Fields are in the machine's byte order:
//! kernel and reader are the same machine.
//!
//! ```text
//! offset size field
//!      0    1 kind       KIND_*
//!      1    1 version    VERSION; a reader refuses any other
//!      2    1 direction  INGRESS or EGRESS
//!      3    1 flags      FLAG_*
//!      4    2 vlan_tpid  EtherType of the tag in the metadata, in host order (0x8100, 0x88a8)
//!      6    2 vlan_tci   priority, drop-eligible bit and VLAN id
//!      8    8 boot_ns    nanoseconds since boot, suspended time included
//!     16    4 interface  the reader's own number of the interface, from Interface::number
//!     20    4 ifindex    the kernel's number of the interface
//!     24    4 len        bytes of the frame on the wire, without the tag in the metadata
//!     28    4 caplen     bytes of the frame that follow this header
//!     32    2 link_type  LINKTYPE_* of the bytes, from Interface::link_type
//!     34    6 reserved   zero
//! ```
//!
//! The space a record takes in the ring is its size class, not `caplen`: whatever follows `caplen` bytes was never written.

/// Version of [`Header`] and of what each kind carries.
pub(crate) const VERSION: u8 = 1;

/// A frame: `caplen` bytes follow.
pub(crate) const KIND_FRAME: u8 = 1;
/// Kept for plaintext of a TLS library call; nothing writes it yet.
pub(crate) const KIND_TLS_PLAINTEXT: u8 = 2;
/// Kept for the process behind a socket; nothing writes it yet.
pub(crate) const KIND_PROCESS: u8 = 3;

/// The frame came from the interface.
pub(crate) const INGRESS: u8 = 0;
/// The frame was handed to the interface.
pub(crate) const EGRESS: u8 = 1;

/// A VLAN tag sits in the metadata and not in the bytes.
pub(crate) const FLAG_VLAN: u8 = 1;

/// Most bytes of one frame the kernel program can hand over: the largest record class.
pub(crate) const MAX_CAPLEN: u32 = 262_144;
/// Most interfaces one capture can hold at a time, so that the table in the kernel has a size.
pub(crate) const MAX_INTERFACES: u32 = 4096;

/// What every record begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// What follows: `KIND_*`.
    pub(crate) kind: u8,
    /// [`VERSION`].
    pub(crate) version: u8,
    /// [`INGRESS`] or [`EGRESS`].
    pub(crate) direction: u8,
    /// `FLAG_*`.
    pub(crate) flags: u8,
    /// EtherType of the tag in the metadata.
    pub(crate) vlan_tpid: u16,
    /// Priority, drop-eligible bit and VLAN id of that tag.
    pub(crate) vlan_tci: u16,
    /// Nanoseconds since boot.
    pub(crate) boot_ns: u64,
    /// The reader's number of the interface.
    pub(crate) interface: u32,
    /// The kernel's number of the interface.
    pub(crate) ifindex: u32,
    /// Bytes on the wire.
    pub(crate) len: u32,
    /// Bytes that follow.
    pub(crate) caplen: u32,
    /// `LINKTYPE_*`.
    pub(crate) link_type: u16,
    /// Zero.
    pub(crate) reserved: [u16; 3],
}

/// What one direction of one interface did on one CPU. `seen = delivered + ring_full + copy_errors`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Frames that passed the hook.
    pub(crate) seen: u64,
    /// Frames lost because the ring had no room.
    pub(crate) ring_full: u64,
    /// Frames the kernel would not copy.
    pub(crate) copy_errors: u64,
    /// Bytes handed over.
    pub(crate) bytes: u64,
}

/// One interface, per CPU: what user space tells the program about it, and what the program counts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// The reader's number of the interface.
    pub(crate) number: u32,
    /// `LINKTYPE_*` of its frames.
    pub(crate) link_type: u16,
    /// Zero.
    pub(crate) reserved: u16,
    /// Indexed by [`INGRESS`] and [`EGRESS`].
    pub(crate) counters: [Counters; 2],
}
