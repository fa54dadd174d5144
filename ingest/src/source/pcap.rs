//! The classic pcap format (draft-ietf-opsawg-pcap), with the variants that are met in the field.
//!
//! | file offset | size | field | | record offset | size | field |
//! |---|---|---|---|---|---|---|
//! | 0 | 4 | magic: byte order, variant | | 0 | 4 | seconds, unsigned |
//! | 4 | 2+2 | version, 2.4 since 1997 | | 4 | 4 | fraction, µs or ns |
//! | 8 | 8 | zone, accuracy: never used | | 8 | 4 | captured length |
//! | 16 | 4 | snap length | | 12 | 4 | length on the wire |
//! | 20 | 4 | link type in the low 16 bits | | 16 | 8 | Kuznetzov's only: interface, protocol, packet type |
//!
//! The high bits of the link type say whether frames end in a frame check sequence; it stays in the data, as captured.
//! Not read: the undeclared variants that share a magic with a format above (AIX, Nokia, ss990915).

use super::{Fault, FrameAt, Item, MAX_CAPTURED_BYTES, buffer::Buffer, order::Order};
use crate::frame::{Direction, Interface, Resolution};

const MAGIC_MICRO: u32 = 0xa1b2_c3d4;
const MAGIC_NANO: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetzov's patched libpcap of 1999: a record header of 24 bytes.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;
/// Ixia's `lcap`, from hardware and from software: the file header is 4 bytes longer.
const MAGICS_IXIA: [u32; 2] = [0x1c00_01ac, 0x1c00_01ab];

const RECORD_BYTES: usize = 16;
const MODIFIED_RECORD_BYTES: usize = 24;

/// Which of the two length fields of a record comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    /// Before version 2.3, and in DG/UX's version 543.
    WireFirst,
    /// Version 2.3 files were written either way: the smaller is the captured one.
    SmallerIsCaptured,
}

pub(super) struct Pcap {
    order: Order,
    lengths: Lengths,
    record_bytes: usize,
    /// Nanoseconds of one unit of the fraction.
    unit_ns: u32,
    snaplen: u32,
    link_type: u16,
    announced: bool,
}

/// The byte order that makes the first four bytes a pcap magic, and that magic.
fn magic(window: &[u8]) -> Option<(Order, u32)> {
    let first = *window.first_chunk::<4>()?;
    [Order::Little, Order::Big]
        .into_iter()
        .map(|order| (order, order.u32(first)))
        .find(|(_, magic)| [MAGIC_MICRO, MAGIC_NANO, MAGIC_MODIFIED].contains(magic) || MAGICS_IXIA.contains(magic))
}

impl Pcap {
    /// Whether the content starts with a pcap magic.
    pub(super) fn is_at(window: &[u8]) -> bool {
        magic(window).is_some()
    }

    /// Reads the file header.
    pub(super) fn open(buffer: &mut Buffer) -> Result<Pcap, Fault> {
        let (order, magic) = magic(buffer.window()).ok_or(Fault::NotThisFormat)?;
        let header_bytes = if MAGICS_IXIA.contains(&magic) { 28 } else { 24 };
        if !buffer.fill(header_bytes) {
            return Err(Fault::Short("the file header"));
        }
        let header = buffer.window().first_chunk::<24>().ok_or(Fault::Short("the file header"))?;
        let [_, _, _, _, major0, major1, minor0, minor1, .., s0, s1, s2, s3, l0, l1, l2, l3] = *header;
        let (major, minor) = (order.u16([major0, major1]), order.u16([minor0, minor1]));
        let lengths = match (major, minor) {
            (0 | 1, _) => return Err(Fault::Unsupported(format!("pcap version {major}.{minor}"))),
            (2, 0..=2) | (543, _) => Lengths::WireFirst,
            (2, 3) => Lengths::SmallerIsCaptured,
            _ => Lengths::CapturedFirst,
        };
        buffer.take(header_bytes);
        Ok(Pcap {
            order,
            lengths,
            record_bytes: if magic == MAGIC_MODIFIED { MODIFIED_RECORD_BYTES } else { RECORD_BYTES },
            unit_ns: if magic == MAGIC_NANO { 1 } else { 1000 },
            snaplen: order.u32([s0, s1, s2, s3]),
            link_type: order.low_u16([l0, l1, l2, l3]),
            announced: false,
        })
    }

    /// The next record; `None` at a clean end.
    #[inline]
    pub(super) fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Item>, Fault> {
        if !self.announced {
            self.announced = true;
            return Ok(Some(Item::Interface(self.interface())));
        }
        if !buffer.fill(self.record_bytes) {
            return if buffer.is_clean_end() { Ok(None) } else { Err(Fault::Short("a record header")) };
        }
        let window = buffer.window();
        let Some([s0, s1, s2, s3, f0, f1, f2, f3, a0, a1, a2, a3, b0, b1, b2, b3]) =
            window.first_chunk::<RECORD_BYTES>()
        else {
            return Err(Fault::Short("a record header"));
        };
        let seconds = self.order.u32([*s0, *s1, *s2, *s3]);
        let fraction = self.order.u32([*f0, *f1, *f2, *f3]);
        let first = self.order.u32([*a0, *a1, *a2, *a3]);
        let second = self.order.u32([*b0, *b1, *b2, *b3]);
        let direction = if self.record_bytes == MODIFIED_RECORD_BYTES { direction(window) } else { None };
        let (captured, orig_len) = match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::WireFirst => (second, first),
            Lengths::SmallerIsCaptured => (first.min(second), first.max(second)),
        };
        if captured > MAX_CAPTURED_BYTES {
            return Err(Fault::Broken(format!(
                "a record says it holds {captured} bytes, more than any packet ({MAX_CAPTURED_BYTES})"
            )));
        }
        let whole = self.record_bytes + captured as usize;
        if !buffer.fill(whole) {
            return Err(Fault::Short("a packet record"));
        }
        let record = buffer.take(whole);
        Ok(Some(Item::Frame(FrameAt {
            // 2^32 s and 2^32 µs are together below 2^63 ns. A fraction of a second or more carries, as the sum says.
            ts_ns: i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * i64::from(self.unit_ns),
            interface: 0,
            link_type: self.link_type,
            orig_len,
            data: record.start + self.record_bytes..record.end,
            direction,
        })))
    }

    fn interface(&self) -> Interface {
        Interface {
            link_type: self.link_type,
            snaplen: self.snaplen,
            name: String::new(),
            resolution: if self.unit_ns == 1 { Resolution::Nano } else { Resolution::Micro },
        }
    }
}

/// The packet type of a Kuznetzov record: Linux's `PACKET_HOST`, `_BROADCAST`, `_MULTICAST` came in, `PACKET_OUTGOING` went out,
/// `PACKET_OTHERHOST` only passed by.
fn direction(record: &[u8]) -> Option<Direction> {
    match record.get(22)? {
        0..=2 => Some(Direction::In),
        4 => Some(Direction::Out),
        _ => None,
    }
}
