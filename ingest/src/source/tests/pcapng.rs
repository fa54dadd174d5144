//! pcapng: blocks, sections, time units, every cut.

use super::{build::*, *};
use crate::{frame::Resolution, source::order::Order};

/// Two sections in different byte orders, three interfaces, all packet blocks, blocks to pass over; and, per packet or interface,
/// the offset where its block ends.
fn mixed() -> (Vec<u8>, Vec<usize>, Vec<usize>) {
    let (l, b) = (Order::Little, Order::Big);
    let mut file = section(l);
    let (mut frame_ends, mut interface_ends) = (Vec::new(), Vec::new());
    let mut interface_block = |file: &mut Vec<u8>, block: Vec<u8>| {
        file.extend(block);
        interface_ends.push(file.len());
    };
    let mut frame_block = |file: &mut Vec<u8>, block: Vec<u8>| {
        file.extend(block);
        frame_ends.push(file.len());
    };
    let name = [option(l, 1, b"a comment"), option(l, 2, "eth\u{e9}0".as_bytes()), option(l, 0, b"")].concat();
    interface_block(&mut file, interface(l, 1, 0, &name));
    file.extend(block(l, 0x8000_1234, b"some vendor's"));
    let flags = [option(l, 1, b"hello"), option(l, 2, &u32(l, 2)), option(l, 0, b"")].concat();
    frame_block(&mut file, enhanced(l, 0, 1_700_000_000_000_001, 60, b"first", &flags));
    interface_block(&mut file, interface(l, 101, 4, &option(l, 9, &[9])));
    frame_block(&mut file, enhanced(l, 1, 1_700_000_000_000_000_002, 4, b"next", &option(l, 2, &u32(l, 1))));
    frame_block(&mut file, simple(l, 6, b"simple"));
    file.extend(block(l, 4, &[0; 8]));
    file.extend(section(b));
    interface_block(&mut file, interface(b, 113, 3, &option(b, 14, &(-5i64).to_be_bytes())));
    let mut obsolete = u16(b, 0).to_vec();
    obsolete.extend(u16(b, 77));
    obsolete.extend(timed(b, 9_000_000, 99, b"obsolete", &[]));
    frame_block(&mut file, block(b, 2, &obsolete));
    frame_block(&mut file, simple(b, 6, b"sim"));
    file.extend(block(b, 5, &[0; 12]));
    (file, frame_ends, interface_ends)
}

#[test]
fn sections_interfaces_and_all_packet_blocks_are_read() {
    let (file, ..) = mixed();
    let outcome = read(&file);
    let interface = |link_type, snaplen, name: &str, resolution| Interface {
        link_type,
        snaplen,
        name: name.to_owned(),
        resolution,
    };
    assert_eq!(
        outcome.interfaces,
        [
            interface(1, 0, "eth\u{e9}0", Resolution::Micro),
            interface(101, 4, "", Resolution::Nano),
            interface(113, 3, "", Resolution::Micro),
        ]
    );
    let frame = |ts_ns, interface, link_type, orig_len, data: &[u8], direction| Kept {
        ts_ns,
        interface,
        link_type,
        orig_len,
        data: data.to_vec(),
        direction,
    };
    assert_eq!(
        outcome.whole(),
        [
            frame(1_700_000_000_000_001_000, 0, 1, 60, b"first", Some(Direction::Out)),
            frame(1_700_000_000_000_000_002, 1, 101, 4, b"next", Some(Direction::In)),
            // A simple packet has the time of the one before it.
            frame(1_700_000_000_000_000_002, 0, 1, 6, b"simple", None),
            // 9 s less an offset of 5 s. Interfaces count on over sections.
            frame(4_000_000_000, 2, 113, 99, b"obsolete", None),
            // Cut at the snap length of its section's first interface.
            frame(4_000_000_000, 2, 113, 6, b"sim", None),
        ]
    );
}

#[test]
fn every_cut_gives_the_whole_blocks_before_it() {
    let (file, frame_ends, interface_ends) = mixed();
    let all = read(&file);
    // Walk the chain for the block boundaries.
    let mut starts = vec![0];
    let mut order = Order::Little;
    while *starts.last().unwrap() < file.len() {
        let at = *starts.last().unwrap();
        if file[at..at + 4] == [0x0a, 0x0d, 0x0d, 0x0a] {
            order = if file[at + 8] == 0x4d { Order::Little } else { Order::Big };
        }
        starts.push(at + order.u32_at(&file, at + 4).unwrap() as usize);
    }
    for cut in 0..file.len() {
        let outcome = read(&file[..cut]);
        let frames = frame_ends.iter().filter(|end| **end <= cut).count();
        let interfaces = interface_ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(outcome.frames, all.frames[..frames], "cut at {cut}");
        assert_eq!(outcome.interfaces, all.interfaces[..interfaces], "cut at {cut}");
        let start = *starts.iter().rfind(|start| **start <= cut).unwrap();
        match cut {
            0..4 => assert!(matches!(outcome.error, Some(SourceError::NotACapture { .. })), "cut at {cut}"),
            _ if cut == start => assert!(outcome.error.is_none(), "cut at {cut}: {:?}", outcome.error),
            _ => assert_eq!(outcome.damage().0, start as u64, "cut at {cut}"),
        }
    }
}

#[test]
fn bytes_that_arrive_singly_give_the_same() {
    let (file, ..) = mixed();
    let (whole, single) = (read(&file), read_from(Dribble { bytes: Cursor::new(file), step: 1 }));
    assert_eq!(whole.frames, single.frames);
    assert!(single.error.is_none());
}

#[test]
fn a_simple_packet_before_any_other_has_time_zero() {
    let l = Order::Little;
    let file = [section(l), interface(l, 1, 0, &[]), simple(l, 2, b"ab")].concat();
    assert_eq!(read(&file).whole()[0].ts_ns, 0);
}

/// Proves that a log of TLS secrets is handed on, that other secrets and broken ones are not, and that frames go on after them.
#[test]
fn secrets_of_tls_are_handed_on() {
    for order in [Order::Little, Order::Big] {
        let secrets = |kind: u32, len: u32| {
            block(order, 10, &[&u32(order, kind)[..], &u32(order, len), b"CLIENT_RANDOM"].concat())
        };
        let blocks =
            [secrets(0x544c_534b, 13), secrets(0x5353_484b, 13), secrets(0x544c_534b, 99), block(order, 10, &[])];
        let packet = enhanced(order, 0, 7, 1, b"x", &[]);
        let file = [section(order), blocks.concat(), interface(order, 1, 0, &[]), packet].concat();
        let outcome = read(&file);
        assert_eq!(outcome.secrets, [b"CLIENT_RANDOM"]);
        assert_eq!(outcome.whole().len(), 1);
    }
}

#[test]
fn a_block_of_unknown_kind_may_be_longer_than_memory_allows() {
    let l = Order::Little;
    let skipped = block(l, 0x0bad, &vec![1; 40 << 20]);
    let file = [section(l), skipped, interface(l, 1, 0, &[]), enhanced(l, 0, 7, 1, b"x", &[])].concat();
    // `drain` checks the size of the window.
    assert_eq!(read(&file).whole().len(), 1);
}

#[test]
fn a_packet_block_longer_than_the_window_is_read() {
    let l = Order::Little;
    let comments: Vec<u8> = (0..40).flat_map(|_| option(l, 1, &[b'c'; 60_000])).collect();
    let options = [comments, option(l, 2, &u32(l, 1))].concat();
    let file = [section(l), interface(l, 1, 0, &[]), enhanced(l, 0, 7, 4, b"data", &options)].concat();
    let frames = read(&file).whole();
    assert_eq!((frames[0].data.as_slice(), frames[0].direction), (&b"data"[..], Some(Direction::In)));
}

#[test]
fn a_length_without_its_padding_is_rounded_up() {
    let l = Order::Little;
    let mut packet = enhanced(l, 0, 7, 5, b"12345", &[]);
    let total = u32(l, u32::try_from(packet.len()).unwrap() - 3);
    let end = packet.len();
    packet[4..8].copy_from_slice(&total);
    packet[end - 4..].copy_from_slice(&total);
    let file = [section(l), interface(l, 1, 0, &[]), packet.clone(), packet].concat();
    let frames = read(&file).whole();
    assert_eq!(frames.len(), 2);
    assert!(frames.iter().all(|f| f.data == b"12345"));
}

/// Appends a block to a good file and gives the message of the damage, which must be at that block.
fn damage_of(bad: &[u8]) -> String {
    let l = Order::Little;
    let good = [section(l), interface(l, 1, 0, &[]), enhanced(l, 0, 7, 1, b"x", &[])].concat();
    let outcome = read(&[good.as_slice(), bad, &enhanced(l, 0, 8, 1, b"y", &[])].concat());
    assert_eq!(outcome.frames.len(), 1);
    let (offset, message) = outcome.damage();
    assert_eq!(offset, good.len() as u64, "{message}");
    message
        .strip_prefix(&format!("t: damaged at byte {offset}: "))
        .and_then(|m| m.strip_suffix("; packets before it: 1"))
        .unwrap()
        .to_owned()
}

#[test]
fn broken_rules_are_named() {
    let l = Order::Little;
    let with_total = |total: u32| {
        let mut bad = enhanced(l, 0, 7, 1, b"x", &[]);
        bad[4..8].copy_from_slice(&u32(l, total));
        bad
    };
    assert_eq!(damage_of(&with_total(11)), "a block says it is 11 bytes long, less than its frame of 12");
    assert_eq!(damage_of(&with_total(0)), "a block says it is 0 bytes long, less than its frame of 12");
    assert_eq!(
        damage_of(&with_total(0x7fff_ffff)),
        "a block says it is 2147483647 bytes long, over the limit of 16777216"
    );
    assert_eq!(
        damage_of(&with_total(u32::MAX)),
        "a block says it is 4294967295 bytes long, over the limit of 16777216"
    );
    assert_eq!(damage_of(&with_total(40)), "a block's length is 40 at its start and 6 at its end");
    assert_eq!(damage_of(&with_total(4000)), "the file ends inside a packet block");
    assert_eq!(damage_of(&enhanced(l, 5, 7, 1, b"x", &[])), "a packet names interface 5 of a section that has 1");
    assert_eq!(damage_of(&block(l, 6, &[0; 16])), "a packet block is shorter than its fields");
    assert_eq!(damage_of(&block(l, 3, &[])), "a packet block is shorter than its fields");
    assert_eq!(damage_of(&simple(l, 9, b"four")), "a block says it holds 9 bytes of packet and has 4");
    assert_eq!(damage_of(&block(l, 1, &[0; 4])), "an interface description is shorter than its fields");
    assert_eq!(damage_of(&interface(l, 1, 0, &[2, 0, 200, 0])), "an interface's options run past it");
    assert_eq!(
        damage_of(&interface(l, 1, 0, &option(l, 9, &[1, 2]))),
        "an interface's time unit or offset has the wrong size"
    );
    let mut lying = enhanced(l, 0, 7, 1, b"x", &[]);
    lying[20..24].copy_from_slice(&u32(l, 0x0004_0001));
    assert_eq!(damage_of(&lying), "a block says it holds 262145 bytes of packet, more than any packet (262144)");
    let mut unknown = block(l, 99, &[0; 4]);
    unknown[4..8].copy_from_slice(&u32(l, u32::MAX));
    assert_eq!(damage_of(&unknown), "the file ends inside a block");
    let mut orderless = section(l);
    orderless[8] = 0;
    assert_eq!(damage_of(&orderless), "a section without byte-order magic");
}

#[test]
fn broken_packet_options_cost_the_direction_and_not_the_packet() {
    let l = Order::Little;
    let file = [section(l), interface(l, 1, 0, &[]), enhanced(l, 0, 7, 1, b"x", &[9, 0, 255, 255])].concat();
    let frames = read(&file).whole();
    assert_eq!((frames.len(), frames[0].direction), (1, None));
}

#[test]
fn another_major_version_is_unsupported_and_minor_two_is_read() {
    let l = Order::Little;
    let later = read(&[section(l), section_version(l, 2, 0)].concat()).error.unwrap();
    assert!(later.to_string().starts_with("t: pcapng version 2.0 cannot be read"), "{later}");
    assert!(read(&section_version(l, 1, 2)).error.is_none());
}

#[test]
fn interfaces_are_limited_over_all_sections() {
    let l = Order::Little;
    let ones: Vec<u8> = (0..40_000).flat_map(|_| interface(l, 1, 0, &[])).collect();
    let outcome = read(&[section(l), ones.clone(), section(l), ones].concat());
    assert_eq!(outcome.interfaces.len(), 65_536);
    assert!(outcome.damage().1.contains("more than 65536 interfaces"));
}

#[test]
fn a_long_name_is_cut_at_a_character() {
    let l = Order::Little;
    let name = "é".repeat(200);
    let outcome = read(&[section(l), interface(l, 1, 0, &option(l, 2, format!("x{name}").as_bytes()))].concat());
    assert_eq!(outcome.interfaces[0].name, format!("x{}", "é".repeat(127)));
}
