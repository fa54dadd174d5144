//! QUIC packets with long headers (RFC 9000 section 17.2), and the frames of first packets (section 19).

use crate::l7::protocols::tls::bytes::Bytes;

pub(super) const V1: u32 = 1;
pub(super) const V2: u32 = 0x6b33_43cf;
pub(super) const DRAFT_23: u32 = 0xff00_0017;
pub(super) const DRAFT_28: u32 = 0xff00_001c;
pub(super) const DRAFT_29: u32 = 0xff00_001d;
pub(super) const DRAFT_32: u32 = 0xff00_0020;
pub(super) const DRAFT_33: u32 = 0xff00_0021;
pub(super) const DRAFT_34: u32 = 0xff00_0022;

/// Bytes of a connection id at most (RFC 9000 section 17.2).
const MAX_ID_BYTES: usize = 20;

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
    VersionNegotiation,
    /// Of a version whose types are not known.
    Unknown,
}

/// A packet with a long header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) kind: Kind,
    pub(super) version: u32,
    pub(super) dcid: &'a [u8],
    pub(super) scid: &'a [u8],
    /// All of it.
    pub(super) bytes: &'a [u8],
    /// Where its number begins, of those that have one.
    pub(super) number_at: usize,
}

impl<'a> Packet<'a> {
    /// The packet that a datagram, or the rest of one, begins with, and what follows. Of one that is cut off, what is there.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<(Packet<'a>, &'a [u8])> {
        let mut rest = Bytes(datagram);
        let first = rest.u8().filter(|first| first & 0x80 != 0)?;
        let version = rest.u32()?;
        let (dcid, scid) = (rest.vec8()?.0, rest.vec8()?.0);
        if dcid.len() > MAX_ID_BYTES || scid.len() > MAX_ID_BYTES {
            return None;
        }
        let kind = kind(version, first);
        let mut packet = Packet { kind, version, dcid, scid, bytes: datagram, number_at: 0 };
        if kind == Kind::Initial {
            let token_len = usize::try_from(varint(&mut rest)?).ok()?;
            rest.take(token_len)?;
        }
        if matches!(kind, Kind::Initial | Kind::ZeroRtt | Kind::Handshake) {
            let len = usize::try_from(varint(&mut rest)?).ok()?;
            packet.number_at = datagram.len() - rest.0.len();
            let end = packet.number_at.saturating_add(len).min(datagram.len());
            let (bytes, after) = datagram.split_at_checked(end)?;
            packet.bytes = bytes;
            return Some((packet, after));
        }
        Some((packet, &[]))
    }

    /// The versions that a server offers in a packet that negotiates them.
    pub(super) fn versions(&self) -> impl Iterator<Item = u32> + use<'a> {
        let header = 7 + self.dcid.len() + self.scid.len();
        self.bytes.get(header..).unwrap_or_default().as_chunks::<4>().0.iter().map(|v| u32::from_be_bytes(*v))
    }
}

fn kind(version: u32, first: u8) -> Kind {
    const KINDS: [Kind; 4] = [Kind::Initial, Kind::ZeroRtt, Kind::Handshake, Kind::Retry];
    let number = usize::from(first >> 4 & 3);
    let at = match version {
        0 => return Kind::VersionNegotiation,
        // RFC 9369 section 3.2 turns them by one.
        V2 => (number + 3) % 4,
        V1 | 0xff00_0000..=0xff00_00ff => number,
        _ => return Kind::Unknown,
    };
    KINDS.get(at).copied().unwrap_or(Kind::Unknown)
}

/// A frame of a first packet, as far as it says something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Crypto {
        offset: u64,
        bytes: &'a [u8],
    },
    Close {
        code: u64,
        reason: &'a [u8],
    },
    /// Padding, a ping or an acknowledgement.
    Other,
}

/// The next frame. `None` at the end, and where one is not understood.
pub(super) fn frame<'a>(rest: &mut Bytes<'a>) -> Option<Frame<'a>> {
    Some(match varint(rest)? {
        0 | 1 => Frame::Other,
        kind @ (2 | 3) => {
            let (_largest, _delay, ranges, _first) = (varint(rest)?, varint(rest)?, varint(rest)?, varint(rest)?);
            for _ in 0..ranges.saturating_mul(2) {
                varint(rest)?;
            }
            if kind == 3 {
                let _ecn = (varint(rest)?, varint(rest)?, varint(rest)?);
            }
            Frame::Other
        }
        6 => {
            let (offset, len) = (varint(rest)?, varint(rest)?);
            Frame::Crypto { offset, bytes: rest.take(usize::try_from(len).ok()?)? }
        }
        0x1c => {
            let (code, _frame, len) = (varint(rest)?, varint(rest)?, varint(rest)?);
            Frame::Close { code, reason: rest.take(usize::try_from(len).ok()?)? }
        }
        _ => return None,
    })
}

/// RFC 9000 section 16.
fn varint(rest: &mut Bytes<'_>) -> Option<u64> {
    let first = rest.u8()?;
    let more = (1usize << (first >> 6)) - 1;
    let value = u64::from(first & 0x3f);
    Some(rest.take(more)?.iter().fold(value, |value, byte| value << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves the worked examples of RFC 9000 A.1.
    #[test]
    fn published_integers() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(varint(&mut Bytes(bytes)), Some(value));
        }
        assert_eq!(varint(&mut Bytes(&[0x7b])), None);
    }
}
