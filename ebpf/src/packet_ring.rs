//! A packet socket's ring in the third layout (`TPACKET_V3`): blocks of frames, each frame behind a header of the kernel.
//!
//! ```text
//! block   0 version   8 status   12 frames   16 offset of the first frame
//! frame   0 to the next   4 s   8 ns   12 kept bytes   16 length   20 status   24 offset of the bytes (u16)
//!        32 VLAN tag control (u32)   36 VLAN protocol (u16)   48 struct sockaddr_ll: +4 ifindex, +8 ARPHRD (u16), +10 kind (u8)
//! ```
//!
//! A VLAN tag is put back in place: the socket asked for four spare bytes before each frame. Offsets are checked though the
//! kernel wrote them; a block that does not add up ends where it stops adding up.

use crate::{
    filter::PACKET_OUTGOING,
    interfaces::{LINKTYPE_ETHERNET, link_type},
    live::Direction,
    ring::{ADDRESSES, TAG, TPID_8021Q, tag_bytes},
    table::Raw,
};

/// `TP_STATUS_VLAN_VALID`.
const VLAN_VALID: u32 = 1 << 4;
/// `TP_STATUS_VLAN_TPID_VALID`.
const VLAN_TPID_VALID: u32 = 1 << 6;

/// A frame and where it came from.
#[derive(Debug)]
pub(crate) struct Sighted<'a> {
    pub(crate) ifindex: u32,
    pub(crate) arphrd: u16,
    /// `ts_ns` is the kernel's wall clock.
    pub(crate) raw: Raw<'a>,
}

/// Calls `each` with every frame of a block. Returns how many.
pub(crate) fn frames(block: &mut [u8], mut each: impl FnMut(Sighted<'_>)) -> usize {
    let (Some(count), Some(first)) = (u32_at(block, 12), u32_at(block, 16)) else { return 0 };
    let mut at = size(first);
    for read in 0..size(count) {
        let Some((sighted, next)) = frame(block, at) else { return read };
        each(sighted);
        at = match next {
            0 => return read + 1,
            next => at.saturating_add(next),
        };
    }
    size(count)
}

fn frame(block: &mut [u8], at: usize) -> Option<(Sighted<'_>, usize)> {
    let head = block.get(at..)?;
    let next = size(u32_at(head, 0)?);
    let (seconds, nanos) = (u32_at(head, 4)?, u32_at(head, 8)?);
    let (caplen, len, status) = (size(u32_at(head, 12)?), u32_at(head, 16)?, u32_at(head, 20)?);
    let start = at.checked_add(usize::from(u16_at(head, 24)?))?;
    let (tci, tpid) = (u32_at(head, 32)?, u16_at(head, 36)?);
    let (ifindex, arphrd, kind) = (u32_at(head, 52)?, u16_at(head, 56)?, *head.get(58)?);

    let tagged = status & VLAN_VALID != 0 && caplen >= ADDRESSES && link_type(arphrd) == Some(LINKTYPE_ETHERNET);
    let (from, orig_len) = if tagged {
        let from = start.checked_sub(TAG)?;
        let tpid = if status & VLAN_TPID_VALID != 0 { tpid } else { TPID_8021Q };
        block.get(start..start.checked_add(ADDRESSES)?)?;
        block.copy_within(start..start + ADDRESSES, from);
        let tag = tag_bytes(tpid, u16::try_from(tci & 0xffff).ok()?);
        block.get_mut(from + ADDRESSES..start + ADDRESSES)?.copy_from_slice(&tag);
        (from, len.saturating_add(4))
    } else {
        (start, len)
    };
    let raw = Raw {
        ts_ns: i64::from(seconds) * 1_000_000_000 + i64::from(nanos),
        orig_len,
        direction: if kind == PACKET_OUTGOING { Direction::Out } else { Direction::In },
        data: block.get(from..start.checked_add(caplen)?)?,
    };
    Some((Sighted { ifindex, arphrd, raw }, next))
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A block of two frames of 20 bytes: one incoming with an 802.1ad tag in the metadata, one outgoing.
    fn block() -> Vec<u8> {
        let mut b = vec![0_u8; 512];
        put(&mut b, 12, &2_u32.to_ne_bytes());
        put(&mut b, 16, &48_u32.to_ne_bytes());
        for (at, next, status, kind) in [(48, 160_u32, VLAN_VALID | VLAN_TPID_VALID, 0), (208, 0, 0, PACKET_OUTGOING)] {
            for (offset, word) in [(0, next), (4, 3), (8, 5), (12, 20), (16, 1500), (20, status), (32, 7), (52, 9)] {
                put(&mut b, at + offset, &word.to_ne_bytes());
            }
            put(&mut b, at + 24, &100_u16.to_ne_bytes());
            put(&mut b, at + 36, &0x88a8_u16.to_ne_bytes());
            put(&mut b, at + 56, &libc::ARPHRD_ETHER.to_ne_bytes());
            b[at + 58] = kind;
            put(&mut b, at + 100, &(0..20).collect::<Vec<u8>>());
        }
        b
    }

    #[test]
    fn frames_come_out_with_their_tag() {
        let mut seen = Vec::new();
        let count = frames(&mut block(), |s| {
            seen.push((s.ifindex, s.raw.ts_ns, s.raw.orig_len, s.raw.direction, s.raw.data.to_vec()));
        });
        assert_eq!(count, 2);
        let tagged = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x88, 0xa8, 0, 7, 12, 13, 14, 15, 16, 17, 18, 19];
        assert_eq!(seen[0], (9, 3_000_000_005, 1504, Direction::In, tagged.to_vec()));
        assert_eq!(seen[1], (9, 3_000_000_005, 1500, Direction::Out, (0..20).collect()));
    }

    /// Any byte of the block may be wrong: no frame then reaches outside it, and the walk ends.
    #[test]
    fn a_block_that_does_not_add_up_ends_early() {
        for at in 0..320 {
            for value in [0, 1, 0x7f, 0xff] {
                let mut broken = block();
                broken[at] = value;
                frames(&mut broken, |s| assert!(s.raw.data.len() <= 512));
            }
        }
        assert_eq!(frames(&mut [], |_| panic!("no frame")), 0);
    }
}
