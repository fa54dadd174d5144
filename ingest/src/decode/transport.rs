//! What IP carries: TCP, UDP, UDP-Lite, SCTP, DCCP, ICMP, ICMPv6 and IGMP, and the names of all else.

use super::{Anomaly, Decoded, IcmpHeader, Layer, Next, TcpHeader, cursor::Cursor, tunnel};

/// What the start of a datagram shows of its flow, for the fragments that do not hold the start themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lead {
    protocol: u8,
    ports: Option<(u16, u16)>,
    icmp: Option<IcmpHeader>,
}

impl Lead {
    /// Reads the start of the fragmented part; extension headers may come first in it.
    pub(super) fn read(mut protocol: u8, mut cursor: Cursor<'_>, is_v6: bool) -> Lead {
        // Each step takes at least 8 bytes, so the fragment's length bounds the walk.
        while is_v6 && matches!(protocol, 0 | 43 | 60 | 135) {
            let Some(&[next, len]) = cursor.peek() else { break };
            if !cursor.skip(usize::from(len) * 8 + 8) {
                break;
            }
            protocol = next;
        }
        let ports = matches!(protocol, 6 | 17 | 33 | 132 | 136).then(|| cursor.peek().map(ports_of)).flatten();
        let icmp = matches!(protocol, 1 | 58).then(|| icmp_header(&cursor, protocol == 58)).flatten();
        Lead { protocol, ports, icmp }
    }

    /// Gives a fragment what its datagram's first one showed.
    pub(super) fn show(self, out: &mut Decoded<'_>) {
        if let Some(ip) = &mut out.ip {
            ip.proto = self.protocol;
        }
        if let Some(name) = protocol_name(self.protocol) {
            out.proto = Some(name);
        }
        out.src_port = self.ports.map(|ports| ports.0);
        out.dst_port = self.ports.map(|ports| ports.1);
        out.icmp = self.icmp;
    }
}

fn ports_of(&[s0, s1, d0, d1]: &[u8; 4]) -> (u16, u16) {
    (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
}

#[inline]
fn show_ports(cursor: &Cursor<'_>, out: &mut Decoded<'_>) {
    if let Some((src, dst)) = cursor.peek().map(ports_of) {
        out.src_port = Some(src);
        out.dst_port = Some(dst);
    }
}

/// Notes what is left as the transport payload.
#[inline]
fn show_payload<'a>(cursor: &Cursor<'a>, out: &mut Decoded<'a>) {
    // No frame is longer than the u32 of its length field.
    out.payload_len = Some(u32::try_from(cursor.len()).unwrap_or(u32::MAX));
    out.payload = cursor.data();
}

/// TCP (RFC 9293 section 3.1).
#[inline]
pub(super) fn tcp<'a>(cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) -> Next {
    out.layers.insert(Layer::Tcp);
    out.proto = Some("tcp");
    let Some(&[p0, p1, p2, p3, s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1]) = cursor.peek() else {
        show_ports(cursor, out);
        out.anomalies.insert(Anomaly::TcpTruncated);
        return Next::Stop;
    };
    (out.src_port, out.dst_port) = (Some(u16::from_be_bytes([p0, p1])), Some(u16::from_be_bytes([p2, p3])));
    out.tcp = Some(TcpHeader {
        flags,
        seq: u32::from_be_bytes([s0, s1, s2, s3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        window: u16::from_be_bytes([w0, w1]),
    });
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < 20 || header_len > cursor.len() {
        out.anomalies.insert(Anomaly::TcpBadOffset);
        return Next::Stop;
    }
    if !cursor.skip(header_len) {
        out.anomalies.insert(Anomaly::TcpTruncated);
    }
    show_payload(cursor, out);
    Next::Stop
}

/// UDP (RFC 768), and the tunnels that run over it.
#[inline]
pub(super) fn udp<'a>(cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) -> Next {
    out.layers.insert(Layer::Udp);
    out.proto = Some("udp");
    let available = cursor.len();
    let Some(&[p0, p1, p2, p3, l0, l1, _, _]) = cursor.take() else {
        show_ports(cursor, out);
        out.anomalies.insert(Anomaly::UdpTruncated);
        return Next::Stop;
    };
    let (src, dst) = (u16::from_be_bytes([p0, p1]), u16::from_be_bytes([p2, p3]));
    (out.src_port, out.dst_port) = (Some(src), Some(dst));
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    // 0 stands for a length that does not fit: a jumbogram (RFC 2675) or segmentation offload.
    if len != 0 && (len < 8 || len > available) {
        out.anomalies.insert(Anomaly::UdpBadLength);
    }
    if len >= 8 {
        cursor.limit(len - 8);
    }
    show_payload(cursor, out);
    tunnel::over_udp(src, dst, cursor, out)
}

/// Every other protocol that is not followed further.
pub(super) fn other<'a>(number: u8, cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) -> Next {
    opaque(number, cursor, out);
    match number {
        1 => icmp(cursor, out, Layer::Icmp),
        58 => icmp(cursor, out, Layer::Icmpv6),
        2 => {
            out.layers.insert(Layer::Igmp);
            if cursor.data().len() < 8 {
                out.anomalies.insert(Anomaly::IcmpTruncated);
            }
            (out.payload_len, out.payload) = (None, &[]);
        }
        132 => sctp(cursor, out),
        33 => dccp(cursor, out),
        136 => udp_lite(cursor, out),
        50 => out.layers.insert(Layer::Esp),
        _ => {}
    }
    Next::Stop
}

/// Names a protocol, with all that follows the IP header as its payload.
pub(super) fn opaque<'a>(number: u8, cursor: &Cursor<'a>, out: &mut Decoded<'a>) {
    let fallback = if out.ip.is_some_and(|ip| ip.src.is_ipv6()) { "ipv6" } else { "ip" };
    out.proto = Some(protocol_name(number).unwrap_or(fallback));
    show_payload(cursor, out);
}

fn icmp<'a>(cursor: &mut Cursor<'a>, out: &mut Decoded<'a>, layer: Layer) {
    out.layers.insert(layer);
    out.icmp = icmp_header(cursor, layer == Layer::Icmpv6);
    if !cursor.skip(8) {
        out.anomalies.insert(Anomaly::IcmpTruncated);
    }
    show_payload(cursor, out);
}

/// Type and code, and the identifier of the messages that have one (RFC 792, RFC 950, RFC 4443).
fn icmp_header(cursor: &Cursor<'_>, is_v6: bool) -> Option<IcmpHeader> {
    let &[kind, code] = cursor.peek()?;
    let has_id = if is_v6 { matches!(kind, 128 | 129) } else { matches!(kind, 0 | 8 | 13..=18) };
    let id = match cursor.peek() {
        Some(&[_, _, _, _, i0, i1]) if has_id => Some(u16::from_be_bytes([i0, i1])),
        _ => None,
    };
    let word = cursor.peek().map_or(0, |&[_, _, _, _, a, b, c, d]| u32::from_be_bytes([a, b, c, d]));
    Some(IcmpHeader { kind, code, id, word })
}

/// SCTP common header (RFC 9260 section 3.1); the payload is its chunks.
fn sctp<'a>(cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) {
    out.layers.insert(Layer::Sctp);
    show_ports(cursor, out);
    if !cursor.skip(12) {
        out.anomalies.insert(Anomaly::SctpTruncated);
    }
    show_payload(cursor, out);
}

/// DCCP generic header (RFC 4340 section 5.1); its data offset counts words.
fn dccp<'a>(cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) {
    out.layers.insert(Layer::Dccp);
    show_ports(cursor, out);
    let header_len = match cursor.peek() {
        Some(&[_, _, _, _, offset]) => (usize::from(offset) * 4).max(12),
        None => 12,
    };
    if !cursor.skip(header_len) {
        out.anomalies.insert(Anomaly::SctpTruncated);
    }
    show_payload(cursor, out);
}

/// UDP-Lite (RFC 3828): the length is IP's, the length field is the checksum's coverage.
fn udp_lite<'a>(cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) {
    out.layers.insert(Layer::UdpLite);
    show_ports(cursor, out);
    if !cursor.skip(8) {
        out.anomalies.insert(Anomaly::UdpTruncated);
    }
    show_payload(cursor, out);
}

/// The name of an IP protocol number (IANA protocol-numbers) as users know it; `None` for the rare ones.
pub(super) fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "icmp",
        2 => "igmp",
        4 | 41 => "ipip",
        6 => "tcp",
        8 => "egp",
        9 => "igrp",
        17 => "udp",
        33 => "dccp",
        46 => "rsvp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        88 => "eigrp",
        89 => "ospf",
        94 => "ipip",
        97 => "etherip",
        103 => "pim",
        108 => "ipcomp",
        112 => "vrrp",
        115 => "l2tp",
        124 => "isis",
        132 => "sctp",
        135 => "mipv6",
        136 => "udplite",
        137 => "mpls",
        _ => return None,
    })
}
