//! The pcapng format (draft-ietf-opsawg-pcapng): a chain of blocks, in sections that each have their own byte order and interfaces.
//!
//! | block offset | size | field |
//! |---|---|---|
//! | 0 | 4 | type |
//! | 4 | 4 | total length, these 12 bytes included |
//! | 8 | … | body, padded to 4 bytes |
//! | last 4 | 4 | total length again |
//!
//! Packets come from Enhanced, Simple and obsolete Packet Blocks. Secrets of TLS are handed on. Every other block (names, statistics,
//! custom, unknown) is passed over without being held in memory. Interfaces are numbered from 0 over all sections.
//!
//! A Simple Packet Block has no time. Wireshark shows none and libpcap the epoch; here it gets the time of the packet before it
//! (0 for the first), because a packet store is ordered by time and the file's order is all that is known.

use std::ops::Range;

use super::{
    Fault, FrameAt, Item, MAX_CAPTURED_BYTES,
    buffer::Buffer,
    options::{self, Options},
    order::Order,
    ticks::Clock,
};
use crate::frame::{Direction, Interface};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;

/// The type of secrets that are a log of TLS (section 4.7).
const TLS_KEY_LOG: u32 = 0x544c_534b;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Type, length, and the length again.
const BLOCK_FRAME_BYTES: u32 = 12;

/// Longest block held in memory, libpcap's and Wireshark's limit too: packets and interfaces with their options are far below.
const MAX_BLOCK_BYTES: u64 = 16 << 20;
/// Most interfaces in a file, all sections together: thousands are seen in merged captures, millions only in an attack.
const MAX_INTERFACES: u32 = 65_536;
/// Longest interface name kept, in bytes: Linux has 15, Windows' device paths about 60.
const MAX_NAME_BYTES: usize = 256;

pub(super) struct Pcapng {
    order: Order,
    /// Those of the current section.
    interfaces: Vec<Known>,
    /// Interfaces announced in earlier sections.
    earlier: u32,
    last_ts_ns: i64,
}

/// What packets of an interface need to know of it.
struct Known {
    link_type: u16,
    snaplen: u32,
    clock: Clock,
}

impl Pcapng {
    /// Whether the content starts with a Section Header Block.
    pub(super) fn is_at(window: &[u8]) -> bool {
        window.first_chunk() == Some(&SECTION_HEADER.to_be_bytes())
    }

    /// Checks the first section's byte-order magic; its header is read by [`next`](Self::next).
    pub(super) fn open(buffer: &mut Buffer) -> Result<Pcapng, Fault> {
        if !buffer.fill(12) {
            return Err(Fault::Short("the first section header"));
        }
        let order = section_order(buffer.window()).ok_or(Fault::NotThisFormat)?;
        Ok(Pcapng { order, interfaces: Vec::new(), earlier: 0, last_ts_ns: 0 })
    }

    /// The next interface or packet; `None` at a clean end. `at` is set to the offset of the block it is in.
    #[inline]
    pub(super) fn next(&mut self, buffer: &mut Buffer, at: &mut u64) -> Result<Option<Item>, Fault> {
        loop {
            *at = buffer.offset();
            if !buffer.fill(12) {
                return if buffer.is_clean_end() { Ok(None) } else { Err(Fault::Short("a block header")) };
            }
            let Some(&[k0, k1, k2, k3, t0, t1, t2, t3]) = buffer.window().first_chunk::<8>() else {
                return Err(Fault::Short("a block header"));
            };
            let kind = self.order.u32([k0, k1, k2, k3]);
            if kind == SECTION_HEADER {
                // The same in both byte orders; the length before it is not.
                self.begin_section(buffer)?;
            }
            let total = self.order.u32([t0, t1, t2, t3]);
            if total < BLOCK_FRAME_BYTES {
                return Err(Fault::Broken(format!("a block says it is {total} bytes long, less than its frame of 12")));
            }
            // Some writers leave the padding out of the length; Wireshark adds it too.
            let stored = u64::from(total).next_multiple_of(4);
            match kind {
                INTERFACE_DESCRIPTION | ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET => {
                    let block = take_block(buffer, self.order, kind, total, stored)?;
                    return self.block(buffer, kind, block).map(Some);
                }
                DECRYPTION_SECRETS if stored <= MAX_BLOCK_BYTES => {
                    let block = take_block(buffer, self.order, kind, total, stored)?;
                    if let Some(log) = self.secrets(buffer, block) {
                        return Ok(Some(Item::Secrets(log)));
                    }
                }
                _ => skip_block(buffer, self.order, total, stored)?,
            }
        }
    }

    /// Decryption Secrets Block (section 4.7): where the log of TLS secrets in it is, if it is one. One that cannot be read
    /// opens nothing.
    fn secrets(&self, buffer: &Buffer, block: Range<usize>) -> Option<Range<usize>> {
        let bytes = buffer.slice(block.clone());
        let len = usize::try_from(self.order.u32_at(bytes, 12)?).ok()?;
        let begin = block.start.checked_add(16)?;
        let end = begin.checked_add(len).filter(|end| *end <= block.end)?;
        (self.order.u32_at(bytes, 8)? == TLS_KEY_LOG).then_some(begin..end)
    }

    /// Reads what a Section Header Block changes; the block itself is then passed over like any other (section 4.1).
    fn begin_section(&mut self, buffer: &mut Buffer) -> Result<(), Fault> {
        if !buffer.fill(16) {
            return Err(Fault::Short("a section header"));
        }
        let window = buffer.window();
        self.order =
            section_order(window).ok_or_else(|| Fault::Broken("a section without byte-order magic".to_owned()))?;
        let major = self.order.u16_at(window, 12).unwrap_or_default();
        let minor = self.order.u16_at(window, 14).unwrap_or_default();
        // 1.2 was written by some and means 1.0.
        if major != 1 || !matches!(minor, 0 | 2) {
            return Err(Fault::Unsupported(format!("pcapng version {major}.{minor}")));
        }
        self.earlier += u32::try_from(self.interfaces.len()).unwrap_or(MAX_INTERFACES);
        self.interfaces.clear();
        Ok(())
    }

    fn block(&mut self, buffer: &Buffer, kind: u32, block: Range<usize>) -> Result<Item, Fault> {
        // The frame is cut off: 8 bytes before the body, 4 after.
        let body_at = block.start + 8;
        let body = buffer.slice(body_at..block.end.saturating_sub(4));
        if kind == INTERFACE_DESCRIPTION {
            return self.interface(body).map(Item::Interface);
        }
        let mut frame = if kind == SIMPLE_PACKET { self.simple(body)? } else { self.timed(body, kind)? };
        self.last_ts_ns = frame.ts_ns;
        frame.data.start += body_at;
        frame.data.end += body_at;
        Ok(Item::Frame(frame))
    }

    /// Interface Description Block (section 4.2).
    fn interface(&mut self, body: &[u8]) -> Result<Interface, Fault> {
        let (Some(link_type), Some(snaplen), Some(options)) =
            (self.order.u16_at(body, 0), self.order.u32_at(body, 4), body.get(8..))
        else {
            return Err(Fault::Broken("an interface description is shorter than its fields".to_owned()));
        };
        if self.earlier + u32::try_from(self.interfaces.len()).unwrap_or(MAX_INTERFACES) >= MAX_INTERFACES {
            return Err(Fault::Broken(format!("more than {MAX_INTERFACES} interfaces")));
        }
        let mut name = String::new();
        let mut clock = Clock::default();
        for option in Options::new(options, self.order) {
            let (code, value) = option.map_err(|()| Fault::Broken("an interface's options run past it".to_owned()))?;
            match (code, value) {
                (options::IF_NAME, text) => name = name_of(text),
                (options::IF_TSRESOL, [unit]) => clock.set_resolution(*unit),
                (options::IF_TSOFFSET, &[a, b, c, d, e, f, g, h]) => {
                    clock.set_offset_seconds(self.order.i64([a, b, c, d, e, f, g, h]));
                }
                (options::IF_TSRESOL | options::IF_TSOFFSET, _) => {
                    return Err(Fault::Broken("an interface's time unit or offset has the wrong size".to_owned()));
                }
                _ => {}
            }
        }
        let resolution = clock.resolution();
        self.interfaces.push(Known { link_type, snaplen, clock });
        Ok(Interface { link_type, snaplen, name, resolution })
    }

    /// Enhanced Packet Block (section 4.3), and the obsolete Packet Block (appendix A), which differs in its first word.
    #[inline]
    fn timed(&self, body: &[u8], kind: u32) -> Result<FrameAt, Fault> {
        let Some((head, rest)) = body.split_first_chunk::<20>() else {
            return Err(Fault::Broken("a packet block is shorter than its fields".to_owned()));
        };
        let &[i0, i1, i2, i3, h0, h1, h2, h3, l0, l1, l2, l3, c0, c1, c2, c3, o0, o1, o2, o3] = head;
        let index = match kind {
            // 16 bits of drop count follow.
            OBSOLETE_PACKET => u32::from(self.order.u16([i0, i1])),
            _ => self.order.u32([i0, i1, i2, i3]),
        };
        let interface = self.known(index)?;
        let high = self.order.u32([h0, h1, h2, h3]);
        let low = self.order.u32([l0, l1, l2, l3]);
        let captured = self.order.u32([c0, c1, c2, c3]);
        check_captured(captured, rest.len())?;
        let options = rest.get((captured as usize).next_multiple_of(4)..).unwrap_or_default();
        Ok(FrameAt {
            ts_ns: interface.clock.ns(u64::from(high) << 32 | u64::from(low)),
            interface: self.earlier + index,
            link_type: interface.link_type,
            orig_len: self.order.u32([o0, o1, o2, o3]),
            data: 20..20 + captured as usize,
            direction: if options.is_empty() { None } else { direction(options, self.order) },
        })
    }

    /// Simple Packet Block (section 4.4): on interface 0, cut at its snap length, without a time.
    fn simple(&self, body: &[u8]) -> Result<FrameAt, Fault> {
        let (Some(orig_len), Some(rest)) = (self.order.u32_at(body, 0), body.get(4..)) else {
            return Err(Fault::Broken("a packet block is shorter than its fields".to_owned()));
        };
        let interface = self.known(0)?;
        let captured = if interface.snaplen == 0 { orig_len } else { orig_len.min(interface.snaplen) };
        check_captured(captured, rest.len())?;
        Ok(FrameAt {
            ts_ns: self.last_ts_ns,
            interface: self.earlier,
            link_type: interface.link_type,
            orig_len,
            data: 4..4 + captured as usize,
            direction: None,
        })
    }

    #[inline]
    fn known(&self, index: u32) -> Result<&Known, Fault> {
        self.interfaces.get(index as usize).ok_or_else(|| {
            Fault::Broken(format!("a packet names interface {index} of a section that has {}", self.interfaces.len()))
        })
    }
}

/// The byte order in which the third word of a section header is its magic.
fn section_order(window: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| order.u32_at(window, 8) == Some(BYTE_ORDER_MAGIC))
}

/// Takes a whole block, its frame included, after checking that both its lengths agree.
#[inline]
fn take_block(buffer: &mut Buffer, order: Order, kind: u32, total: u32, stored: u64) -> Result<Range<usize>, Fault> {
    let whole = usize::try_from(stored).unwrap_or(usize::MAX);
    if stored > MAX_BLOCK_BYTES {
        return Err(Fault::Broken(format!(
            "a block says it is {total} bytes long, over the limit of {MAX_BLOCK_BYTES}"
        )));
    }
    if !buffer.fill(whole) {
        return Err(Fault::Short(match kind {
            INTERFACE_DESCRIPTION => "an interface block",
            DECRYPTION_SECRETS => "a block",
            _ => "a packet block",
        }));
    }
    check_trailer(order.u32_at(buffer.window(), whole - 4), total)?;
    Ok(buffer.take(whole))
}

/// Passes over a block of any length.
fn skip_block(buffer: &mut Buffer, order: Order, total: u32, stored: u64) -> Result<(), Fault> {
    if !(buffer.skip(stored - 4) && buffer.fill(4)) {
        return Err(Fault::Short("a block"));
    }
    check_trailer(order.u32_at(buffer.window(), 0), total)?;
    buffer.take(4);
    Ok(())
}

#[inline]
fn check_trailer(again: Option<u32>, total: u32) -> Result<(), Fault> {
    match again {
        Some(again) if again == total => Ok(()),
        _ => Err(Fault::Broken(format!(
            "a block's length is {total} at its start and {} at its end",
            again.unwrap_or(0)
        ))),
    }
}

#[inline]
fn check_captured(captured: u32, available: usize) -> Result<(), Fault> {
    if captured > MAX_CAPTURED_BYTES {
        return Err(Fault::Broken(format!(
            "a block says it holds {captured} bytes of packet, more than any packet ({MAX_CAPTURED_BYTES})"
        )));
    }
    if captured as usize > available {
        return Err(Fault::Broken(format!("a block says it holds {captured} bytes of packet and has {available}")));
    }
    Ok(())
}

/// Bits 0 and 1 of the flags word of a packet (section 4.3.1). Options that do not parse cost the direction, not the packet.
fn direction(options: &[u8], order: Order) -> Option<Direction> {
    let flags = Options::new(options, order)
        .map_while(Result::ok)
        .find_map(|(code, value)| if code == options::PACKET_FLAGS { order.u32_at(value, 0) } else { None })?;
    match flags & 0b11 {
        1 => Some(Direction::In),
        2 => Some(Direction::Out),
        _ => None,
    }
}

fn name_of(text: &[u8]) -> String {
    let kept = text.get(..MAX_NAME_BYTES).unwrap_or(text);
    String::from_utf8_lossy(kept).trim_end_matches(['\0', '\u{fffd}']).to_owned()
}
