//! Headers inside headers: `vlan`, `mpls`, `pppoes` and `geneve`, each of which moves the offsets of what follows.
//!
//! The offsets move at the word's place in the text, whatever `and`, `or`, `not` and parentheses surround it: in
//! `vlan or ip` the second asks for IP behind a tag. That is libpcap's rule.

use super::ast::{Direction, Size, Transport};
use super::cond::Cond;
use super::error::BpfError;
use super::ethertype as ether;
use super::insn::{ADD, AND, Insn, LD_B_IND, LD_IMM, LD_MEM, LDX_MEM, MUL, SOURCE_X, ST, TXA};
use super::layers::{Ancillary, Layers, Offset, Target};
use super::link::Link;

/// IANA's UDP port of Geneve (RFC 8926, section 3.3).
const GENEVE_PORT: u16 = 6081;
const UDP_HEADER_BYTES: u32 = 8;

/// A tag's length, and its bits that hold the id (IEEE 802.1Q, 9.6).
const VLAN_TAG_BYTES: u32 = 4;
const VLAN_ID: u32 = 0x0fff;

impl Layers {
    pub(super) fn vlan(&mut self, id: Option<u32>, position: usize) -> Result<Cond, BpfError> {
        if self.in_mpls {
            return Err(BpfError::new(position, "`vlan` behind `mpls` cannot be told").hint("write `vlan` first"));
        }
        if self.link != Link::Ethernet {
            return Err(BpfError::new(position, format!("{} has no VLAN tags", self.link.name())));
        }
        let mut tagged = self.carries(ether::VLAN, position)?;
        for tag in [ether::VLAN_AD, ether::VLAN_QINQ] {
            tagged = tagged.or(self.carries(tag, position)?);
        }
        let has_id = |load: Vec<Insn>| id.map(|id| Cond::masked(load, id, VLAN_ID));
        let in_bytes = has_id(self.load_network(0, Size::Half));
        let outermost = !self.in_vlan && self.header == Offset::fixed(0);
        self.in_vlan = true;
        if self.target == Target::PacketSocket && outermost {
            return self.outermost_vlan(tagged, in_bytes, has_id(Ancillary::VlanTag.load()), position);
        }
        self.payload = self.payload.plus(VLAN_TAG_BYTES);
        self.link_type = self.link_type.plus(VLAN_TAG_BYTES);
        Ok(and_maybe(tagged, in_bytes))
    }

    /// The tag that the kernel may have taken out of the frame already. Only where it has not do the offsets move, so
    /// the program keeps in a scratch word by how much.
    fn outermost_vlan(
        &mut self,
        tagged: Cond,
        in_bytes: Option<Cond>,
        taken_out: Option<Cond>,
        position: usize,
    ) -> Result<Cond, BpfError> {
        let word = self.take_word(position)?;
        let present = || Cond::equal(Ancillary::VlanTagPresent.load(), 1);
        let moved = Cond::effect(vec![Insn::new(LD_IMM, VLAN_TAG_BYTES), Insn::new(ST, word)]);
        let in_frame = present().negate().and(moved).and(and_maybe(tagged, in_bytes));
        self.payload.word = Some(word);
        self.link_type.word = Some(word);
        Ok(and_maybe(present(), taken_out).or(in_frame))
    }

    pub(super) fn mpls(&mut self, label: Option<u32>, position: usize) -> Result<Cond, BpfError> {
        let labelled = if self.in_mpls {
            // The label before this one must not be the last.
            Cond::masked(self.load_network(2_u32.wrapping_neg(), Size::Byte), 0, 1)
        } else {
            match self.link {
                Link::Ethernet | Link::CiscoHdlc => self.carries(ether::MPLS, position)?,
                Link::Ppp => self.carries(ether::PPP_MPLS, position)?,
                link => {
                    return Err(BpfError::new(position, format!("MPLS on {} cannot be told", link.name())));
                }
            }
        };
        let cond = match label {
            Some(label) => labelled.and(Cond::masked(self.load_network(0, Size::Word), label << 12, 0xffff_f000)),
            None => labelled,
        };
        self.network = self.network.wrapping_add(4);
        self.network_llc = self.network_llc.wrapping_add(4);
        self.in_mpls = true;
        Ok(cond)
    }

    pub(super) fn pppoe_session(&mut self, session: Option<u32>, position: usize) -> Result<Cond, BpfError> {
        let carried = self.carries(ether::PPPOE_SESSION, position)?;
        let cond = match session {
            Some(session) => carried.and(Cond::masked(self.load_network(0, Size::Word), session, 0xffff)),
            None => carried,
        };
        // Behind the six bytes of PPPoE the frame is PPP's, without HDLC framing: two bytes of protocol, then the payload.
        self.link = Link::Ppp;
        self.header = self.payload.plus(self.network).plus(6);
        self.link_type = self.header;
        self.payload = self.header.plus(2);
        self.network = 0;
        self.network_llc = 0;
        Ok(cond)
    }

    /// Geneve over UDP over IPv4 or IPv6 (RFC 8926). The program itself finds the inner headers and keeps their offsets
    /// in scratch words: the inner packet may be an Ethernet frame or come without a link header.
    pub(super) fn geneve(&mut self, id: Option<u32>, position: usize) -> Result<Cond, BpfError> {
        let transport = Some(Transport::Udp);
        let ports = (GENEVE_PORT, GENEVE_PORT);
        let over4 = self.ports_ipv4(transport, Direction::Destination, ports, position)?;
        let over6 = self.ports_ipv6(transport, Direction::Destination, ports, position)?;
        let over4 = over4.and(geneve_header(id, |offset, size| self.load_ipv4_payload(offset, size)));
        let over6 = over6.and(geneve_header(id, |offset, size| self.load_ipv6_payload(offset, size)));

        let type_word = self.take_word(position)?;
        let header_word = self.take_word(position)?;
        let payload_word = self.take_word(position)?;
        let over4 = over4.and(Cond::effect(self.geneve_start_ipv4(type_word)));
        let over6 = over6.and(Cond::effect(self.geneve_start_ipv6(type_word)));
        // The first word holds the Geneve header's offset until the type field's replaces it.
        let ends = Cond::effect(vec![
            Insn::new(LDX_MEM, type_word),
            Insn::new(LD_B_IND, 0),
            Insn::new(AND, 0x3f),
            Insn::new(MUL, 4),
            Insn::new(ADD, 8),
            Insn::new(ADD | SOURCE_X, 0),
            Insn::new(ST, header_word),
        ]);
        let inner_type = Offset { word: Some(type_word), constant: 2 };
        let is_ethernet = Cond::equal(inner_type.load(Size::Half), ether::TRANSPARENT_ETHERNET);
        let ethernet = Cond::effect(vec![
            Insn::new(LD_MEM, header_word),
            Insn::new(ADD, 12),
            Insn::new(ST, type_word),
            Insn::new(ADD, 2),
            Insn::new(ST, payload_word),
        ]);
        let bare = Cond::effect(vec![
            Insn::new(LD_MEM, type_word),
            Insn::new(ADD, 2),
            Insn::new(ST, type_word),
            Insn::new(LD_MEM, header_word),
            Insn::new(ST, payload_word),
        ]);

        self.link = Link::Ethernet;
        self.header = Offset { word: Some(header_word), constant: 0 };
        self.link_type = Offset { word: Some(type_word), constant: 0 };
        self.payload = Offset { word: Some(payload_word), constant: 0 };
        self.network = 0;
        self.in_geneve = true;
        Ok(over4.or(over6).and(ends).and(is_ethernet.and(ethernet).or(bare)))
    }

    fn geneve_start_ipv4(&self, word: u32) -> Vec<Insn> {
        let mut code = self.index_ipv4_payload();
        code.push(Insn::new(TXA, 0));
        code.push(Insn::new(ADD, self.geneve_constant()));
        code.push(Insn::new(ST, word));
        code
    }

    fn geneve_start_ipv6(&self, word: u32) -> Vec<Insn> {
        let mut code = vec![Insn::new(LD_IMM, 40)];
        if let Some(varying) = self.payload.word {
            code.push(Insn::new(LDX_MEM, varying));
            code.push(Insn::new(ADD | SOURCE_X, 0));
        }
        code.push(Insn::new(ADD, self.geneve_constant()));
        code.push(Insn::new(ST, word));
        code
    }

    fn geneve_constant(&self) -> u32 {
        self.payload.constant.wrapping_add(self.network).wrapping_add(UDP_HEADER_BYTES)
    }

    /// A test of the link header, which behind Geneve must be there at all.
    pub(super) fn on_link_header(&self, cond: Cond) -> Cond {
        let (true, Some(header), Some(payload)) = (self.in_geneve, self.header.word, self.payload.word) else {
            return cond;
        };
        let code = vec![Insn::new(LD_MEM, header), Insn::new(LDX_MEM, payload)];
        Cond::same_as_index(code).negate().and(cond)
    }
}

fn and_maybe(cond: Cond, more: Option<Cond>) -> Cond {
    match more {
        Some(more) => cond.and(more),
        None => cond,
    }
}

/// Version 0 of Geneve, and the network id if one is asked for.
fn geneve_header(id: Option<u32>, load: impl Fn(u32, Size) -> Vec<Insn>) -> Cond {
    let version = Cond::masked(load(8, Size::Byte), 0, 0xc0);
    match id {
        Some(id) => version.and(Cond::masked(load(12, Size::Word), id << 8, 0xffff_ff00)),
        None => version,
    }
}
