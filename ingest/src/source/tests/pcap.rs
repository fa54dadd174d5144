//! Classic pcap: every variant, every cut.

use super::{build::*, *};
use crate::{frame::Resolution, source::order::Order};

#[test]
fn micro_and_nano_files_in_both_byte_orders_give_exact_times() {
    for order in BOTH {
        for (magic, fraction, ns, resolution) in [
            (0xa1b2_c3d4, 999_999, 999_999_000, Resolution::Micro),
            (0xa1b2_3c4d, 999_999_999, 999_999_999, Resolution::Nano),
        ] {
            let mut file = pcap_header(order, magic, (2, 4), 262_144, 113);
            // Seconds past 2^31: they are unsigned.
            file.extend(pcap_record(order, [4_000_000_000, fraction, 3, 1500], &[], b"abc"));
            let outcome = read(&file);
            assert_eq!(
                outcome.interfaces,
                [Interface { link_type: 113, snaplen: 262_144, name: String::new(), resolution }]
            );
            let expected = Kept {
                ts_ns: 4_000_000_000_000_000_000 + ns,
                interface: 0,
                link_type: 113,
                orig_len: 1500,
                data: b"abc".to_vec(),
                direction: None,
            };
            assert_eq!(outcome.whole(), [expected], "{order:?} {magic:#x}");
        }
    }
}

#[test]
fn a_fraction_of_a_second_or_more_carries() {
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, (2, 4), 0, 1);
    file.extend(pcap_record(Order::Little, [10, 1_500_000, 0, 0], &[], &[]));
    file.extend(pcap_record(Order::Little, [u32::MAX, u32::MAX, 0, 0], &[], &[]));
    let times: Vec<i64> = read(&file).whole().iter().map(|f| f.ts_ns).collect();
    assert_eq!(times, [11_500_000_000, 4_294_967_295_000_000_000 + 4_294_967_295_000]);
}

#[test]
fn kuznetzov_records_have_a_longer_header_with_a_direction() {
    for order in BOTH {
        let mut file = pcap_header(order, 0xa1b2_cd34, (2, 4), 1500, 1);
        for packet_type in [0, 1, 2, 3, 4] {
            let extra = [0, 0, 0, 2, 8, 0, packet_type, 0];
            file.extend(pcap_record(order, [1, 2, 4, 4], &extra, b"data"));
        }
        let frames = read(&file).whole();
        assert!(frames.iter().all(|f| f.data == b"data" && f.ts_ns == 1_000_002_000));
        let (i, o) = (Some(Direction::In), Some(Direction::Out));
        assert_eq!(frames.iter().map(|f| f.direction).collect::<Vec<_>>(), [i, i, i, None, o]);
    }
}

#[test]
fn ixia_files_have_a_longer_file_header() {
    for order in BOTH {
        for magic in [0x1c00_01ac, 0x1c00_01ab] {
            let mut file = pcap_header(order, magic, (2, 4), 1500, 1);
            file.extend([9; 4]);
            file.extend(pcap_record(order, [1, 2, 2, 2], &[], b"ok"));
            assert_eq!(read(&file).whole()[0].data, b"ok");
        }
    }
}

#[test]
fn old_versions_have_the_lengths_the_other_way_round() {
    // Version, the two length words, and which is the captured length: 2 bytes of 9.
    for (version, words) in [((2, 4), [2, 9]), ((2, 2), [9, 2]), ((543, 0), [9, 2]), ((2, 3), [2, 9]), ((2, 3), [9, 2])]
    {
        let mut file = pcap_header(Order::Big, 0xa1b2_c3d4, version, 1500, 1);
        file.extend(pcap_record(Order::Big, [0, 0, words[0], words[1]], &[], b"ok"));
        let frames = read(&file).whole();
        assert_eq!((frames[0].data.as_slice(), frames[0].orig_len), (&b"ok"[..], 9), "{version:?} {words:?}");
    }
    let archaic = read(&pcap_header(Order::Big, 0xa1b2_c3d4, (1, 0), 1500, 1)).error.unwrap();
    assert!(archaic.to_string().starts_with("t: pcap version 1.0 cannot be read"), "{archaic}");
}

#[test]
fn link_type_flags_are_masked_and_the_check_sequence_stays_in_the_data() {
    for order in BOTH {
        // FCS length 2 words, present.
        let mut file = pcap_header(order, 0xa1b2_c3d4, (2, 4), 1500, 0x2400_0001);
        file.extend(pcap_record(order, [0, 0, 8, 8], &[], b"dataFCS!"));
        let outcome = read(&file);
        assert_eq!(outcome.interfaces[0].link_type, 1);
        assert_eq!(outcome.frames[0].data, b"dataFCS!");
    }
}

#[test]
fn every_cut_gives_the_whole_packets_before_it_and_says_where_it_is() {
    let (file, ends) = small_pcap(12);
    let all = read(&file).whole();
    assert_eq!(all.len(), 12);
    for cut in 0..file.len() {
        let outcome = read(&file[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(outcome.frames, all[..whole], "cut at {cut}");
        let start = if whole == 0 { 24 } else { ends[whole - 1] };
        match cut {
            0..4 => assert!(matches!(outcome.error, Some(SourceError::NotACapture { .. })), "cut at {cut}"),
            4..24 => assert_eq!(outcome.damage().0, 0, "cut at {cut}"),
            _ if cut == start => assert!(outcome.error.is_none(), "cut at {cut}"),
            _ => assert_eq!(outcome.damage().0, start as u64, "cut at {cut}"),
        }
    }
    let outcome = read(&file[..file.len() - 1]);
    assert_eq!(
        outcome.damage().1,
        "t: damaged at byte 465: the file ends inside a packet record; packets before it: 11"
    );
}

#[test]
fn a_length_over_the_limit_is_damage_not_an_allocation() {
    let (mut file, ends) = small_pcap(2);
    let packet = vec![5; 262_144];
    file.extend(pcap_record(Order::Little, [1, 1, 262_144, 300_000], &[], &packet));
    let at = file.len();
    file.extend(pcap_record(Order::Little, [1, 1, 262_145, 262_145], &[], &[0; 300_000]));
    let outcome = read(&file);
    assert_eq!(outcome.frames.len(), 3, "the largest packet is read");
    assert_eq!(outcome.frames[2].data, packet);
    assert_eq!(
        outcome.damage(),
        (
            at as u64,
            format!(
                "t: damaged at byte {at}: a record says it holds 262145 bytes, more than any packet (262144); packets before it: 3"
            )
        )
    );
    file.truncate(ends[1]);
    file.extend(pcap_record(Order::Little, [0, 0, u32::MAX, 1], &[], b"x"));
    assert_eq!(read(&file).damage().0, ends[1] as u64);
}

#[test]
fn frames_are_the_same_however_the_bytes_arrive() {
    // Larger than the window, so that records straddle refills.
    let order = Order::Little;
    let mut file = pcap_header(order, 0xa1b2_c3d4, (2, 4), 65_535, 1);
    for i in 0..3000u32 {
        let data = vec![i.to_le_bytes()[0]; (i as usize * 37) % 1500];
        let len = u32::try_from(data.len()).unwrap();
        file.extend(pcap_record(order, [i, 0, len, len], &[], &data));
    }
    assert!(file.len() > 2 << 20);
    let all = read(&file).whole();
    assert_eq!(all.len(), 3000);
    assert!(all.iter().enumerate().all(|(i, f)| f.data.len() == (i * 37) % 1500));
    for step in [1, 7, 4096, 100_000] {
        let frames = read_from(Dribble { bytes: Cursor::new(file.clone()), step }).whole();
        assert!(frames == all, "{step} bytes at a time");
    }
}

#[test]
fn a_failing_read_is_an_io_error_after_the_whole_packets() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let (file, ends) = small_pcap(5);
    let outcome = read_from(Cursor::new(file[..ends[3] + 3].to_vec()).chain(Broken));
    assert_eq!(outcome.frames.len(), 4);
    let error = outcome.error.unwrap();
    assert!(matches!(error, SourceError::Io { .. }));
    assert_eq!(error.to_string(), "t: the disk is gone");
}
