//! The key of a flow: which packets belong together.
//!
//! A key is the IP protocol, the two endpoints in a canonical order (so that both directions give the same key), and
//! the network they are in:
//!
//! - **VLAN**: the same addresses in two VLANs are two networks with private address plans of their own, or one packet
//!   seen before and after a router. Merging them would add unrelated traffic up or count every packet twice as a
//!   retransmission. VLAN 0 is a priority tag, not a VLAN (IEEE 802.1Q 9.6), and counts as none.
//! - **Tunnel**: the same reasons hold for the path of encapsulations, and for the VNI of VXLAN and Geneve, which both
//!   directions share. MPLS labels do not take part: label paths are one-way and the last hop pops them (RFC 3031
//!   3.16), so that the two directions of one connection seldom look alike. TEIDs and GRE keys are one-way too.
//!
//! ICMP has no ports. Requests and replies are joined through the pairs of types that Zeek and Community ID use,
//! together with the identifier where the message has one; a one-way message (destination unreachable, …) is a flow by
//! direction, type and code.

use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::decode::{Decoded, Encapsulation, Tunnel};

/// IP protocol numbers that flows treat in their own way (IANA protocol-numbers).
pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const SCTP: u8 = 132;

/// Stands for "no VLAN"; ids are 12 bits wide.
const NO_VLAN: u16 = u16::MAX;

/// The identity of a flow while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowKey {
    low: [u8; 16],
    high: [u8; 16],
    low_port: u16,
    high_port: u16,
    icmp_id: u16,
    vlan: u16,
    vni: u32,
    /// The innermost eight encapsulations, MPLS left out, 4 bits each.
    path: u32,
    ip_proto: u8,
    shape: Shape,
}

/// What the port fields of a key hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Shape {
    /// Nothing: a protocol without ports, or a fragment whose ports are not known.
    V4Bare,
    V6Bare,
    /// Ports.
    V4Ports,
    V6Ports,
    /// ICMP: the type sent and its counterpart (or code, for one-way messages).
    V4Icmp,
    V6Icmp,
}

/// Where the sender of a packet stands in the canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The endpoint that sorts first.
    Low,
    /// The other one.
    High,
}

/// One end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its address.
    pub ip: IpAddr,
    /// Its port; for ICMP the number that Community ID hashes in its place.
    pub port: u16,
}

impl FlowKey {
    /// The key of a packet and which end sent it; `None` without an IP header.
    #[inline]
    pub(crate) fn of(packet: &Decoded<'_>) -> Option<(FlowKey, Sender)> {
        let ip = packet.ip.as_ref()?;
        let v4 = ip.src.is_ipv4();
        let (mut src_port, mut dst_port, mut icmp_id, mut one_way) = (0, 0, 0, false);
        let shape = if let (Some(src), Some(dst)) = (packet.src_port, packet.dst_port) {
            (src_port, dst_port) = (src, dst);
            if v4 { Shape::V4Ports } else { Shape::V6Ports }
        } else if let Some(icmp) = &packet.icmp {
            src_port = u16::from(icmp.kind);
            match counterpart(ip.proto, icmp.kind) {
                Some(kind) => (dst_port, icmp_id) = (u16::from(kind), icmp.id.unwrap_or(0)),
                None => (dst_port, one_way) = (u16::from(icmp.code), true),
            }
            if v4 { Shape::V4Icmp } else { Shape::V6Icmp }
        } else if v4 {
            Shape::V4Bare
        } else {
            Shape::V6Bare
        };

        let (src, dst) = (octets(ip.src), octets(ip.dst));
        let low_first = one_way || (src, src_port) <= (dst, dst_port);
        let (low, high, low_port, high_port, sender) = if low_first {
            (src, dst, src_port, dst_port, Sender::Low)
        } else {
            (dst, src, dst_port, src_port, Sender::High)
        };
        let (path, vni) = packet.tunnel.map_or((0, 0), |tunnel| network(tunnel, packet.tunnel_id));
        let vlan = packet.vlan_id.filter(|id| *id != 0).unwrap_or(NO_VLAN);
        let key = FlowKey { low, high, low_port, high_port, icmp_id, vlan, vni, path, ip_proto: ip.proto, shape };
        Some((key, sender))
    }

    /// The endpoint that sorts first. One-way ICMP messages: their sender.
    pub(crate) fn low(&self) -> Endpoint {
        Endpoint { ip: self.address(self.low), port: self.low_port }
    }

    /// The endpoint that sorts last.
    pub(crate) fn high(&self) -> Endpoint {
        Endpoint { ip: self.address(self.high), port: self.high_port }
    }

    /// IP protocol number.
    pub(crate) fn ip_proto(&self) -> u8 {
        self.ip_proto
    }

    /// VLAN id; none for a priority tag.
    pub(crate) fn vlan_id(&self) -> Option<u16> {
        (self.vlan != NO_VLAN).then_some(self.vlan)
    }

    /// Whether the port fields are ports that users should see.
    pub(crate) fn has_ports(&self) -> bool {
        matches!(self.shape, Shape::V4Ports | Shape::V6Ports)
    }

    /// Whether the port fields take part in Community ID: ports, and what stands for them in ICMP.
    pub(crate) fn has_port_equivalents(&self) -> bool {
        !matches!(self.shape, Shape::V4Bare | Shape::V6Bare)
    }

    /// Whether it is IPv4.
    pub(crate) fn is_ipv4(&self) -> bool {
        matches!(self.shape, Shape::V4Bare | Shape::V4Ports | Shape::V4Icmp)
    }

    fn address(&self, octets: [u8; 16]) -> IpAddr {
        let [a, b, c, d, ..] = octets;
        if self.is_ipv4() { Ipv4Addr::new(a, b, c, d).into() } else { Ipv6Addr::from(octets).into() }
    }
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low_port, high_port] = [self.low_port, self.high_port].map(u64::from);
        let [icmp_id, vlan] = [self.icmp_id, self.vlan].map(u64::from);
        state.write_u128(u128::from_ne_bytes(self.low));
        state.write_u128(u128::from_ne_bytes(self.high));
        state.write_u64(low_port << 48 | high_port << 32 | icmp_id << 16 | vlan);
        state.write_u64(
            u64::from(self.vni) << 32 | u64::from(self.path) ^ u64::from(self.ip_proto) << 16 ^ self.shape as u64,
        );
    }
}

#[inline]
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The part of a packet's encapsulation that both directions share.
fn network(tunnel: Tunnel, id: Option<u32>) -> (u32, u32) {
    let (mut path, mut rest, mut place) = (0u32, tunnel.bits(), 0);
    while rest != 0 && place < 8 {
        let code = rest & 0xf;
        rest >>= 4;
        if code != Encapsulation::Mpls as u64 {
            path |= u32::try_from(code).unwrap_or(0) << (place * 4);
            place += 1;
        }
    }
    let innermost = tunnel.bits() & 0xf;
    let has_vni = innermost == Encapsulation::Vxlan as u64 || innermost == Encapsulation::Geneve as u64;
    (path, if has_vni { id.unwrap_or(0) } else { 0 })
}

/// The type that answers an ICMP type, in the pairs that Zeek and Community ID join; `None` for one-way messages.
fn counterpart(ip_proto: u8, kind: u8) -> Option<u8> {
    /// Echo, timestamp, information, address mask (RFC 792, RFC 950) and router discovery (RFC 1256).
    const V4: [(u8, u8); 5] = [(8, 0), (13, 14), (15, 16), (17, 18), (10, 9)];
    /// Echo, multicast listener, router and neighbour discovery, node information, home agent discovery.
    const V6: [(u8, u8); 6] = [(128, 129), (130, 131), (133, 134), (135, 136), (139, 140), (144, 145)];
    let pairs: &[(u8, u8)] = match ip_proto {
        ICMP => &V4,
        ICMPV6 => &V6,
        _ => &[],
    };
    pairs.iter().find_map(|&(request, reply)| match kind {
        k if k == request => Some(reply),
        k if k == reply => Some(request),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{icmp, tcp, udp};

    #[test]
    fn both_directions_share_a_key() {
        let (there, a) = FlowKey::of(&tcp("10.0.0.2:1000", "10.0.0.1:80").packet()).unwrap();
        let (back, b) = FlowKey::of(&tcp("10.0.0.1:80", "10.0.0.2:1000").packet()).unwrap();
        assert_eq!((there, a, b), (back, Sender::High, Sender::Low));
        assert_eq!(there.low(), Endpoint { ip: "10.0.0.1".parse().unwrap(), port: 80 });
    }

    #[test]
    fn equal_addresses_are_ordered_by_port() {
        let (there, _) = FlowKey::of(&udp("[::1]:9", "[::1]:5").packet()).unwrap();
        let (back, _) = FlowKey::of(&udp("[::1]:5", "[::1]:9").packet()).unwrap();
        assert_eq!(there, back);
        assert_eq!((there.low().port, there.high().port), (5, 9));
    }

    #[test]
    fn vlans_are_networks_of_their_own_but_a_priority_tag_is_none() {
        let made = udp("10.0.0.1:1", "10.0.0.2:2");
        let mut packet = made.packet();
        let (untagged, _) = FlowKey::of(&packet).unwrap();
        packet.vlan_id = Some(7);
        assert_ne!(FlowKey::of(&packet).unwrap().0, untagged);
        packet.vlan_id = Some(0);
        assert_eq!(FlowKey::of(&packet).unwrap().0, untagged);
    }

    #[test]
    fn vni_takes_part_and_mpls_does_not() {
        let made = udp("10.0.0.1:1", "10.0.0.2:2");
        let mut packet = made.packet();
        let (plain, _) = FlowKey::of(&packet).unwrap();
        packet.tunnel = Tunnel::push(None, Encapsulation::Mpls);
        packet.tunnel_id = Some(16);
        assert_eq!(FlowKey::of(&packet).unwrap().0, plain);
        packet.tunnel = Tunnel::push(None, Encapsulation::Vxlan);
        let (vni_16, _) = FlowKey::of(&packet).unwrap();
        packet.tunnel_id = Some(17);
        assert_ne!(vni_16, plain);
        assert_ne!(FlowKey::of(&packet).unwrap().0, vni_16);
        packet.tunnel = Tunnel::push(None, Encapsulation::Gtp);
        let (teid_17, _) = FlowKey::of(&packet).unwrap();
        packet.tunnel_id = Some(18);
        assert_eq!(FlowKey::of(&packet).unwrap().0, teid_17, "TEIDs differ by direction");
    }

    #[test]
    fn echo_reply_belongs_to_its_request_by_identifier() {
        let (request, _) = FlowKey::of(&icmp("10.0.0.1", "10.0.0.2", 8, 0, Some(5))).unwrap();
        let (reply, _) = FlowKey::of(&icmp("10.0.0.2", "10.0.0.1", 0, 0, Some(5))).unwrap();
        let (other, _) = FlowKey::of(&icmp("10.0.0.1", "10.0.0.2", 8, 0, Some(6))).unwrap();
        assert_eq!(request, reply);
        assert_ne!(request, other);
    }

    #[test]
    fn one_way_icmp_is_a_flow_per_direction_and_code() {
        let (there, _) = FlowKey::of(&icmp("10.0.0.2", "10.0.0.1", 3, 1, None)).unwrap();
        let (back, _) = FlowKey::of(&icmp("10.0.0.1", "10.0.0.2", 3, 1, None)).unwrap();
        let (code, _) = FlowKey::of(&icmp("10.0.0.2", "10.0.0.1", 3, 3, None)).unwrap();
        assert_ne!(there, back);
        assert_ne!(there, code);
    }

    #[test]
    fn v4_mapped_ipv6_is_not_ipv4() {
        let made = udp("10.0.0.1:1", "10.0.0.2:2");
        let mut packet = made.packet();
        let (v4, _) = FlowKey::of(&packet).unwrap();
        let ip = packet.ip.as_mut().unwrap();
        (ip.src, ip.dst) = ("a00:1::".parse().unwrap(), "a00:2::".parse().unwrap());
        let (v6, _) = FlowKey::of(&packet).unwrap();
        assert_eq!((v4.low, v4.high), (v6.low, v6.high), "the octets are the same");
        assert_ne!(v4, v6);
    }
}
