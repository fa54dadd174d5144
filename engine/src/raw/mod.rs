//! The exact packets of a segment: a pcapng file, compressed in small frames that can each be read alone.
//!
//! ```text
//! raw.pcapng.lz4
//! ┌─ frame 0 ───────────────┬─ frame 1 ──────┬───┬─ frame n ───┬─ skippable frame ───────────────────────┐
//! │ SHB IDB EPB EPB … EPB   │ EPB EPB … EPB  │ … │ EPB … EPB   │ seek table: sizes, rows, checksums, IDBs │
//! └──────────────────────────┴────────────────┴───┴─────────────┴───────────────────────────────────────────┘
//! ```
//!
//! The one fact to know: packet n of this file is row n of the segment's `packets` table, so no position is stored per
//! packet. A reader finds the frame by binary search over the rows that frames hold, decompresses it, and walks block
//! lengths. The stock `zstd -d` and `lz4 -d` skip the seek table and give a pcapng file that any tool opens.
//!
//! It does not look inside packets, and does not order them: they come back as they were pushed.

mod codec;
mod entries;
mod export;
mod fetch;
mod log;
mod pcapng;
mod pool;
mod read;
mod scan;
mod seek;
mod tail;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the numbers of these tests are small")]
mod tests;
mod write;

pub use entries::Entries;
pub use export::{ExportError, PcapWriter, PcapngWriter};
pub use log::{LOG_FILE, LogWriter};
pub use read::RawReader;
pub(crate) use scan::LogScan;
pub use tail::{LogEntry, LogTail};
pub use write::{RawSummary, RawWriter};

/// Plain bytes of a frame, but for a larger packet, which has a frame of its own. On captured traffic twice as much
/// saves 4 % of the disk and makes a scattered packet two to three times as dear to fetch.
pub const FRAME_BYTES: usize = 16 << 10;

/// Bytes captured of one packet at most. Sixty-four times what tcpdump keeps of one; more is a damaged capture, and the
/// memory that frames in flight take is a multiple of it.
pub const MAX_PACKET_BYTES: usize = 16 << 20;

/// Bytes of a log of TLS secrets in one block at most; a longer one is several blocks.
pub const MAX_SECRETS_BYTES: usize = 64 << 10;

/// Plain bytes of a frame at most: the largest packet with its block, or the largest interface description behind a
/// nearly full frame. A reader refuses to decompress more.
pub(crate) const MAX_FRAME_BYTES: usize = MAX_PACKET_BYTES + (256 << 10);

/// One capturing interface, as an Interface Description Block says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interface {
    /// `LINKTYPE_` value.
    pub link_type: u16,
    /// Bytes kept of each packet at most; 0 for no limit.
    pub snaplen: u32,
    /// The interface's name; empty when not known. At most 65 535 bytes.
    pub name: String,
    /// Unit of the source's timestamps.
    pub resolution: Resolution,
}

/// The unit that a source's timestamps are whole multiples of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// Microseconds.
    Micro,
    /// Nanoseconds, or anything that is not whole microseconds.
    Nano,
}

impl Resolution {
    /// `if_tsresol` of an Interface Description Block: the negative power of ten.
    pub(crate) fn exponent(self) -> u8 {
        match self {
            Resolution::Micro => 6,
            Resolution::Nano => 9,
        }
    }

    pub(crate) fn from_exponent(exponent: u8) -> Option<Resolution> {
        match exponent {
            6 => Some(Resolution::Micro),
            9 => Some(Resolution::Nano),
            _ => None,
        }
    }
}

/// Which way a packet passed the capturing interface: `epb_flags` bits 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

impl Direction {
    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }
}

/// A packet on its way into or out of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawPacket<'a> {
    /// Arrival time, ns since the epoch, UTC. Whole microseconds on an interface of [`Resolution::Micro`].
    pub ts_ns: i64,
    /// The number that [`RawWriter::interface`] gave.
    pub interface: u32,
    /// Length on the wire in bytes.
    pub orig_len: u32,
    /// The captured bytes, at most [`MAX_PACKET_BYTES`].
    pub data: &'a [u8],
    /// Which way it passed the interface, where known.
    pub direction: Option<Direction>,
}

impl RawPacket<'_> {
    /// The packet with its own bytes.
    pub fn to_owned(&self) -> OwnedPacket {
        OwnedPacket {
            ts_ns: self.ts_ns,
            interface: self.interface,
            orig_len: self.orig_len,
            data: self.data.to_vec(),
            direction: self.direction,
        }
    }
}

/// As [`RawPacket`], with its own bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPacket {
    /// Arrival time, ns since the epoch, UTC.
    pub ts_ns: i64,
    /// Index into [`RawReader::interfaces`].
    pub interface: u32,
    /// Length on the wire in bytes.
    pub orig_len: u32,
    /// The captured bytes.
    pub data: Vec<u8>,
    /// Which way it passed the interface, where known.
    pub direction: Option<Direction>,
}

impl OwnedPacket {
    /// The packet, borrowed.
    pub fn as_ref(&self) -> RawPacket<'_> {
        RawPacket {
            ts_ns: self.ts_ns,
            interface: self.interface,
            orig_len: self.orig_len,
            data: &self.data,
            direction: self.direction,
        }
    }
}

/// What an interface has counted since its raw log began: an Interface Statistics Block. Every packet seen is in one of
/// them: `received = recorded + dropped_ring + dropped_limit + (received - accepted)`, what was in flight aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The number that announcing the interface gave.
    pub interface: u32,
    /// When this was counted, ns since the epoch.
    pub ts_ns: i64,
    /// When counting began: the interface was captured from then to `ts_ns`. `isb_starttime`.
    pub start_ns: i64,
    /// Packets that the kernel showed to the capture. `isb_ifrecv`.
    pub received: u64,
    /// Packets lost because the ring to user space was full. `isb_ifdrop`.
    pub dropped_ring: u64,
    /// Packets that the capture filter let through. `isb_filteraccept`.
    pub accepted: u64,
    /// Packets that a limit of ours kept out: disk full. `isb_osdrop`.
    pub dropped_limit: u64,
    /// Packets in this log. `isb_usrdeliv`.
    pub recorded: u64,
}

/// How the frames of a raw component are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// Not at all: a plain pcapng file.
    Plain,
    /// LZ4 frame format: a third of what Zstandard costs to read, half to write, for 7 % more disk.
    #[default]
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// Name of the raw component's file.
    pub fn file_name(self) -> &'static str {
        match self {
            Codec::Plain => "raw.pcapng",
            Codec::Lz4 => "raw.pcapng.lz4",
            Codec::Zstd => "raw.pcapng.zst",
        }
    }

    /// The codec of a raw component, by the name of its file.
    pub(crate) fn of_file(name: &str) -> Option<Codec> {
        [Codec::Plain, Codec::Lz4, Codec::Zstd].into_iter().find(|codec| codec.file_name() == name)
    }

    /// The number in the seek table.
    pub(crate) fn number(self) -> u8 {
        match self {
            Codec::Plain => 0,
            Codec::Lz4 => 1,
            Codec::Zstd => 2,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Codec> {
        [Codec::Plain, Codec::Lz4, Codec::Zstd].into_iter().find(|c| c.number() == number)
    }
}
