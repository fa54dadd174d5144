//! A filter between tree and program: checks of loaded values, joined by `and`, `or` and `not`.
//!
//! Order is meaning here: a load beyond the end of a packet refuses it at once, so checks run in exactly the order in
//! which they are joined, and only as far as the answer needs.

use super::ast::Join;
use super::insn::{AND, Insn, JEQ, JGE, JGT, JSET, LD_IMM, LD_LEN, SOURCE_X};

/// A condition on a packet.
#[derive(Debug, Clone)]
pub(super) enum Cond {
    /// The same answer for every packet.
    Always(bool),
    Check(Check),
    Not(Box<Cond>),
    Chain(Box<Cond>, Vec<(Join, Cond)>),
}

/// Straight-line code, then one comparison of what it left in A.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) code: Vec<Insn>,
    pub(super) jump: Jump,
}

/// The comparison that ends a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Jump {
    /// A opcode with a constant.
    Constant { code: u16, k: u32 },
    /// An opcode with X.
    Index { code: u16 },
    /// No comparison: the code runs for what it stores, and the answer is yes.
    Always,
}

impl Jump {
    /// The comparison's outcome where A is known.
    pub(super) fn outcome(self, a: u32) -> Option<bool> {
        match self {
            Self::Constant { code: JEQ, k } => Some(a == k),
            Self::Constant { code: JGT, k } => Some(a > k),
            Self::Constant { code: JGE, k } => Some(a >= k),
            Self::Constant { code: JSET, k } => Some(a & k != 0),
            Self::Always => Some(true),
            Self::Constant { .. } | Self::Index { .. } => None,
        }
    }

    /// Whether it is an equality with a constant.
    pub(super) fn is_equality(self) -> bool {
        matches!(self, Self::Constant { code: JEQ, .. })
    }

    /// The instruction, its distances left open.
    pub(super) fn insn(self) -> Option<Insn> {
        match self {
            Self::Constant { code, k } => Some(Insn::new(code, k)),
            Self::Index { code } => Some(Insn::new(code | SOURCE_X, 0)),
            Self::Always => None,
        }
    }
}

impl Cond {
    /// A check of what `code` leaves in A against a constant.
    pub(super) fn compare(code: Vec<Insn>, jump: u16, k: u32) -> Self {
        Self::Check(Check { code, jump: Jump::Constant { code: jump, k } })
    }

    pub(super) fn equal(code: Vec<Insn>, k: u32) -> Self {
        Self::compare(code, JEQ, k)
    }

    pub(super) fn above(code: Vec<Insn>, k: u32) -> Self {
        Self::compare(code, JGT, k)
    }

    pub(super) fn at_least(code: Vec<Insn>, k: u32) -> Self {
        Self::compare(code, JGE, k)
    }

    pub(super) fn any_bit(code: Vec<Insn>, k: u32) -> Self {
        Self::compare(code, JSET, k)
    }

    /// Equality of the bits in `mask`. An empty mask asks nothing of the packet, not even that the bytes are there; it
    /// stays a check, of a constant, because libpcap resolves it late (see `optimise`).
    pub(super) fn masked(mut code: Vec<Insn>, k: u32, mask: u32) -> Self {
        match mask {
            0 => Self::equal(vec![Insn::new(LD_IMM, 0)], k),
            u32::MAX => Self::equal(code, k),
            _ => {
                code.push(Insn::new(AND, mask));
                Self::equal(code, k)
            }
        }
    }

    pub(super) fn length_above(k: u32) -> Self {
        Self::above(vec![Insn::new(LD_LEN, 0)], k)
    }

    pub(super) fn length_at_least(k: u32) -> Self {
        Self::at_least(vec![Insn::new(LD_LEN, 0)], k)
    }

    /// Whether A equals X after `code`.
    pub(super) fn same_as_index(code: Vec<Insn>) -> Self {
        Self::Check(Check { code, jump: Jump::Index { code: JEQ } })
    }

    /// Runs code for what it stores.
    pub(super) fn effect(code: Vec<Insn>) -> Self {
        Self::Check(Check { code, jump: Jump::Always })
    }

    pub(super) fn and(self, next: Self) -> Self {
        self.join(Join::And, next)
    }

    pub(super) fn or(self, next: Self) -> Self {
        self.join(Join::Or, next)
    }

    pub(super) fn join(self, join: Join, next: Self) -> Self {
        match self {
            Self::Chain(first, mut rest) => {
                rest.push((join, next));
                Self::Chain(first, rest)
            }
            first => Self::Chain(Box::new(first), vec![(join, next)]),
        }
    }

    pub(super) fn negate(self) -> Self {
        Self::Not(Box::new(self))
    }
}
