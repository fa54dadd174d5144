//! An [`Expr`] into a [`Cond`] for one link type: what each primitive compares, at which offset.
//!
//! Primitives are taken in the order of the text, because some move the offsets of all that follow. What has a file of
//! its own: addresses and ports in `endpoint`, headers inside headers in `encapsulation`, arithmetic in `index`.

use super::ast::{Cast, Comparison, Expr, Layer, Llc, Protocol, Size, Test};
use super::cond::Cond;
use super::error::BpfError;
use super::ethertype as ether;
use super::layers::{Ancillary, Layers, Target};
use super::link::Link;

/// The packet type, in Linux's cooked headers and in its kernel, of packets the host itself sent.
const COOKED_OUTGOING: u32 = 4;

/// Protocol numbers of IANA's registry.
const FRAGMENT_HEADER: u32 = 44;
const ICMP6: u32 = 58;

/// OSI network layer protocol identifiers (ISO/IEC TR 9577).
const NLPID_CLNP: u32 = 0x81;
const NLPID_ESIS: u32 = 0x82;
const NLPID_ISIS: u32 = 0x83;

/// PDU types of IS-IS (ISO 10589, 9).
const L1_HELLO: u32 = 15;
const L2_HELLO: u32 = 16;
const POINT_TO_POINT_HELLO: u32 = 17;
const L1_LSP: u32 = 18;
const L2_LSP: u32 = 20;
const L1_CSNP: u32 = 24;
const L2_CSNP: u32 = 25;
const L1_PSNP: u32 = 26;
const L2_PSNP: u32 = 27;

impl Layers {
    /// The condition of a whole expression.
    pub(super) fn expression(&mut self, expr: &Expr) -> Result<Cond, BpfError> {
        match expr {
            Expr::All => Ok(Cond::Always(true)),
            Expr::Test { position, test } => self.test(test, *position),
            Expr::Not(inner) => Ok(self.expression(inner)?.negate()),
            Expr::Chain { first, rest } => {
                let first = self.expression(first)?;
                let rest = rest.iter().map(|(join, expr)| Ok((*join, self.expression(expr)?)));
                Ok(Cond::Chain(Box::new(first), rest.collect::<Result<_, BpfError>>()?))
            }
        }
    }

    fn test(&mut self, test: &Test, position: usize) -> Result<Cond, BpfError> {
        match test {
            Test::Protocol(protocol) => self.protocol(*protocol, position),
            Test::Ipv4 { protocol, direction, address, mask } => {
                self.ipv4_address(*protocol, *direction, *address, *mask, position)
            }
            Test::Ipv6 { direction, address, mask } => self.ipv6_address(*direction, *address, *mask, position),
            Test::Mac { direction, address } => {
                self.require_ethernet("Ethernet addresses", position)?;
                Ok(self.on_link_header(self.mac(*direction, *address)))
            }
            Test::Port { transport, direction, first, last } => {
                self.ports(*transport, *direction, (*first, *last), position)
            }
            Test::Number { layer, number } => self.number(*layer, *number, position),
            Test::Broadcast(cast) => self.broadcast(*cast, position),
            Test::Multicast(cast) => self.multicast(*cast, position),
            Test::AtMost(length) => Ok(Cond::length_above(*length).negate()),
            Test::AtLeast(length) => Ok(Cond::length_at_least(*length)),
            Test::Byte { offset, comparison, value } => Ok(self.byte(*offset, *comparison, *value)),
            Test::Inbound => Ok(self.outgoing(position)?.negate()),
            Test::Outbound => self.outgoing(position),
            Test::Interface(index) => match self.link {
                Link::Sll2 => Ok(Cond::equal(self.header.plus(4).load(Size::Word), *index)),
                _ if self.target == Target::PacketSocket => Ok(Cond::equal(Ancillary::Interface.load(), *index)),
                link => {
                    Err(BpfError::new(position, format!("{} does not record the interface in the frame", link.name()))
                        .hint("Linux cooked v2 does"))
                }
            },
            Test::Vlan(id) => self.vlan(*id, position),
            Test::Mpls(label) => self.mpls(*label, position),
            Test::PppoeDiscovery => self.carries(ether::PPPOE_DISCOVERY, position),
            Test::PppoeSession(session) => self.pppoe_session(*session, position),
            Test::Geneve(id) => self.geneve(*id, position),
            Test::Llc(kind) => self.llc(*kind, position),
            Test::Relation { left, comparison, right } => self.relation(left, *comparison, right, position),
        }
    }

    /// A protocol by its name alone.
    pub(super) fn protocol(&self, protocol: Protocol, position: usize) -> Result<Cond, BpfError> {
        let number = |layer, number| self.number(layer, number, position);
        let pdus = |types: &[u32]| {
            let mut all = Cond::Always(false);
            for pdu in types {
                all = all.or(self.number(Layer::Isis, *pdu, position)?);
            }
            Ok(all)
        };
        match protocol {
            Protocol::Link => Err(BpfError::new(position, "the link layer alone tests nothing")),
            Protocol::Ip => self.carries(ether::IP, position),
            Protocol::Ip6 => self.carries(ether::IP6, position),
            Protocol::Arp => self.carries(ether::ARP, position),
            Protocol::Rarp => self.carries(ether::RARP, position),
            Protocol::Atalk => self.carries(ether::ATALK, position),
            Protocol::Aarp => self.carries(ether::AARP, position),
            Protocol::Decnet => self.carries(ether::DECNET, position),
            Protocol::Lat => self.carries(ether::LAT, position),
            Protocol::Sca => self.carries(ether::SCA, position),
            Protocol::Mopdl => self.carries(ether::MOPDL, position),
            Protocol::Moprc => self.carries(ether::MOPRC, position),
            Protocol::Iso => self.carries(ether::SAP_ISO, position),
            Protocol::Stp => self.carries(ether::SAP_STP, position),
            Protocol::Ipx => self.carries(ether::SAP_IPX, position),
            Protocol::Netbeui => self.carries(ether::SAP_NETBEUI, position),
            Protocol::Tcp => number(Layer::AnyIp, 6),
            Protocol::Udp => number(Layer::AnyIp, 17),
            Protocol::Sctp => number(Layer::AnyIp, 132),
            Protocol::Pim => number(Layer::AnyIp, 103),
            Protocol::Ah => number(Layer::AnyIp, 51),
            Protocol::Esp => number(Layer::AnyIp, 50),
            Protocol::Icmp => number(Layer::Ip, 1),
            Protocol::Igmp => number(Layer::Ip, 2),
            Protocol::Igrp => number(Layer::Ip, 9),
            Protocol::Vrrp | Protocol::Carp => number(Layer::Ip, 112),
            Protocol::Icmp6 => number(Layer::Ip6, ICMP6),
            Protocol::Clnp => number(Layer::Iso, NLPID_CLNP),
            Protocol::Esis => number(Layer::Iso, NLPID_ESIS),
            Protocol::Isis => number(Layer::Iso, NLPID_ISIS),
            Protocol::IsisL1 => pdus(&[L1_PSNP, L1_CSNP, L1_LSP, L1_HELLO, POINT_TO_POINT_HELLO]),
            Protocol::IsisL2 => pdus(&[L2_PSNP, L2_CSNP, L2_LSP, L2_HELLO, POINT_TO_POINT_HELLO]),
            Protocol::IsisIih => pdus(&[POINT_TO_POINT_HELLO, L1_HELLO, L2_HELLO]),
            Protocol::IsisLsp => pdus(&[L1_LSP, L2_LSP]),
            Protocol::IsisSnp => pdus(&[L2_PSNP, L1_PSNP, L1_CSNP, L2_CSNP]),
            Protocol::IsisCsnp => pdus(&[L1_CSNP, L2_CSNP]),
            Protocol::IsisPsnp => pdus(&[L1_PSNP, L2_PSNP]),
        }
    }

    fn number(&self, layer: Layer, number: u32, position: usize) -> Result<Cond, BpfError> {
        let network = |offset| self.load_network(offset, Size::Byte);
        match layer {
            Layer::Link => self.carries(number, position),
            Layer::Ip => Ok(self.carries(ether::IP, position)?.and(Cond::equal(network(9), number))),
            Layer::Ip6 => {
                let behind_fragment = Cond::equal(network(6), FRAGMENT_HEADER).and(Cond::equal(network(40), number));
                let next = Cond::equal(network(6), number).or(behind_fragment);
                Ok(self.carries(ether::IP6, position)?.and(next))
            }
            Layer::AnyIp => {
                let ip = self.number(Layer::Ip, number, position)?;
                Ok(ip.or(self.number(Layer::Ip6, number, position)?))
            }
            Layer::Iso => {
                let iso = match self.link {
                    Link::CiscoHdlc => self.carries(ether::SAP_ISO << 8 | ether::SAP_ISO, position)?,
                    _ => self.carries(ether::SAP_ISO, position)?,
                };
                // Cisco puts a byte of padding before the OSI packet.
                let padding = u32::from(self.link == Link::CiscoHdlc);
                Ok(iso.and(Cond::equal(self.behind_llc(padding), number)))
            }
            Layer::Isis => {
                let isis = self.number(Layer::Iso, NLPID_ISIS, position)?;
                Ok(isis.and(Cond::equal(self.behind_llc(4), number)))
            }
        }
    }

    fn behind_llc(&self, offset: u32) -> Vec<super::insn::Insn> {
        self.payload.plus(self.network_llc).plus(offset).load(Size::Byte)
    }

    fn broadcast(&self, cast: Cast, position: usize) -> Result<Cond, BpfError> {
        if cast == Cast::Link {
            self.require_ethernet("broadcasts", position)?;
            return Ok(self.on_link_header(self.mac_is(0, [0xff; 6])));
        }
        // The interface's netmask is unknown behind a capture, so only the all-zeroes and all-ones addresses count.
        let destination = || self.load_network(16, Size::Word);
        let either = Cond::equal(destination(), 0).or(Cond::equal(destination(), u32::MAX));
        Ok(self.carries(ether::IP, position)?.and(either))
    }

    fn multicast(&self, cast: Cast, position: usize) -> Result<Cond, BpfError> {
        match cast {
            Cast::Link => {
                self.require_ethernet("multicasts", position)?;
                Ok(self.on_link_header(Cond::any_bit(self.header.load(Size::Byte), 1)))
            }
            Cast::Ip => {
                let group = Cond::at_least(self.load_network(16, Size::Byte), 224);
                Ok(self.carries(ether::IP, position)?.and(group))
            }
            Cast::Ip6 => {
                let group = Cond::equal(self.load_network(24, Size::Byte), 255);
                Ok(self.carries(ether::IP6, position)?.and(group))
            }
        }
    }

    fn byte(&self, offset: u32, comparison: Comparison, value: u32) -> Cond {
        let load = self.header.plus(offset).load(Size::Byte);
        match comparison {
            Comparison::Equal => Cond::equal(load, value),
            Comparison::NotEqual => Cond::equal(load, value).negate(),
            Comparison::Greater => Cond::above(load, value),
            Comparison::GreaterOrEqual => Cond::at_least(load, value),
            Comparison::Less => Cond::at_least(load, value).negate(),
            Comparison::LessOrEqual => Cond::above(load, value).negate(),
        }
    }

    fn outgoing(&self, position: usize) -> Result<Cond, BpfError> {
        match self.link {
            Link::Sll => Ok(Cond::equal(self.header.load(Size::Half), COOKED_OUTGOING)),
            Link::Sll2 => Ok(Cond::equal(self.header.plus(10).load(Size::Byte), COOKED_OUTGOING)),
            _ if self.target == Target::PacketSocket => Ok(Cond::equal(Ancillary::PacketType.load(), COOKED_OUTGOING)),
            link => Err(BpfError::new(position, format!("{} does not record the direction in the frame", link.name()))
                .hint("Linux cooked frames do")),
        }
    }

    fn llc(&self, kind: Llc, position: usize) -> Result<Cond, BpfError> {
        self.require_ethernet("LLC frames", position)?;
        let netware = Cond::equal(self.payload.load(Size::Half), 0xffff);
        let frame = self.has_length().and(netware.negate());
        let control = || self.payload.plus(2).load(Size::Byte);
        Ok(match kind {
            Llc::Any => frame,
            Llc::Information => frame.and(Cond::any_bit(control(), 1).negate()),
            Llc::Supervisory => frame.and(Cond::masked(control(), 1, 3)),
            Llc::Unnumbered => frame.and(Cond::masked(control(), 3, 3)),
            Llc::SupervisoryKind(value) => frame.and(Cond::masked(control(), value, 0x0f)),
            Llc::UnnumberedKind(value) => frame.and(Cond::masked(control(), value, 0xef)),
        })
    }

    fn require_ethernet(&self, what: &str, position: usize) -> Result<(), BpfError> {
        if self.link == Link::Ethernet {
            return Ok(());
        }
        Err(BpfError::new(position, format!("{} has no {what}", self.link.name())))
    }
}
