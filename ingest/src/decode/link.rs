//! The outermost headers: Ethernet, the cooked and raw link types, C-HDLC, NFLOG, and 802.2 LLC. EtherTypes and PPP protocol
//! numbers are told apart here; what they lead to is read elsewhere.

use super::{Anomaly, Decoded, Layer, Next, cursor::Cursor};

/// First EtherType; smaller values are the length of an 802.3 frame (IEEE 802.3 clause 3.2.6).
const FIRST_ETHER_TYPE: u16 = 0x0600;
/// Longest 802.3 payload; the values up to [`FIRST_ETHER_TYPE`] mean nothing.
const MAX_8023_LEN: u16 = 1500;
/// `ARPHRD_NETLINK`: the protocol field of a cooked header is a netlink family.
const ARPHRD_NETLINK: u16 = 824;

/// The first header of a frame by its `LINKTYPE_` value; `Stop` for link types that are not read.
#[inline]
pub(super) fn first(link_type: u32) -> Next {
    match link_type {
        1 => Next::Ethernet,
        0 => Next::Null,
        9 | 50 => Next::Ppp,
        12 | 14 | 101 | 228 | 229 => Next::Raw,
        51 => Next::PppoeSession,
        104 => Next::Chdlc,
        105 => Next::Ieee80211,
        108 => Next::Loop,
        113 => Next::Sll,
        119 => Next::Prism,
        127 => Next::Radiotap,
        163 => Next::Prism,
        166 => Next::PppDirection { prefix: 2 },
        192 => Next::Ppi,
        204 => Next::PppDirection { prefix: 1 },
        239 => Next::Nflog,
        276 => Next::Sll2,
        _ => Next::Stop,
    }
}

/// Ethernet II or IEEE 802.3.
#[inline]
pub(super) fn ethernet(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Eth);
    out.proto = Some("eth");
    if let Some((dst, rest)) = cursor.data().split_first_chunk::<6>() {
        out.dst_mac = Some(*dst);
        out.src_mac = rest.first_chunk::<6>().copied();
    }
    let Some(&[_, _, _, _, _, _, _, _, _, _, _, _, t0, t1]) = cursor.take::<14>() else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    type_or_length(u16::from_be_bytes([t0, t1]), cursor)
}

/// What follows a field that is an EtherType or an 802.3 length, narrowed to that length.
#[inline]
pub(super) fn type_or_length(value: u16, cursor: &mut Cursor<'_>) -> Next {
    if value >= FIRST_ETHER_TYPE {
        return Next::EtherType(value);
    }
    if value == 0 || value > MAX_8023_LEN {
        return Next::Stop;
    }
    cursor.limit(usize::from(value));
    if cursor.peek() == Some(&[0xff, 0xff]) { Next::Named("ipx", Some(Layer::Ipx)) } else { Next::Llc }
}

/// Dispatch on an EtherType (IEEE 802 Numbers).
#[inline]
pub(super) fn ether_type(value: u16, out: &mut Decoded<'_>) -> Next {
    out.eth_type = Some(value);
    match value {
        0x0800 => Next::Ipv4,
        0x86dd => Next::Ipv6,
        0x8100 | 0x9100 | 0x9200 => Next::Vlan(Layer::Vlan),
        0x88a8 => Next::Vlan(Layer::Qinq),
        0x8847 | 0x8848 => Next::Mpls,
        0x8864 => Next::PppoeSession,
        0x8863 => Next::Named("pppoed", Some(Layer::PppoeDiscovery)),
        0x0806 => Next::Arp,
        0x6558 => {
            out.layers.insert(Layer::TransparentEth);
            Next::Ethernet
        }
        0x880b => Next::Ppp,
        0x88e7 => Next::ServiceTag,
        0x8909 => Next::MetaData,
        0x894f => Next::Nsh,
        0x8137 => Next::Named("ipx", Some(Layer::Ipx)),
        0x88cc => Next::Named("lldp", Some(Layer::Lldp)),
        0x888e => Next::Named("eapol", Some(Layer::Eapol)),
        0x8035 => Next::Named("rarp", None),
        0x8809 => Next::Named("slow", None),
        0x88e5 => Next::Named("macsec", None),
        0x88f7 => Next::Named("ptp", None),
        0x8902 => Next::Named("cfm", None),
        0x8906 => Next::Named("fcoe", None),
        0x9000 => Next::Named("loop", None),
        _ => Next::Stop,
    }
}

/// IEEE 802.2, with SNAP (RFC 1042).
pub(super) fn llc(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Llc);
    out.proto = Some("llc");
    let Some(&[dsap, ssap, control]) = cursor.take::<3>() else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    match (dsap, ssap & 0xfe) {
        (0xaa, 0xaa) if control == 3 => snap(cursor, out),
        (0x42, 0x42) => Next::Named("stp", Some(Layer::Stp)),
        (0xe0, 0xe0) => Next::Named("ipx", Some(Layer::Ipx)),
        (0x06, 0x06) => Next::Ipv4,
        (0xfe, 0xfe) => Next::Named("osi", None),
        (0xf0, 0xf0) => Next::Named("netbios", None),
        _ => Next::Stop,
    }
}

fn snap(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    let Some(&[o0, o1, o2, p0, p1]) = cursor.take::<5>() else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    match ([o0, o1, o2], u16::from_be_bytes([p0, p1])) {
        ([0, 0, 0] | [0, 0, 0xf8], ether_type) => Next::EtherType(ether_type),
        ([0, 0, 0x0c], 0x2000) => Next::Named("cdp", None),
        ([0, 0, 0x0c], 0x2003) => Next::Named("vtp", None),
        ([0, 0, 0x0c], 0x2004) => Next::Named("dtp", None),
        ([0, 0, 0x0c], 0x010b) => Next::Named("stp", Some(Layer::Stp)),
        _ => Next::Stop,
    }
}

/// Linux cooked capture (`LINKTYPE_LINUX_SLL`).
pub(super) fn sll(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Sll);
    out.proto = Some("sll");
    let Some(&[t0, t1, h0, h1, l0, l1, a0, a1, a2, a3, a4, a5, _, _, p0, p1]) = cursor.take::<16>() else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    if u16::from_be_bytes([l0, l1]) == 6 {
        out.src_mac = Some([a0, a1, a2, a3, a4, a5]);
    }
    out.link_place = Some(u64::from(u16::from_be_bytes([t0, t1])));
    cooked(u16::from_be_bytes([h0, h1]), u16::from_be_bytes([p0, p1]), cursor)
}

/// Linux cooked capture, version 2 (`LINKTYPE_LINUX_SLL2`).
pub(super) fn sll2(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Sll2);
    out.proto = Some("sll2");
    let Some(&[p0, p1, _, _, i0, i1, i2, i3, h0, h1, kind, halen, a0, a1, a2, a3, a4, a5, _, _]) = cursor.take::<20>()
    else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    if halen == 6 {
        out.src_mac = Some([a0, a1, a2, a3, a4, a5]);
    }
    out.link_place = Some(u64::from(u32::from_be_bytes([i0, i1, i2, i3])) << 8 | u64::from(kind));
    cooked(u16::from_be_bytes([h0, h1]), u16::from_be_bytes([p0, p1]), cursor)
}

fn cooked(hardware_type: u16, protocol: u16, cursor: &Cursor<'_>) -> Next {
    match (hardware_type, protocol) {
        (ARPHRD_NETLINK, _) => Next::Stop,
        (_, 0x0001) if cursor.peek() == Some(&[0xff, 0xff]) => Next::Named("ipx", Some(Layer::Ipx)),
        (_, 0x0004) => Next::Llc,
        (_, ether_type) if ether_type >= FIRST_ETHER_TYPE => Next::EtherType(ether_type),
        _ => Next::Stop,
    }
}

/// No link header: the version field tells IPv4 from IPv6.
pub(super) fn raw(cursor: &Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Raw);
    out.proto = Some("raw");
    by_version(cursor, out)
}

/// IPv4 or IPv6 by the version field; anything else is an anomaly.
pub(super) fn by_version(cursor: &Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    match cursor.data().first().map(|byte| byte >> 4) {
        Some(4) => Next::Ipv4,
        Some(6) => Next::Ipv6,
        Some(_) => {
            out.anomalies.insert(Anomaly::IpBadVersion);
            Next::Stop
        }
        None => Next::Stop,
    }
}

/// Byte order of the family field of a BSD loopback header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FamilyOrder {
    /// That of the capturing machine, told from the value (`LINKTYPE_NULL`).
    Host,
    /// Network order (`LINKTYPE_LOOP`).
    Network,
}

/// BSD loopback: an address family of 4 bytes.
pub(super) fn loopback(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>, order: FamilyOrder) -> Next {
    out.layers.insert(Layer::Null);
    out.proto = Some("null");
    let Some(&[b0, b1, b2, b3]) = cursor.take() else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    let big = u32::from_be_bytes([b0, b1, b2, b3]);
    let family = if order == FamilyOrder::Host && big > 0xffff { big.swap_bytes() } else { big };
    match family {
        2 => Next::Ipv4,
        // AF_INET6 of Linux, NetBSD/OpenBSD, FreeBSD and macOS.
        10 | 24 | 28 | 30 => Next::Ipv6,
        // Some senders put an HDLC-like header there: its second half is an EtherType.
        _ => match u16::from_be_bytes([b2, b3]) {
            ether_type @ FIRST_ETHER_TYPE.. => Next::EtherType(ether_type),
            _ => Next::Stop,
        },
    }
}

/// Cisco HDLC: address, control, EtherType.
pub(super) fn chdlc(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Chdlc);
    out.proto = Some("chdlc");
    let Some(&[_, _, p0, p1]) = cursor.take::<4>() else {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    };
    match u16::from_be_bytes([p0, p1]) {
        0x8035 => Next::Named("slarp", None),
        0x2000 => Next::Named("cdp", None),
        ether_type => Next::EtherType(ether_type),
    }
}

/// Attribute of the packet's bytes in an NFLOG message.
const NFULA_PAYLOAD: u16 = 9;

/// Linux netfilter log: 4 bytes, then attributes in the capturing machine's byte order (practically always little).
pub(super) fn nflog(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Nflog);
    out.proto = Some("nflog");
    if cursor.take::<4>().is_none() {
        out.anomalies.insert(Anomaly::LinkTruncated);
        return Next::Stop;
    }
    // Each step takes at least 4 bytes, so the frame's length bounds the walk.
    while let Some(&[l0, l1, t0, t1]) = cursor.take::<4>() {
        let value_len = usize::from(u16::from_le_bytes([l0, l1])).saturating_sub(4);
        if u16::from_le_bytes([t0, t1]) & 0x7fff == NFULA_PAYLOAD {
            cursor.limit(value_len);
            return by_version(cursor, out);
        }
        if !cursor.skip(value_len.next_multiple_of(4)) {
            break;
        }
    }
    Next::Stop
}

/// ARP (RFC 826): named only, its addresses are no IP header's.
pub(super) fn arp(cursor: &Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Arp);
    out.proto = Some("arp");
    let whole = match cursor.peek() {
        Some(&[_, _, _, _, hardware_len, protocol_len]) => {
            8 + 2 * (usize::from(hardware_len) + usize::from(protocol_len))
        }
        None => 8,
    };
    if cursor.data().len() < whole {
        out.anomalies.insert(Anomaly::ArpTruncated);
    }
    Next::Stop
}
