//! What test columns are filled with.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, StringArray, TimestampNanosecondArray, UInt8Array,
    UInt16Array, UInt32Array,
};
use hashbrown::HashMap;
use proptest::prelude::*;

use crate::{ColumnDef, segment::PAGE_ROWS, table::Kind};

/// How the values of a column follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values {
    One,
    Few(u64),
    Runs(u64),
    Rising,
    Falling,
    Random,
}

/// Which rows are NULL, where NULL may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Nulls {
    None,
    All,
    Runs(usize),
    Random,
    /// Pages in turns: all, none, some.
    Pages,
}

/// What a column is filled with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub(super) values: Values,
    pub(super) nulls: Nulls,
    pub(super) seed: u64,
}

/// Any of them.
pub(super) fn recipe() -> impl Strategy<Value = Recipe> {
    let values = prop_oneof![
        Just(Values::One),
        (2u64..300).prop_map(Values::Few),
        (1u64..5000).prop_map(Values::Runs),
        Just(Values::Rising),
        Just(Values::Falling),
        Just(Values::Random),
    ];
    let nulls = prop_oneof![
        Just(Nulls::None),
        Just(Nulls::All),
        (1usize..5000).prop_map(Nulls::Runs),
        Just(Nulls::Random),
        Just(Nulls::Pages),
    ];
    (values, nulls, any::<u64>()).prop_map(|(values, nulls, seed)| Recipe { values, nulls, seed })
}

/// A number that looks like chance, the same for the same `n`.
fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ n >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ n >> 32
}

impl Recipe {
    fn value(self, row: usize) -> u64 {
        let row = row as u64;
        match self.values {
            Values::One => self.seed,
            Values::Few(n) => mix(self.seed ^ (mix(row) % n)),
            Values::Runs(length) => mix(self.seed ^ (row / length)),
            Values::Rising => self.seed % 1000 + row / 3,
            Values::Falling => u64::MAX - row,
            Values::Random => mix(self.seed ^ row),
        }
    }

    fn is_null(self, row: usize) -> bool {
        match self.nulls {
            Nulls::None => false,
            Nulls::All => true,
            Nulls::Runs(length) => row / length % 2 == 1,
            Nulls::Random => mix(self.seed ^ mix(row as u64)).is_multiple_of(3),
            Nulls::Pages => match row / PAGE_ROWS % 3 {
                0 => true,
                1 => false,
                _ => row.is_multiple_of(5),
            },
        }
    }

    /// `rows` rows of it, NULL only where the column may be.
    pub(super) fn column(self, column: &ColumnDef, rows: usize) -> ArrayRef {
        let values = || (0..rows).map(|row| (!(column.nullable && self.is_null(row))).then(|| self.value(row)));
        let low = |n: u64, bits: u32| n & (u64::MAX >> (64 - bits));
        match column.kind {
            Kind::Ts => {
                let times: TimestampNanosecondArray = values().map(|v| v.map(u64::cast_signed)).collect();
                Arc::new(times.with_data_type(Kind::Ts.data_type()))
            }
            Kind::I64 => Arc::new(values().map(|v| v.map(u64::cast_signed)).collect::<Int64Array>()),
            Kind::U32 => {
                Arc::new(values().map(|v| v.map(|n| u32::try_from(low(n, 32)).unwrap())).collect::<UInt32Array>())
            }
            Kind::U16 => {
                Arc::new(values().map(|v| v.map(|n| u16::try_from(low(n, 16)).unwrap())).collect::<UInt16Array>())
            }
            Kind::U8 => Arc::new(values().map(|v| v.map(|n| u8::try_from(low(n, 8)).unwrap())).collect::<UInt8Array>()),
            Kind::Bool => Arc::new(values().map(|v| v.map(|n| n & 1 == 1)).collect::<BooleanArray>()),
            Kind::Text => Arc::new(values().map(|v| v.map(text)).collect::<StringArray>()),
            Kind::Ip | Kind::Mac | Kind::Symbol => symbols(values()),
            Kind::TextList | Kind::TextMap => unreachable!("the library encodes them, and no column here is one"),
        }
    }
}

/// A text for a number: often empty or not ASCII, now and then too long for a bound.
fn text(n: u64) -> String {
    match n % 7 {
        0 => String::new(),
        1 => format!("größe-{n}-☃"),
        2 if n.is_multiple_of(5) => format!("{n:0>80}"),
        _ => n.to_string(),
    }
}

/// A dictionary column in which every text is twice, under two keys, and one is not used.
fn symbols(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    let mut texts = vec!["unused".to_owned()];
    let mut places: HashMap<u64, usize> = HashMap::new();
    let mut keys = Vec::new();
    for (row, value) in values.enumerate() {
        let place = value.map(|value| {
            let place = *places.entry(value).or_insert_with(|| {
                texts.extend([text(value), text(value)]);
                texts.len() - 2
            });
            i32::try_from(place + row % 2).unwrap()
        });
        keys.push(place);
    }
    Arc::new(DictionaryArray::new(Int32Array::from(keys), Arc::new(StringArray::from(texts))))
}
