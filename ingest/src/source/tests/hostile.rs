//! Any bytes at all: never a panic, never memory beyond the limits (`drain` checks), always the same answer.

use proptest::prelude::*;

use super::{build::*, *};
use crate::source::order::Order;

/// Starts that get past the first look.
fn starts() -> Vec<Vec<u8>> {
    let l = Order::Little;
    let (pcap, _) = small_pcap(3);
    let pcapng = [section(l), interface(l, 1, 0, &[]), enhanced(l, 0, 7, 1, b"x", &[])].concat();
    let mut kuznetzov = pcap_header(Order::Big, 0xa1b2_cd34, (2, 3), 0, 1);
    kuznetzov.extend([0; 40]);
    let codecs = [
        compressed_with_gzip(&pcapng),
        zstd::encode_all(pcapng.as_slice(), 1).unwrap(),
        vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82],
        vec![0x02, 0x21, 0x4c, 0x18],
        vec![0x28, 0xb5, 0x2f, 0xfd],
        vec![0x5f, 0x2a, 0x4d, 0x18],
        vec![0x1f, 0x8b, 8, 0xff],
    ];
    [pcap, pcapng, kuznetzov, Vec::new(), section(Order::Big)].into_iter().chain(codecs).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(which in 0..12usize, tail in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = starts()[which].clone();
        bytes.extend(tail);
        let (first, again) = (read(&bytes), read_from(Dribble { bytes: Cursor::new(bytes), step: 5 }));
        prop_assert_eq!(first.frames, again.frames);
        prop_assert_eq!(first.error.map(|e| e.to_string()), again.error.map(|e| e.to_string()));
    }

    #[test]
    fn any_change_of_a_good_file_is_read_without_a_panic(
        which in 0..12usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = starts()[which].clone();
        bytes.extend([0; 16]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read(&bytes);
    }
}
