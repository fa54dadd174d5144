//! Conditions on columns as expressions. NULL passes no test there, so every test is made true or false.

use datafusion::{
    common::{Column, ScalarValue},
    logical_expr::{Expr, Operator, binary_expr, bitwise_and, lit},
};

use crate::{
    bpf::{
        Comparison,
        columns::{Columns, Field},
    },
    udf,
};

/// The column of the headers passed.
pub(super) const LAYERS: &str = "layers";

/// The expression over columns of packets that is true where `columns` holds, and else false.
pub(super) fn expr(columns: &Columns) -> Expr {
    match columns {
        Columns::Always(value) => lit(*value),
        Columns::Layers(stacks) => udf::one_of(column(LAYERS), stacks),
        Columns::Known(field) => column(field.column()).is_not_null(),
        Columns::Not(inner) => match inner.as_ref() {
            Columns::Known(field) => column(field.column()).is_null(),
            inner => match test(inner) {
                Some((column, test)) => column.is_null().or(!test),
                None => !expr(inner),
            },
        },
        Columns::All(all) => joined(all.iter().map(expr).collect(), Expr::and),
        Columns::Any(any) => joined(any.iter().map(expr).collect(), Expr::or),
        leaf => match test(leaf) {
            Some((column, test)) => column.is_not_null().and(test),
            None => lit(false),
        },
    }
}

/// A column by its name alone.
fn column(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// The column that a test looks at, and the test, which is NULL where the column is.
fn test(columns: &Columns) -> Option<(Expr, Expr)> {
    let field = match columns {
        Columns::Number(field, ..) | Columns::Network(field, ..) | Columns::Mac(field, _) => *field,
        Columns::Flags(..) => Field::TcpFlags,
        _ => return None,
    };
    let column = column(field.column());
    let of = column.clone();
    let test = match columns {
        Columns::Number(field, first, last) => number(of, *field, *first, *last),
        Columns::Flags(mask, comparison, value) => {
            binary_expr(bitwise_and(of, lit(*mask)), operator(*comparison), lit(*value))
        }
        Columns::Network(_, address, bits) => {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            match *bits == whole {
                true => of.eq(lit(address.to_string())),
                false => udf::ip_in_cidr(of, lit(format!("{address}/{bits}"))),
            }
        }
        Columns::Mac(_, [a, b, c, d, e, f]) => of.eq(lit(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))),
        _ => return None,
    };
    Some((column, test))
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
        true => column.eq(lit(value(first))),
        false => column.between(lit(value(first)), lit(value(last.min(most)))),
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
