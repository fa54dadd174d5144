//! Where the headers are: the offsets that `vlan`, `mpls`, `pppoes` and `geneve` move for all that is written after them.
//!
//! An offset is a constant, or a constant and a scratch word that the program fills at run time (behind Geneve, whose
//! options and outer IP header vary in length). Offsets wrap at 32 bits, as the machine's do.

use super::ast::Size;
use super::error::BpfError;
use super::insn::{
    ADD, AND, Insn, LD_B_ABS, LD_B_IND, LD_H_ABS, LD_H_IND, LD_W_ABS, LD_W_IND, LDX_MEM, LDX_MSH, LSH, SOURCE_X, TAX,
};
use super::link::Link;

/// Words of scratch memory the machine has.
pub(super) const SCRATCH_WORDS: u32 = 16;

/// An offset from the start of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// The scratch word to add, if any.
    pub(super) word: Option<u32>,
    pub(super) constant: u32,
}

impl Offset {
    pub(super) fn fixed(constant: u32) -> Self {
        Self { word: None, constant }
    }

    pub(super) fn plus(self, bytes: u32) -> Self {
        Self { constant: self.constant.wrapping_add(bytes), ..self }
    }

    /// Loads into A from this offset.
    pub(super) fn load(self, size: Size) -> Vec<Insn> {
        match self.word {
            None => vec![Insn::new(absolute(size), self.constant)],
            Some(word) => vec![Insn::new(LDX_MEM, word), Insn::new(indexed(size), self.constant)],
        }
    }
}

/// The load of this size from a constant offset.
pub(super) fn absolute(size: Size) -> u16 {
    match size {
        Size::Byte => LD_B_ABS,
        Size::Half => LD_H_ABS,
        Size::Word => LD_W_ABS,
    }
}

/// The load of this size from X and a constant.
pub(super) fn indexed(size: Size) -> u16 {
    match size {
        Size::Byte => LD_B_IND,
        Size::Half => LD_H_IND,
        Size::Word => LD_W_IND,
    }
}

/// What runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A machine that has the frame's bytes and nothing else.
    Frame,
    /// The kernel, on a packet socket: it has taken the outermost VLAN tag out of the frame, and knows the interface and
    /// the direction.
    PacketSocket,
}

/// What Linux knows of a packet beside its bytes: offsets that it answers from elsewhere (`linux/filter.h`, SKF_AD_OFF).
#[derive(Debug, Clone, Copy)]
pub(super) enum Ancillary {
    PacketType = 4,
    Interface = 8,
    VlanTag = 44,
    VlanTagPresent = 48,
}

impl Ancillary {
    pub(super) fn load(self) -> Vec<Insn> {
        const ANCILLARY_BASE: u32 = 0x1000_u32.wrapping_neg();
        vec![Insn::new(LD_W_ABS, ANCILLARY_BASE + self as u32)]
    }
}

/// What the compiler knows of the packet at one place of the text.
#[derive(Debug, Clone)]
pub(super) struct Layers {
    pub(super) link: Link,
    pub(super) target: Target,
    /// The start of the link header.
    pub(super) header: Offset,
    /// The link header's type field.
    pub(super) link_type: Offset,
    /// The start of the link header's payload.
    pub(super) payload: Offset,
    /// From the payload to the network header.
    pub(super) network: u32,
    /// From the payload to the network header behind an LLC header without SNAP.
    pub(super) network_llc: u32,
    /// Whether an MPLS label has been passed.
    pub(super) in_mpls: bool,
    /// Whether a Geneve header has been passed.
    pub(super) in_geneve: bool,
    /// Whether a VLAN tag has been passed.
    pub(super) in_vlan: bool,
    words: u32,
}

impl Layers {
    pub(super) fn new(link: Link, target: Target) -> Self {
        Self {
            link,
            target,
            header: Offset::fixed(0),
            link_type: Offset::fixed(link.type_offset()),
            payload: Offset::fixed(link.payload_offset()),
            network: 0,
            network_llc: link.llc_length(),
            in_mpls: false,
            in_geneve: false,
            in_vlan: false,
            words: 0,
        }
    }

    /// Scratch words taken for offsets, from word 0.
    pub(super) fn words(&self) -> u32 {
        self.words
    }

    /// Takes a scratch word for good.
    pub(super) fn take_word(&mut self, position: usize) -> Result<u32, BpfError> {
        let word = self.words;
        if word >= SCRATCH_WORDS {
            return Err(BpfError::new(position, "too many nested headers: the machine has 16 scratch words"));
        }
        self.words += 1;
        Ok(word)
    }

    /// Loads from the network header.
    pub(super) fn load_network(&self, offset: u32, size: Size) -> Vec<Insn> {
        self.payload.plus(self.network).plus(offset).load(size)
    }

    /// Loads from what follows the IPv4 header, whose length is in the packet.
    pub(super) fn load_ipv4_payload(&self, offset: u32, size: Size) -> Vec<Insn> {
        let mut code = self.index_ipv4_payload();
        code.push(Insn::new(indexed(size), self.payload.constant.wrapping_add(self.network).wrapping_add(offset)));
        code
    }

    /// Loads from what follows the fixed IPv6 header.
    pub(super) fn load_ipv6_payload(&self, offset: u32, size: Size) -> Vec<Insn> {
        const IPV6_HEADER_BYTES: u32 = 40;
        self.load_network(IPV6_HEADER_BYTES.wrapping_add(offset), size)
    }

    /// Leaves in X the IPv4 header's length and the varying part of the payload's offset.
    pub(super) fn index_ipv4_payload(&self) -> Vec<Insn> {
        let start = self.payload.plus(self.network);
        match start.word {
            None => vec![Insn::new(LDX_MSH, start.constant)],
            Some(word) => vec![
                Insn::new(LDX_MEM, word),
                Insn::new(LD_B_IND, start.constant),
                Insn::new(AND, 0xf),
                Insn::new(LSH, 2),
                Insn::new(ADD | SOURCE_X, 0),
                Insn::new(TAX, 0),
            ],
        }
    }
}
