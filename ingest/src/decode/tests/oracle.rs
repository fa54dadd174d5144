//! Decode against etherparse, an independent reader, on generated packets.

use etherparse::{LaxNetSlice, LaxSlicedPacket, PacketBuilder, TransportSlice};
use proptest::prelude::*;

use super::packets::cut;
use crate::decode::Decoder;

/// What both readers can say.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    addresses: Option<(std::net::IpAddr, std::net::IpAddr)>,
    ports: Option<(u16, u16)>,
    vlan_id: Option<u16>,
    sequence: Option<u32>,
    payload: Vec<u8>,
}

fn theirs(packet: &[u8]) -> Shown {
    let sliced = LaxSlicedPacket::from_ethernet(packet).unwrap();
    let addresses = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        Some(LaxNetSlice::Ipv6(ip)) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        _ => None,
    };
    let (ports, sequence, payload) = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            (Some((tcp.source_port(), tcp.destination_port())), Some(tcp.sequence_number()), tcp.payload().to_vec())
        }
        Some(TransportSlice::Udp(udp)) => {
            (Some((udp.source_port(), udp.destination_port())), None, udp.payload().to_vec())
        }
        _ => (None, None, Vec::new()),
    };
    Shown { addresses, ports, vlan_id: sliced.vlan_ids().last().map(|id| id.value()), sequence, payload }
}

fn ours(packet: &[u8], captured: usize) -> Shown {
    let mut decoder = Decoder::default();
    let decoded = decoder.decode(&cut(1, packet, captured));
    Shown {
        addresses: decoded.ip.map(|ip| (ip.src, ip.dst)),
        ports: decoded.src_port.zip(decoded.dst_port),
        vlan_id: decoded.vlan_id,
        sequence: decoded.tcp.map(|tcp| tcp.seq),
        payload: decoded.payload.to_vec(),
    }
}

/// Ports of no tunnel: etherparse does not follow those.
fn port() -> impl Strategy<Value = u16> {
    1u16..2000
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn generated_packets_read_as_etherparse_reads_them(
        v6 in any::<bool>(), tcp in any::<bool>(), tags in 0..3, src in any::<[u8; 16]>(), dst in any::<[u8; 16]>(),
        ports in (port(), port()), sequence in any::<u32>(), payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let link = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let v4 = |address: [u8; 16]| *address.first_chunk::<4>().unwrap();
        macro_rules! network {
            ($link:expr) => { if v6 { $link.ipv6(src, dst, 9) } else { $link.ipv4(v4(src), v4(dst), 9) } };
        }
        let network = match tags {
            0 => network!(link),
            1 => network!(link.single_vlan(77.try_into().unwrap())),
            _ => network!(link.double_vlan(5.try_into().unwrap(), 78.try_into().unwrap())),
        };
        let mut packet = Vec::new();
        if tcp {
            network.tcp(ports.0, ports.1, sequence, 1000).write(&mut packet, &payload).unwrap();
        } else {
            network.udp(ports.0, ports.1).write(&mut packet, &payload).unwrap();
        }
        prop_assert_eq!(ours(&packet, packet.len()), theirs(&packet));
    }
}
