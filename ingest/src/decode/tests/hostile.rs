//! Random and damaged bytes: no panic, no limit broken, and lengths that stay consistent.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::packets::{ethernet, ipv4, ipv4_fragment, tag, tcp4, udp, udp4, udp6};
use crate::{
    Frame,
    decode::{DecodeLimits, Decoder},
};

const LINK_TYPES: [u16; 20] =
    [0, 1, 9, 12, 50, 51, 101, 104, 105, 108, 113, 119, 127, 163, 166, 192, 204, 239, 276, 147];

fn decode(decoder: &mut Decoder, ts_ns: i64, link_type: u16, orig_len: u32, data: &[u8]) {
    let decoded = decoder.decode(&Frame { ts_ns, interface: 0, link_type, orig_len, data, direction: None });
    let captured = u32::try_from(decoded.payload.len()).unwrap();
    assert!(decoded.payload_len.unwrap_or(0) >= captured);
    assert!(decoder.fragments.bytes() <= DecodeLimits::default().fragment_bytes);
}

fn seeds() -> Vec<Vec<u8>> {
    let inner = ethernet(0x0800, &tcp4(b"hello"));
    let vxlan = [&[8, 0, 0, 0, 0, 0, 42, 0][..], &inner].concat();
    vec![
        inner.clone(),
        ethernet(0x86dd, &udp6(b"query")),
        ethernet(0x88a8, &tag(5, 0x8100, &tag(6, 0x0800, &udp4(b"query")))),
        ethernet(0x0800, &ipv4(17, &udp(1, 4789, &vxlan))),
        ethernet(0x0800, &ipv4(47, &[&[0x20, 0, 0x65, 0x58, 0, 0, 0, 1][..], &inner].concat())),
        ethernet(0x0800, &ipv4_fragment(17, 7, 0x2000, &udp(1, 2, &[0; 24]))),
        ethernet(0x8847, &[&[0, 1, 1, 64, 0, 0, 0, 0][..], &inner].concat()),
        ethernet(0x8864, &[&[0x11, 0, 0, 1, 0, 47, 0, 0x21][..], &tcp4(b"hello")].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn random_bytes_never_panic(
        frames in vec((any::<Index>(), any::<u32>(), any::<i64>(), vec(any::<u8>(), 0..200)), 1..8),
    ) {
        let mut decoder = Decoder::default();
        for (link, orig_len, ts_ns, data) in frames {
            decode(&mut decoder, ts_ns, *link.get(&LINK_TYPES), orig_len, &data);
        }
    }

    #[test]
    fn damaged_packets_never_panic(
        damage in vec((any::<Index>(), vec((any::<Index>(), any::<u8>()), 0..6), any::<Index>()), 1..20),
    ) {
        let seeds = seeds();
        let mut decoder = Decoder::default();
        for (seed, changes, cut) in damage {
            let mut packet = seed.get(&seeds).clone();
            let len = packet.len();
            for (at, value) in changes {
                packet[at.index(len)] = value;
            }
            let captured = len - cut.index(len) / 4;
            decode(&mut decoder, 0, 1, u32::try_from(len).unwrap(), &packet[..captured]);
        }
    }
}
