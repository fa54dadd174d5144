//! Every stack of headers that is followed, whole and cut at every byte.

use super::packets::{A, B, after, cut, ethernet, frame, ipv4, ipv6, tag, tcp4, udp, udp4, udp6};
use crate::decode::{Anomaly, DecodeLimits, Decoded, Decoder, Layer, TcpHeader};

/// A stack by link type, with its layers, tunnel and protocol.
struct Stack {
    link_type: u16,
    bytes: Vec<u8>,
    layers: &'static str,
    tunnel: &'static str,
    proto: &'static str,
}

fn stack(link_type: u16, bytes: Vec<u8>, layers: &'static str, tunnel: &'static str, proto: &'static str) -> Stack {
    Stack { link_type, bytes, layers, tunnel, proto }
}

fn eth(payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, payload)
}

fn gre(header: &[u8], payload: &[u8]) -> Vec<u8> {
    eth(&ipv4(47, &after(header, payload)))
}

fn over_udp(port: u16, header: &[u8], payload: &[u8]) -> Vec<u8> {
    eth(&ipv4(17, &udp(50_000, port, &after(header, payload))))
}

fn radiotap_data() -> Vec<u8> {
    // Flags say a checksum trails; then a QoS data frame from the access point.
    let radiotap = [0, 0, 9, 0, 2, 0, 0, 0, 0x10];
    let mut bytes =
        after(&radiotap, &[0x88, 0x02, 0, 0, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    bytes.extend([0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
    bytes.extend(udp4(b"query"));
    bytes.extend([0xde, 0xad, 0xbe, 0xef]);
    bytes
}

fn link_stacks() -> Vec<Stack> {
    let (tcp, udp) = (tcp4(b"hello"), udp6(b"query"));
    let llc = after(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &tcp);
    let mut sll = vec![0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    sll.extend(&tcp);
    let mut sll2 = vec![0x86, 0xdd, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    sll2.extend(&udp);
    let nflog = after(&[2, 0, 0, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 49, 0, 9, 0], &tcp);
    vec![
        stack(1, eth(&tcp), "eth,ip,tcp", "", "tcp"),
        stack(1, ethernet(0x86dd, &udp), "eth,ipv6,udp", "", "udp"),
        stack(1, ethernet(u16::try_from(llc.len()).unwrap(), &llc), "eth,ip,tcp,llc", "", "tcp"),
        stack(0, after(&[2, 0, 0, 0], &tcp), "ip,tcp,null", "", "tcp"),
        stack(0, after(&[0, 0, 0, 30], &udp), "ipv6,udp,null", "", "udp"),
        stack(108, after(&[0, 0, 0, 24], &udp), "ipv6,udp,null", "", "udp"),
        stack(101, tcp.clone(), "ip,tcp,raw", "", "tcp"),
        stack(229, udp.clone(), "ipv6,udp,raw", "", "udp"),
        stack(113, sll, "ip,tcp,sll", "", "tcp"),
        stack(276, sll2, "ipv6,udp,sll2", "", "udp"),
        stack(9, after(&[0xff, 3, 0, 0x21], &tcp), "ppp,ip,tcp", "", "tcp"),
        stack(50, after(&[0x0f, 0, 8, 0], &tcp), "ppp,chdlc,ip,tcp", "", "tcp"),
        stack(104, after(&[0x0f, 0, 0x86, 0xdd], &udp), "chdlc,ipv6,udp", "", "udp"),
        stack(239, nflog, "ip,tcp,nflog", "", "tcp"),
        stack(127, radiotap_data(), "ip,udp,radiotap,wlan,llc", "", "udp"),
    ]
}

fn tagged_stacks() -> Vec<Stack> {
    let tcp = tcp4(b"hello");
    let vlans = tag(100, 0x8100, &tag(0x6007, 0x0800, &tcp));
    let pppoe = after(&[0x11, 0, 0, 5, 0, 47, 0, 0x21], &tcp);
    let inner = eth(&tcp);
    vec![
        stack(1, ethernet(0x8100, &tag(7, 0x0800, &tcp)), "eth,vlan,ip,tcp", "", "tcp"),
        stack(1, ethernet(0x6558, &eth(&tcp)), "eth,ip,tcp,teb", "", "tcp"),
        stack(1, ethernet(0x88e7, &after(&[0, 0, 0, 1], &eth(&tcp))), "eth,ip,tcp,ieee8021ah", "", "tcp"),
        stack(1, ethernet(0x8909, &after(&[1, 1, 0, 1, 0, 1, 8, 0], &tcp)), "eth,ip,tcp,cmd", "", "tcp"),
        stack(1, ethernet(0x88a8, &vlans), "eth,vlan,ieee8021ad,ip,tcp", "", "tcp"),
        stack(1, ethernet(0x8847, &after(&[0, 1, 0, 0, 0, 2, 1, 64], &tcp)), "eth,mpls,ip,tcp", "mpls", "tcp"),
        stack(1, ethernet(0x8847, &after(&[0, 2, 1, 64, 0, 0, 0, 0], &inner)), "eth,mpls,pweth,ip,tcp", "mpls", "tcp"),
        stack(1, ethernet(0x8847, &after(&[0, 2, 1, 64], &inner)), "eth,mpls,pweth,ip,tcp", "mpls", "tcp"),
        stack(1, ethernet(0x8864, &pppoe), "eth,pppoes,ppp,ip,tcp", "pppoe", "tcp"),
        stack(1, ethernet(0x894f, &after(&[0, 2, 2, 1, 0, 0, 1, 1], &tcp)), "eth,nsh,ip,tcp", "", "tcp"),
    ]
}

fn tunnel_stacks() -> Vec<Stack> {
    let tcp = tcp4(b"hello");
    let inner = eth(&tcp);
    let vxlan = [8, 0, 0, 0, 0, 0, 42, 0];
    let nested = over_udp(4789, &vxlan, &eth(&ipv4(4, &tcp)));
    let gtp_len = [0, u8::try_from(tcp.len() + 8).unwrap()];
    let gtp = [&[0x34, 255][..], &gtp_len, &[0, 0, 0, 42, 0, 0, 0, 0x85, 1, 0, 0, 0]].concat();
    let ppp_gre = [0x30, 1, 0x88, 0x0b, 0, 47, 0, 42, 0, 0, 0, 1, 0xff, 3, 0, 0x21];
    vec![
        stack(1, gre(&[0, 0, 8, 0], &tcp), "eth,ip,gre,tcp", "gre", "tcp"),
        stack(1, gre(&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1], &tcp), "eth,ip,gre,tcp", "gre", "tcp"),
        stack(1, gre(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 42], &inner), "eth,ip,gre,tcp,teb", "gre", "tcp"),
        stack(
            1,
            gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 42, 0, 0, 0, 0], &inner),
            "eth,ip,gre,erspan,tcp",
            "erspan",
            "tcp",
        ),
        stack(1, gre(&ppp_gre, &tcp), "eth,ppp,ip,gre,tcp", "gre", "tcp"),
        stack(1, over_udp(4789, &vxlan, &inner), "eth,ip,vxlan,tcp,udp", "vxlan", "tcp"),
        stack(1, over_udp(4790, &[12, 0, 0, 1, 0, 0, 42, 0], &tcp), "eth,ip,vxlan,tcp,udp", "vxlan", "tcp"),
        stack(
            1,
            over_udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 42, 0, 0, 0, 0, 0], &inner),
            "eth,ip,geneve,tcp,udp",
            "geneve",
            "tcp",
        ),
        stack(1, over_udp(2152, &gtp, &tcp), "eth,ip,gtp,tcp,udp", "gtp", "tcp"),
        stack(1, eth(&ipv4(4, &tcp)), "eth,ip,ipip,tcp", "ipip", "tcp"),
        stack(1, ethernet(0x86dd, &ipv6(4, &tcp)), "eth,ip,ipv6,ipip,tcp", "ipip", "tcp"),
        stack(1, nested, "eth,ip,vxlan,ipip,tcp,udp", "vxlan/ipip", "tcp"),
        stack(1, over_udp(3544, &[0, 0, 0, 0, 0, 0, 0, 0], &udp6(b"query")), "eth,ip,ipv6,udp", "teredo", "udp"),
    ]
}

fn all() -> Vec<Stack> {
    link_stacks().into_iter().chain(tagged_stacks()).chain(tunnel_stacks()).collect()
}

fn check_inner(decoded: &Decoded<'_>, proto: &str) {
    let ip = decoded.ip.expect("every stack has IP");
    if proto == "tcp" {
        assert_eq!((ip.src, ip.dst), (A.into(), B.into()));
        assert_eq!((decoded.src_port, decoded.dst_port), (Some(1111), Some(80)));
        assert_eq!(decoded.tcp, Some(TcpHeader { flags: 2, seq: 7, ack: 0, window: 512 }));
        assert_eq!((decoded.payload_len, decoded.payload), (Some(5), &b"hello"[..]));
    } else {
        assert_eq!((decoded.src_port, decoded.dst_port), (Some(2222), Some(53)));
        assert_eq!((decoded.payload_len, decoded.payload), (Some(5), &b"query"[..]));
    }
}

#[test]
fn every_stack_is_followed_to_its_transport() {
    let mut text = String::new();
    for stack in all() {
        let mut decoder = Decoder::new(DecodeLimits::default());
        let decoded = decoder.decode(&frame(stack.link_type, &stack.bytes));
        assert_eq!(decoded.layers.names(&mut text), stack.layers);
        assert_eq!(decoded.tunnel.map_or("", |tunnel| tunnel.name(&mut text)), stack.tunnel, "{}", stack.layers);
        assert_eq!(decoded.proto, Some(stack.proto), "{}", stack.layers);
        assert!(decoded.anomalies.is_empty(), "{}: {:?}", stack.layers, decoded.anomalies);
        check_inner(&decoded, stack.proto);
    }
}

#[test]
fn every_cut_keeps_what_is_there() {
    for stack in all() {
        let mut decoder = Decoder::new(DecodeLimits::default());
        let mut whole_decoder = Decoder::new(DecodeLimits::default());
        let whole = whole_decoder.decode(&frame(stack.link_type, &stack.bytes));
        let mut known = 0;
        for captured in 0..stack.bytes.len() {
            let decoded = decoder.decode(&cut(stack.link_type, &stack.bytes, captured));
            assert!(decoded.layers.iter().all(|layer| whole.layers.contains(layer)), "{} at {captured}", stack.layers);
            let found = decoded.layers.iter().count();
            assert!(found >= known, "{} at {captured}: a longer cut shows no less", stack.layers);
            known = found;
            // The header that was reached first may still be the outer one; what is shown of TCP is the inner one's.
            if let Some(tcp) = decoded.tcp {
                assert_eq!(Some(tcp), whole.tcp);
                assert_eq!((decoded.src_port, decoded.dst_port), (whole.src_port, whole.dst_port));
            }
            if decoded.tcp.is_some() && decoded.anomalies.is_empty() {
                assert_eq!(decoded.payload_len, whole.payload_len, "{} at {captured}", stack.layers);
                assert!(whole.payload.starts_with(decoded.payload));
            }
        }
    }
}

#[test]
fn four_bytes_of_tcp_show_the_ports() {
    let packet = eth(&tcp4(b"hello"));
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&cut(1, &packet, 14 + 20 + 4));
    assert_eq!((decoded.src_port, decoded.dst_port, decoded.tcp), (Some(1111), Some(80), None));
    assert_eq!(decoded.anomalies.names(&mut String::new()), "tcp_truncated");
}

#[test]
fn padding_is_no_payload() {
    let mut packet = eth(&tcp4(b""));
    packet.extend([0; 6]);
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&frame(1, &packet));
    assert_eq!((decoded.payload_len, decoded.payload), (Some(0), &b""[..]));
}

#[test]
fn payload_length_counts_what_the_capture_cut() {
    let packet = eth(&tcp4(&[7; 100]));
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&cut(1, &packet, 14 + 20 + 20 + 10));
    assert_eq!((decoded.payload_len, decoded.payload.len()), (Some(100), 10));
    assert!(decoded.anomalies.is_empty());
}

#[test]
fn total_length_zero_means_the_whole_frame() {
    let mut packet = eth(&tcp4(b"offloaded"));
    packet[16..18].fill(0);
    let mut decoder = Decoder::default();
    assert_eq!(decoder.decode(&frame(1, &packet)).payload, b"offloaded");
}

#[test]
fn lying_lengths_are_anomalies() {
    let good = eth(&tcp4(b"hello"));
    let cases: [(usize, u8, &str); 5] = [
        (14, 0x44, "ip_bad_header_len"),
        (16, 0xff, "ip_bad_length"),
        (17, 19, "ip_bad_length"),
        (14 + 20 + 12, 0x40, "tcp_bad_offset"),
        (14 + 20 + 12, 0xf0, "tcp_bad_offset"),
    ];
    for (at, value, anomaly) in cases {
        let mut packet = good.clone();
        packet[at] = value;
        let mut decoder = Decoder::default();
        let decoded = decoder.decode(&frame(1, &packet));
        assert_eq!(decoded.anomalies.names(&mut String::new()), anomaly);
        assert_eq!(decoded.ip.unwrap().src, std::net::IpAddr::from(A));
    }
}

#[test]
fn a_port_alone_is_no_tunnel() {
    for port in [4789, 4790, 6081, 2152, 3544, 8472] {
        let packet = over_udp(port, b"", &[0xff; 60]);
        let mut decoder = Decoder::default();
        let decoded = decoder.decode(&frame(1, &packet));
        assert_eq!((decoded.proto, decoded.tunnel, decoded.dst_port), (Some("udp"), None, Some(port)));
        assert_eq!(decoded.payload.len(), 60);
    }
}

#[test]
fn extension_headers_lead_to_the_transport() {
    let udp = udp(2222, 53, b"query");
    let options = |next: u8, rest: &[u8]| after(&[next, 0, 1, 4, 0, 0, 0, 0], rest);
    let packet = ethernet(
        0x86dd,
        &ipv6(0, &options(43, &options(60, &options(51, &after(&[17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], &udp))))),
    );
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&frame(1, &packet));
    assert_eq!(decoded.layers.names(&mut String::new()), "eth,ipv6,hopopts,routing,dstopts,ah,udp");
    assert_eq!((decoded.ip.unwrap().proto, decoded.proto, decoded.payload), (17, Some("udp"), &b"query"[..]));
}

#[test]
fn arp_inside_vxlan_keeps_the_outer_addresses() {
    let packet = over_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &ethernet(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1]));
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&frame(1, &packet));
    assert_eq!((decoded.proto, decoded.tunnel_id, decoded.eth_type), (Some("arp"), Some(42), Some(0x0806)));
    assert_eq!(decoded.ip.unwrap().src.to_string(), "192.0.2.1");
    assert!(decoded.anomalies.contains(Anomaly::ArpTruncated));
}

#[test]
fn icmp_quotes_are_not_layers() {
    let packet = eth(&ipv4(1, &after(&[3, 3, 0, 0, 0, 0, 0, 0], &udp4(b"quoted"))));
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&frame(1, &packet));
    let icmp = decoded.icmp.unwrap();
    assert_eq!((icmp.kind, icmp.code, icmp.id, decoded.src_port), (3, 3, None, None));
    assert!(!decoded.layers.contains(Layer::Udp));
}

#[test]
fn headers_without_end_are_given_up() {
    let mut packet = tcp4(b"");
    for _ in 0..100 {
        packet = ipv4(4, &packet);
    }
    let mut decoder = Decoder::default();
    assert!(decoder.decode(&frame(101, &packet)).anomalies.contains(Anomaly::NestingLimit));
    let tags: Vec<u8> = [0, 1, 0x81, 0].repeat(1000);
    assert!(decoder.decode(&frame(1, &ethernet(0x8100, &tags))).anomalies.contains(Anomaly::NestingLimit));
}

#[test]
fn unknown_link_types_have_no_layers() {
    let mut decoder = Decoder::default();
    let packet = tcp4(b"");
    let decoded = decoder.decode(&frame(147, &packet));
    assert!(decoded.layers.is_empty() && decoded.proto.is_none() && decoded.anomalies.is_empty());
}
