//! One packet at a time: frames with right lengths and checksums from addresses, flags and payload. No state: what belongs
//! together is [`Conversation`](super::Conversation)'s business.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpHeaders, IpNumber,
    Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6FlowLabel, Ipv6Header, PacketBuilder, PacketBuilderStep,
    SingleVlanHeader, TcpHeader, VlanHeader, VlanId,
};

/// A packet and the moment it passed the capture point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds since the epoch, UTC.
    pub ts_ns: i64,
    /// The frame, from the Ethernet header on, without frame check sequence.
    pub data: Vec<u8>,
}

/// One end of a conversation as the capture point sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// Hardware address on the captured link: the host's own, or its router's.
    pub mac: [u8; 6],
    /// Address.
    pub ip: IpAddr,
    /// Port; ignored where the protocol has none.
    pub port: u16,
    /// Time to live (hop limit) its packets have left when they are captured.
    pub ttl: u8,
}

impl Endpoint {
    /// A host on the captured link: its MAC address is made from the last four bytes of `ip`, its time to live is 64.
    pub fn new(ip: impl Into<IpAddr>, port: u16) -> Endpoint {
        let ip = ip.into();
        let [a, b, c, d] = match ip {
            IpAddr::V4(v4) => v4.octets(),
            IpAddr::V6(v6) => v6.to_bits().to_be_bytes().last_chunk().copied().unwrap_or_default(),
        };
        Endpoint { mac: [0x02, 0x00, a, b, c, d], ip, port, ttl: 64 }
    }

    /// The same host, `hops` routers away, the nearest of which has the address `router`.
    #[must_use]
    pub fn behind(self, router: [u8; 6], hops: u8) -> Endpoint {
        Endpoint { mac: router, ttl: self.ttl.saturating_sub(hops), ..self }
    }

    /// The same host on another port.
    #[must_use]
    pub fn on(self, port: u16) -> Endpoint {
        Endpoint { port, ..self }
    }
}

/// A TCP segment from `src` to `dst`. The ports in `header` are replaced by the endpoints', its checksum is computed.
pub fn tcp(src: Endpoint, dst: Endpoint, vlan: Option<u16>, ip_id: u16, header: TcpHeader, payload: &[u8]) -> Vec<u8> {
    let header = TcpHeader { source_port: src.port, destination_port: dst.port, ..header };
    let step = network(src, dst, vlan, ip_id).tcp_header(header);
    let mut frame = Vec::with_capacity(step.size(payload.len()));
    written(step.write(&mut frame, payload).is_ok(), frame)
}

/// A UDP datagram from `src` to `dst`.
pub fn udp(src: Endpoint, dst: Endpoint, vlan: Option<u16>, ip_id: u16, payload: &[u8]) -> Vec<u8> {
    let step = network(src, dst, vlan, ip_id).udp(src.port, dst.port);
    let mut frame = Vec::with_capacity(step.size(payload.len()));
    written(step.write(&mut frame, payload).is_ok(), frame)
}

/// Which way an ICMP echo goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// "Are you there?"
    Request,
    /// "I am."
    Reply,
}

/// An ICMP or ICMPv6 echo, by the family of `src`; both ends must be of one family.
pub fn echo(src: Endpoint, dst: Endpoint, ip_id: u16, kind: Echo, header: IcmpEchoHeader, payload: &[u8]) -> Vec<u8> {
    let ip = network(src, dst, None, ip_id);
    let mut frame = Vec::new();
    let done = match (src.ip, kind) {
        (IpAddr::V4(_), Echo::Request) => ip.icmpv4(Icmpv4Type::EchoRequest(header)).write(&mut frame, payload),
        (IpAddr::V4(_), Echo::Reply) => ip.icmpv4(Icmpv4Type::EchoReply(header)).write(&mut frame, payload),
        (IpAddr::V6(_), Echo::Request) => ip.icmpv6(Icmpv6Type::EchoRequest(header)).write(&mut frame, payload),
        (IpAddr::V6(_), Echo::Reply) => ip.icmpv6(Icmpv6Type::EchoReply(header)).write(&mut frame, payload),
    };
    written(done.is_ok(), frame)
}

/// "Who has `wanted`?", broadcast by a host with MAC address `mac` and IP address `ip`.
pub fn arp_request(mac: [u8; 6], ip: Ipv4Addr, wanted: Ipv4Addr) -> Vec<u8> {
    arp(ArpOperation::REQUEST, (mac, ip), ([0; 6], wanted), [0xff; 6])
}

/// "`ip` is at `mac`", to the one who asked.
pub fn arp_reply(mac: [u8; 6], ip: Ipv4Addr, asker_mac: [u8; 6], asker_ip: Ipv4Addr) -> Vec<u8> {
    arp(ArpOperation::REPLY, (mac, ip), (asker_mac, asker_ip), asker_mac)
}

fn arp(operation: ArpOperation, src: ([u8; 6], Ipv4Addr), target: ([u8; 6], Ipv4Addr), to: [u8; 6]) -> Vec<u8> {
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &src.0,
        &src.1.octets(),
        &target.0,
        &target.1.octets(),
    )
    .expect("Ethernet and IPv4 address lengths are within ARP's 8-bit length fields");
    let mut frame = Vec::new();
    let done = PacketBuilder::ethernet2(src.0, to).arp(packet).write(&mut frame);
    written(done.is_ok(), frame)
}

/// Ethernet, an 802.1Q tag where asked for, and the IP header that fits the two addresses.
fn network(src: Endpoint, dst: Endpoint, vlan: Option<u16>, ip_id: u16) -> PacketBuilderStep<IpHeaders> {
    let ip = match (src.ip, dst.ip) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header {
                identification: ip_id,
                dont_fragment: true,
                time_to_live: src.ttl,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(header, Ipv4Extensions::default())
        }
        (from, to) => {
            let header = Ipv6Header {
                traffic_class: 0,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: 0,
                next_header: IpNumber::TCP,
                hop_limit: src.ttl,
                source: v6(from),
                destination: v6(to),
            };
            IpHeaders::Ipv6(header, Ipv6Extensions::default())
        }
    };
    let ethernet = PacketBuilder::ethernet2(src.mac, dst.mac);
    match vlan.and_then(|id| VlanId::try_new(id).ok()) {
        Some(vlan_id) => {
            ethernet.vlan(VlanHeader::Single(SingleVlanHeader { vlan_id, ..SingleVlanHeader::default() })).ip(ip)
        }
        None => ethernet.ip(ip),
    }
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// A builder refuses only what cannot be written down, such as a payload over 64 KiB: an error of the caller.
fn written(done: bool, frame: Vec<u8>) -> Vec<u8> {
    assert!(done, "the payload does not fit one IP packet");
    frame
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    #[test]
    fn udp_frame_carries_addresses_tag_and_payload() {
        let frame = udp(Endpoint::new(CLIENT, 4000), Endpoint::new(SERVER, 53), Some(30), 9, b"hello");
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        assert_eq!(packet.vlan_ids().as_slice(), [VlanId::try_new(30).unwrap()]);
        let Some(NetSlice::Ipv4(ip)) = packet.net else { panic!("not IPv4: {:?}", packet.net) };
        assert_eq!((ip.header().source_addr(), ip.header().destination_addr()), (CLIENT, SERVER));
        let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("not UDP") };
        assert_eq!((udp.source_port(), udp.destination_port(), udp.payload()), (4000, 53, b"hello".as_slice()));
    }

    #[test]
    fn ipv6_segment_has_a_right_checksum() {
        let client = Endpoint::new("2001:db8::1".parse::<Ipv6Addr>().unwrap(), 4000);
        let server = Endpoint::new("2001:db8::2".parse::<Ipv6Addr>().unwrap(), 80);
        let frame = tcp(client, server, None, 0, TcpHeader { syn: true, ..TcpHeader::default() }, b"");
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv6(ip)) = packet.net else { panic!("not IPv6") };
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("not TCP") };
        let expected = tcp.to_header().calc_checksum_ipv6(&ip.header().to_header(), &[]).unwrap();
        assert!(tcp.syn() && tcp.checksum() == expected);
    }

    #[test]
    fn a_routed_host_shows_its_routers_mac_and_fewer_hops() {
        let host = Endpoint::new(SERVER, 1).behind([2, 0, 0, 0, 0, 9], 12);
        assert_eq!((host.mac, host.ttl, host.on(7).port), ([2, 0, 0, 0, 0, 9], 52, 7));
    }
}
