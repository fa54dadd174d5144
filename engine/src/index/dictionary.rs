//! The distinct values of a column on disk and as an Arrow array.
//!
//! Values are in ascending order: numbers by value, text by bytes. Their position is their code; NULL, where it occurs,
//! has the code after the last. Numbers are mapped to `u64` so that order is kept, see [`ordered`].

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder, PrimitiveArray, StringArray},
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{ArrowPrimitiveType, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type},
};

use super::codec::{Cursor, join_planes, put_planes};
use crate::table::Kind;

/// The type of a dictionary's values. Kinds that differ in meaning only (addresses, symbols) are one text here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Ts,
    I64,
    U32,
    U16,
    U8,
    Bool,
    Text,
}

const VALUE_KINDS: [(u8, ValueKind); 7] = [
    (1, ValueKind::Ts),
    (2, ValueKind::I64),
    (3, ValueKind::U32),
    (4, ValueKind::U16),
    (5, ValueKind::U8),
    (6, ValueKind::Bool),
    (7, ValueKind::Text),
];

impl ValueKind {
    /// Its number in the file.
    pub(super) fn code(self) -> u8 {
        VALUE_KINDS.iter().find(|(_, kind)| *kind == self).map_or(0, |(code, _)| *code)
    }

    /// The kind of that number.
    pub(super) fn from_code(code: u8) -> Option<ValueKind> {
        VALUE_KINDS.iter().find(|(c, _)| *c == code).map(|(_, kind)| *kind)
    }
}

impl From<Kind> for ValueKind {
    fn from(kind: Kind) -> ValueKind {
        match kind {
            Kind::Ts => ValueKind::Ts,
            Kind::I64 => ValueKind::I64,
            Kind::U32 => ValueKind::U32,
            Kind::U16 => ValueKind::U16,
            Kind::U8 => ValueKind::U8,
            Kind::Bool => ValueKind::Bool,
            // Lists and maps have no index: building one says so.
            Kind::Ip | Kind::Mac | Kind::Symbol | Kind::Text | Kind::TextList | Kind::TextMap => ValueKind::Text,
        }
    }
}

/// Maps a signed number to an unsigned one so that order is kept: the sign bit flipped.
#[inline]
pub(super) fn ordered(value: i64) -> u64 {
    value.cast_unsigned() ^ (1 << 63)
}

fn unordered(value: u64) -> i64 {
    (value ^ (1 << 63)).cast_signed()
}

/// The section of ascending numbers: byte planes of each one's distance from the one before, the first one's from 0.
pub(super) fn encode_numbers(ascending: &[u64]) -> Vec<u8> {
    let mut before = 0;
    let distances: Vec<u64> = ascending.iter().map(|&v| v - std::mem::replace(&mut before, v)).collect();
    let mut out = Vec::new();
    put_planes(&distances, &mut out);
    out
}

/// The section of ascending texts: byte planes of their lengths in bytes, then the texts one after the other.
pub(super) fn encode_text(ascending: &[&str]) -> Vec<u8> {
    let lengths: Vec<u64> = ascending.iter().map(|text| text.len() as u64).collect();
    let mut out = Vec::new();
    put_planes(&lengths, &mut out);
    for text in ascending {
        out.extend(text.as_bytes());
    }
    out
}

const NOT_ASCENDING: &str = "dictionary values that are not in ascending order";

/// Turns a section back into an array of `values` values, with a NULL at the end if `has_null`. The error names the rule
/// that does not hold.
pub(super) fn decode(kind: ValueKind, values: usize, has_null: bool, raw: &[u8]) -> Result<ArrayRef, String> {
    if kind == ValueKind::Text {
        return decode_text(values, has_null, raw);
    }
    let numbers = decode_numbers(values, raw)?;
    match kind {
        ValueKind::Ts => {
            let array: PrimitiveArray<TimestampNanosecondType> = signed(&numbers, has_null);
            Ok(Arc::new(array.with_data_type(Kind::Ts.data_type())))
        }
        ValueKind::I64 => Ok(Arc::new(signed::<Int64Type>(&numbers, has_null))),
        ValueKind::U32 => unsigned::<UInt32Type>(&numbers, has_null),
        ValueKind::U16 => unsigned::<UInt16Type>(&numbers, has_null),
        ValueKind::U8 => unsigned::<UInt8Type>(&numbers, has_null),
        ValueKind::Bool | ValueKind::Text => {
            if numbers.iter().any(|&n| n > 1) {
                return Err("a boolean that is neither 0 nor 1".to_owned());
            }
            let array: BooleanArray = numbers.iter().map(|&n| Some(n == 1)).chain(has_null.then_some(None)).collect();
            Ok(Arc::new(array))
        }
    }
}

fn decode_numbers(values: usize, raw: &[u8]) -> Result<Vec<u64>, String> {
    let mut cursor = Cursor::new(raw);
    let (width, planes) = cursor.planes(values, 8).ok_or("a dictionary that is cut off")?;
    if !cursor.is_at_end() {
        return Err("bytes after the end of a dictionary".to_owned());
    }
    // Without planes no memory was paid for the values in file bytes yet, and all would be 0.
    if width == 0 && values > 1 {
        return Err(NOT_ASCENDING.to_owned());
    }
    let mut numbers: Vec<u64> = join_planes(planes, values);
    let mut before: Option<u64> = None;
    for number in &mut numbers {
        if let Some(before) = before {
            *number = before.checked_add(*number).filter(|&n| n > before).ok_or(NOT_ASCENDING)?;
        }
        before = Some(*number);
    }
    Ok(numbers)
}

fn signed<T: ArrowPrimitiveType<Native = i64>>(numbers: &[u64], has_null: bool) -> PrimitiveArray<T> {
    numbers.iter().map(|&n| Some(unordered(n))).chain(has_null.then_some(None)).collect()
}

fn unsigned<T: ArrowPrimitiveType>(numbers: &[u64], has_null: bool) -> Result<ArrayRef, String>
where
    T::Native: TryFrom<u64>,
{
    let natives: Vec<T::Native> = numbers
        .iter()
        .map(|&n| T::Native::try_from(n).map_err(|_| format!("the value {n} does not fit {}", T::DATA_TYPE)))
        .collect::<Result<_, _>>()?;
    let array: PrimitiveArray<T> = natives.into_iter().map(Some).chain(has_null.then_some(None)).collect();
    Ok(Arc::new(array))
}

fn decode_text(values: usize, has_null: bool, raw: &[u8]) -> Result<ArrayRef, String> {
    let mut cursor = Cursor::new(raw);
    let (_, planes) = cursor.planes(values, 4).ok_or("a dictionary that is cut off")?;
    let bytes = cursor.remaining();
    // Only one of distinct texts is empty.
    if values > bytes.len() + 1 {
        return Err(NOT_ASCENDING.to_owned());
    }
    let mut lengths: Vec<usize> = join_planes::<u32>(planes, values).into_iter().map(|l| l as usize).collect();
    if lengths.iter().sum::<usize>() != bytes.len() {
        return Err("texts of a dictionary that do not add up".to_owned());
    }
    let nulls = has_null.then(|| {
        lengths.push(0);
        let mut valid = BooleanBufferBuilder::new(values + 1);
        valid.append_n(values, true);
        valid.append(false);
        NullBuffer::new(valid.finish())
    });
    // The section limit keeps the sum far below i32::MAX, past which from_lengths would panic.
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    let texts = StringArray::try_new(offsets, bytes.to_vec().into(), nulls).map_err(|e| format!("no UTF-8: {e}"))?;
    let ascending = (1..values).all(|i| texts.value(i - 1) < texts.value(i));
    if !ascending {
        return Err(NOT_ASCENDING.to_owned());
    }
    debug_assert_eq!(texts.len(), values + usize::from(has_null));
    Ok(Arc::new(texts))
}
