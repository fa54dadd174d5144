//! What to say where types do not fit: what each operand is, and how the comparison that was meant is written.

use super::super::ast::{BinaryOp, Span};
use super::super::cidr::Cidr;
use super::super::error::Fault;
use super::super::print::quoted;
use super::super::time;
use super::super::typed::{Kind, Typed};
use super::super::types::Type;
use super::super::value::Value;
use super::Checker;

/// A type with its article.
pub(super) fn a(ty: &Type) -> String {
    match ty {
        Type::Int => "an int".to_owned(),
        other => format!("a {other}"),
    }
}

/// How a value other than the zero of its type is told from it.
fn truth_of(said: &str, ty: &Type) -> Option<String> {
    Some(match ty {
        Type::Int => format!("compare it: `{said} != 0`"),
        Type::Uint => format!("compare it: `{said} != 0u`"),
        Type::Double => format!("compare it: `{said} != 0.0`"),
        Type::String => format!("compare it: `{said} != \"\"`"),
        Type::Bytes | Type::List(_) | Type::Map(..) => format!("compare it: `size({said}) > 0`"),
        Type::Timestamp => format!("compare it: `{said} > now() - duration(\"15m\")`"),
        Type::Duration => format!("compare it: `{said} > duration(\"1s\")`"),
        _ => return None,
    })
}

impl Checker<'_> {
    /// A bool is wanted and something else is here.
    pub(super) fn no_bool(&self, typed: &Typed, who: &str) -> Fault {
        let said = self.said(typed.span);
        let fault = Fault::new(typed.span, format!("`{said}` is {}, and {who} a bool", a(&typed.ty)));
        truth_of(&said, &typed.ty).into_iter().fold(fault, Fault::hint)
    }

    /// Whether an operand is of a type that has no order.
    pub(super) fn no_order(&self, operator: BinaryOp, left: &Typed, right: &Typed) -> Option<Fault> {
        let unordered = |typed: &&Typed| matches!(typed.ty, Type::Null | Type::Type | Type::List(_) | Type::Map(..));
        let found = [left, right].into_iter().find(unordered)?;
        let said = self.said(found.span);
        let fault = Fault::new(
            found.span,
            format!("`{said}` is {}, which has no order for `{}`", a(&found.ty), operator.symbol()),
        );
        Some(match found.ty {
            Type::List(_) | Type::Map(..) => fault.hint(format!("how many it holds is `size({said})`")),
            _ => fault,
        })
    }

    /// `in` behind which no list and no map stands.
    pub(super) fn no_container(&self, left: &Typed, right: &Typed) -> Fault {
        let (wanted, container) = (self.said(left.span), self.said(right.span));
        let fault =
            Fault::new(right.span, format!("`{container}` is {}, and `in` wants a list or a map", a(&right.ty)));
        match &right.kind {
            Kind::Literal(Value::String(text)) if text.contains('/') && Cidr::parse(text).is_some() => {
                fault.hint(format!("write `{wanted}.in_cidr({container})`"))
            }
            Kind::Literal(_) => fault.hint(format!("write `{wanted} in [{container}]`")),
            _ if right.ty == Type::String => fault.hint(format!("write `{container}.contains({wanted})`")),
            _ => fault,
        }
    }

    /// `in` between a value and a list or map of other values.
    pub(super) fn no_member(&self, left: &Typed, right: &Typed, wanted: &Type) -> Fault {
        let (said, container) = (self.said(left.span), self.said(right.span));
        let holds = if matches!(right.ty, Type::Map(..)) { "has keys that are" } else { "holds" };
        let message = format!("`{said}` is {}, and `{container}` {holds} {wanted}", a(&left.ty));
        let fault = Fault::new(left.span, message);
        match (&left.ty, wanted, &right.kind) {
            (Type::List(_), _, _) => {
                fault.hint(format!("whether any of them is: `{said}.exists(v, v in {container})`"))
            }
            (Type::Int, Type::String, Kind::List(_)) => fault.hint("drop the quotes in the list"),
            (Type::String, Type::Int, Kind::List(_)) => fault.hint("put the numbers in quotes"),
            (Type::Int, Type::String, _) => fault.hint(format!("put it in quotes: `\"{said}\"`")),
            _ => fault,
        }
    }

    /// Operands that an operator does not take together.
    pub(super) fn mismatch(&self, operator: BinaryOp, left: &Typed, right: &Typed, span: Span) -> Fault {
        let (l, r) = (self.said(left.span), self.said(right.span));
        let message = if left.ty == right.ty {
            format!("`{}` is not for {}: `{l}`, `{r}`", operator.symbol(), left.ty)
        } else {
            format!(
                "`{l}` is {} and `{r}` is {}, which `{}` does not take together",
                a(&left.ty),
                a(&right.ty),
                operator.symbol()
            )
        };
        let fault = Fault::new(span, message);
        let hint = if operator.is_relation() {
            self.compared(operator, left, right)
        } else {
            self.computed(operator, left, right)
        };
        hint.into_iter().fold(fault, Fault::hint)
    }

    /// The comparison that was meant.
    fn compared(&self, operator: BinaryOp, left: &Typed, right: &Typed) -> Option<String> {
        let (l, r) = (self.said(left.span), self.said(right.span));
        // The literal, and what it is compared with.
        let (value, other, is_right) = match (&left.kind, &right.kind) {
            (_, Kind::Literal(value)) => (value, left, true),
            (Kind::Literal(value), _) => (value, right, false),
            (Kind::List(_), _) if !matches!(right.ty, Type::List(_)) => return Some(format!("write `{r} in {l}`")),
            (_, Kind::List(_)) if !matches!(left.ty, Type::List(_)) => return Some(format!("write `{l} in {r}`")),
            _ => return converted(&l, &left.ty, &r, &right.ty),
        };
        let symbol = operator.symbol();
        let write = |literal: String| {
            let (l, r) = if is_right { (l.as_str(), literal.as_str()) } else { (literal.as_str(), r.as_str()) };
            Some(format!("write `{l} {symbol} {r}`"))
        };
        let what = self.said(other.span);
        match (value, &other.ty) {
            (Value::String(text), ty) => self.text_compared(operator, text, &what, ty, write),
            (Value::Int(number), Type::String) => write(format!("\"{number}\"")),
            (Value::Int(number), Type::Double) => write(format!("{number}.0")),
            (Value::Int(number), Type::Uint) if *number >= 0 => write(format!("{number}u")),
            (Value::Uint(number), Type::Int) => write(number.to_string()),
            (Value::Double(number), Type::Int) if number.fract() == 0.0 && number.abs() < 9e15 => {
                write(format!("{number:.0}"))
            }
            (Value::Double(number), Type::Int) => {
                let what = format!("double({what})");
                Some(format!(
                    "write `{}`",
                    if is_right {
                        format!("{what} {symbol} {number:?}")
                    } else {
                        format!("{number:?} {symbol} {what}")
                    }
                ))
            }
            (Value::Int(_) | Value::Double(_), Type::Timestamp) => {
                Some("a time is `timestamp(\"2026-03-02T17:00:00Z\")` or `now() - duration(\"15m\")`".to_owned())
            }
            (Value::Duration(_), Type::Timestamp) => write(format!("now() - {}", if is_right { &r } else { &l })),
            (Value::Int(number), Type::Duration) => write(format!("duration(\"{number}s\")")),
            (Value::Bool(_) | Value::Int(_), Type::Bool) => Some(format!("write `{what}` or `!{what}`")),
            (Value::Null, Type::Bool) => Some(format!("nothing is null: write `{what}` or `!{what}`")),
            (Value::Null, ty) => Some(format!("nothing is null: {}", write(zero(ty)?.to_owned())?)),
            _ => None,
        }
    }

    /// A comparison with a text that is compared with none.
    fn text_compared(
        &self,
        operator: BinaryOp,
        text: &str,
        what: &str,
        ty: &Type,
        write: impl Fn(String) -> Option<String>,
    ) -> Option<String> {
        let literal = quoted(text);
        match ty {
            Type::Int if text.parse::<i64>().is_ok() => {
                write(text.to_owned()).map(|hint| format!("a number has no quotes: {hint}"))
            }
            Type::Int => match time::parse_duration(text) {
                Some(ns) if what.contains("time") || what.ends_with("_us") => {
                    write((ns / 1000).to_string()).map(|hint| format!("`{what}` is a number of µs: {hint}"))
                }
                _ => Some(format!("`{what}` is a number")),
            },
            Type::Double | Type::Uint => Some(format!("`{what}` is a number, without quotes")),
            Type::Timestamp => match time::parse_duration(text) {
                Some(_) => write(format!("now() - duration({literal})")),
                None if time::parse_timestamp(text).is_some() => write(format!("timestamp({literal})")),
                None => Some("a time is `timestamp(\"2026-03-02T17:00:00Z\")`".to_owned()),
            },
            Type::Duration => write(format!("duration({literal})")),
            Type::Bool => Some(format!("write `{what}` or `!{what}`")),
            Type::Bytes => write(format!("b{literal}")),
            Type::List(_) if operator == BinaryOp::NotEqual => Some(format!("write `!({literal} in {what})`")),
            Type::List(_) => Some(format!("write `{literal} in {what}`")),
            Type::Map(..) => Some(format!("write `{what}[\"key\"] == {literal}` or `{literal} in {what}`")),
            _ => None,
        }
    }

    /// The sum, difference or product that was meant.
    fn computed(&self, operator: BinaryOp, left: &Typed, right: &Typed) -> Option<String> {
        let (l, r) = (self.said(left.span), self.said(right.span));
        let symbol = operator.symbol();
        match (&left.ty, &right.ty) {
            (Type::Timestamp | Type::Duration, Type::Int) => Some(match right.kind {
                Kind::Literal(_) => format!("write `{l} {symbol} duration(\"{r}s\")`"),
                _ => format!("write `{l} {symbol} duration(string({r}) + \"us\")`"),
            }),
            (Type::Timestamp | Type::Duration, Type::String) => Some(format!("write `{l} {symbol} duration({r})`")),
            (Type::String, Type::Int | Type::Uint | Type::Double | Type::Bool) if operator == BinaryOp::Add => {
                Some(format!("write `{l} + string({r})`"))
            }
            (left, right) => converted(&l, left, &r, right),
        }
    }
}

/// How two numbers, or a number and a text, come to one type.
fn converted(l: &str, left: &Type, r: &str, right: &Type) -> Option<String> {
    match (left, right) {
        (Type::Int | Type::Uint, Type::Double) => Some(format!("write `double({l})`")),
        (Type::Double, Type::Int | Type::Uint) => Some(format!("write `double({r})`")),
        (Type::Uint, Type::Int) => Some(format!("write `int({l})`")),
        (Type::Int, Type::Uint) => Some(format!("write `int({r})`")),
        (Type::Int | Type::Uint | Type::Double | Type::Bool, Type::String) => Some(format!("write `string({l})`")),
        (Type::String, Type::Int | Type::Uint | Type::Double | Type::Bool) => Some(format!("write `string({r})`")),
        (element, Type::List(_)) if !matches!(element, Type::List(_)) => Some(format!("write `{l} in {r}`")),
        (Type::List(_), _) => Some(format!("write `{r} in {l}`")),
        _ => None,
    }
}

/// The zero of a type, as it is written.
pub(super) fn zero(ty: &Type) -> Option<&'static str> {
    Some(match ty {
        Type::Bool => "false",
        Type::Int => "0",
        Type::Uint => "0u",
        Type::Double => "0.0",
        Type::String => "\"\"",
        Type::Bytes => "b\"\"",
        Type::List(_) => "[]",
        Type::Map(..) => "{}",
        _ => return None,
    })
}
