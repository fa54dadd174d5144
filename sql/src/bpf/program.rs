//! A compiled filter, and the machine that runs it over bytes in memory.
//!
//! The machine is libpcap's: a load beyond the captured bytes or a division by zero refuses the packet at once. It
//! allocates nothing, and ends because every jump goes forward.

use super::ast::Expr;
use super::error::BpfError;
use super::graph::Graph;
use super::insn::{
    ADD, AND, DIV, Insn, JA, JEQ, JGE, JGT, JSET, LD_B_ABS, LD_B_IND, LD_H_ABS, LD_H_IND, LD_IMM, LD_LEN, LD_MEM,
    LD_W_ABS, LD_W_IND, LDX_IMM, LDX_MEM, LDX_MSH, LSH, MOD, MUL, NEG, OR, RET, RSH, SOURCE_X, ST, STX, SUB, TAX, TXA,
    XOR,
};
use super::layers::{Layers, Target};
use super::link::Link;
use super::{assemble, optimise};

/// Instructions the Linux kernel accepts in one filter (`BPF_MAXINSNS`).
pub const KERNEL_MAX_INSTRUCTIONS: usize = 4096;

/// A filter compiled for one link type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Insn>,
}

/// Compiles a filter for packets of a link type, numbered as in capture files.
///
/// # Errors
/// A primitive that this link type cannot answer, a link type that cannot be filtered, or a program over the limit.
pub fn compile(expr: &Expr, link_type: u16) -> Result<Program, BpfError> {
    Ok(Program { instructions: generate(expr, link_type, Target::Frame)? })
}

/// Compiles a filter for the kernel to run on a packet socket, as `SO_ATTACH_FILTER` takes it.
///
/// It differs from [`compile`] where the kernel's view of a packet does: the outermost VLAN tag is beside the frame, not
/// in it, and `inbound`, `outbound` and `ifindex` can be told on every link type. Only the kernel can run it.
///
/// # Errors
/// As [`compile`], and a program over the kernel's limit of 4096 instructions.
pub fn compile_for_socket(expr: &Expr, link_type: u16) -> Result<Vec<Insn>, BpfError> {
    let instructions = generate(expr, link_type, Target::PacketSocket)?;
    if instructions.len() > KERNEL_MAX_INSTRUCTIONS {
        let message = format!(
            "the filter needs {} instructions, over the kernel's limit of {KERNEL_MAX_INSTRUCTIONS}",
            instructions.len()
        );
        return Err(BpfError::new(0, message));
    }
    Ok(instructions)
}

fn generate(expr: &Expr, link_type: u16, target: Target) -> Result<Vec<Insn>, BpfError> {
    let mut layers = Layers::new(Link::from_link_type(link_type)?, target);
    let mut graph = Graph::new(layers.expression(expr)?)?;
    optimise::optimise(&mut graph, layers.words() > 0);
    assemble::assemble(&graph, layers.words())
}

impl Program {
    /// The instructions, for the kernel or for people.
    pub fn instructions(&self) -> &[Insn] {
        &self.instructions
    }

    /// Whether the kernel takes a filter of this length.
    pub fn fits_kernel(&self) -> bool {
        self.instructions.len() <= KERNEL_MAX_INSTRUCTIONS
    }

    /// Whether a packet passes: `data` is what was captured of it, `orig_len` its length in bytes on the wire.
    #[must_use]
    pub fn matches(&self, data: &[u8], orig_len: u32) -> bool {
        run(&self.instructions, data, orig_len).is_some_and(|keep| keep != 0)
    }
}

/// What the program returns; none for a packet it refuses on the way.
fn run(instructions: &[Insn], data: &[u8], orig_len: u32) -> Option<u32> {
    let (mut a, mut x) = (0_u32, 0_u32);
    let mut scratch = [0_u32; 16];
    let mut at = 0_usize;
    loop {
        let insn = instructions.get(at)?;
        at += 1;
        let k = insn.k;
        match insn.code {
            LD_W_ABS => a = word(data, k)?,
            LD_H_ABS => a = half(data, k)?,
            LD_B_ABS => a = byte(data, k)?,
            LD_W_IND => a = word(data, x.checked_add(k)?)?,
            LD_H_IND => a = half(data, x.checked_add(k)?)?,
            // libpcap lets the sum wrap for single bytes, and only for those.
            LD_B_IND => a = byte(data, x.wrapping_add(k))?,
            LD_MEM => a = *scratch.get(k as usize)?,
            LD_LEN => a = orig_len,
            LD_IMM => a = k,
            LDX_MEM => x = *scratch.get(k as usize)?,
            LDX_MSH => x = (byte(data, k)? & 0xf) << 2,
            LDX_IMM => x = k,
            ST => *scratch.get_mut(k as usize)? = a,
            STX => *scratch.get_mut(k as usize)? = x,
            TAX => x = a,
            TXA => a = x,
            JA => at = at.checked_add(k as usize)?,
            RET => return Some(k),
            code @ (JEQ | JGT | JGE | JSET) => at += skip(insn, jumps(code, a, k)),
            code if matches!(code & !SOURCE_X, JEQ | JGT | JGE | JSET) => {
                at += skip(insn, jumps(code & !SOURCE_X, a, x));
            }
            code if code & SOURCE_X != 0 => a = operate(code & !SOURCE_X, a, x)?,
            code => a = operate(code, a, k)?,
        }
    }
}

#[inline]
fn jumps(code: u16, a: u32, with: u32) -> bool {
    match code {
        JEQ => a == with,
        JGT => a > with,
        JGE => a >= with,
        _ => a & with != 0,
    }
}

#[inline]
fn skip(insn: &Insn, holds: bool) -> usize {
    usize::from(if holds { insn.jt } else { insn.jf })
}

#[inline]
fn operate(code: u16, a: u32, with: u32) -> Option<u32> {
    Some(match code {
        ADD => a.wrapping_add(with),
        SUB => a.wrapping_sub(with),
        MUL => a.wrapping_mul(with),
        DIV => a.checked_div(with)?,
        MOD => a.checked_rem(with)?,
        AND => a & with,
        OR => a | with,
        XOR => a ^ with,
        LSH => a.checked_shl(with).unwrap_or(0),
        RSH => a.checked_shr(with).unwrap_or(0),
        NEG => a.wrapping_neg(),
        _ => return None,
    })
}

#[inline]
fn word(data: &[u8], offset: u32) -> Option<u32> {
    let bytes = data.get(offset as usize..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

#[inline]
fn half(data: &[u8], offset: u32) -> Option<u32> {
    let bytes = data.get(offset as usize..)?.first_chunk()?;
    Some(u32::from(u16::from_be_bytes(*bytes)))
}

#[inline]
fn byte(data: &[u8], offset: u32) -> Option<u32> {
    data.get(offset as usize).map(|byte| u32::from(*byte))
}
