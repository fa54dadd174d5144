//! Fragmented datagrams: joined in any order, bounded, and honest about overlaps.

use super::packets::{after, ethernet, fragment_header, frame, ipv4_fragment, ipv6, udp, udp4};
use crate::decode::{Anomaly, DecodeLimits, Decoder, Layer};

const MORE: u16 = 0x2000;

/// A UDP datagram (2222 to 53) of 8 + 72 bytes as five IPv4 fragments of 16.
fn fragments(id: u16) -> Vec<Vec<u8>> {
    let datagram = udp(2222, 53, &payload());
    let pieces: Vec<&[u8]> = datagram.chunks(16).collect();
    let last = pieces.len() - 1;
    let place = |index: usize| u16::try_from(index * 2).unwrap() | if index == last { 0 } else { MORE };
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| ethernet(0x0800, &ipv4_fragment(17, id, place(index), piece)))
        .collect()
}

fn payload() -> Vec<u8> {
    (0..72).collect()
}

/// Decodes in the given order and says which frame completed the datagram.
fn completed_by(decoder: &mut Decoder, fragments: &[Vec<u8>], order: &[usize]) -> Option<usize> {
    let mut completed = None;
    for (at, index) in order.iter().enumerate() {
        let decoded = decoder.decode(&frame(1, &fragments[*index]));
        assert!(decoded.ip.unwrap().fragment.is_some());
        assert_eq!(decoded.proto, Some("udp"));
        if decoded.layers.contains(Layer::Udp) {
            assert_eq!((decoded.payload_len, decoded.payload), (Some(72), &payload()[..]));
            assert_eq!((decoded.src_port, decoded.dst_port), (Some(2222), Some(53)));
            completed = Some(at);
        } else {
            assert_eq!((decoded.payload_len, decoded.payload), (None, &[][..]));
        }
    }
    completed
}

#[test]
fn any_order_joins_at_the_last_to_arrive() {
    let fragments = fragments(1);
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [4, 0, 3, 1, 2]] {
        let mut decoder = Decoder::default();
        assert_eq!(completed_by(&mut decoder, &fragments, &order), Some(4));
        assert_eq!(decoder.counters().datagrams_joined, 1);
    }
}

#[test]
fn fragments_show_the_ports_once_the_first_is_known() {
    let fragments = fragments(1);
    let mut decoder = Decoder::default();
    let ports: Vec<_> = [1, 0, 2].map(|index| decoder.decode(&frame(1, &fragments[index])).src_port).to_vec();
    assert_eq!(ports, [None, Some(2222), Some(2222)]);
}

#[test]
fn a_second_copy_of_every_frame_joins_again() {
    let fragments = fragments(1);
    let mut decoder = Decoder::default();
    assert_eq!(completed_by(&mut decoder, &fragments, &[0, 1, 2, 3, 4, 0, 1, 2, 3, 4]), Some(9));
    // Copies side by side: the repeats within a round are no overlap, and the late one still shows its ports.
    let mut decoder = Decoder::default();
    assert_eq!(completed_by(&mut decoder, &fragments, &[0, 0, 1, 1, 2, 2, 3, 3, 4]), Some(8));
    let late = decoder.decode(&frame(1, &fragments[4]));
    assert_eq!((late.src_port, late.anomalies.is_empty()), (Some(2222), true));
    assert_eq!(decoder.counters().fragments_overlapping, 0);
}

#[test]
fn first_data_wins_an_overlap() {
    let datagram = udp(2222, 53, &[1; 24]);
    let mut decoder = Decoder::default();
    decoder.decode(&frame(101, &ipv4_fragment(17, 9, MORE, &datagram[..16])));
    let packet = ipv4_fragment(17, 9, 1 | MORE, &[2; 16]);
    let evil = decoder.decode(&frame(101, &packet));
    assert_eq!(evil.anomalies.names(&mut String::new()), "ip_fragment_overlap");
    let packet = ipv4_fragment(17, 9, 3, &datagram[24..]);
    let joined = decoder.decode(&frame(101, &packet));
    let expected = [[1; 8], [2; 8], [1; 8]].concat();
    assert_eq!(joined.payload, expected);
    assert_eq!(decoder.counters().fragments_overlapping, 1);
}

#[test]
fn a_fragment_beyond_the_end_is_refused() {
    let mut decoder = Decoder::default();
    decoder.decode(&frame(101, &ipv4_fragment(17, 9, 2, &[0; 8])));
    for place in [2 | MORE, 8191, 4] {
        let decoded = decoder.decode(&frame(101, &ipv4_fragment(17, 9, place, &[0; 16]))).anomalies;
        assert!(decoded.contains(Anomaly::IpFragmentOversize));
    }
    assert_eq!(decoder.counters().fragments_dropped_bad, 3);
}

#[test]
fn an_atomic_fragment_is_a_whole_datagram() {
    let packet = ipv6(44, &fragment_header(17, 0, 77, &udp(2222, 53, b"query")));
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&frame(229, &packet));
    let ip = decoded.ip.unwrap();
    assert_eq!((ip.id, ip.fragment, decoded.payload), (Some(77), None, &b"query"[..]));
}

#[test]
fn ipv6_fragments_join_behind_extension_headers() {
    let part = after(&[17, 0, 1, 4, 0, 0, 0, 0], &udp(2222, 53, b"sixteen bytes ok"));
    let mut decoder = Decoder::default();
    let packet = ipv6(44, &fragment_header(60, 1, 5, &part[..16]));
    let first = decoder.decode(&frame(229, &packet));
    assert_eq!((first.proto, first.dst_port, first.ip.unwrap().proto), (Some("udp"), Some(53), 17));
    let packet = ipv6(44, &fragment_header(60, 16, 5, &part[16..]));
    let joined = decoder.decode(&frame(229, &packet));
    assert_eq!(joined.payload, b"sixteen bytes ok");
    assert_eq!(joined.ip.unwrap().fragment.unwrap().offset_bytes, 16);
}

#[test]
fn a_tunnel_in_fragments_is_entered_when_it_is_whole() {
    let inner = ethernet(0x0800, &udp4(b"query"));
    let outer = udp(50_000, 4789, &after(&[8, 0, 0, 0, 0, 0, 42, 0], &inner));
    let mut decoder = Decoder::default();
    let packet = ipv4_fragment(17, 3, MORE, &outer[..24]);
    let first = decoder.decode(&frame(101, &packet));
    assert_eq!((first.tunnel, first.dst_port), (None, Some(4789)));
    let packet = ipv4_fragment(17, 3, 3, &outer[24..]);
    let joined = decoder.decode(&frame(101, &packet));
    assert_eq!((joined.dst_port, joined.payload, joined.tunnel_id), (Some(53), &b"query"[..], Some(42)));
    assert_eq!(joined.ip.unwrap().fragment, None, "the innermost header is no fragment");
}

#[test]
fn cut_fragments_join_as_far_as_their_bytes_go() {
    let fragments = fragments(1);
    let mut decoder = Decoder::default();
    for fragment in &fragments[..4] {
        decoder.decode(&frame(1, fragment));
    }
    let last = super::packets::cut(1, &fragments[4], fragments[4].len() - 4);
    let joined = decoder.decode(&last);
    assert_eq!((joined.payload_len, joined.payload), (Some(72), &payload()[..68]));
}

#[test]
fn memory_and_datagrams_are_bounded_and_drops_counted() {
    let limits = DecodeLimits { fragment_bytes: 20_000, datagrams: 10, ..DecodeLimits::default() };
    let mut decoder = Decoder::new(limits);
    for id in 0..100 {
        decoder.decode(&frame(101, &ipv4_fragment(17, id, MORE, &[0; 64])));
    }
    assert_eq!(decoder.counters().fragments_dropped_limit, 90);
    for id in 0..100 {
        decoder.decode(&frame(101, &ipv4_fragment(17, id, MORE, &[0; 4096])));
        assert!(decoder.fragments.bytes() <= 20_000);
    }
    let tiny = DecodeLimits { fragment_bytes: 100, ..DecodeLimits::default() };
    let mut decoder = Decoder::new(tiny);
    let packet = ipv4_fragment(17, 1, MORE, &[0; 4096]);
    let decoded = decoder.decode(&frame(101, &packet));
    assert!(decoded.anomalies.contains(Anomaly::IpFragmentDropped));
    assert_eq!(decoder.fragments.bytes(), 0);
}

#[test]
fn an_old_datagram_is_given_up() {
    let fragments = fragments(1);
    let mut decoder = Decoder::default();
    for (index, fragment) in fragments.iter().enumerate() {
        let mut late = frame(1, fragment);
        late.ts_ns += if index == 4 { 31_000_000_000 } else { 0 };
        assert!(!decoder.decode(&late).layers.contains(Layer::Udp));
    }
    assert_eq!(decoder.counters().fragments_dropped_timeout, 4);
}
