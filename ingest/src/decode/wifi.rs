//! IEEE 802.11 and the pseudo headers put before it: radiotap, PPI, Prism and AVS. Only what leads to LLC is read;
//! encrypted, fragmented and management frames show their addresses.

use super::{Anomaly, Decoded, Layer, Next, cursor::Cursor, link};

/// Radiotap flags field: the frame check sequence is at the end of the frame.
const RADIOTAP_FCS: u8 = 0x10;
/// First word of an AVS header, without its version.
const AVS_MAGIC: u32 = 0x8021_1000;

/// Radiotap (<https://www.radiotap.org>): only the flags are of interest, they say whether a checksum trails.
pub(super) fn radiotap(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Radiotap);
    out.proto = Some("radiotap");
    let Some(&[_, _, l0, l1]) = cursor.peek() else { return cut(out) };
    let fcs = radiotap_flags(cursor.data()).is_some_and(|flags| flags & RADIOTAP_FCS != 0);
    let header_len = usize::from(u16::from_le_bytes([l0, l1]));
    if header_len < 8 || !cursor.skip(header_len) {
        return cut(out);
    }
    if fcs {
        cursor.trim_end(4);
    }
    Next::Ieee80211
}

/// The flags field: it comes after the present words and, when there, the 8-byte aligned clock.
fn radiotap_flags(data: &[u8]) -> Option<u8> {
    let mut words = data
        .get(4..)?
        .chunks_exact(4)
        .map(|word| word.iter().rev().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)));
    let present = words.next()?;
    let mut word = present;
    let mut at = 8usize;
    while word & 0x8000_0000 != 0 {
        word = words.next()?;
        at += 4;
    }
    if present & 1 != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    if present & 2 != 0 { data.get(at).copied() } else { None }
}

/// Per-packet information: its length, and the link type that follows.
pub(super) fn ppi(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Ppi);
    out.proto = Some("ppi");
    let Some(&[_, _, l0, l1, t0, t1, t2, t3]) = cursor.peek() else { return cut(out) };
    let header_len = usize::from(u16::from_le_bytes([l0, l1]));
    if header_len < 8 || !cursor.skip(header_len) {
        return cut(out);
    }
    link::first(u32::from_le_bytes([t0, t1, t2, t3]))
}

/// Prism or AVS: both say their length in the second word, AVS in network order.
pub(super) fn prism(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Prism);
    out.proto = Some("prism");
    let Some(&[m0, m1, m2, m3, l0, l1, l2, l3]) = cursor.peek() else { return cut(out) };
    let magic = u32::from_be_bytes([m0, m1, m2, m3]);
    let big = u32::from_be_bytes([l0, l1, l2, l3]);
    let header_len =
        if magic & 0xffff_f000 == AVS_MAGIC & 0xffff_f000 || big <= 0xffff { big } else { big.swap_bytes() };
    if header_len < 8 || !cursor.skip(usize::try_from(header_len).unwrap_or(usize::MAX)) {
        return cut(out);
    }
    Next::Ieee80211
}

fn cut(out: &mut Decoded<'_>) -> Next {
    out.anomalies.insert(Anomaly::WlanTruncated);
    Next::Stop
}

/// IEEE 802.11 MAC header (IEEE 802.11-2020 section 9.3).
pub(super) fn ieee80211(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Ieee80211);
    out.proto = Some("ieee80211");
    let Some(&[control, flags]) = cursor.peek() else { return cut(out) };
    let (kind, subtype) = (control >> 2 & 3, control >> 4);
    if kind == 1 {
        return control_frame(cursor, out, subtype);
    }
    let Some(head) = cursor.take::<24>() else {
        out.dst_mac = address(cursor.data(), 4);
        return cut(out);
    };
    let (to_ds, from_ds) = (flags & 1 != 0, flags & 2 != 0);
    out.dst_mac = address(head, if to_ds && kind == 2 { 16 } else { 4 });
    out.src_mac = address(head, if from_ds && kind == 2 { 16 } else { 10 });
    if kind == 2 && to_ds && from_ds {
        let Some(fourth) = cursor.take::<6>() else { return cut(out) };
        out.src_mac = Some(*fourth);
    }
    // Data frames without data have bit 2 of the subtype set. Fragments and ciphertext hold no readable LLC.
    let fragment = flags & 0x04 != 0 || head.get(22).is_some_and(|sequence| sequence & 0x0f != 0);
    let protected = flags & 0x40 != 0;
    if kind != 2 || subtype & 4 != 0 || fragment || protected {
        return Next::Stop;
    }
    let mut aggregated = false;
    if subtype & 8 != 0 {
        let Some(&[qos, _]) = cursor.take::<2>() else { return cut(out) };
        aggregated = qos & 0x80 != 0;
        // The order bit of a QoS frame announces the HT control field.
        if flags & 0x80 != 0 && cursor.take::<4>().is_none() {
            return cut(out);
        }
    }
    if aggregated { first_of_aggregate(cursor, out) } else { Next::Llc }
}

/// An A-MSDU: its first subframe stands for the frame.
fn first_of_aggregate(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    let Some(head) = cursor.take::<14>() else { return cut(out) };
    out.dst_mac = address(head, 0);
    out.src_mac = address(head, 6);
    if let Some(&[l0, l1]) = head.last_chunk::<2>() {
        cursor.limit(usize::from(u16::from_be_bytes([l0, l1])));
    }
    Next::Llc
}

/// Control frames: a receiver, and a sender in those that have one (block ack, PS-Poll, RTS, CF-End).
fn control_frame(cursor: &Cursor<'_>, out: &mut Decoded<'_>, subtype: u8) -> Next {
    out.dst_mac = address(cursor.data(), 4);
    if out.dst_mac.is_none() {
        return cut(out);
    }
    if matches!(subtype, 8 | 9 | 10 | 11 | 14 | 15) {
        out.src_mac = address(cursor.data(), 10);
    }
    Next::Stop
}

fn address(data: &[u8], at: usize) -> Option<[u8; 6]> {
    data.get(at..)?.first_chunk().copied()
}
