//! Operators on values. Their types were checked, but those of `dyn` values are known here only.

use std::cmp::Ordering;
use std::sync::Arc;

use super::super::ast::BinaryOp;
use super::super::value::Value;
use super::{Budget, EvalError};

/// The value of a binary operator.
///
/// # Errors
/// Overflow, division by zero, operands that it is not for, and what is over the budget.
pub fn binary(operator: BinaryOp, left: &Value, right: &Value, budget: &mut Budget) -> Result<Value, EvalError> {
    let truth = |value| Ok(Value::Bool(value));
    match operator {
        BinaryOp::Equal => truth(equals(left, right, budget)?),
        BinaryOp::NotEqual => truth(!equals(left, right, budget)?),
        BinaryOp::Less => truth(order(left, right, budget)? == Some(Ordering::Less)),
        BinaryOp::LessOrEqual => truth(order(left, right, budget)?.is_some_and(Ordering::is_le)),
        BinaryOp::Greater => truth(order(left, right, budget)? == Some(Ordering::Greater)),
        BinaryOp::GreaterOrEqual => truth(order(left, right, budget)?.is_some_and(Ordering::is_ge)),
        BinaryOp::In => truth(is_in(left, right, budget)?),
        BinaryOp::Add => add(left, right, budget),
        BinaryOp::Subtract => subtract(left, right),
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Remainder => multiply(operator, left, right),
    }
}

/// Whether two values are equal. Numbers of different types are if they are the same number; other values of different
/// types are not.
///
/// # Errors
/// What is over the budget.
pub fn equals(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, EvalError> {
    budget.step(1)?;
    Ok(match (left, right) {
        (Value::String(a), Value::String(b)) => {
            budget.step(a.len().min(b.len()) / 16)?;
            a == b
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.step(a.len().min(b.len()) / 16)?;
            a == b
        }
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b.iter()) {
                if !equals(a, b, budget)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, value) in a.iter() {
                match found(b, key, budget)? {
                    Some(other) if equals(value, other, budget)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (a, b) => match number_order(a, b) {
            Some(order) => order == Some(Ordering::Equal),
            None => a == b,
        },
    })
}

/// The value of a key of a map.
fn found<'m>(
    entries: &'m [(Value, Value)],
    wanted: &Value,
    budget: &mut Budget,
) -> Result<Option<&'m Value>, EvalError> {
    for (key, value) in entries {
        if equals(key, wanted, budget)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The order of two numbers, of whatever types; `Some(None)` where one is not a number (NaN).
fn number_order(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => whole(b).map(|b| with_double(*a, b))?,
        (a, Value::Double(b)) => whole(a).map(|a| with_double(*b, a).map(Ordering::reverse))?,
        (a, b) => Some(whole(a)?.cmp(&whole(b)?)),
    })
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// The order of a double and a whole number, without rounding either.
fn with_double(double: f64, whole: i128) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    // Within ±2^65, where all whole numbers are, the whole part of a double is exact.
    const BEYOND: f64 = 36_893_488_147_419_103_232.0;
    if double.abs() >= BEYOND {
        return Some(if double > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    let part = double.trunc();
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
    let order = (part as i128).cmp(&whole);
    Some(order.then(double.partial_cmp(&part).unwrap_or(Ordering::Equal)))
}

fn order(left: &Value, right: &Value, budget: &mut Budget) -> Result<Option<Ordering>, EvalError> {
    Ok(match (left, right) {
        (Value::String(a), Value::String(b)) => {
            budget.step(a.len().min(b.len()) / 16)?;
            Some(a.cmp(b))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.step(a.len().min(b.len()) / 16)?;
            Some(a.cmp(b))
        }
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (a, b) => number_order(a, b).ok_or(EvalError::WrongType)?,
    })
}

fn is_in(wanted: &Value, container: &Value, budget: &mut Budget) -> Result<bool, EvalError> {
    match container {
        Value::List(elements) => {
            for element in elements.iter() {
                if equals(element, wanted, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(entries) => Ok(found(entries, wanted, budget)?.is_some()),
        _ => Err(EvalError::WrongType),
    }
}

/// `-x`.
pub(super) fn negate(value: &Value) -> Result<Value, EvalError> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(EvalError::Overflow),
        Value::Double(value) => Ok(Value::Double(-value)),
        _ => Err(EvalError::WrongType),
    }
}

fn add(left: &Value, right: &Value, budget: &mut Budget) -> Result<Value, EvalError> {
    let fits = |sum: Option<i64>, make: fn(i64) -> Value| sum.map(make).ok_or(EvalError::Overflow);
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => fits(a.checked_add(*b), Value::Int),
        (Value::Uint(a), Value::Uint(b)) => a.checked_add(*b).map(Value::Uint).ok_or(EvalError::Overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => {
            budget.allocate(a.len() + b.len())?;
            Ok(Value::string([&**a, &**b].concat()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            budget.allocate(a.len() + b.len())?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::List(a), Value::List(b)) => {
            budget.allocate((a.len() + b.len()) * size_of::<Value>())?;
            Ok(Value::List(a.iter().chain(b.iter()).cloned().collect::<Arc<[Value]>>()))
        }
        (Value::Timestamp(a), Value::Duration(b)) | (Value::Duration(a), Value::Timestamp(b)) => {
            fits(a.checked_add(*b), Value::Timestamp)
        }
        (Value::Duration(a), Value::Duration(b)) => fits(a.checked_add(*b), Value::Duration),
        _ => Err(EvalError::WrongType),
    }
}

fn subtract(left: &Value, right: &Value) -> Result<Value, EvalError> {
    let fits = |rest: Option<i64>, make: fn(i64) -> Value| rest.map(make).ok_or(EvalError::Overflow);
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => fits(a.checked_sub(*b), Value::Int),
        (Value::Uint(a), Value::Uint(b)) => a.checked_sub(*b).map(Value::Uint).ok_or(EvalError::Overflow),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Duration(a), Value::Duration(b)) => {
            fits(a.checked_sub(*b), Value::Duration)
        }
        (Value::Timestamp(a), Value::Duration(b)) => fits(a.checked_sub(*b), Value::Timestamp),
        _ => Err(EvalError::WrongType),
    }
}

/// `*`, `/` and `%`. Whole numbers are divided towards zero.
fn multiply(operator: BinaryOp, left: &Value, right: &Value) -> Result<Value, EvalError> {
    match (operator, left, right) {
        (BinaryOp::Multiply, Value::Int(a), Value::Int(b)) => a.checked_mul(*b).map(Value::Int),
        (BinaryOp::Multiply, Value::Uint(a), Value::Uint(b)) => a.checked_mul(*b).map(Value::Uint),
        (BinaryOp::Multiply, Value::Double(a), Value::Double(b)) => Some(Value::Double(a * b)),
        (BinaryOp::Divide, Value::Double(a), Value::Double(b)) => Some(Value::Double(a / b)),
        (BinaryOp::Divide | BinaryOp::Remainder, Value::Int(_), Value::Int(0))
        | (BinaryOp::Divide | BinaryOp::Remainder, Value::Uint(_), Value::Uint(0)) => {
            return Err(EvalError::DivisionByZero);
        }
        (BinaryOp::Divide, Value::Int(a), Value::Int(b)) => a.checked_div(*b).map(Value::Int),
        (BinaryOp::Divide, Value::Uint(a), Value::Uint(b)) => a.checked_div(*b).map(Value::Uint),
        (BinaryOp::Remainder, Value::Int(a), Value::Int(b)) => a.checked_rem(*b).map(Value::Int),
        (BinaryOp::Remainder, Value::Uint(a), Value::Uint(b)) => a.checked_rem(*b).map(Value::Uint),
        _ => return Err(EvalError::WrongType),
    }
    .ok_or(EvalError::Overflow)
}

/// An element of a list, or the value of a key.
pub(super) fn index(operand: &Value, wanted: &Value, budget: &mut Budget) -> Result<Value, EvalError> {
    match operand {
        Value::List(elements) => {
            let at = whole(wanted).ok_or(EvalError::WrongType)?;
            usize::try_from(at).ok().and_then(|at| elements.get(at)).cloned().ok_or(EvalError::NoSuchElement)
        }
        Value::Map(entries) => found(entries, wanted, budget)?.cloned().ok_or(EvalError::NoSuchKey),
        _ => Err(EvalError::WrongType),
    }
}
