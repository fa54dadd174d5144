//! What functions do with values, for the evaluator and for whoever has no operation of its own for one.

use super::cidr::Cidr;
use super::eval::{Budget, EvalError, equals};
use super::pattern;
use super::time::{self, Zone};
use super::typed::Function;
use super::value::Value;

/// Steps that compiling a pattern counts for, and for each byte of it.
const PATTERN_STEPS: usize = 20_000;
const PATTERN_STEPS_PER_BYTE: usize = 100;

/// The value of a function for these arguments, which [`Function`] says the types of.
///
/// # Errors
/// Text that is not what it should be, numbers that do not fit, arguments of other types, and what is over the budget.
pub fn apply(function: Function, args: &[Value], budget: &mut Budget) -> Result<Value, EvalError> {
    match (function, args) {
        (Function::Size, [value]) => size(value, budget),
        (Function::Dyn, [value]) => Ok(value.clone()),
        (Function::TypeOf, [value]) => Ok(Value::Type(value.ty().name())),
        (Function::MapGet, [Value::Map(entries), key, default]) => {
            for (candidate, value) in entries.iter() {
                if equals(candidate, key, budget)? {
                    return Ok(value.clone());
                }
            }
            Ok(default.clone())
        }
        (Function::Part(part), [Value::Timestamp(ns)]) => Ok(Value::Int(time::timestamp_part(*ns, part, Zone::UTC))),
        (Function::Part(part), [Value::Timestamp(ns), Value::String(zone)]) => {
            let zone = Zone::parse(zone).ok_or(EvalError::NoSuch("time zone"))?;
            Ok(Value::Int(time::timestamp_part(*ns, part, zone)))
        }
        (Function::Part(part), [Value::Duration(ns)]) => {
            time::duration_part(*ns, part).map(Value::Int).ok_or(EvalError::WrongType)
        }
        (_, [Value::String(subject), Value::String(other)]) => of_texts(function, subject, other, budget),
        (_, [value]) => convert(function, value, budget),
        _ => Err(EvalError::WrongType),
    }
}

fn of_texts(function: Function, subject: &str, other: &str, budget: &mut Budget) -> Result<Value, EvalError> {
    budget.step((subject.len() + other.len()) / 16)?;
    Ok(Value::Bool(match function {
        Function::Contains => subject.contains(other),
        Function::StartsWith => subject.starts_with(other),
        Function::EndsWith => subject.ends_with(other),
        Function::InCidr => Cidr::parse(other).ok_or(EvalError::NoSuch("network"))?.contains(subject),
        Function::Matches => {
            budget.step(PATTERN_STEPS + other.len() * PATTERN_STEPS_PER_BYTE + subject.len())?;
            pattern::compile(other).map_err(|_| EvalError::NoSuch("pattern"))?.is_match(subject.as_bytes())
        }
        _ => return Err(EvalError::WrongType),
    }))
}

fn size(value: &Value, budget: &mut Budget) -> Result<Value, EvalError> {
    let count = match value {
        Value::String(text) => {
            budget.step(text.len() / 16)?;
            text.chars().count()
        }
        Value::Bytes(bytes) => bytes.len(),
        Value::List(elements) => elements.len(),
        Value::Map(entries) => entries.len(),
        _ => return Err(EvalError::WrongType),
    };
    i64::try_from(count).map(Value::Int).map_err(|_| EvalError::Overflow)
}

fn convert(function: Function, value: &Value, budget: &mut Budget) -> Result<Value, EvalError> {
    match function {
        Function::ToInt => to_int(value),
        Function::ToUint => to_uint(value),
        Function::ToDouble => to_double(value),
        Function::ToString => to_string(value, budget),
        Function::ToBytes => match value {
            Value::Bytes(_) => Ok(value.clone()),
            Value::String(text) => {
                budget.allocate(text.len())?;
                Ok(Value::Bytes(text.as_bytes().into()))
            }
            _ => Err(EvalError::WrongType),
        },
        Function::ToBool => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::String(text) => to_bool(text),
            _ => Err(EvalError::WrongType),
        },
        Function::ToTimestamp => match value {
            Value::Timestamp(_) => Ok(value.clone()),
            Value::String(text) => {
                time::parse_timestamp(text).map(Value::Timestamp).ok_or(EvalError::NoSuch("time of RFC 3339"))
            }
            Value::Int(seconds) => seconds.checked_mul(1_000_000_000).map(Value::Timestamp).ok_or(EvalError::Overflow),
            _ => Err(EvalError::WrongType),
        },
        Function::ToDuration => match value {
            Value::Duration(_) => Ok(value.clone()),
            Value::String(text) => {
                time::parse_duration(text).map(Value::Duration).ok_or(EvalError::NoSuch("span of time"))
            }
            _ => Err(EvalError::WrongType),
        },
        _ => Err(EvalError::WrongType),
    }
}

/// The words that CEL takes for truth values.
fn to_bool(text: &str) -> Result<Value, EvalError> {
    match text {
        "1" | "t" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
        _ => Err(EvalError::NoSuch("truth value")),
    }
}

fn to_int(value: &Value) -> Result<Value, EvalError> {
    match value {
        Value::Int(_) => Ok(value.clone()),
        Value::Uint(number) => i64::try_from(*number).map(Value::Int).map_err(|_| EvalError::Overflow),
        // The ends themselves are out: as doubles they are the numbers beyond.
        Value::Double(number) if *number > -9_223_372_036_854_775_808.0 && *number < 9_223_372_036_854_775_808.0 => {
            #[expect(clippy::cast_possible_truncation, reason = "the range was checked; the fraction is cut")]
            let whole = *number as i64;
            Ok(Value::Int(whole))
        }
        Value::Double(_) => Err(EvalError::Overflow),
        Value::String(text) => text.parse().map(Value::Int).map_err(|_| EvalError::NoSuch("whole number")),
        Value::Timestamp(ns) => Ok(Value::Int(ns.div_euclid(1_000_000_000))),
        _ => Err(EvalError::WrongType),
    }
}

fn to_uint(value: &Value) -> Result<Value, EvalError> {
    match value {
        Value::Uint(_) => Ok(value.clone()),
        Value::Int(number) => u64::try_from(*number).map(Value::Uint).map_err(|_| EvalError::Overflow),
        Value::Double(number) if *number >= 0.0 && *number < 18_446_744_073_709_551_616.0 => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
            let whole = *number as u64;
            Ok(Value::Uint(whole))
        }
        Value::Double(_) => Err(EvalError::Overflow),
        Value::String(text) => text.parse().map(Value::Uint).map_err(|_| EvalError::NoSuch("number without a sign")),
        _ => Err(EvalError::WrongType),
    }
}

fn to_double(value: &Value) -> Result<Value, EvalError> {
    match value {
        Value::Double(_) => Ok(value.clone()),
        Value::Int(number) => Ok(Value::Double(*number as f64)),
        Value::Uint(number) => Ok(Value::Double(*number as f64)),
        Value::String(text) => text.parse().map(Value::Double).map_err(|_| EvalError::NoSuch("number")),
        _ => Err(EvalError::WrongType),
    }
}

fn to_string(value: &Value, budget: &mut Budget) -> Result<Value, EvalError> {
    let text = match value {
        Value::String(_) => return Ok(value.clone()),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| EvalError::NoSuch("UTF-8"))?.to_owned(),
        Value::Timestamp(ns) => time::format_timestamp(*ns),
        Value::Duration(ns) => time::format_duration(*ns),
        _ => return Err(EvalError::WrongType),
    };
    budget.allocate(text.len())?;
    Ok(Value::string(text))
}
