//! Builders of pcap and pcapng bytes, in either byte order.

use crate::source::order::Order;

pub(super) const BOTH: [Order; 2] = [Order::Little, Order::Big];

pub(super) fn u16(order: Order, n: u16) -> [u8; 2] {
    if order == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() }
}

pub(super) fn u32(order: Order, n: u32) -> [u8; 4] {
    if order == Order::Little { n.to_le_bytes() } else { n.to_be_bytes() }
}

pub(super) fn pcap_header(order: Order, magic: u32, version: (u16, u16), snaplen: u32, network: u32) -> Vec<u8> {
    let mut bytes = u32(order, magic).to_vec();
    bytes.extend(u16(order, version.0));
    bytes.extend(u16(order, version.1));
    bytes.extend([0; 8]);
    bytes.extend(u32(order, snaplen));
    bytes.extend(u32(order, network));
    bytes
}

/// Four words, then `extra` (of a longer record header), then the data.
pub(super) fn pcap_record(order: Order, words: [u32; 4], extra: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.into_iter().flat_map(|w| u32(order, w)).collect();
    bytes.extend(extra);
    bytes.extend(data);
    bytes
}

/// A plain µs file of `n` packets of different lengths, and the offset where each record ends.
pub(super) fn small_pcap(n: u32) -> (Vec<u8>, Vec<usize>) {
    let order = Order::Little;
    let mut bytes = pcap_header(order, 0xa1b2_c3d4, (2, 4), 65_535, 1);
    let mut ends = Vec::new();
    for i in 0..n {
        let data = vec![i.to_le_bytes()[0]; (i as usize * 7) % 60];
        let len = u32::try_from(data.len()).unwrap();
        bytes.extend(pcap_record(order, [1_700_000_000, i, len, len], &[], &data));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// A block with its frame and padding.
pub(super) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = u32(order, u32::try_from(padded + 12).unwrap());
    let mut bytes = u32(order, kind).to_vec();
    bytes.extend(total);
    bytes.extend(body);
    bytes.resize(8 + padded, 0);
    bytes.extend(total);
    bytes
}

pub(super) fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16(order, code).to_vec();
    bytes.extend(u16(order, u16::try_from(value.len()).unwrap()));
    bytes.extend(value);
    bytes.resize(4 + value.len().next_multiple_of(4), 0);
    bytes
}

pub(super) fn section(order: Order) -> Vec<u8> {
    section_version(order, 1, 0)
}

pub(super) fn section_version(order: Order, major: u16, minor: u16) -> Vec<u8> {
    let mut body = u32(order, 0x1a2b_3c4d).to_vec();
    body.extend(u16(order, major));
    body.extend(u16(order, minor));
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

pub(super) fn interface(order: Order, link_type: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
    let mut body = u16(order, link_type).to_vec();
    body.extend([0; 2]);
    body.extend(u32(order, snaplen));
    body.extend(options);
    block(order, 1, &body)
}

pub(super) fn enhanced(
    order: Order,
    interface: u32,
    ticks: u64,
    orig_len: u32,
    data: &[u8],
    options: &[u8],
) -> Vec<u8> {
    let mut body = u32(order, interface).to_vec();
    body.extend(timed(order, ticks, orig_len, data, options));
    block(order, 6, &body)
}

/// What Enhanced and obsolete Packet Blocks have in common.
pub(super) fn timed(order: Order, ticks: u64, orig_len: u32, data: &[u8], options: &[u8]) -> Vec<u8> {
    let mut body = u32(order, u32::try_from(ticks >> 32).unwrap()).to_vec();
    body.extend(u32(order, u32::try_from(ticks & 0xffff_ffff).unwrap()));
    body.extend(u32(order, u32::try_from(data.len()).unwrap()));
    body.extend(u32(order, orig_len));
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend(options);
    body
}

pub(super) fn simple(order: Order, orig_len: u32, data: &[u8]) -> Vec<u8> {
    let mut body = u32(order, orig_len).to_vec();
    body.extend(data);
    block(order, 3, &body)
}
