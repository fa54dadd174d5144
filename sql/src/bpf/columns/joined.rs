//! What columns say of `and`, `or` and `not`, from what they say of the operands.
//!
//! A filter gives one of three answers: yes, no, or an end, when it loads a byte beyond the packet's last; an end refuses
//! the packet, whatever `not` and `or` stand around it. So four conditions are kept of each part:
//!
//! | condition | where it holds, the part |
//! |---|---|
//! | `decided` and `value` | answers yes, without an end |
//! | `decided` and not `value` | answers no, without an end |
//! | `never` | does not answer yes: no, or an end |
//! | `ever` | does not answer no: yes, or an end |
//!
//! Operands run from left to right and only as far as needed.

use super::{
    super::ast::{Expr, Join},
    Columns,
    stacks::Links,
};

/// What columns say of one part of a filter. See the module's table.
#[derive(Debug, Clone)]
pub(super) struct Lowered {
    pub(super) decided: Columns,
    pub(super) value: Columns,
    pub(super) never: Columns,
    pub(super) ever: Columns,
}

/// The headers that the parts before this one have asked for, which move where it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    Nothing,
    /// One VLAN tag.
    Tag,
    /// Anything else.
    More,
}

/// Parts of a chain whose conditions are kept; of a longer one only the first so many say anything, so that the
/// conditions stay of a size that a planner takes.
const MAX_PARTS: usize = 256;

impl Lowered {
    /// What columns say of `expr`.
    pub(super) fn of(expr: &Expr, passed: &mut Passed, links: Links) -> Lowered {
        match expr {
            Expr::All => Lowered::decided(links.all(), Columns::Always(true)),
            Expr::Test { test, .. } => links.primitive(test, passed),
            Expr::Not(inner) => Lowered::of(inner, passed, links).negate(),
            Expr::Chain { first, rest } => {
                let mut all = Lowered::of(first, passed, links);
                for (number, (join, expr)) in rest.iter().enumerate() {
                    let next = match number < MAX_PARTS {
                        true => Lowered::of(expr, passed, links),
                        false => Lowered::unknown(),
                    };
                    all = match join {
                        Join::And => all.and(next),
                        Join::Or => all.negate().and(next.negate()).negate(),
                    };
                }
                all
            }
        }
    }

    /// Columns say nothing.
    pub(super) fn unknown() -> Lowered {
        let no = Columns::Always(false);
        Lowered { decided: no.clone(), value: no.clone(), never: no.clone(), ever: no }
    }

    /// The answer is `value` where `decided` holds; elsewhere columns say nothing.
    pub(super) fn decided(decided: Columns, value: Columns) -> Lowered {
        let never = decided.clone().and(value.clone().negate());
        let ever = decided.clone().and(value.clone());
        Lowered { decided, value, never, ever }
    }

    /// Columns know where the answer is not yes, and no more.
    pub(super) fn never(never: Columns) -> Lowered {
        Lowered { never, ..Lowered::unknown() }
    }

    fn negate(self) -> Lowered {
        Lowered { decided: self.decided, value: self.value.negate(), never: self.ever, ever: self.never }
    }

    /// `self and next`. That a no of the first decides on its own is in `never`, and left out of `decided` to keep it short.
    fn and(self, next: Lowered) -> Lowered {
        Lowered {
            decided: self.decided.and(next.decided),
            value: self.value.and(next.value),
            never: self.never.or(next.never),
            ever: self.ever.and(next.ever),
        }
    }
}
