//! Addresses and ports: the same comparison at the source, the destination, either or both.

use super::ast::{Direction, Protocol, Size, Transport};
use super::cond::Cond;
use super::error::BpfError;
use super::ethertype as ether;
use super::layers::Layers;

/// The bits of IPv4's fragment field that are zero in a first fragment only.
const FRAGMENT_OFFSET: u32 = 0x1fff;

/// Joins a comparison at `source` and at `destination` as the direction asks.
fn at_ends(direction: Direction, source: u32, destination: u32, compare: impl Fn(u32) -> Cond) -> Cond {
    match direction {
        Direction::Source => compare(source),
        Direction::Destination => compare(destination),
        Direction::Either => compare(source).or(compare(destination)),
        Direction::Both => compare(source).and(compare(destination)),
    }
}

impl Layers {
    pub(super) fn ipv4_address(
        &self,
        protocol: Option<Protocol>,
        direction: Direction,
        address: u32,
        mask: u32,
        position: usize,
    ) -> Result<Cond, BpfError> {
        let under = |number: u32, source, destination| -> Result<Cond, BpfError> {
            let carried = self.carries(number, position)?;
            Ok(at_ends(direction, source, destination, |offset| {
                carried.clone().and(Cond::masked(self.load_network(offset, Size::Word), address, mask))
            }))
        };
        match protocol {
            Some(Protocol::Arp) => under(ether::ARP, 14, 24),
            Some(Protocol::Rarp) => under(ether::RARP, 14, 24),
            Some(_) => under(ether::IP, 12, 16),
            // Behind MPLS only IP can be told.
            None if self.in_mpls => under(ether::IP, 12, 16),
            None => Ok(under(ether::IP, 12, 16)?.or(under(ether::ARP, 14, 24)?).or(under(ether::RARP, 14, 24)?)),
        }
    }

    pub(super) fn ipv6_address(
        &self,
        direction: Direction,
        address: u128,
        mask: u128,
        position: usize,
    ) -> Result<Cond, BpfError> {
        let carried = self.carries(ether::IP6, position)?;
        Ok(at_ends(direction, 8, 24, |offset| {
            let mut all = carried.clone();
            for (word, shift) in (0_u32..).step_by(4).zip([96, 64, 32, 0]) {
                let part = |value: u128| u32::try_from(value >> shift & u128::from(u32::MAX)).unwrap_or(0);
                let load = self.load_network(offset + word, Size::Word);
                all = all.and(Cond::masked(load, part(address), part(mask)));
            }
            all
        }))
    }

    pub(super) fn mac(&self, direction: Direction, address: [u8; 6]) -> Cond {
        at_ends(direction, 6, 0, |offset| self.mac_is(offset, address))
    }

    /// The last four bytes first: they tell more stations apart than the maker's.
    pub(super) fn mac_is(&self, offset: u32, [a, b, c, d, e, f]: [u8; 6]) -> Cond {
        let tail = Cond::equal(self.header.plus(offset + 2).load(Size::Word), u32::from_be_bytes([c, d, e, f]));
        tail.and(Cond::equal(self.header.plus(offset).load(Size::Half), u32::from_be_bytes([0, 0, a, b])))
    }

    pub(super) fn ports(
        &self,
        transport: Option<Transport>,
        direction: Direction,
        range: (u16, u16),
        position: usize,
    ) -> Result<Cond, BpfError> {
        let ip6 = self.ports_ipv6(transport, direction, range, position)?;
        Ok(ip6.or(self.ports_ipv4(transport, direction, range, position)?))
    }

    pub(super) fn ports_ipv4(
        &self,
        transport: Option<Transport>,
        direction: Direction,
        range: (u16, u16),
        position: usize,
    ) -> Result<Cond, BpfError> {
        let any = over(transport, |number| {
            let carried = Cond::equal(self.load_network(9, Size::Byte), number).and(self.first_fragment());
            carried
                .and(at_ends(direction, 0, 2, |offset| in_range(|| self.load_ipv4_payload(offset, Size::Half), range)))
        });
        Ok(self.carries(ether::IP, position)?.and(any))
    }

    pub(super) fn ports_ipv6(
        &self,
        transport: Option<Transport>,
        direction: Direction,
        range: (u16, u16),
        position: usize,
    ) -> Result<Cond, BpfError> {
        let any = over(transport, |number| {
            let carried = Cond::equal(self.load_network(6, Size::Byte), number);
            carried
                .and(at_ends(direction, 0, 2, |offset| in_range(|| self.load_ipv6_payload(offset, Size::Half), range)))
        });
        Ok(self.carries(ether::IP6, position)?.and(any))
    }

    /// Not an IPv4 fragment, or the first, which alone has the next header.
    pub(super) fn first_fragment(&self) -> Cond {
        Cond::any_bit(self.load_network(6, Size::Half), FRAGMENT_OFFSET).negate()
    }
}

/// Joins a condition over the transports by `or`.
fn over(transport: Option<Transport>, under: impl Fn(u32) -> Cond) -> Cond {
    match transport {
        Some(Transport::Tcp) => under(6),
        Some(Transport::Udp) => under(17),
        Some(Transport::Sctp) => under(132),
        None => under(132).or(under(6)).or(under(17)),
    }
}

fn in_range(load: impl Fn() -> Vec<super::insn::Insn>, (first, last): (u16, u16)) -> Cond {
    if first == last {
        return Cond::equal(load(), u32::from(first));
    }
    Cond::at_least(load(), u32::from(first)).and(Cond::above(load(), u32::from(last)).negate())
}
