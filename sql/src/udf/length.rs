//! `length(data)` and `octet_length(data)`, of text and of binary as in PostgreSQL: `length` counts the characters of a
//! text and the bytes of a binary, `octet_length` bytes. DataFusion's functions of these names take text only.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, StringViewArray},
    compute::{cast, kernels::length::length},
    datatypes::DataType,
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
};

use super::{Function, Gives, Takes, argument, map, per_text};

pub(super) static LENGTH: Function = Function {
    name: "length",
    takes: &[Takes::Bytes],
    gives: Gives::Type(DataType::Int32),
    monotonic_in: None,
    run: |args| lengths(args, characters),
};

pub(super) static OCTET_LENGTH: Function = Function {
    name: "octet_length",
    takes: &[Takes::Bytes],
    gives: Gives::Type(DataType::Int32),
    monotonic_in: None,
    run: |args| lengths(args, |texts| Ok(length(texts)?)),
};

/// The bytes of binary values, and of texts what `of_texts` counts.
fn lengths(
    args: &ScalarFunctionArgs,
    of_texts: impl Fn(&StringViewArray) -> Result<ArrayRef>,
) -> Result<ColumnarValue> {
    map(argument(args, 0)?, |array| match array.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Ok(cast(&length(array)?, &DataType::Int32)?)
        }
        _ => per_text(array, &of_texts),
    })
}

fn characters(texts: &StringViewArray) -> Result<ArrayRef> {
    let count = |text: &str| i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    Ok(Arc::new(Int32Array::from_iter(texts.iter().map(|text| text.map(count)))))
}
