//! What must hold of any text: exact messages where it is wrong, limits, and that nothing panics.

use super::{Insn, MAX_DEPTH, MAX_TEXT_BYTES, Program, compile, compile_for_socket, parse};

const ETHERNET: u16 = 1;

fn program(text: &str) -> Program {
    compile(&parse(text).unwrap(), ETHERNET).unwrap()
}

/// Position, then the message and its hint, of a filter that must be refused on Ethernet.
fn refusal(text: &str, link_type: u16) -> (usize, String) {
    let error = parse(text).and_then(|expr| compile(&expr, link_type)).map(|_| text).unwrap_err();
    let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
    (error.position, error.message + &hint)
}

/// A TCP SYN from 10.0.0.1:4660 to 10.0.0.2:80, 54 bytes.
fn syn() -> Vec<u8> {
    let mut frame = vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, 0];
    frame.extend([0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}

/// Each wrong text has its place, its reason and, where one is known, the right form.
#[test]
fn wrong_texts_say_where_and_why() {
    #[rustfmt::skip]
    let wrong: &[(&str, usize, &str)] = &[
        ("host", 4, "the filter ends where a value is expected"),
        ("tcp and", 7, "the filter ends where a test is expected"),
        ("(tcp", 4, "the filter ends where `)` is expected"),
        ("tcp)", 3, "`)` closes nothing (no `(` stands before it)"),
        ("()", 1, "`)` stands where a test is expected"),
        ("tcp udp", 4, "`udp` stands where `and` or `or` is expected"),
        ("prot 6", 0, "`prot` is not a word of the filter language (did you mean `proto`?)"),
        ("tpc port 80", 0, "`tpc` is not a word of the filter language (did you mean `tcp`?)"),
        ("tcp prt 80", 4, "`prt` stands where `and` or `or` is expected (did you mean `port`?)"),
        ("TCP", 0, "`TCP` is not a word of the filter language (did you mean `tcp`?)"),
        ("tcp andd udp", 4, "`andd` stands where `and` or `or` is expected (did you mean `and`?)"),
        ("10.0.0.1", 0, "nothing says what `10.0.0.1` is (write `host 10.0.0.1`)"),
        ("80", 0, "`80` alone is not a test (write `port 80`, `host 80` or a comparison)"),
        ("tcp or 80", 7, "nothing says what `80` is (write `port 80`)"),
        ("0:1:2:3:4:5", 0, "nothing says what `0:1:2:3:4:5` is (write `ether host 0:1:2:3:4:5`)"),
        ("host example.com", 5, "`example.com` is not an address, and host names are not resolved (write the address, as in `host 192.0.2.1`)"),
        ("host por", 5, "`por` is not an address (did you mean `port`?)"),
        ("host 256.1.1.1", 5, "`256.1.1.1` is not an IPv4 address (each part is 0 to 255, in decimal)"),
        ("host 10.0.0.0/8", 14, "only `net` takes a prefix length or mask (write `net 10.0.0.0/8`)"),
        ("net 10.0.0.1/8", 13, "the address has bits outside the network (the network is `10.0.0.0/8`)"),
        ("net fe80::1/10", 12, "the address has bits outside the network (the network is `fe80::/10`)"),
        ("net 10.0.0.0/33", 13, "a prefix of 33 bits (at most 32)"),
        ("net 10/8", 6, "`/` stands where `and` or `or` is expected"),
        ("net 10.0.0.0 mask 8", 18, "`8` stands where a mask such as 255.255.0.0 is expected"),
        ("tcp host 10.0.0.1", 9, "an IPv4 address belongs to `ip`, `arp` or `rarp` only (join the two: `tcp and host 192.0.2.1`)"),
        ("ip host ::1", 8, "an IPv6 address belongs to `ip6` only (write `ip6 host ::1`)"),
        ("port 10.0.0.1", 5, "`port` applied to an IPv4 address (write `host` before an address)"),
        ("host 0:1:2:3:4:5", 5, "an Ethernet address needs `ether` (write `ether host`, `ether src` or `ether dst`)"),
        ("port 65536", 5, "port 65536 is over the largest, 65535"),
        ("port 80-90", 5, "`80-90` is not a service known here (did you mean `portrange 80-90`?)"),
        ("port nosuch", 5, "`nosuch` is not a service known here (write the port's number)"),
        ("udp port ssh", 9, "`ssh` is a service of tcp, not of udp"),
        ("icmp port 80", 10, "only `tcp`, `udp` and `sctp` have ports (join the two: `ip and port 80`)"),
        ("ip proto tcp", 9, "`tcp` stands where a value is expected"),
        ("arp proto 6", 10, "this protocol carries no protocol number (`proto` follows `ip`, `ip6`, `ether`, `iso`, `isis` or nothing)"),
        ("proto \\nosuch", 6, "`nosuch` is not a protocol known here (write its number)"),
        ("ip6 protochain 6", 4, "`protochain` needs a loop, which the kernel's filters do not have (`ip6 proto` looks behind a fragment header; or compare bytes: `ip6[6] = 0 and ip6[40] = 6`)"),
        ("gateway 10.0.0.1", 0, "`gateway` needs the Ethernet address of a host name (write `ether host MAC and not host ADDRESS`)"),
        ("tcp[0:3] = 1", 6, "a load of 3 bytes (the size is 1, 2 or 4)"),
        ("tcp[0 = 1", 6, "`=` stands where `]` is expected"),
        ("ah[0] = 1", 0, "the bytes of this protocol cannot be asked for (count from `ip`, `ip6` or `ether`)"),
        ("len", 0, "this number is not compared with anything (write a comparison, as in `len > 100`)"),
        ("len > tcp", 9, "the filter ends where `[`, which asks for bytes of that header, is expected"),
        ("len / 0 = 1", 4, "division by zero"),
        ("len << 32 = 0", 4, "a shift by 32 bits (at most 31)"),
        ("len > 089", 6, "`089` begins with 0 and so is octal, which has no digits 8 and 9 (write `89`)"),
        ("len > 4294967296", 6, "`4294967296` does not fit in 32 bits (at most 4294967295)"),
        ("tcp ; udp", 4, "`;` has no meaning here"),
        ("port \\", 5, "a backslash with no name after it (a name follows at once, as in `\\tcp`)"),
        ("ether", 0, "`ether` alone tests nothing (write `ether host`, `ether proto` or `ether[0]`)"),
        ("vlan 4096", 0, "VLAN id 4096 is over the largest, 4095"),
        ("mpls and arp", 9, "behind `mpls` only IPv4 and IPv6 can be told (write it before `mpls`)"),
        ("mpls and vlan", 9, "`vlan` behind `mpls` cannot be told (write `vlan` first)"),
        ("byte 0 & 1", 7, "`byte` with `&` or `|` has no defined meaning (write `link[0] & 1 != 0`)"),
        ("tcp multicast", 0, "this protocol has no multicast (write `multicast`, `ip multicast` or `ip6 multicast`)"),
        ("llc nosuch", 4, "`nosuch` is not a kind of LLC frame (the kinds are i, s, u, rr, rnr, rej, ui, ua, disc, dm, sabme, test, xid and frmr)"),
        ("type mgt", 0, "`type` is about IEEE 802.11 frames, which this link layer does not carry"),
        ("inbound", 0, "Ethernet does not record the direction in the frame (Linux cooked frames do)"),
        ("decnet host 1.2", 12, "DECnet addresses are not filtered (`decnet` alone selects the protocol)"),
    ];
    assert!(wrong.len() >= 40);
    for (text, position, message) in wrong {
        assert_eq!(refusal(text, ETHERNET), (*position, (*message).to_owned()), "`{text}`");
    }
}

/// What a link type lacks is refused by its name, and unknown link types are refused altogether.
#[test]
fn link_types_refuse_what_they_lack() {
    assert_eq!(refusal("tcp and vlan", 101), (8, "raw IP has no VLAN tags".to_owned()));
    assert_eq!(refusal("broadcast", 113), (0, "Linux cooked v1 has no broadcasts".to_owned()));
    assert_eq!(refusal("tcp", 105), (0, "link type 105 is IEEE 802.11, whose frames are not filtered".to_owned()));
    assert!(refusal("tcp", 9999).1.starts_with("packets of link type 9999 cannot be filtered"));
}

/// The machine selects by content, refuses a packet too short for a check, and sees the length on the wire.
#[test]
fn packets_are_selected() {
    let frame = syn();
    for text in ["", "tcp", "dst port 80", "src host 10.0.0.1 and port 0x1234", "tcp[tcpflags] = tcp-syn", "len = 1500"]
    {
        assert!(program(text).matches(&frame, 1500), "`{text}`");
    }
    for text in
        ["udp", "src port 80", "not tcp", "len = 54", "ether[54] = 0", "not ether[54] = 0", "len / (len - len) = 0"]
    {
        assert!(!program(text).matches(&frame, 1500), "`{text}`");
    }
    assert!(!program("dst port 80").matches(&frame[..37], 1500));
    assert!(!program("tcp").matches(&[], 0));
}

/// A list of thousands of ports needs jumps longer than a conditional jump reaches; each end of the list is found.
#[test]
fn long_lists_jump_far() {
    let ports = (1..=300).map(|port| port.to_string()).collect::<Vec<_>>().join(" or ");
    let long = program(&format!("tcp dst port {ports}"));
    assert!(long.instructions().len() > 600 && long.fits_kernel(), "{} instructions", long.instructions().len());
    let mut frame = syn();
    for (port, selected) in [(1_u16, true), (80, true), (150, true), (300, true), (301, false), (0, false)] {
        frame[36..38].copy_from_slice(&port.to_be_bytes());
        assert_eq!(long.matches(&frame, 54), selected, "port {port}");
    }
}

/// On a packet socket the outermost VLAN tag is beside the frame or in it: both are asked, and what follows looks at
/// the type behind the tag (12 or 16) by the scratch word that says which. The listing is what the kernel ran.
#[test]
fn sockets_have_the_tag_beside_the_frame() {
    let listing = |text: &str| -> Vec<(u16, u8, u8, u32)> {
        let program = compile_for_socket(&parse(text).unwrap(), ETHERNET).unwrap();
        program.iter().map(|Insn { code, jt, jf, k }| (*code, *jt, *jf, *k)).collect()
    };
    #[rustfmt::skip]
    let expected = [
        (0x00, 0, 0, 0), (0x02, 0, 0, 0),                                        // the tag is not in the frame
        (0x20, 0, 0, 0xffff_f030), (0x15, 0, 3, 1),                              // was it taken out?
        (0x20, 0, 0, 0xffff_f02c), (0x54, 0, 0, 0xfff), (0x15, 9, 12, 5),        // then compare what the kernel keeps
        (0x00, 0, 0, 4), (0x02, 0, 0, 0),                                        // else the offsets move by 4
        (0x28, 0, 0, 12), (0x15, 2, 0, 0x8100), (0x15, 1, 0, 0x88a8), (0x15, 0, 6, 0x9100),
        (0x28, 0, 0, 14), (0x54, 0, 0, 0xfff), (0x15, 0, 3, 5),
        (0x61, 0, 0, 0), (0x48, 0, 0, 12), (0x15, 1, 0, 0x800),                  // IP behind it
        (0x06, 0, 0, 0), (0x06, 0, 0, 262_144),
    ];
    assert_eq!(listing("vlan 5 and ip"), expected);
    assert_eq!(
        listing("outbound"),
        [(0x20, 0, 0, 0xffff_f004), (0x15, 1, 0, 4), (0x06, 0, 0, 0), (0x06, 0, 0, 262_144)]
    );
    assert_eq!(listing("ifindex 3")[..2], [(0x20, 0, 0, 0xffff_f008), (0x15, 1, 0, 3)]);
    assert_eq!(listing("tcp port 80").len(), program("tcp port 80").instructions().len());
}

/// Texts and nesting at the limits are read; beyond them they are refused, not fatal.
#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}tcp{}", "(".repeat(depth), ")".repeat(depth));
    assert!(program(&nested(MAX_DEPTH)).matches(&syn(), 54));
    assert_eq!(refusal(&nested(MAX_DEPTH + 1), ETHERNET), (129, "nested deeper than 128 levels".to_owned()));
    for opening in ["not ", "!", "ip[", "len + (", "vlan ("] {
        assert!(parse(&opening.repeat(5000)).is_err());
    }
    let sum = format!("len{} > 0", "+1".repeat(30_000));
    assert!(program(&sum).matches(&syn(), 54));
    let chain = format!("tcp{}", " or tcp".repeat(9_000));
    assert!(program(&chain).instructions().len() < 20);
    let minus = format!("{}5 > len", "-".repeat(60_000));
    assert!(!program(&minus).matches(&syn(), 54));
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    assert_eq!(refusal(&long, ETHERNET).0, MAX_TEXT_BYTES);
    let many = (0..2500).map(|n| format!("host 10.{}.{}.1", n / 250, n % 250)).collect::<Vec<_>>().join(" or ");
    let many = parse(&many).unwrap();
    assert!(compile(&many, ETHERNET).is_ok_and(|program| !program.fits_kernel()));
    let error = compile_for_socket(&many, ETHERNET).unwrap_err();
    assert!(error.message.ends_with("instructions, over the kernel's limit of 4096"), "{error}");
}

/// Random bytes, random tokens and the programs made of them never panic, whatever they are run on.
#[test]
fn nothing_panics() {
    let mut state = 0x0123_4567_89ab_cdef_u64;
    let mut random = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % bound
    };
    #[rustfmt::skip]
    let tokens = [
        "tcp", "ip", "ip6", "ether", "host", "net", "port", "portrange", "src", "dst", "and", "or", "not", "(", ")", "[", "]", ":",
        "80", "10.1", "::1", "0:1:2:3:4:5", "len", ">", "=", "!=", "-", "*", "%", "/", "<<", "0", "4294967295", "vlan", "mpls",
        "pppoes", "geneve", "proto", "mask", "\\tcp", "é", "80-90", "icmp6[0]", "tcp[13]", "byte", "llc", "less", "1-", "a-b", "$",
    ];
    let frame = syn();
    let mut compiled = 0;
    for round in 0..12_000 {
        let text = if round % 3 == 0 {
            let bytes: Vec<u8> = (0..random(40)).map(|_| u8::try_from(random(256)).unwrap()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            let separator = if round % 3 == 1 { " " } else { "" };
            (0..random(9)).map(|_| tokens[random(tokens.len())]).collect::<Vec<_>>().join(separator)
        };
        match parse(&text) {
            Ok(expr) => {
                for link_type in [0, 1, 9, 12, 104, 108, 113, 228, 229, 276] {
                    let Ok(program) = compile(&expr, link_type) else { continue };
                    compiled += 1;
                    for length in [0, 1, 13, 20, 33, 40, 54] {
                        std::hint::black_box(program.matches(&frame[..length], u32::MAX));
                    }
                }
            }
            Err(error) => assert!(error.position <= text.len() && !error.message.is_empty(), "`{text}`: {error}"),
        }
    }
    assert!(compiled > 2000, "only {compiled} programs");
}
