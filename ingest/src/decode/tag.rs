//! What sits between the link layer and IP: VLAN tags, 802.1ah, MPLS stacks and pseudowires, PPPoE and PPP.

use super::{Anomaly, Decoded, Encapsulation, Layer, Next, cursor::Cursor, link};

/// Labels followed in one MPLS stack. Real stacks hold up to about ten; segment routing rarely passes it.
const MAX_LABELS: usize = 32;

/// 802.1Q or 802.1ad tag: TCI, then an EtherType or length.
#[inline]
pub(super) fn vlan(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>, layer: Layer) -> Next {
    out.layers.insert(layer);
    let Some(&[c0, c1, t0, t1]) = cursor.take::<4>() else {
        if let Some(&tci) = cursor.peek::<2>() {
            out.vlan_id = Some(u16::from_be_bytes(tci) & 0x0fff);
        }
        out.anomalies.insert(Anomaly::TagTruncated);
        return Next::Stop;
    };
    out.vlan_id = Some(u16::from_be_bytes([c0, c1]) & 0x0fff);
    link::type_or_length(u16::from_be_bytes([t0, t1]), cursor)
}

/// 802.1ah service instance tag: 4 bytes, then the customer's Ethernet frame.
pub(super) fn service_tag(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::ServiceTag);
    if cursor.take::<4>().is_none() {
        out.anomalies.insert(Anomaly::TagTruncated);
        return Next::Stop;
    }
    Next::Ethernet
}

/// Cisco MetaData: 6 bytes with one group tag, then an EtherType.
pub(super) fn meta_data(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::MetaData);
    let Some(&[_, _, _, _, _, _, t0, t1]) = cursor.take() else {
        out.anomalies.insert(Anomaly::TagTruncated);
        return Next::Stop;
    };
    link::type_or_length(u16::from_be_bytes([t0, t1]), cursor)
}

/// Network service header (RFC 8300 section 2): its length counts words.
pub(super) fn nsh(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Nsh);
    out.proto = Some("nsh");
    let Some(&[_, len, _, protocol]) = cursor.peek() else {
        out.anomalies.insert(Anomaly::TagTruncated);
        return Next::Stop;
    };
    if !cursor.skip(usize::from(len & 0x3f).max(2) * 4) {
        out.anomalies.insert(Anomaly::TagTruncated);
        return Next::Stop;
    }
    match protocol {
        1 => Next::Ipv4,
        2 => Next::Ipv6,
        3 => Next::Ethernet,
        5 => Next::Mpls,
        _ => Next::Stop,
    }
}

/// MPLS label stack (RFC 3032). Nothing in it says what it carries: IP is told by its version field and checked, all else
/// is tried as an Ethernet pseudowire.
pub(super) fn mpls(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Mpls);
    out.proto = Some("mpls");
    if !out.enter(Encapsulation::Mpls) {
        return Next::Stop;
    }
    let mut bottom = false;
    for _ in 0..MAX_LABELS {
        let Some(entry) = cursor.take::<4>() else {
            out.anomalies.insert(Anomaly::TagTruncated);
            return Next::Stop;
        };
        let entry = u32::from_be_bytes(*entry);
        out.tunnel_id = Some(entry >> 12);
        bottom = entry & 0x100 != 0;
        if bottom {
            break;
        }
    }
    if !bottom {
        out.anomalies.insert(Anomaly::NestingLimit);
        return Next::Stop;
    }
    match cursor.data().first().map(|byte| byte >> 4) {
        Some(4) if is_ipv4(cursor) || !pseudowire_plain(cursor) => Next::Ipv4,
        Some(6) if is_ipv6(cursor) || !pseudowire_plain(cursor) => Next::Ipv6,
        Some(_) => pseudowire(cursor, out),
        None => Next::Stop,
    }
}

/// Header and total length that IPv4 could have here.
fn is_ipv4(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.peek(), Some(&[version, _, l0, l1])
        if version & 0x0f >= 5 && (20..=cursor.len()).contains(&usize::from(u16::from_be_bytes([l0, l1]))))
}

/// Payload length that IPv6 could have here.
fn is_ipv6(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.peek(), Some(&[_, _, _, _, l0, l1]) if usize::from(u16::from_be_bytes([l0, l1])) + 40 <= cursor.len())
}

/// Ethernet over MPLS (RFC 4448): with the control word, whose first half byte is 0, or without.
fn pseudowire(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    if cursor.starts_with_nibble(0) && plausible_ethernet(cursor.data().get(4..)) {
        cursor.skip(4);
    } else if !pseudowire_plain(cursor) {
        return Next::Stop;
    }
    out.layers.insert(Layer::PwEth);
    Next::Ethernet
}

fn pseudowire_plain(cursor: &Cursor<'_>) -> bool {
    plausible_ethernet(Some(cursor.data()))
}

/// Whether an Ethernet header could start here: a unicast sender, and a type that is read or a length that fits.
fn plausible_ethernet(data: Option<&[u8]>) -> bool {
    let Some(&[_, _, _, _, _, _, s0, _, _, _, _, _, t0, t1]) = data.and_then(<[u8]>::first_chunk::<14>) else {
        return false;
    };
    let value = u16::from_be_bytes([t0, t1]);
    let known = matches!(
        value,
        0x0800 | 0x0806 | 0x86dd | 0x8100 | 0x88a8 | 0x9100 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x88cc | 0x888e
    );
    let length = data.is_some_and(|data| (3..=1500).contains(&value) && usize::from(value) + 14 <= data.len());
    s0 & 1 == 0 && (known || length)
}

/// PPPoE session (RFC 2516 section 4): code 0 carries PPP.
pub(super) fn pppoe_session(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Pppoe);
    out.proto = Some("pppoe");
    let Some(&[_, code, s0, s1, l0, l1]) = cursor.take::<6>() else {
        out.anomalies.insert(Anomaly::TagTruncated);
        return Next::Stop;
    };
    if code != 0 || !out.enter(Encapsulation::Pppoe) {
        return Next::Stop;
    }
    out.tunnel_id = Some(u32::from(u16::from_be_bytes([s0, s1])));
    cursor.limit(usize::from(u16::from_be_bytes([l0, l1])));
    Next::Ppp
}

/// PPP with a pseudo header of `prefix` bytes that says the direction.
pub(super) fn ppp_direction(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>, prefix: usize) -> Next {
    cursor.skip(prefix);
    ppp(cursor, out)
}

/// PPP (RFC 1661), with or without HDLC address and control (RFC 1662) and with a protocol field of one or two bytes.
pub(super) fn ppp(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Ppp);
    out.proto = Some("ppp");
    match cursor.peek() {
        Some(&[0xff, 0x03]) => {
            cursor.skip(2);
        }
        // Cisco HDLC shares LINKTYPE_PPP_HDLC.
        Some(&[0x0f | 0x8f, 0x00]) => return Next::Chdlc,
        _ => {}
    }
    let Some(&[first]) = cursor.take::<1>() else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    // An odd first byte is the whole of a compressed field.
    let protocol = if first & 1 == 1 {
        u16::from(first)
    } else {
        let Some(&[second]) = cursor.take::<1>() else {
            out.anomalies.insert(Anomaly::LinkTruncated);
            return Next::Stop;
        };
        u16::from_be_bytes([first, second])
    };
    match protocol {
        0x0021 => Next::Ipv4,
        0x0057 => Next::Ipv6,
        0x0281 | 0x0283 => Next::Mpls,
        0x8021 => Next::Named("ipcp", None),
        0x8057 => Next::Named("ipv6cp", None),
        0x80fd => Next::Named("ccp", None),
        0xc021 => Next::Named("lcp", None),
        0xc023 => Next::Named("pap", None),
        0xc223 => Next::Named("chap", None),
        _ => Next::Stop,
    }
}
