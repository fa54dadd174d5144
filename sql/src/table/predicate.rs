//! Which part of a filter the index can answer.
//!
//! A leaf is any deterministic expression over one indexed column: it is evaluated over the column's distinct values, by
//! DataFusion itself, so `=`, `IN`, ranges, `LIKE`, `IS NULL`, bit tests and CIDR functions all work alike. Leaves are
//! joined by AND and OR. NOT stays inside leaves, pushed there by De Morgan's laws, which hold in SQL's three-valued
//! logic as well; the set of rows where a leaf is true is then all that is needed.

use datafusion::{
    common::{
        ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{BinaryExpr, Expr, Operator, Volatility, expr::ScalarFunction},
};
use wiretape_engine::{TableDef, table::IndexKind};

use super::frame_filter;

/// A filter over indexed columns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Predicate {
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
    Leaf {
        column: &'static str,
        expr: Expr,
    },
    /// Every row, or none. The optimizer may turn a filter that was accepted into one, `dst_port <> NULL` for example,
    /// and nothing above the scan applies it again.
    Constant(bool),
}

impl Predicate {
    /// The predicate that is true for exactly the rows where `expr` is, or None if the index cannot tell.
    pub(super) fn of(expr: &Expr, table: &'static TableDef) -> Option<Predicate> {
        if let Some(column) = single_indexed_column(expr, table) {
            return Some(Predicate::Leaf { column, expr: expr.clone() });
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Some(Self::and(Self::of(left, table)?, Self::of(right, table)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Some(Predicate::Or(Box::new(Self::of(left, table)?), Box::new(Self::of(right, table)?)))
            }
            Expr::Not(inner) => Self::of(&negated(inner)?, table),
            Expr::Alias(alias) => Self::of(&alias.expr, table),
            Expr::Literal(ScalarValue::Boolean(value), _) => Some(Predicate::Constant(*value == Some(true))),
            Expr::Literal(ScalarValue::Null, _) => Some(Predicate::Constant(false)),
            _ => None,
        }
    }

    /// A predicate that is true wherever `expr` is, if there is one that says anything: of filters of bytes, what columns
    /// possibly let through.
    pub(super) fn around(expr: &Expr, table: &'static TableDef) -> Option<Predicate> {
        if let Some(same) = Self::of(expr, table) {
            return Some(same);
        }
        if let Some((question, _)) = frame_filter::asked(expr) {
            return Self::of(&question.may, table);
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                match (Self::around(left, table), Self::around(right, table)) {
                    (Some(left), Some(right)) => Some(left.and(right)),
                    (left, right) => left.or(right),
                }
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let (left, right) = (Self::around(left, table)?, Self::around(right, table)?);
                Some(Predicate::Or(Box::new(left), Box::new(right)))
            }
            Expr::Not(inner) => match frame_filter::asked(inner) {
                Some((question, _)) => Self::of(&question.may_not, table),
                None => Self::around(&negated(inner)?, table),
            },
            Expr::Alias(alias) => Self::around(&alias.expr, table),
            _ => None,
        }
    }

    /// A predicate that is true only where `expr` is: what the index cannot tell counts as false.
    pub(super) fn within(expr: &Expr, table: &'static TableDef) -> Predicate {
        if let Some(same) = Self::of(expr, table) {
            return same;
        }
        if let Some((question, _)) = frame_filter::asked(expr) {
            return Self::within(&question.must, table);
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Self::within(left, table).and(Self::within(right, table))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Predicate::Or(Box::new(Self::within(left, table)), Box::new(Self::within(right, table)))
            }
            Expr::Not(inner) => match (frame_filter::asked(inner), negated(inner)) {
                (Some((question, _)), _) => Self::within(&question.must_not, table),
                (None, Some(negated)) => Self::within(&negated, table),
                (None, None) => Predicate::Constant(false),
            },
            Expr::Alias(alias) => Self::within(&alias.expr, table),
            _ => Predicate::Constant(false),
        }
    }

    /// How many rows it is likely to be true of, by its form: the least are few. Only the order in which things are done depends on it.
    pub(super) fn rank(&self) -> Rank {
        match self {
            Predicate::And(a, b) => a.rank().min(b.rank()),
            Predicate::Or(a, b) => a.rank().max(b.rank()),
            Predicate::Leaf { expr, .. } => rank(expr),
            Predicate::Constant(false) => Rank::Few,
            Predicate::Constant(true) => Rank::Most,
        }
    }

    pub(super) fn and(self, other: Predicate) -> Predicate {
        Predicate::And(Box::new(self), Box::new(other))
    }
}

/// What share of all rows a condition leaves, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Those with one value, or with one of several.
    Few,
    Some,
    /// Those without a value, or with any.
    Most,
}

fn rank(expr: &Expr) -> Rank {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::Eq => Rank::Few,
            Operator::And => rank(left).min(rank(right)),
            Operator::Or => rank(left).max(rank(right)),
            Operator::NotEq => Rank::Most,
            _ => Rank::Some,
        },
        Expr::InList(list) if !list.negated => Rank::Few,
        Expr::Alias(alias) => rank(&alias.expr),
        Expr::Not(_) | Expr::IsNotNull(_) | Expr::InList(_) => Rank::Most,
        _ => Rank::Some,
    }
}

/// `NOT expr` with the NOT one level further down.
fn negated(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let op = match op {
                Operator::And => Operator::Or,
                Operator::Or => Operator::And,
                _ => return None,
            };
            let not = |e: &Expr| Box::new(Expr::Not(Box::new(e.clone())));
            Some(Expr::BinaryExpr(BinaryExpr::new(not(left), op, not(right))))
        }
        Expr::Not(inner) => Some((**inner).clone()),
        Expr::Alias(alias) => negated(&alias.expr),
        Expr::Literal(ScalarValue::Boolean(value), metadata) => {
            Some(Expr::Literal(ScalarValue::Boolean(value.map(|v| !v)), metadata.clone()))
        }
        _ => None,
    }
}

/// The one column that `expr` depends on, if it is indexed and nothing else decides the value.
fn single_indexed_column(expr: &Expr, table: &'static TableDef) -> Option<&'static str> {
    let mut column: Option<&'static str> = None;
    let mut suitable = true;
    let walked = expr.apply(|e| {
        match e {
            Expr::Column(c) => match table.column(&c.name) {
                Some((_, def)) if def.index != IndexKind::None && column.is_none_or(|seen| seen == def.name) => {
                    column = Some(def.name);
                }
                _ => suitable = false,
            },
            Expr::ScalarFunction(ScalarFunction { func, .. }) => {
                suitable &= func.signature().volatility == Volatility::Immutable;
            }
            Expr::Literal(..)
            | Expr::BinaryExpr(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::InList(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::Alias(_) => {}
            _ => suitable = false,
        }
        Ok(if suitable { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    column.filter(|_| suitable && walked.is_ok())
}
