//! The story holds together: for us, for etherparse, and for tshark where that is installed.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    process::Command,
};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::*;

type End = (IpAddr, u16);

/// The 5-tuple of a packet, the smaller end first; `None` for ARP.
fn flow(packet: &Packet) -> Option<(u8, End, End)> {
    let sliced = SlicedPacket::from_ethernet(&packet.data).unwrap();
    let (src, dst): (IpAddr, IpAddr) = match sliced.net? {
        NetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        NetSlice::Arp(_) => return None,
    };
    let (proto, sport, dport) = match sliced.transport.unwrap() {
        TransportSlice::Tcp(tcp) => (6, tcp.source_port(), tcp.destination_port()),
        TransportSlice::Udp(udp) => (17, udp.source_port(), udp.destination_port()),
        _ => (1, 0, 0),
    };
    let (a, b) = ((src, sport), (dst, dport));
    Some(if a <= b { (proto, a, b) } else { (proto, b, a) })
}

#[test]
fn the_capture_is_the_same_every_time() {
    assert!(pcap(&packets()) == pcap(&packets()));
}

#[test]
fn the_capture_is_an_hour_of_some_hundred_flows_and_some_ten_thousand_packets() {
    let packets = packets();
    let flows: BTreeSet<_> = packets.iter().filter_map(flow).collect();
    assert!((10_000..20_000).contains(&packets.len()), "{} packets", packets.len());
    assert!((300..=400).contains(&flows.len()), "{} flows", flows.len());
    assert!(packets.iter().all(|p| (START_NS..START_NS + DURATION_NS).contains(&p.ts_ns)));
    assert!(packets.is_sorted_by_key(|p| p.ts_ns));
    assert!(packets.iter().all(|p| p.data.len() <= 1514 + 4));
}

#[test]
fn the_scan_stands_out_among_all_hosts() {
    let scan = START_NS + 23 * 60 * NS_PER_SECOND..START_NS + 24 * 60 * NS_PER_SECOND;
    let mut ports: HashMap<IpAddr, BTreeSet<u16>> = HashMap::new();
    for packet in packets().iter().filter(|p| scan.contains(&p.ts_ns)) {
        let sliced = SlicedPacket::from_ethernet(&packet.data).unwrap();
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) = (sliced.net, sliced.transport) else {
            continue;
        };
        if tcp.rst() && tcp.sequence_number() == 0 {
            ports.entry(ip.header().destination_addr().into()).or_default().insert(tcp.source_port());
        }
    }
    let scanners: Vec<_> = ports.iter().filter(|(_, ports)| ports.len() > 50).map(|(ip, _)| ip.to_string()).collect();
    assert_eq!(scanners, [SUSPECT]);
}

#[test]
fn tshark_finds_nothing_malformed_and_every_checksum_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(&path, pcap(&packets())).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path);
    for check in ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"] {
        tshark.args(["-o", &format!("{check}:TRUE")]);
    }
    let bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 \
               || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || tcp.analysis.lost_segment \
               || tcp.analysis.ack_lost_segment || _ws.expert.severity == error";
    let Ok(output) = tshark.args(["-Y", bad]).output() else {
        eprintln!("SKIPPED: tshark is not installed, so nothing but our own code has read the demo's capture");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
