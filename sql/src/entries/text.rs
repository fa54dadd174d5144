//! A checked expression as KFL2 text, for `kfl_eval`: it compiles to the same again.

use std::fmt::Write;

use super::bind;
use crate::kfl::{
    self, Typed, Value,
    time::{format_duration, format_timestamp},
    typed::{Function, Kind, Macro, MacroKind, TimePart},
};

/// The text of `expr`, with parentheses wherever they could be needed.
pub(super) fn of(expr: &Typed) -> String {
    let mut text = String::new();
    write(expr, &mut text);
    if kfl::compile(&text, 0).is_ok() {
        return text;
    }
    // A constant in the place of a variable may be one that the checker refuses when it is written there.
    text.clear();
    write(&hidden(expr), &mut text);
    text
}

/// `expr` with its texts out of the checker's sight: `string("…")` is not looked into before it runs.
fn hidden(expr: &Typed) -> Typed {
    let inner = bind::map_children(expr, &hidden);
    match inner.kind {
        Kind::Literal(Value::String(_)) => {
            let (ty, span) = (inner.ty.clone(), inner.span);
            Typed { kind: Kind::Call(Function::ToString, vec![inner]), ty, span }
        }
        _ => inner,
    }
}

fn write(expr: &Typed, out: &mut String) {
    match &expr.kind {
        Kind::Literal(value) => literal(value, out),
        Kind::Var(var) => out.push_str(var.name),
        Kind::Local(local) => out.push_str(&local.name),
        Kind::Not(a) => prefixed("!", a, out),
        Kind::Negate(a) => prefixed("-", a, out),
        Kind::And(all) => separated(all, " && ", out),
        Kind::Or(all) => separated(all, " || ", out),
        Kind::Binary(operator, a, b) => {
            operand(a, out);
            let _infallible = write!(out, " {} ", operator.symbol());
            operand(b, out);
        }
        Kind::Conditional(arms) => {
            let [condition, then, otherwise] = &**arms;
            operand(condition, out);
            out.push_str(" ? ");
            operand(then, out);
            out.push_str(" : ");
            operand(otherwise, out);
        }
        Kind::List(elements) => listed('[', elements, ']', out),
        Kind::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write(key, out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
        Kind::Index(a, index) => {
            operand(a, out);
            listed('[', std::slice::from_ref(&**index), ']', out);
        }
        Kind::Call(function, args) => call(*function, args, out),
        Kind::Macro(m) => macro_(m, out),
    }
}

/// As `write`, in parentheses where it is not one piece already.
fn operand(expr: &Typed, out: &mut String) {
    let whole = match &expr.kind {
        Kind::Literal(value) => !matches!(value, Value::Int(n) if *n < 0) && !matches!(value, Value::Double(_)),
        kind => matches!(
            kind,
            Kind::Var(_)
                | Kind::Local(_)
                | Kind::List(_)
                | Kind::Map(_)
                | Kind::Index(..)
                | Kind::Call(..)
                | Kind::Macro(_)
        ),
    };
    if whole {
        return write(expr, out);
    }
    out.push('(');
    write(expr, out);
    out.push(')');
}

fn prefixed(sign: &str, expr: &Typed, out: &mut String) {
    out.push_str(sign);
    operand(expr, out);
}

fn separated(all: &[Typed], separator: &str, out: &mut String) {
    for (at, expr) in all.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { separator });
        operand(expr, out);
    }
}

fn listed(open: char, all: &[Typed], close: char, out: &mut String) {
    out.push(open);
    for (at, expr) in all.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        write(expr, out);
    }
    out.push(close);
}

fn call(function: Function, args: &[Typed], out: &mut String) {
    match (method(function), args) {
        (Ok(name), [target, rest @ ..]) => {
            operand(target, out);
            out.push('.');
            out.push_str(name);
            listed('(', rest, ')', out);
        }
        (Ok(name) | Err(name), _) => {
            out.push_str(name);
            listed('(', args, ')', out);
        }
    }
}

/// The name of a method, or of a function.
fn method(function: Function) -> Result<&'static str, &'static str> {
    Ok(match function {
        Function::Contains => "contains",
        Function::StartsWith => "startsWith",
        Function::EndsWith => "endsWith",
        Function::Matches => "matches",
        Function::InCidr => "in_cidr",
        Function::Part(part) => part_name(part),
        Function::Size => return Err("size"),
        Function::MapGet => return Err("map_get"),
        Function::ToInt => return Err("int"),
        Function::ToUint => return Err("uint"),
        Function::ToDouble => return Err("double"),
        Function::ToString => return Err("string"),
        Function::ToBytes => return Err("bytes"),
        Function::ToBool => return Err("bool"),
        Function::ToTimestamp => return Err("timestamp"),
        Function::ToDuration => return Err("duration"),
        Function::TypeOf => return Err("type"),
        Function::Dyn => return Err("dyn"),
    })
}

fn part_name(part: TimePart) -> &'static str {
    match part {
        TimePart::FullYear => "getFullYear",
        TimePart::Month => "getMonth",
        TimePart::Date => "getDate",
        TimePart::DayOfMonth => "getDayOfMonth",
        TimePart::DayOfWeek => "getDayOfWeek",
        TimePart::DayOfYear => "getDayOfYear",
        TimePart::Hours => "getHours",
        TimePart::Minutes => "getMinutes",
        TimePart::Seconds => "getSeconds",
        TimePart::Milliseconds => "getMilliseconds",
    }
}

fn macro_(m: &Macro, out: &mut String) {
    operand(&m.range, out);
    let name = match m.kind {
        MacroKind::All => "all",
        MacroKind::Exists => "exists",
        MacroKind::ExistsOne => "exists_one",
        MacroKind::Filter => "filter",
        MacroKind::Map => "map",
    };
    let _infallible = write!(out, ".{name}({}, ", m.local.name);
    if let Some(condition) = &m.condition {
        write(condition, out);
        out.push_str(", ");
    }
    write(&m.body, out);
    out.push(')');
}

fn literal(value: &Value, out: &mut String) {
    let _infallible = match value {
        Value::Null => write!(out, "null"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::Uint(number) => write!(out, "{number}u"),
        Value::Double(number) if number.is_nan() => write!(out, "0.0 / 0.0"),
        Value::Double(number) if number.is_infinite() => {
            write!(out, "{}1.0 / 0.0", if *number < 0.0 { "-" } else { "" })
        }
        Value::Double(number) => write!(out, "{number:?}"),
        Value::String(text) => {
            quoted(text, out);
            Ok(())
        }
        Value::Bytes(bytes) => {
            out.push_str("b\"");
            let written = bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"));
            out.push('"');
            written
        }
        Value::Timestamp(ns) => write!(out, "timestamp(\"{}\")", format_timestamp(*ns)),
        Value::Duration(ns) => write!(out, "duration(\"{}\")", format_duration(*ns)),
        Value::List(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                literal(element, out);
            }
            out.push(']');
            Ok(())
        }
        Value::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                literal(key, out);
                out.push_str(": ");
                literal(value, out);
            }
            out.push('}');
            Ok(())
        }
        Value::Type(name) => write!(out, "{name}"),
    };
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _infallible = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
