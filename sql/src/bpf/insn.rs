//! Classic BPF's instructions: the kernel's `struct sock_filter`, and the opcodes this compiler uses.
//!
//! An opcode is class | size or operation | mode or source (McCanne and Jacobson, "The BSD Packet Filter", 1993;
//! Linux `Documentation/networking/filter.rst`).

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Insn {
    /// The opcode.
    pub code: u16,
    /// Instructions to skip if a conditional jump holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl Insn {
    pub(super) const fn new(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }
}

// Loads into the accumulator A: absolute, indexed by X, of a scratch word, of the packet's length, of a constant.
pub(super) const LD_W_ABS: u16 = 0x20;
pub(super) const LD_H_ABS: u16 = 0x28;
pub(super) const LD_B_ABS: u16 = 0x30;
pub(super) const LD_W_IND: u16 = 0x40;
pub(super) const LD_H_IND: u16 = 0x48;
pub(super) const LD_B_IND: u16 = 0x50;
pub(super) const LD_MEM: u16 = 0x60;
pub(super) const LD_LEN: u16 = 0x80;
pub(super) const LD_IMM: u16 = 0x00;

// Loads into the index X: of a scratch word, of four times the low half of a byte (an IPv4 header's length).
pub(super) const LDX_MEM: u16 = 0x61;
pub(super) const LDX_MSH: u16 = 0xb1;
pub(super) const LDX_IMM: u16 = 0x01;

// Stores of A and X into a scratch word.
pub(super) const ST: u16 = 0x02;
pub(super) const STX: u16 = 0x03;

// Arithmetic on A. An operation with X has SOURCE_X set.
pub(super) const ADD: u16 = 0x04;
pub(super) const SUB: u16 = 0x14;
pub(super) const MUL: u16 = 0x24;
pub(super) const DIV: u16 = 0x34;
pub(super) const OR: u16 = 0x44;
pub(super) const AND: u16 = 0x54;
pub(super) const LSH: u16 = 0x64;
pub(super) const RSH: u16 = 0x74;
pub(super) const NEG: u16 = 0x84;
pub(super) const MOD: u16 = 0x94;
pub(super) const XOR: u16 = 0xa4;

// Jumps, all forward. A comparison with X has SOURCE_X set.
pub(super) const JA: u16 = 0x05;
pub(super) const JEQ: u16 = 0x15;
pub(super) const JGT: u16 = 0x25;
pub(super) const JGE: u16 = 0x35;
pub(super) const JSET: u16 = 0x45;

/// The operand is X, not the constant.
pub(super) const SOURCE_X: u16 = 0x08;

pub(super) const RET: u16 = 0x06;
pub(super) const TAX: u16 = 0x07;
pub(super) const TXA: u16 = 0x87;
