//! IPv4 (RFC 791), IPv6 (RFC 8200) and what may stand between them and the transport: extension headers, AH, fragments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Anomaly, Decoded, Encapsulation, Fragment, IpHeader, Layer, Next, cursor::Cursor, fragment::Place, transport,
};

const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// IPv4 header with its options; narrows the cursor to the total length, which leaves Ethernet's padding outside.
#[inline]
pub(super) fn ipv4(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    if !version_is(4, cursor, out) {
        return Next::Stop;
    }
    out.layers.insert(Layer::Ipv4);
    out.proto = Some("ip");
    let available = cursor.len();
    let Some(&[first, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3]) =
        cursor.take::<20>()
    else {
        out.anomalies.insert(Anomaly::IpTruncated);
        return Next::Stop;
    };
    let id = u16::from_be_bytes([i0, i1]);
    let place = u16::from_be_bytes([f0, f1]);
    let offset_bytes = (place & OFFSET_MASK) << 3;
    let more = place & MORE_FRAGMENTS != 0;
    let is_fragment = more || place & OFFSET_MASK != 0;
    out.begin_ip(IpHeader {
        src: IpAddr::V4(Ipv4Addr::new(s0, s1, s2, s3)),
        dst: IpAddr::V4(Ipv4Addr::new(d0, d1, d2, d3)),
        proto: protocol,
        ttl,
        dscp: tos >> 2,
        id: Some(u32::from(id)),
        fragment: is_fragment.then_some(Fragment { offset_bytes, more }),
    });
    out.proto = Some(transport::protocol_name(protocol).unwrap_or("ip"));
    if is_fragment {
        out.layers.insert(Layer::Fragment);
    }
    let header_len = usize::from(first & 0x0f) * 4;
    if header_len < 20 {
        out.anomalies.insert(Anomaly::IpBadHeaderLen);
        return Next::Stop;
    }
    // Segmentation offload leaves 0 for packets too long for the field: the frame's length stands for it.
    let total_len = match usize::from(u16::from_be_bytes([l0, l1])) {
        0 => available,
        total_len => total_len,
    };
    if total_len < header_len {
        out.anomalies.insert(Anomaly::IpBadLength);
        return Next::Stop;
    }
    if !cursor.limit(total_len - 20) {
        out.anomalies.insert(Anomaly::IpBadLength);
    }
    if !cursor.skip(header_len - 20) {
        out.anomalies.insert(Anomaly::IpTruncated);
        return Next::Stop;
    }
    if is_fragment {
        return Next::Fragment(Place { id: u32::from(id), protocol, offset: offset_bytes, more });
    }
    Next::Protocol(protocol)
}

/// The fixed IPv6 header. A payload length of 0 means a jumbogram or segmentation offload: the frame's length stands for it.
#[inline]
pub(super) fn ipv6(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    if !version_is(6, cursor, out) {
        return Next::Stop;
    }
    out.layers.insert(Layer::Ipv6);
    out.proto = Some("ipv6");
    let Some(head) = cursor.take::<40>() else {
        out.anomalies.insert(Anomaly::IpTruncated);
        return Next::Stop;
    };
    let (&[c0, c1, _, _, l0, l1, protocol, ttl], addresses) = split::<8, 32, 40>(head);
    let (src, dst) = split::<16, 16, 32>(addresses);
    out.begin_ip(IpHeader {
        src: IpAddr::V6(Ipv6Addr::from(*src)),
        dst: IpAddr::V6(Ipv6Addr::from(*dst)),
        proto: protocol,
        ttl,
        dscp: (c0 << 4 | c1 >> 4) >> 2,
        id: None,
        fragment: None,
    });
    let payload_len = usize::from(u16::from_be_bytes([l0, l1]));
    if payload_len != 0 && !cursor.limit(payload_len) {
        out.anomalies.insert(Anomaly::IpBadLength);
    }
    Next::Protocol(protocol)
}

/// Whether the version field is there and is `version`; an anomaly says why not.
#[inline]
fn version_is(version: u8, cursor: &Cursor<'_>, out: &mut Decoded<'_>) -> bool {
    if cursor.starts_with_nibble(version) {
        return true;
    }
    out.anomalies.insert(if cursor.data().is_empty() { Anomaly::IpTruncated } else { Anomaly::IpBadVersion });
    false
}

/// Splits an array in two; the lengths are checked when it is compiled.
#[inline]
fn split<const A: usize, const B: usize, const N: usize>(bytes: &[u8; N]) -> (&[u8; A], &[u8; B]) {
    const { assert!(A + B == N, "the parts make the whole") };
    let (head, _) = bytes.split_first_chunk::<A>().expect("A is at most N");
    let (_, tail) = bytes.split_last_chunk::<B>().expect("B is at most N");
    (head, tail)
}

/// Dispatch on an IP protocol number, which may be an extension header of IPv6.
#[inline]
pub(super) fn protocol<'a>(number: u8, cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) -> Next {
    let mut is_v6 = false;
    if let Some(ip) = &mut out.ip {
        ip.proto = number;
        is_v6 = ip.src.is_ipv6();
    }
    match number {
        6 => transport::tcp(cursor, out),
        17 => transport::udp(cursor, out),
        0 if is_v6 => extension(cursor, out, Layer::HopOpts),
        43 if is_v6 => extension(cursor, out, Layer::Routing),
        44 if is_v6 => fragment_header(cursor, out),
        60 if is_v6 => extension(cursor, out, Layer::DstOpts),
        135 if is_v6 => extension(cursor, out, Layer::Mobility),
        51 => authentication(cursor, out),
        4 | 41 => {
            out.layers.insert(Layer::Ipip);
            transport::opaque(number, cursor, out);
            match (out.enter(Encapsulation::Ipip), number) {
                (false, _) => Next::Stop,
                (true, 4) => Next::Ipv4,
                (true, _) => Next::Ipv6,
            }
        }
        47 => {
            transport::opaque(number, cursor, out);
            Next::Gre
        }
        number => transport::other(number, cursor, out),
    }
}

/// An extension header of the common shape: next header, and its length in units of 8 bytes beyond the first.
fn extension(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>, layer: Layer) -> Next {
    out.layers.insert(layer);
    let Some(&[next, len]) = cursor.peek() else { return cut(out) };
    if !cursor.skip(usize::from(len) * 8 + 8) {
        return cut(out);
    }
    Next::Protocol(next)
}

/// Authentication header (RFC 4302): length in units of 4 bytes, minus 2.
fn authentication(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Ah);
    out.proto = Some("ah");
    let Some(&[next, len]) = cursor.peek() else { return cut(out) };
    if !cursor.skip(usize::from(len) * 4 + 8) {
        return cut(out);
    }
    Next::Protocol(next)
}

/// Fragment header of IPv6. An atomic fragment (RFC 6946) is a whole datagram.
fn fragment_header(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::FragmentHeader);
    let Some(&[protocol, _, o0, o1, i0, i1, i2, i3]) = cursor.take::<8>() else { return cut(out) };
    let id = u32::from_be_bytes([i0, i1, i2, i3]);
    let field = u16::from_be_bytes([o0, o1]);
    let (offset, more) = (field & 0xfff8, field & 1 != 0);
    let is_fragment = more || offset != 0;
    if let Some(ip) = &mut out.ip {
        ip.proto = protocol;
        ip.id = Some(id);
        ip.fragment = is_fragment.then_some(Fragment { offset_bytes: offset, more });
    }
    if !is_fragment {
        return Next::Protocol(protocol);
    }
    out.proto = Some(transport::protocol_name(protocol).unwrap_or("ipv6"));
    Next::Fragment(Place { id, protocol, offset, more })
}

fn cut(out: &mut Decoded<'_>) -> Next {
    out.anomalies.insert(Anomaly::IpExtTruncated);
    Next::Stop
}
