//! A chunk's dictionary page and bounds: its distinct values as `PLAIN` bytes, the smallest and the largest of them.

use arrow::array::{Array, StringArray};
use hashbrown::HashMap;
use parquet::{
    basic::Type,
    data_type::ByteArray,
    file::statistics::{Statistics, ValueStatistics},
    schema::types::ColumnDescPtr,
};

use super::{DICTIONARY_BYTES, codes::Coder, gather::Gathered};

/// The longest text that is a bound as it stands. The library cuts longer ones, with care for characters; such chunks
/// are left to it.
const BOUND_BYTES: usize = 64;

/// The distinct values of a chunk.
pub(super) struct Dictionary {
    /// The page's bytes.
    pub(super) bytes: Vec<u8>,
    /// How many values these are.
    pub(super) entries: usize,
    /// Their bounds; the count of NULLs is not known here.
    pub(super) bounds: Bounds,
}

/// The smallest and the largest value of a chunk, None when all rows are NULL.
pub(super) enum Bounds {
    I32(Option<(i32, i32)>),
    I64(Option<(i64, i64)>),
    Text(Option<(ByteArray, ByteArray)>),
}

impl Bounds {
    /// The chunk's statistics.
    pub(super) fn statistics(&self, nulls: u64, descr: &ColumnDescPtr) -> Statistics {
        fn new<T: Clone>(bounds: &Option<(T, T)>, nulls: u64, signed: bool) -> ValueStatistics<T> {
            let (min, max) = bounds.clone().unzip();
            ValueStatistics::new(min, max, None, Some(nulls), false).with_backwards_compatible_min_max(signed)
        }
        let signed = descr.sort_order().is_signed();
        match self {
            Bounds::I32(bounds) => new(bounds, nulls, signed).into(),
            Bounds::I64(bounds) => new(bounds, nulls, signed).into(),
            Bounds::Text(bounds) => new(bounds, nulls, signed).into(),
        }
    }
}

/// The dictionary of a column of numbers; None for a physical type that is none of ours.
pub(super) fn numbers(distinct: &[i64], column: &Gathered, descr: &ColumnDescPtr) -> Option<Dictionary> {
    let physical = descr.physical_type();
    let mut bytes = Vec::with_capacity(size_of_val(distinct));
    distinct.iter().for_each(|&value| put(value, physical, &mut bytes));
    let bounds = match physical {
        // Unsigned numbers keep their bits; the order is in the column's logical type.
        Type::INT32 => {
            Bounds::I32(column.bounds().map(|(min, max)| (i32::from_le_bytes(low(min)), i32::from_le_bytes(low(max)))))
        }
        Type::INT64 => Bounds::I64(column.bounds()),
        _ => return None,
    };
    Some(Dictionary { bytes, entries: distinct.len(), bounds })
}

/// Appends `value` as `PLAIN` has it.
pub(super) fn put(value: i64, physical: Type, out: &mut Vec<u8>) {
    if physical == Type::INT32 {
        out.extend_from_slice(&low(value));
    } else {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn low(value: i64) -> [u8; 4] {
    let [a, b, c, d, ..] = value.to_le_bytes();
    [a, b, c, d]
}

/// The dictionary of a column of texts, whose keys have codes. An Arrow dictionary may hold a text twice, a Parquet one
/// should not: equal texts get one code. None when the page or a bound would be too large.
pub(super) fn texts(coder: &mut Coder, texts: &StringArray, descr: &ColumnDescPtr) -> Option<Dictionary> {
    if descr.physical_type() != Type::BYTE_ARRAY {
        return None;
    }
    let mut bytes = Vec::new();
    let mut codes: HashMap<&str, u32> = HashMap::with_capacity(coder.distinct.len());
    let mut merged = Vec::with_capacity(coder.distinct.len());
    for &key in &coder.distinct {
        let text = usize::try_from(key).ok().filter(|&k| k < texts.len()).map(|k| texts.value(k))?;
        let next = u32::try_from(codes.len()).ok()?;
        merged.push(*codes.entry(text).or_insert_with(|| {
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
            next
        }));
        if bytes.len() > DICTIONARY_BYTES {
            return None;
        }
    }
    if codes.len() < merged.len() {
        coder.rename(&merged);
    }
    let bounds = codes.keys().min().zip(codes.keys().max());
    if bounds.is_some_and(|(min, max)| min.len().max(max.len()) > BOUND_BYTES) {
        return None;
    }
    let bounds = Bounds::Text(bounds.map(|(min, max)| (ByteArray::from(*min), ByteArray::from(*max))));
    Some(Dictionary { bytes, entries: codes.len(), bounds })
}
