//! What a comparison is about, where SQL can say it: a variable, a value of a map, or a size.

use datafusion::{
    common::ScalarValue,
    functions::core::expr_fn::coalesce,
    logical_expr::{Expr, lit},
};

use super::{bind::Columns, functions};
use crate::kfl::{
    Typed, Value,
    typed::{Function, Kind},
    vocabulary::Var,
};

/// An operand in SQL.
#[derive(Debug)]
pub(super) struct Term {
    pub(super) expr: Expr,
    /// What NULL stands for; where it is an error, nothing.
    pub(super) null: Option<Value>,
}

impl Term {
    /// The operand that `expr` is.
    pub(super) fn of(expr: &Typed, columns: &Columns) -> Option<Term> {
        match &expr.kind {
            Kind::Var(var) => Some(Term { expr: column(var, columns)?, null: Some(var.zero()) }),
            Kind::Index(map, key) => Some(Term { expr: value_of(map, key, columns)?, null: None }),
            Kind::Call(Function::MapGet, args) => {
                let [map, key, default] = args.as_slice() else { return None };
                let expr = coalesce(vec![value_of(map, key, columns)?, literal(default)?]);
                Some(Term { expr, null: None })
            }
            Kind::Call(Function::Size, args) => {
                let [Typed { kind: Kind::Var(var), .. }] = args.as_slice() else { return None };
                let expr = functions::SIZE.call(vec![column(var, columns)?]);
                Some(Term { expr, null: Some(Value::Int(0)) })
            }
            _ => None,
        }
    }

    /// The operand with the zero in the place of NULL.
    pub(super) fn exact(self) -> Expr {
        match self.null.as_ref().and_then(scalar) {
            Some(zero) => coalesce(vec![self.expr, lit(zero)]),
            None => self.expr,
        }
    }
}

/// What a variable stands for.
pub(super) fn column(var: &Var, columns: &Columns) -> Option<Expr> {
    columns.get(var.name).cloned()
}

/// The value that a variable's map has for a constant key; NULL without.
fn value_of(map: &Typed, key: &Typed, columns: &Columns) -> Option<Expr> {
    let (Kind::Var(var), Kind::Literal(Value::String(key))) = (&map.kind, &key.kind) else { return None };
    Some(functions::GET.call(vec![column(var, columns)?, lit(&**key)]))
}

/// The literal that `expr` is, in SQL.
pub(super) fn literal(expr: &Typed) -> Option<Expr> {
    match &expr.kind {
        Kind::Literal(value) => scalar(value).map(lit),
        _ => None,
    }
}

/// A value in SQL, of those types whose comparisons mean the same there.
pub(super) fn scalar(value: &Value) -> Option<ScalarValue> {
    Some(match value {
        Value::Bool(truth) => ScalarValue::Boolean(Some(*truth)),
        Value::Int(number) => ScalarValue::Int64(Some(*number)),
        Value::String(text) => ScalarValue::Utf8(Some(text.to_string())),
        Value::Timestamp(ns) => ScalarValue::TimestampNanosecond(Some(*ns), Some("UTC".into())),
        _ => return None,
    })
}
