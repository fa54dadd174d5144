//! Constants among arithmetic: what they come to, and what no packet can make sense of.
//!
//! Folding is libpcap's: an operation with 0 that comes to 0 forgets its other side, and so does not ask whether that
//! side's bytes are there.

use super::ast::{Comparison, Operator};
use super::error::BpfError;

/// Refuses what no packet can make sense of.
pub(super) fn check_constant(operator: Operator, k: u32, position: usize) -> Result<(), BpfError> {
    match operator {
        Operator::Divide if k == 0 => Err(BpfError::new(position, "division by zero")),
        Operator::Modulo if k == 0 => Err(BpfError::new(position, "remainder of a division by zero")),
        Operator::ShiftLeft | Operator::ShiftRight if k > 31 => {
            Err(BpfError::new(position, format!("a shift by {k} bits")).hint("at most 31"))
        }
        _ => Ok(()),
    }
}

/// What an operator with a constant on its right comes to.
pub(super) enum Simplified {
    Left,
    Zero,
    No,
}

pub(super) fn with_constant(operator: Operator, k: u32) -> Simplified {
    match operator {
        _ if k != 0 => Simplified::No,
        Operator::Multiply | Operator::And => Simplified::Zero,
        Operator::Divide | Operator::Modulo => Simplified::No,
        _ => Simplified::Left,
    }
}

/// Both sides constant, the right one checked.
pub(super) fn fold(operator: Operator, left: u32, right: u32) -> u32 {
    match operator {
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        Operator::Divide => left.checked_div(right).unwrap_or(0),
        Operator::Modulo => left.checked_rem(right).unwrap_or(0),
        Operator::And => left & right,
        Operator::Or => left | right,
        Operator::Xor => left ^ right,
        Operator::ShiftLeft => left.checked_shl(right).unwrap_or(0),
        Operator::ShiftRight => left.checked_shr(right).unwrap_or(0),
    }
}

/// Whether two constants compare as asked.
pub(super) fn holds(comparison: Comparison, left: u32, right: u32) -> bool {
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
    }
}
