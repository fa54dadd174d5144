//! Comparisons of v1, which knew no types: with patterns, `nil`, and numbers and texts for each other.

use super::super::ast::{BinaryOp, Call, Expr, ExprKind, Span};
use super::super::check;
use super::super::error::Fault;
use super::super::parser;
use super::super::time;
use super::super::types::Type;
use super::super::value::Value;
use super::super::vocabulary::{self, VarType};
use super::rewrite::{Rewriter, not};

/// `protocol.name == "http"`, as the flag.
pub(super) fn protocol(operator: BinaryOp, field: &Expr, name: &Expr) -> Option<Expr> {
    let path = field.to_string();
    let ExprKind::Literal(Value::String(name)) = &name.kind else { return None };
    if !["protocol.name", "protocol.abbr"].contains(&path.as_str()) {
        return None;
    }
    let flag = name.to_ascii_lowercase();
    vocabulary::variable(&flag).filter(|var| var.ty == VarType::Bool)?;
    let flag = super::rewrite::parsed(&flag, field.span);
    match operator {
        BinaryOp::Equal => Some(flag),
        BinaryOp::NotEqual => Some(not(flag)),
        _ => None,
    }
}

/// A comparison whose operands are in KFL2 already.
pub(super) fn compared(
    rewriter: &mut Rewriter<'_>,
    operator: BinaryOp,
    left: Box<Expr>,
    right: Box<Expr>,
    span: Span,
) -> Result<Expr, Fault> {
    let is_equality = matches!(operator, BinaryOp::Equal | BinaryOp::NotEqual);
    let negated = |expr: Expr| if operator == BinaryOp::NotEqual { not(expr) } else { expr };
    if is_equality {
        for (pattern, subject) in [(&right, &left), (&left, &right)] {
            if let Some(found) = matched(subject, pattern, span) {
                rewriter.has_v1 = true;
                return Ok(negated(found));
            }
            if let Some(found) = missing(subject, pattern, span) {
                rewriter.has_v1 |= is_nil(pattern);
                return Ok(negated(found));
            }
        }
    }
    let (left, right) = match (&left.kind, &right.kind) {
        (ExprKind::Literal(value), _) => typed(value.clone(), left, right, operator),
        (_, ExprKind::Literal(value)) => {
            let (right, left) = typed(value.clone(), right, left, operator);
            (left, right)
        }
        _ => (left, right),
    };
    Ok(Expr { kind: ExprKind::Binary(operator, left, right), span })
}

/// `subject == r"…"`, as `matches`.
fn matched(subject: &Expr, pattern: &Expr, span: Span) -> Option<Expr> {
    let ExprKind::Call(Call { name, target: None, args, .. }) = &pattern.kind else { return None };
    if name != parser::V1_PATTERN {
        return None;
    }
    let subject =
        if check::type_of(subject) == Some(Type::String) { subject.clone() } else { call("string", subject.clone()) };
    Some(Expr { kind: method(subject, "matches", args.clone()), span })
}

fn is_nil(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Ident(name) if name.text == "nil")
}

/// `subject == nil`, and `m["key"] == ""`: that it is not there.
fn missing(subject: &Expr, nil: &Expr, span: Span) -> Option<Expr> {
    let is_empty = matches!(&nil.kind, ExprKind::Literal(Value::String(text)) if text.is_empty());
    match &subject.kind {
        ExprKind::Index(..) if is_empty => is_there(subject.clone(), span).map(not),
        _ if is_nil(nil) => is_there(subject.clone(), span).map(not),
        _ => None,
    }
}

/// That a field of v1 is there: it is not the zero of its type, or the map has the key.
pub(super) fn is_there(subject: Expr, span: Span) -> Option<Expr> {
    if let ExprKind::Index(map, key) = subject.kind {
        return Some(Expr { kind: ExprKind::Binary(BinaryOp::In, lowered(&map, *key), map), span });
    }
    let literal = |value| Box::new(Expr { kind: ExprKind::Literal(value), span });
    let differs = |subject, zero| Some(ExprKind::Binary(BinaryOp::NotEqual, Box::new(subject), literal(zero)));
    let kind = match check::type_of(&subject)? {
        Type::Bool => return Some(subject),
        Type::Int => differs(subject, Value::Int(0)),
        Type::String => differs(subject, Value::string("")),
        Type::List(_) | Type::Map(..) => {
            Some(ExprKind::Binary(BinaryOp::Greater, Box::new(call("size", subject)), literal(Value::Int(0))))
        }
        _ => None,
    };
    kind.map(|kind| Expr { kind, span })
}

/// The key of a map of headers as it is stored.
fn lowered(map: &Expr, key: Expr) -> Box<Expr> {
    match key.kind {
        ExprKind::Literal(Value::String(name)) if map.to_string().ends_with(".headers") => {
            Box::new(Expr { kind: ExprKind::Literal(Value::string(name.to_ascii_lowercase())), span: key.span })
        }
        kind => Box::new(Expr { kind, span: key.span }),
    }
}

/// A literal as of the type of what it is compared with, and that.
fn typed(value: Value, literal: Box<Expr>, other: Box<Expr>, operator: BinaryOp) -> (Box<Expr>, Box<Expr>) {
    let is_equality = matches!(operator, BinaryOp::Equal | BinaryOp::NotEqual);
    let span = literal.span;
    let of = |value| Box::new(Expr { kind: ExprKind::Literal(value), span });
    let as_number = |other: Box<Expr>| Box::new(call("double", *other));
    match (value, check::type_of(&other)) {
        (Value::String(text), Some(Type::Int)) => match text.parse() {
            Ok(number) => (of(Value::Int(number)), other),
            Err(_) => (literal, other),
        },
        (Value::Int(number), Some(Type::String)) if is_equality => (of(Value::string(number.to_string())), other),
        (Value::Int(number), Some(Type::String)) if operator.is_relation() => match i32::try_from(number) {
            Ok(number) => (of(Value::Double(number.into())), as_number(other)),
            Err(_) => (literal, other),
        },
        (Value::Double(_), Some(Type::String)) if operator.is_relation() => (literal, as_number(other)),
        _ => (literal, other),
    }
}

fn call(name: &str, arg: Expr) -> Expr {
    let span = arg.span;
    let call = Call { name: name.to_owned(), name_span: span, target: None, args: vec![arg] };
    Expr { kind: ExprKind::Call(call), span }
}

fn method(target: Expr, name: &str, args: Vec<Expr>) -> ExprKind {
    let name_span = target.span;
    ExprKind::Call(Call { name: name.to_owned(), name_span, target: Some(Box::new(target)), args })
}

/// A number of milliseconds in microseconds.
pub(super) fn micros(value: &Value) -> Option<i64> {
    match value {
        Value::Int(millis) => millis.checked_mul(1000),
        Value::Double(millis) if millis.abs() < 1e12 => {
            #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
            let micros = (millis * 1000.0).round() as i64;
            Some(micros)
        }
        _ => None,
    }
}

/// Milliseconds since 1970 as a time, if they are of this century's: other numbers were meant otherwise.
pub(super) fn of_millis(millis: i64) -> Option<String> {
    const BEGIN_2001: i64 = 978_307_200_000;
    const END_2100: i64 = 4_133_980_800_000;
    (BEGIN_2001..END_2100).contains(&millis).then(|| time::format_timestamp(millis * 1_000_000))
}

/// `1/2/2006, 3:04:05.000 PM` as a time of RFC 3339.
pub(super) fn us_time(text: &str) -> Option<String> {
    let parsed = chrono::NaiveDateTime::parse_from_str(text, "%m/%d/%Y, %I:%M:%S%.f %p").ok()?;
    Some(time::format_timestamp(parsed.and_utc().timestamp_nanos_opt()?))
}
