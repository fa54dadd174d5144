//! Encapsulations that run over IP: GRE and ERSPAN, VXLAN, Geneve, GTP-U and Teredo. A port alone proves nothing: a tunnel
//! over UDP is entered only when its header is one, else the flow stays UDP.

use super::{Anomaly, Decoded, Encapsulation, Layer, Next, cursor::Cursor, link};

const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_ACK: u16 = 0x0080;
const GRE_VERSION: u16 = 0x0007;

/// GRE version 0 (RFC 2784, RFC 2890, routing of RFC 1701) and version 1, which carries PPP (RFC 2637).
pub(super) fn gre(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Gre);
    let Some(&[f0, f1, t0, t1]) = cursor.take() else { return cut(out) };
    let flags = u16::from_be_bytes([f0, f1]);
    let ether_type = u16::from_be_bytes([t0, t1]);
    match flags & GRE_VERSION {
        1 if ether_type == 0x880b => {
            let Some(key) = gre_key(flags, cursor) else { return cut(out) };
            let words = u32::from(flags & GRE_SEQUENCE != 0) + u32::from(flags & GRE_ACK != 0);
            if !cursor.skip(if words == 2 {
                8
            } else if words == 1 {
                4
            } else {
                0
            }) {
                return cut(out);
            }
            // An acknowledgement carries nothing.
            if cursor.len() == 0 || !out.enter(Encapsulation::Gre) {
                return Next::Stop;
            }
            // Payload length and call id share the key's place.
            out.tunnel_id = key.map(|key| key & 0xffff).or(out.tunnel_id);
            Next::Ppp
        }
        // MikroTik's EoIP: payload length and tunnel id in the key's place, then Ethernet.
        1 if ether_type == 0x6400 => {
            let Some(key) = gre_key(flags, cursor) else { return cut(out) };
            if cursor.len() == 0 || !out.enter(Encapsulation::Gre) {
                return Next::Stop;
            }
            out.tunnel_id = key.map(|key| key & 0xffff).or(out.tunnel_id);
            Next::Ethernet
        }
        0 => {
            if flags & (GRE_CHECKSUM | GRE_ROUTING) != 0 && !cursor.skip(4) {
                return cut(out);
            }
            let Some(key) = gre_key(flags, cursor) else { return cut(out) };
            let sequence_len = if flags & GRE_SEQUENCE != 0 { 4 } else { 0 };
            if !cursor.skip(sequence_len) || (flags & GRE_ROUTING != 0 && !skip_routes(cursor)) {
                return cut(out);
            }
            gre_payload(ether_type, flags, key, cursor, out)
        }
        _ => Next::Stop,
    }
}

/// The key when the flags announce one; the outer `None` when it was cut.
fn gre_key(flags: u16, cursor: &mut Cursor<'_>) -> Option<Option<u32>> {
    if flags & GRE_KEY == 0 {
        return Some(None);
    }
    cursor.take().map(|key| Some(u32::from_be_bytes(*key)))
}

/// Source route entries up to the empty one; each takes at least 4 bytes, so the packet's length bounds the walk.
fn skip_routes(cursor: &mut Cursor<'_>) -> bool {
    while let Some(&[f0, f1, _, len]) = cursor.take() {
        if [f0, f1, len] == [0, 0, 0] {
            return true;
        }
        if !cursor.skip(usize::from(len)) {
            return false;
        }
    }
    false
}

fn gre_payload(ether_type: u16, flags: u16, key: Option<u32>, cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    // A keepalive has protocol 0; some senders leave the payload out altogether.
    if ether_type == 0 || cursor.len() == 0 {
        return Next::Stop;
    }
    if matches!(ether_type, 0x88be | 0x22eb) {
        return erspan(ether_type, flags, cursor, out);
    }
    // WCCP puts a redirect header of 4 bytes before IPv4 in its second version.
    let next = if ether_type == 0x883e {
        if !cursor.starts_with_nibble(4) {
            cursor.skip(4);
        }
        Next::Ipv4
    } else {
        link::ether_type(ether_type, out)
    };
    if matches!(next, Next::Stop) || !out.enter(Encapsulation::Gre) {
        return Next::Stop;
    }
    out.tunnel_id = key.or(out.tunnel_id);
    next
}

/// ERSPAN: type I has no header, type II has one of 8 bytes and a GRE sequence number, type III 12 and perhaps 8 more
/// (draft-foschiano-erspan-03).
fn erspan(ether_type: u16, flags: u16, cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    out.layers.insert(Layer::Erspan);
    if ether_type == 0x88be && flags & GRE_SEQUENCE == 0 {
        return if out.enter(Encapsulation::Erspan) { Next::Ethernet } else { Next::Stop };
    }
    let Some(&[_, _, s0, s1]) = cursor.peek() else { return cut(out) };
    let header_len = if ether_type == 0x88be {
        8
    } else {
        let Some(&[_, _, _, _, _, _, _, _, _, _, _, last]) = cursor.peek() else { return cut(out) };
        if last & 1 != 0 { 20 } else { 12 }
    };
    if !cursor.skip(header_len) {
        return cut(out);
    }
    if !out.enter(Encapsulation::Erspan) {
        return Next::Stop;
    }
    out.tunnel_id = Some(u32::from(u16::from_be_bytes([s0, s1]) & 0x03ff));
    Next::Ethernet
}

fn cut(out: &mut Decoded<'_>) -> Next {
    out.anomalies.insert(Anomaly::TunnelTruncated);
    Next::Stop
}

/// The tunnel a UDP datagram holds, by its ports and then its header; `Stop` when it holds none.
#[inline]
pub(super) fn over_udp(src: u16, dst: u16, cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    match (dst, src) {
        (4789 | 8472, _) | (_, 4789 | 8472) => vxlan(cursor, out),
        (4790, _) | (_, 4790) => vxlan_gpe(cursor, out),
        (6081, _) | (_, 6081) => geneve(cursor, out),
        (2152, _) | (_, 2152) => gtp(cursor, out),
        (3544, _) | (_, 3544) => teredo(cursor, out),
        _ => Next::Stop,
    }
}

/// VXLAN (RFC 7348 section 5), with the flags of the group policy extension let through.
fn vxlan(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    let Some(&[flags, r0, r1, r2, v0, v1, v2, last]) = cursor.peek() else { return Next::Stop };
    let group_policy = flags & 0x80 != 0;
    let reserved_clear = group_policy || [r0, r1, r2] == [0, 0, 0];
    if flags & 0x7f != 0x08 || !reserved_clear || last != 0 || cursor.len() < 8 + 14 {
        return Next::Stop;
    }
    enter_udp(cursor, out, Layer::Vxlan, Encapsulation::Vxlan, 8, u32::from_be_bytes([0, v0, v1, v2]), Next::Ethernet)
}

/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): the next protocol field says what is inside.
fn vxlan_gpe(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    let Some(&[flags, r0, r1, protocol, v0, v1, v2, last]) = cursor.peek() else { return Next::Stop };
    if flags & 0xf8 != 0x08 || [r0, r1, last] != [0, 0, 0] {
        return Next::Stop;
    }
    let next = match protocol {
        0 | 3 => Next::Ethernet,
        1 => Next::Ipv4,
        2 => Next::Ipv6,
        5 => Next::Mpls,
        _ => return Next::Stop,
    };
    enter_udp(cursor, out, Layer::Vxlan, Encapsulation::Vxlan, 8, u32::from_be_bytes([0, v0, v1, v2]), next)
}

/// Geneve (RFC 8926 section 3.4), version 0.
fn geneve(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    let Some(&[first, flags, t0, t1, v0, v1, v2, last]) = cursor.peek() else { return Next::Stop };
    let header_len = 8 + usize::from(first & 0x3f) * 4;
    if first >> 6 != 0 || flags & 0x3f != 0 || last != 0 || header_len > cursor.len() {
        return Next::Stop;
    }
    let next = match u16::from_be_bytes([t0, t1]) {
        0x6558 => Next::Ethernet,
        ether_type @ (0x0800 | 0x86dd | 0x8847 | 0x0806) => Next::EtherType(ether_type),
        _ => return Next::Stop,
    };
    enter_udp(cursor, out, Layer::Geneve, Encapsulation::Geneve, header_len, u32::from_be_bytes([0, v0, v1, v2]), next)
}

/// GTP-U (3GPP TS 29.281 section 5): only a G-PDU carries a packet, which is IPv4 or IPv6 by its version field. Its length
/// field is not relied on: senders with a wrong one are known, and IP has its own.
fn gtp(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    const G_PDU: u8 = 255;
    let Some(&[flags, kind, l0, l1, t0, t1, t2, t3]) = cursor.peek() else { return Next::Stop };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let fits = len + 8 <= cursor.len();
    if flags & 0xf8 != 0x30 || (kind != G_PDU && !fits) {
        return Next::Stop;
    }
    if kind != G_PDU {
        out.layers.insert(Layer::Gtp);
        return Next::Stop;
    }
    let mut inner = *cursor;
    let optional = flags & 0x07 != 0;
    inner.skip(8);
    inner.limit(len);
    if optional {
        let Some(&[_, _, _, extension]) = inner.take() else { return cut(out) };
        let mut extension = if flags & 0x04 != 0 { extension } else { 0 };
        // Each extension takes at least 4 bytes, so the packet's length bounds the walk.
        while extension != 0 {
            let Some(&[words]) = inner.peek() else { return cut(out) };
            let Some(body) = usize::from(words).checked_mul(4).filter(|len| *len > 0) else { return Next::Stop };
            let Some(&last) = inner.data().get(body - 1) else { return cut(out) };
            inner.skip(body);
            extension = last;
        }
    }
    let next = match inner.data().first().map(|byte| byte >> 4) {
        Some(4) => Next::Ipv4,
        Some(6) => Next::Ipv6,
        _ => return Next::Stop,
    };
    *cursor = inner;
    enter_udp(cursor, out, Layer::Gtp, Encapsulation::Gtp, 0, u32::from_be_bytes([t0, t1, t2, t3]), next)
}

/// Teredo (RFC 4380 section 5.1.1): optional authentication and origin, then an IPv6 packet that fills the datagram.
fn teredo(cursor: &mut Cursor<'_>, out: &mut Decoded<'_>) -> Next {
    let mut inner = *cursor;
    if let Some(&[0, 1, id_len, auth_len]) = inner.peek() {
        inner.skip(13 + usize::from(id_len) + usize::from(auth_len));
    }
    if let Some(&[0, 0]) = inner.peek() {
        inner.skip(8);
    }
    let Some(&[version, _, _, _, l0, l1]) = inner.peek() else { return Next::Stop };
    if version >> 4 != 6 || usize::from(u16::from_be_bytes([l0, l1])) + 40 != inner.len() {
        return Next::Stop;
    }
    if !out.enter(Encapsulation::Teredo) {
        return Next::Stop;
    }
    *cursor = inner;
    Next::Ipv6
}

/// Enters a verified tunnel: past its header of `header_len` bytes, to what `next` says is inside.
fn enter_udp(
    cursor: &mut Cursor<'_>,
    out: &mut Decoded<'_>,
    layer: Layer,
    encapsulation: Encapsulation,
    header_len: usize,
    id: u32,
    next: Next,
) -> Next {
    out.layers.insert(layer);
    if !cursor.skip(header_len) {
        return cut(out);
    }
    if !out.enter(encapsulation) {
        return Next::Stop;
    }
    out.tunnel_id = Some(id);
    next
}
