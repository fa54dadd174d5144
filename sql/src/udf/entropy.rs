//! `entropy(data)`: Shannon entropy of the bytes of a text or binary, in bits per byte, 0 to 8.
//!
//! Long names with more than about 3.5 are seldom words; data near 8 is compressed or encrypted. No bytes have entropy 0.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Float64Array},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs},
};

use super::{Function, Gives, Takes, argument, map, per_text};

pub(super) static ENTROPY: Function = Function {
    name: "entropy",
    takes: &[Takes::Bytes],
    gives: Gives::Type(DataType::Float64),
    monotonic_in: None,
    run,
};

fn run(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    map(argument(args, 0)?, |array| match array.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = cast(array, &DataType::BinaryView)?;
            let values: Float64Array = bytes.as_binary_view().iter().map(|b| b.map(entropy)).collect();
            Ok(Arc::new(values) as ArrayRef)
        }
        _ => per_text(array, |texts| {
            let values: Float64Array = texts.iter().map(|t| t.map(|t| entropy(t.as_bytes()))).collect();
            Ok(Arc::new(values))
        }),
    })
}

#[expect(clippy::cast_precision_loss, reason = "no value has 2^52 bytes")]
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u64; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    let sum: f64 = counts.iter().filter(|c| **c > 0).map(|c| *c as f64 * (*c as f64 / total).log2()).sum();
    // No term is above 0; the sign of a zero would show.
    if bytes.is_empty() { 0.0 } else { sum.abs() / total }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_per_byte() {
        assert_eq!(entropy(b""), 0.0);
        assert_eq!(entropy(b"aaaa"), 0.0);
        assert_eq!(entropy(b"abab"), 1.0);
        assert_eq!(entropy(b"abcd"), 2.0);
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(entropy(&all), 8.0);
    }
}
