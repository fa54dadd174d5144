//! A row of terms joined by `and` and `or`, without parentheses, read in two ways.

use super::super::ast::{Expr, ExprKind, Span};

/// What joins a term to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    And,
    Or,
}

/// CEL's reading: `&&` binds tighter. There is a join between each two terms.
pub(super) fn by_precedence(terms: Vec<Expr>, joins: &[Join]) -> Expr {
    let mut groups: Vec<Vec<Expr>> = Vec::new();
    let before = std::iter::once(&Join::Or).chain(joins);
    for (term, join) in terms.into_iter().zip(before) {
        match groups.last_mut() {
            Some(group) if *join == Join::And => group.push(term),
            _ => groups.push(vec![term]),
        }
    }
    joined(groups.into_iter().map(|group| joined(group, Join::And)).collect(), Join::Or)
}

/// KFL v1's reading: both bind equally, from the right. `None` if that is nested beyond what people write.
pub(super) fn from_the_right(terms: &[Expr], joins: &[Join]) -> Option<Expr> {
    const MOST_TURNS: usize = 16;
    if joins.windows(2).filter(|pair| pair.first() != pair.last()).count() > MOST_TURNS {
        return None;
    }
    let mut terms = terms.iter().rev();
    // From the right, so the last term comes first.
    let mut run = vec![terms.next()?.clone()];
    let mut last = *joins.last()?;
    for (term, join) in terms.zip(joins.iter().rev()) {
        if last != *join {
            run.reverse();
            run = vec![joined(run, last)];
            last = *join;
        }
        run.push(term.clone());
    }
    run.reverse();
    Some(joined(run, last))
}

/// Terms under one operator; one alone needs none.
fn joined(mut terms: Vec<Expr>, by: Join) -> Expr {
    let span = match (terms.first(), terms.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => Span::default(),
    };
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            Expr { kind: if by == Join::And { ExprKind::And(terms) } else { ExprKind::Or(terms) }, span }
        }
    }
}
