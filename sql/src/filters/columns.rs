//! Conditions on columns as expressions. NULL passes no test there, so every test is made true or false.

use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr, Operator, binary_expr, bitwise_and, lit},
};

use super::Rows;
use crate::{
    bpf::{
        Comparison,
        columns::{Columns, Field},
    },
    udf,
};

/// The column of the headers passed.
pub(super) const LAYERS: &str = "layers";

/// The expression over a row of packets that is true where `columns` holds, and else false.
pub(super) fn expr(columns: &Columns, rows: &Rows<'_>) -> Expr {
    let column = |field: Field| rows.column(field.column());
    match columns {
        Columns::Always(value) => lit(*value),
        Columns::Layers(stacks) => udf::one_of(rows.column(LAYERS), stacks).is_true(),
        Columns::Known(field) => column(*field).is_not_null(),
        Columns::Number(field, first, last) => number(column(*field), *field, *first, *last),
        Columns::Flags(mask, comparison, value) => {
            let flags = bitwise_and(column(Field::TcpFlags), lit(*mask));
            binary_expr(flags, operator(*comparison), lit(*value)).is_true()
        }
        Columns::Network(field, address, bits) => {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            match *bits == whole {
                true => column(*field).eq(lit(address.to_string())).is_true(),
                false => udf::ip_in_cidr(column(*field), lit(format!("{address}/{bits}"))).is_true(),
            }
        }
        Columns::Mac(field, [a, b, c, d, e, f]) => {
            column(*field).eq(lit(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))).is_true()
        }
        Columns::Not(inner) => match expr(inner, rows) {
            Expr::IsTrue(test) => test.is_not_true(),
            Expr::IsNotNull(column) => column.is_null(),
            other => !other,
        },
        Columns::All(all) => joined(all.iter().map(|c| expr(c, rows)).collect(), Expr::and),
        Columns::Any(any) => joined(any.iter().map(|c| expr(c, rows)).collect(), Expr::or),
    }
}

/// Whether a number is between two others, which need not be numbers that the column can hold.
fn number(column: Expr, field: Field, first: u32, last: u32) -> Expr {
    let most = match field {
        Field::SrcPort | Field::DstPort => u16::MAX.into(),
        Field::Length => u32::MAX,
        _ => u8::MAX.into(),
    };
    if first > last.min(most) {
        return lit(false);
    }
    let value = |number: u32| match field {
        Field::SrcPort | Field::DstPort => ScalarValue::UInt16(u16::try_from(number).ok()),
        Field::Length => ScalarValue::UInt32(Some(number)),
        _ => ScalarValue::UInt8(u8::try_from(number).ok()),
    };
    match first == last {
        true => column.eq(lit(value(first))).is_true(),
        false => column.between(lit(value(first)), lit(value(last.min(most)))).is_true(),
    }
}

fn operator(comparison: Comparison) -> Operator {
    match comparison {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::NotEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
    }
}

/// All joined, in a tree no deeper than need be: planners recurse.
fn joined(mut parts: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Expr {
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut left = parts.into_iter();
        while let Some(first) = left.next() {
            pairs.push(match left.next() {
                Some(second) => join(first, second),
                None => first,
            });
        }
        parts = pairs;
    }
    parts.pop().unwrap_or_else(|| lit(true))
}
