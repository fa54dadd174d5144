//! `has_tcp_flag(flags, names)`: whether all the named TCP flags are set, `has_tcp_flag(tcp_flags, 'SYN,ACK')`.
//!
//! Names are those of [`tcp_flags_text`](super::tcp_flags_text), in any case, joined by commas. Other flags may be set
//! too. A name that is none is an error.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray},
    datatypes::{DataType, Int64Type},
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
};

use super::{Function, Gives, Takes, argument, constant_text, map, tcp_flags_text::FLAGS};
use crate::SqlError;

pub(super) static HAS_TCP_FLAG: Function = Function {
    name: "has_tcp_flag",
    takes: &[Takes::Integer, Takes::Text],
    gives: Gives::Type(DataType::Boolean),
    monotonic_in: None,
    run,
};

fn bits(names: &str) -> Result<i64, SqlError> {
    names.split(',').try_fold(0, |bits, name| {
        let wanted = name.trim();
        match FLAGS.iter().position(|flag| flag.eq_ignore_ascii_case(wanted)) {
            Some(bit) => Ok(bits | 1 << bit),
            None => Err(SqlError::new("22023", format!("there is no TCP flag \"{wanted}\""))
                .with_hint(format!("The flags are {}.", FLAGS.join(", ")))),
        }
    })
}

fn run(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    if let Some(names) = constant_text(argument(args, 1)?) {
        let wanted = bits(names)?;
        return map(argument(args, 0)?, |array| {
            let flags = array.as_primitive::<Int64Type>();
            let answers = BooleanArray::from_unary(flags, |f| f & wanted == wanted);
            Ok(Arc::new(answers) as ArrayRef)
        });
    }
    let flags = argument(args, 0)?.to_array(args.number_rows)?;
    let names = argument(args, 1)?.to_array(args.number_rows)?;
    let names = arrow::compute::cast(&names, &DataType::Utf8View)?;
    let pairs = flags.as_primitive::<Int64Type>().iter().zip(names.as_string_view());
    let answers = pairs.map(|pair| match pair {
        (Some(flags), Some(names)) => bits(names).map(|wanted| Some(flags & wanted == wanted)),
        _ => Ok(None),
    });
    let answers: BooleanArray = answers.collect::<Result<_, SqlError>>()?;
    Ok(ColumnarValue::Array(Arc::new(answers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_bits() {
        assert_eq!(bits("SYN"), Ok(2));
        assert_eq!(bits("syn, ack"), Ok(0x12));
        assert_eq!(bits("CWR"), Ok(0x80));
        assert_eq!(bits("SYM").unwrap_err().message, "there is no TCP flag \"SYM\"");
        assert_eq!(bits("").unwrap_err().sqlstate, "22023");
    }
}
