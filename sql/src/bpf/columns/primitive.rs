//! What columns say of one primitive.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    super::{
        ast::{Cast, Direction, Layer, Protocol, Test, Transport},
        ethertype as ether,
    },
    Columns, Field,
    joined::{Lowered, Passed},
    stacks::{Links, Network, Stack},
};

/// Protocol numbers of IANA's registry.
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMP6: u8 = 58;

/// EtherTypes of VLAN tags, those that only the decoder takes for one included.
const TAGS: [u32; 4] = [ether::VLAN, ether::VLAN_AD, ether::VLAN_QINQ, 0x9200];

/// The stacks that a primitive looks into.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    links: Links,
    /// Whether it stands behind `vlan`, and so looks behind one tag.
    behind_tag: bool,
}

impl Links {
    /// What columns say of `test`, behind what was `passed`, to which it may add.
    pub(super) fn primitive(self, test: &Test, passed: &mut Passed) -> Lowered {
        let lowered = match *passed {
            Passed::Nothing => View { links: self, behind_tag: false }.test(test),
            // On a frame without a tag, a filter behind `vlan` reads bytes that are something else; and a frame may have two.
            // But its innermost header is what the columns say, or what the filter does not find.
            Passed::Tag => Lowered::never(View { links: self, behind_tag: true }.test(test).never),
            Passed::More => Lowered::unknown(),
        };
        *passed = match (test, *passed) {
            (Test::Vlan(_), Passed::Nothing) => Passed::Tag,
            (Test::Vlan(_) | Test::Mpls(_) | Test::PppoeSession(_) | Test::Geneve(_), _) => Passed::More,
            (_, before) => before,
        };
        lowered
    }
}

impl View {
    fn test(self, test: &Test) -> Lowered {
        match test {
            Test::Protocol(protocol) => self.protocol(*protocol),
            Test::Ipv4 { protocol, direction, address, mask } => self.ipv4(*protocol, *direction, *address, *mask),
            Test::Ipv6 { direction, address, mask } => self.ipv6(*direction, *address, *mask),
            Test::Mac { direction, address } => self.mac(at_ends(*direction, |end| Columns::Mac(end.mac(), *address))),
            Test::Port { transport, direction, first, last } => self.port(*transport, *direction, (*first, *last)),
            Test::Number { layer, number } => self.number(*layer, *number),
            Test::Broadcast(Cast::Link) => self.mac(Columns::Mac(Field::DstMac, [0xff; 6])),
            Test::Broadcast(_) => {
                let is = |address| network(Field::DstIp, IpAddr::V4(address), 32);
                self.address(Network::Ipv4, is(Ipv4Addr::UNSPECIFIED).or(is(Ipv4Addr::BROADCAST)))
            }
            // 224.0.0.0 and all above it.
            Test::Multicast(Cast::Ip) => {
                self.address(Network::Ipv4, network(Field::DstIp, Ipv4Addr::new(224, 0, 0, 0).into(), 3))
            }
            Test::Multicast(Cast::Ip6) => {
                let group = Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0);
                self.address(Network::Ipv6, network(Field::DstIp, group.into(), 8))
            }
            Test::AtMost(length) => self.length(Columns::Number(Field::Length, 0, *length)),
            Test::AtLeast(length) => self.length(Columns::Number(Field::Length, *length, u32::MAX)),
            Test::Vlan(_) if !self.behind_tag => Lowered::decided(self.among(|_| true), Columns::Always(false)),
            Test::Mpls(_) | Test::PppoeDiscovery | Test::PppoeSession(_) => {
                Lowered::decided(self.among(|_| true).or(self.foreign()), Columns::Always(false))
            }
            Test::Geneve(_) => {
                let not_udp = |s: &Stack| match s.network() {
                    Network::Ipv4 | Network::Ipv6 => s.transport.is_some_and(|t| t != UDP),
                    Network::Arp | Network::Other => true,
                };
                Lowered::never(self.among(not_udp).or(self.foreign()))
            }
            Test::Llc(_) => self.typed_otherwise(),
            Test::Relation { left, comparison, right } => self.relation(left, *comparison, right),
            Test::Multicast(Cast::Link)
            | Test::Byte { .. }
            | Test::Inbound
            | Test::Outbound
            | Test::Interface(_)
            | Test::Vlan(_) => Lowered::unknown(),
        }
    }

    /// The stacks with the network header where this view looks for it.
    pub(super) fn among(self, which: impl Fn(&Stack) -> bool) -> Columns {
        self.links.stacks(|stack| stack.is_tagged() == self.behind_tag && which(stack))
    }

    /// The stacks that have something else there: a tag, whose EtherType is no protocol's.
    pub(super) fn foreign(self) -> Columns {
        self.links.stacks(|stack| !self.behind_tag && stack.is_tagged())
    }

    /// The frame carries `network`.
    pub(super) fn carries(self, network: Network) -> Lowered {
        Lowered::decided(self.among(|_| true).or(self.foreign()), self.among(|s| s.network() == network))
    }

    /// A protocol of the link layer that no stack here carries, or only those of [`Network::Other`].
    fn typed_otherwise(self) -> Lowered {
        let typed = self.among(|s| s.network() != Network::Other).or(self.foreign());
        Lowered::decided(typed, Columns::Always(false))
    }

    pub(super) fn protocol(self, protocol: Protocol) -> Lowered {
        let (v4, v6) = (|n| n == Network::Ipv4, |n| n == Network::Ipv6);
        let either = |n| n == Network::Ipv4 || n == Network::Ipv6;
        match protocol {
            Protocol::Link => Lowered::unknown(),
            Protocol::Ip => self.carries(Network::Ipv4),
            Protocol::Ip6 => self.carries(Network::Ipv6),
            Protocol::Arp => self.carries(Network::Arp),
            Protocol::Tcp => self.transport(either, TCP.into()),
            Protocol::Udp => self.transport(either, UDP.into()),
            Protocol::Sctp => self.transport(either, SCTP.into()),
            Protocol::Pim => self.transport(either, 103),
            Protocol::Ah => self.transport(either, 51),
            Protocol::Esp => self.transport(either, 50),
            Protocol::Icmp => self.transport(v4, ICMP.into()),
            Protocol::Igmp => self.transport(v4, 2),
            Protocol::Igrp => self.transport(v4, 9),
            Protocol::Vrrp | Protocol::Carp => self.transport(v4, 112),
            Protocol::Icmp6 => self.transport(v6, ICMP6.into()),
            _ => self.typed_otherwise(),
        }
    }

    fn number(self, layer: Layer, number: u32) -> Lowered {
        match layer {
            Layer::Ip => self.transport(|n| n == Network::Ipv4, number),
            Layer::Ip6 => self.transport(|n| n == Network::Ipv6, number),
            Layer::AnyIp => self.transport(|n| n == Network::Ipv4 || n == Network::Ipv6, number),
            Layer::Link => match number {
                ether::IP => self.carries(Network::Ipv4),
                ether::IP6 => self.carries(Network::Ipv6),
                ether::ARP => self.carries(Network::Arp),
                tag if TAGS.contains(&tag) => {
                    Lowered::decided(self.among(|s| s.network() != Network::Other), Columns::Always(false))
                }
                _ => self.typed_otherwise(),
            },
            Layer::Iso | Layer::Isis => self.typed_otherwise(),
        }
    }

    /// IP of the versions for which `of` holds carries the protocol of this number.
    pub(super) fn transport(self, of: impl Fn(Network) -> bool, number: u32) -> Lowered {
        let is_ip = |s: &Stack| matches!(s.network(), Network::Ipv4 | Network::Ipv6);
        let unnamed = |s: &Stack| is_ip(s) && s.transport.is_none();
        let named = self.among(|s| !unnamed(s)).or(self.foreign());
        let decided = named.or(self.among(unnamed).and(Columns::Known(Field::IpProto)));
        let by_layer = self.among(|s| of(s.network()) && s.transport.is_some_and(|t| u32::from(t) == number));
        let by_number = self.among(|s| of(s.network()) && s.transport.is_none());
        Lowered::decided(decided, by_layer.or(by_number.and(Columns::Number(Field::IpProto, number, number))))
    }

    /// The addresses of an IP header of this version are as `value` says.
    fn address(self, version: Network, value: Columns) -> Lowered {
        let other = self.among(|s| s.network() != version).or(self.foreign());
        let this = self.among(|s| s.network() == version);
        Lowered::decided(other.or(this.clone().and(Columns::Known(Field::SrcIp))), this.and(value))
    }

    fn ipv4(self, protocol: Option<Protocol>, direction: Direction, address: u32, mask: u32) -> Lowered {
        let arp = self.among(|s| s.network() == Network::Arp);
        match protocol {
            Some(Protocol::Arp) => return Lowered::never(self.carries(Network::Arp).never),
            Some(Protocol::Rarp) => return self.typed_otherwise(),
            _ => {}
        }
        let Some(bits) = prefix_bits(u128::from(mask) << 96).filter(|_| address & !mask == 0) else {
            let not_ip = self.carries(Network::Ipv4).never;
            return Lowered::never(if protocol.is_none() { not_ip.and(not(arp)) } else { not_ip });
        };
        let ip = IpAddr::V4(Ipv4Addr::from(address));
        let all = self.address(Network::Ipv4, at_ends(direction, |end| network(end.ip(), ip, bits)));
        if protocol.is_some() {
            return all;
        }
        // The addresses in ARP are in no column.
        Lowered::decided(all.decided.and(not(arp)), all.value)
    }

    fn ipv6(self, direction: Direction, address: u128, mask: u128) -> Lowered {
        let Some(bits) = prefix_bits(mask).filter(|_| address & !mask == 0) else {
            return Lowered::never(self.carries(Network::Ipv6).never);
        };
        let ip = IpAddr::V6(Ipv6Addr::from(address));
        self.address(Network::Ipv6, at_ends(direction, |end| network(end.ip(), ip, bits)))
    }

    fn mac(self, value: Columns) -> Lowered {
        let known = Columns::Known(Field::SrcMac).and(Columns::Known(Field::DstMac));
        Lowered::decided(self.links.stacks(Stack::is_ethernet).and(known), value)
    }

    pub(super) fn length(self, value: Columns) -> Lowered {
        Lowered::decided(self.links.all(), value)
    }

    fn port(self, transport: Option<Transport>, direction: Direction, (first, last): (u16, u16)) -> Lowered {
        let asked: &[u8] = match transport {
            Some(Transport::Tcp) => &[TCP],
            Some(Transport::Udp) => &[UDP],
            Some(Transport::Sctp) => &[SCTP],
            None => &[TCP, UDP, SCTP],
        };
        let has_ports = |s: &Stack| s.transport.is_some_and(|t| asked.contains(&t));
        let value = at_ends(direction, |end| Columns::Number(end.port(), u32::from(first), u32::from(last)));
        self.behind_ip(has_ports, Field::SrcPort, |_| true, value)
    }

    /// Something of the header behind an IP header: of the stacks for which `has` and `of` hold, where `field` is known, it is
    /// what `value` says; of all others it is false.
    pub(super) fn behind_ip(
        self,
        has: impl Fn(&Stack) -> bool,
        field: Field,
        of: impl Fn(Network) -> bool,
        value: Columns,
    ) -> Lowered {
        let wanted = |s: &Stack| has(s) && of(s.network());
        let is_ip = |s: &Stack| matches!(s.network(), Network::Ipv4 | Network::Ipv6);
        // Behind IP without a header that the stack names may be anything, cut short.
        let open = |s: &Stack| is_ip(s) && of(s.network()) && s.transport.is_none();
        let elsewhere = self.among(|s| !wanted(s) && !open(s)).or(self.foreign());
        let there = self.among(wanted);
        Lowered::decided(elsewhere.or(there.clone().and(Columns::Known(field))), there.and(value))
    }
}

/// One end of a packet.
#[derive(Debug, Clone, Copy)]
enum End {
    Source,
    Destination,
}

impl End {
    fn ip(self) -> Field {
        match self {
            End::Source => Field::SrcIp,
            End::Destination => Field::DstIp,
        }
    }

    fn mac(self) -> Field {
        match self {
            End::Source => Field::SrcMac,
            End::Destination => Field::DstMac,
        }
    }

    fn port(self) -> Field {
        match self {
            End::Source => Field::SrcPort,
            End::Destination => Field::DstPort,
        }
    }
}

fn at_ends(direction: Direction, at: impl Fn(End) -> Columns) -> Columns {
    match direction {
        Direction::Source => at(End::Source),
        Direction::Destination => at(End::Destination),
        Direction::Either => at(End::Source).or(at(End::Destination)),
        Direction::Both => at(End::Source).and(at(End::Destination)),
    }
}

fn network(field: Field, address: IpAddr, bits: u8) -> Columns {
    Columns::Network(field, address, bits)
}

fn not(columns: Columns) -> Columns {
    columns.negate()
}

/// How many bits a mask has from the left, when it has no others.
fn prefix_bits(mask: u128) -> Option<u8> {
    let bits = mask.leading_ones();
    (mask.checked_shl(bits).unwrap_or(0) == 0).then(|| u8::try_from(bits).ok()).flatten()
}
