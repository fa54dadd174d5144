//! Builders of packets, one function a header, so that a test reads like the stack it is about.

use etherparse::PacketBuilder;

use crate::Frame;

/// 10.0.0.1 sends to 10.0.0.2; the outer header of tunnels is from 192.0.2.1 to 192.0.2.2.
pub(super) const A: [u8; 4] = [10, 0, 0, 1];
pub(super) const B: [u8; 4] = [10, 0, 0, 2];

pub(super) fn frame(link_type: u16, data: &[u8]) -> Frame<'_> {
    cut(link_type, data, data.len())
}

/// The frame as a capture with a snap length would hold it.
pub(super) fn cut(link_type: u16, data: &[u8], captured: usize) -> Frame<'_> {
    let orig_len = u32::try_from(data.len()).unwrap();
    Frame { ts_ns: 1_000_000_000, interface: 0, link_type, orig_len, data: &data[..captured], direction: None }
}

/// An IPv4 packet with TCP: SYN, seq 7, window 512, ports 1111 to 80.
pub(super) fn tcp4(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4(A, B, 64).tcp(1111, 80, 7, 512).syn().write(&mut packet, payload).unwrap();
    packet
}

/// An IPv4 packet with UDP, ports 2222 to 53.
pub(super) fn udp4(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4(A, B, 64).udp(2222, 53).write(&mut packet, payload).unwrap();
    packet
}

/// An IPv6 packet with UDP, ports 2222 to 53, from ::1 to ::2.
pub(super) fn udp6(payload: &[u8]) -> Vec<u8> {
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    (src[15], dst[15]) = (1, 2);
    let mut packet = Vec::new();
    PacketBuilder::ipv6(src, dst, 64).udp(2222, 53).write(&mut packet, payload).unwrap();
    packet
}

pub(super) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &ether_type.to_be_bytes(), payload].concat()
}

/// A tag with what follows it.
pub(super) fn tag(id: u16, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &ether_type.to_be_bytes(), payload].concat()
}

pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_fragment(protocol, 0, 0, payload)
}

/// An outer IPv4 header; `place` is its flags and fragment offset field.
pub(super) fn ipv4_fragment(protocol: u8, id: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(payload.len() + 20).unwrap().to_be_bytes();
    let (id, place) = (id.to_be_bytes(), place.to_be_bytes());
    let head =
        [0x45, 0, total[0], total[1], id[0], id[1], place[0], place[1], 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&head[..], payload].concat()
}

pub(super) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    (src[15], dst[15]) = (1, 2);
    [&[0x60, 0, 0, 0, len[0], len[1], next, 64][..], &src, &dst, payload].concat()
}

/// IPv6 fragment header with what follows it.
pub(super) fn fragment_header(next: u8, field: u16, id: u32, payload: &[u8]) -> Vec<u8> {
    [&[next, 0][..], &field.to_be_bytes(), &id.to_be_bytes(), payload].concat()
}

pub(super) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 8).unwrap();
    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

pub(super) fn after(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [header, payload].concat()
}
