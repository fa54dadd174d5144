//! The cells of a batch as numbers: how building reads Arrow columns, a stretch of rows at a time.
//!
//! A number cell is its value mapped to `u64` in order, a text cell the number of its text in a [`Texts`] list. A tuple is
//! the cells of some columns of one row followed by one word whose bit `i` says that cell `i` is NULL (and then 0).

use std::ops::Range;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringArray},
    buffer::NullBuffer,
    datatypes::{Int32Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type},
};
use hashbrown::HashMap;

use super::dictionary::ordered;
use crate::{Error, Result, table::Kind};

/// Distinct texts, numbered as they are met.
#[derive(Debug, Default)]
pub(super) struct Texts<'a> {
    texts: Vec<&'a str>,
    numbers: HashMap<&'a str, u32>,
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> Result<u32> {
        if let Some(&number) = self.numbers.get(text) {
            return Ok(number);
        }
        let number = u32::try_from(self.texts.len())
            .map_err(|_| Error::Limit { what: "distinct texts".to_owned(), limit: u32::MAX.to_string() })?;
        self.texts.push(text);
        self.numbers.insert(text, number);
        Ok(number)
    }

    /// The text of a cell.
    pub(super) fn get(&self, number: u64) -> Option<&'a str> {
        self.texts.get(usize::try_from(number).ok()?).copied()
    }
}

/// One column of the batch being indexed.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    values: Values<'a>,
    nulls: Option<NullBuffer>,
}

#[derive(Debug)]
enum Values<'a> {
    I64(&'a [i64]),
    U32(&'a [u32]),
    U16(&'a [u16]),
    U8(&'a [u8]),
    Bool(&'a BooleanArray),
    /// Codes of the batch's dictionary, and the number of each code's text.
    Coded(&'a [i32], Vec<u32>),
    /// The number of each row's text.
    Text(Vec<u32>),
}

impl<'a> Cells<'a> {
    /// Reads `array`, a column of the given kind. Columns that share `texts` give equal numbers to equal texts.
    pub(super) fn new(kind: Kind, array: &'a ArrayRef, texts: &mut Texts<'a>) -> Result<Cells<'a>> {
        let expected = kind.data_type();
        if *array.data_type() != expected {
            return Err(Error::Columnar(format!(
                "a column of type {} where {expected} is declared",
                array.data_type()
            )));
        }
        let values = match kind {
            Kind::Ts => Values::I64(array.as_primitive::<TimestampNanosecondType>().values()),
            Kind::I64 => Values::I64(array.as_primitive::<Int64Type>().values()),
            Kind::U32 => Values::U32(array.as_primitive::<UInt32Type>().values()),
            Kind::U16 => Values::U16(array.as_primitive::<UInt16Type>().values()),
            Kind::U8 => Values::U8(array.as_primitive::<UInt8Type>().values()),
            Kind::Bool => Values::Bool(array.as_boolean()),
            Kind::Ip | Kind::Mac | Kind::Symbol => {
                let dictionary = array.as_dictionary::<Int32Type>();
                Values::Coded(dictionary.keys().values(), numbers(dictionary.values().as_string::<i32>(), texts)?)
            }
            Kind::Text => Values::Text(numbers(array.as_string::<i32>(), texts)?),
            Kind::TextList | Kind::TextMap => {
                return Err(Error::Columnar(format!("a column of type {expected} has no index")));
            }
        };
        Ok(Cells { values, nulls: array.logical_nulls().filter(|nulls| nulls.null_count() > 0) })
    }

    /// Writes the cells of `rows` into position `at` of tuples of `stride` words each; `tuples` must start zeroed.
    pub(super) fn fill(&self, rows: Range<usize>, at: usize, stride: usize, tuples: &mut [u64]) {
        let mut put = Put { at, stride, tuples };
        match &self.values {
            Values::I64(v) => put.all(slice(v, &rows).iter().map(|&v| ordered(v))),
            Values::U32(v) => put.all(slice(v, &rows).iter().map(|&v| u64::from(v))),
            Values::U16(v) => put.all(slice(v, &rows).iter().map(|&v| u64::from(v))),
            Values::U8(v) => put.all(slice(v, &rows).iter().map(|&v| u64::from(v))),
            Values::Bool(v) => put.all(rows.clone().map(|row| u64::from(v.value(row)))),
            Values::Text(v) => put.all(slice(v, &rows).iter().map(|&v| u64::from(v))),
            Values::Coded(codes, numbers) => put.all(slice(codes, &rows).iter().map(|&code| {
                // A code under a NULL may be anything; it is overwritten below.
                usize::try_from(code).ok().and_then(|c| numbers.get(c)).map_or(0, |&n| u64::from(n))
            })),
        }
        if let Some(nulls) = &self.nulls {
            for (tuple, row) in tuples.chunks_exact_mut(stride).zip(rows) {
                if nulls.is_null(row) {
                    if let Some(cell) = tuple.get_mut(at) {
                        *cell = 0;
                    }
                    if let Some(word) = tuple.last_mut() {
                        *word |= 1 << at;
                    }
                }
            }
        }
    }
}

struct Put<'t> {
    at: usize,
    stride: usize,
    tuples: &'t mut [u64],
}

impl Put<'_> {
    #[inline]
    fn all(&mut self, cells: impl Iterator<Item = u64>) {
        for (tuple, value) in self.tuples.chunks_exact_mut(self.stride).zip(cells) {
            if let Some(cell) = tuple.get_mut(self.at) {
                *cell = value;
            }
        }
    }
}

fn slice<'v, T>(values: &'v [T], rows: &Range<usize>) -> &'v [T] {
    values.get(rows.clone()).unwrap_or_default()
}

/// The number of each text; 0 for NULL, which [`Cells::fill`] marks.
fn numbers<'a>(array: &'a StringArray, texts: &mut Texts<'a>) -> Result<Vec<u32>> {
    array.iter().map(|text| text.map_or(Ok(0), |t| texts.number(t))).collect()
}
