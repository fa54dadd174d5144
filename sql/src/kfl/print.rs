//! An expression as text again: with the parentheses that it needs and no others, in one line.

use std::fmt::{self, Write};

use super::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use super::value::Value;

/// How tightly each form binds, from `?:` to names.
const CONDITIONAL: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;
const UNARY: u8 = 6;
const MEMBER: u8 = 7;

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self, CONDITIONAL, f)
    }
}

fn power(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Conditional(_) => CONDITIONAL,
        ExprKind::Or(_) => OR,
        ExprKind::And(_) => AND,
        ExprKind::Binary(operator, ..) if operator.is_relation() => RELATION,
        ExprKind::Binary(BinaryOp::Add | BinaryOp::Subtract, ..) => SUM,
        ExprKind::Binary(..) => PRODUCT,
        ExprKind::Unary(..) => UNARY,
        _ => MEMBER,
    }
}

/// Writes an expression where only what binds at least so tightly stands without parentheses.
fn print(expr: &Expr, least: u8, out: &mut impl Write) -> fmt::Result {
    if power(expr) < least {
        out.write_char('(')?;
        print(expr, CONDITIONAL, out)?;
        return out.write_char(')');
    }
    match &expr.kind {
        ExprKind::Literal(value) => literal(value, out),
        ExprKind::Ident(name) => write!(out, "{}{}", if name.is_rooted { "." } else { "" }, name.text),
        ExprKind::Select(operand, field) => {
            print(operand, MEMBER, out)?;
            write!(out, ".{field}")
        }
        ExprKind::Index(operand, index) => {
            print(operand, MEMBER, out)?;
            out.write_char('[')?;
            print(index, CONDITIONAL, out)?;
            out.write_char(']')
        }
        ExprKind::Call(call) => {
            if let Some(target) = &call.target {
                print(target, MEMBER, out)?;
                out.write_char('.')?;
            }
            write!(out, "{}(", call.name)?;
            joined(&call.args, ", ", CONDITIONAL, out)?;
            out.write_char(')')
        }
        ExprKind::Unary(operator, operand) => unary(*operator, operand, out),
        ExprKind::Binary(operator, left, right) => {
            print(left, power(expr), out)?;
            write!(out, " {} ", operator.symbol())?;
            print(right, power(expr) + 1, out)
        }
        ExprKind::And(terms) => joined(terms, " && ", AND + 1, out),
        ExprKind::Or(terms) => joined(terms, " || ", OR + 1, out),
        ExprKind::Conditional(parts) => {
            let [condition, then, otherwise] = &**parts;
            print(condition, OR, out)?;
            out.write_str(" ? ")?;
            print(then, CONDITIONAL, out)?;
            out.write_str(" : ")?;
            print(otherwise, CONDITIONAL, out)
        }
        ExprKind::List(elements) => {
            out.write_char('[')?;
            joined(elements, ", ", CONDITIONAL, out)?;
            out.write_char(']')
        }
        ExprKind::Map(entries) => {
            out.write_char('{')?;
            for (at, (key, value)) in entries.iter().enumerate() {
                out.write_str(if at > 0 { ", " } else { "" })?;
                print(key, CONDITIONAL, out)?;
                out.write_str(": ")?;
                print(value, CONDITIONAL, out)?;
            }
            out.write_char('}')
        }
    }
}

fn joined(exprs: &[Expr], separator: &str, least: u8, out: &mut impl Write) -> fmt::Result {
    for (at, expr) in exprs.iter().enumerate() {
        out.write_str(if at > 0 { separator } else { "" })?;
        print(expr, least, out)?;
    }
    Ok(())
}

/// A sign that would become part of a number, or follow another sign, is kept apart from it.
fn unary(operator: UnaryOp, operand: &Expr, out: &mut impl Write) -> fmt::Result {
    out.write_char(if operator == UnaryOp::Not { '!' } else { '-' })?;
    let stands_apart = match &operand.kind {
        ExprKind::Unary(inner, _) => *inner != operator,
        _ => operator == UnaryOp::Negate && begins_with_digit(operand),
    };
    if stands_apart {
        out.write_char('(')?;
        print(operand, CONDITIONAL, out)?;
        return out.write_char(')');
    }
    print(operand, UNARY, out)
}

fn begins_with_digit(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(Value::Int(number)) => *number >= 0,
        ExprKind::Literal(Value::Double(number)) => number.is_sign_positive(),
        ExprKind::Select(operand, _) | ExprKind::Index(operand, _) => begins_with_digit(operand),
        ExprKind::Call(call) => call.target.as_deref().is_some_and(begins_with_digit),
        _ => false,
    }
}

fn literal(value: &Value, out: &mut impl Write) -> fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Uint(value) => write!(out, "{value}u"),
        Value::Double(value) => write!(out, "{value:?}"),
        Value::String(text) => out.write_str(&quoted(text)),
        Value::Bytes(bytes) => {
            out.write_str("b\"")?;
            for byte in bytes.iter() {
                match byte {
                    b'"' | b'\\' => write!(out, "\\{}", char::from(*byte))?,
                    b' '..=b'~' => out.write_char(char::from(*byte))?,
                    _ => write!(out, "\\x{byte:02x}")?,
                }
            }
            out.write_char('"')
        }
        // The parser makes no others.
        other => write!(out, "{other:?}"),
    }
}

/// A text as a string literal.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if char.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push('"');
    out
}
