//! Puts numbers beside the texts of batches, and texts in the place of numbers.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, PrimitiveArray, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int32Type, Schema, SchemaRef},
};
use datafusion::error::{DataFusionError, Result};

use super::texts::Texts;

/// Texts that a coder remembers: far more than a network has addresses, and with [`MAX_BYTES`] a few dozen megabytes.
pub(super) const MAX_TEXTS: usize = 1 << 18;

/// Bytes that a coder holds at most, but for one batch.
const MAX_BYTES: usize = 32 << 20;

/// The numbers of one partition's texts. Columns share them.
#[derive(Debug)]
pub(super) struct Coder {
    texts: Texts,
    columns: Vec<Coded>,
    /// Of the batches with numbers.
    schema: SchemaRef,
}

/// A column with texts.
#[derive(Debug)]
struct Coded {
    /// Its place in the input.
    at: usize,
    /// The dictionary of the last batch, and the number of each of its values as far as they came up.
    values: StringArray,
    numbers: Vec<i32>,
}

/// The value did not come up yet.
const UNKNOWN: i32 = -1;
/// The value is NULL.
const NULL: i32 = -2;

impl Coder {
    /// Knows no text; `columns` are the places of text columns in batches of `input`.
    pub(super) fn new(input: &SchemaRef, columns: impl IntoIterator<Item = usize>) -> Coder {
        let empty = || StringArray::from(Vec::<&str>::new());
        let columns: Vec<Coded> =
            columns.into_iter().map(|at| Coded { at, values: empty(), numbers: Vec::new() }).collect();
        let schema = with_numbers(input, columns.iter().map(|column| column.at));
        Coder { texts: Texts::default(), columns, schema }
    }

    /// `batch` with the numbers of each text column behind its own columns; NULL has NULL.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut all = batch.columns().to_vec();
        for column in &mut self.columns {
            let text = batch.columns().get(column.at).and_then(|c| c.as_dictionary_opt::<Int32Type>());
            let text = text.ok_or_else(|| unexpected("no dictionary where there was one"))?;
            all.push(Arc::new(column.numbers_of(text, &mut self.texts)?));
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), all)?)
    }

    /// The texts of `numbers`.
    pub(super) fn decode(&self, numbers: &ArrayRef) -> Result<ArrayRef> {
        let numbers = numbers.as_primitive_opt::<Int32Type>().ok_or_else(|| unexpected("no numbers"))?;
        let texts: StringArray = numbers.iter().map(|number| number.and_then(|n| self.texts.get(n))).collect();
        let rows = i32::try_from(texts.len()).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let keys = Int32Array::new((0..rows).collect(), texts.nulls().cloned());
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(texts))?))
    }

    /// Whether it remembers more than `max_texts` or too many bytes.
    pub(super) fn is_full(&self, max_texts: usize) -> bool {
        self.texts.len() > max_texts || self.size_bytes() > MAX_BYTES
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        let numbers = self.columns.iter().map(|column| column.numbers.capacity() * size_of::<i32>());
        self.texts.size_bytes() + numbers.sum::<usize>()
    }
}

impl Coded {
    fn numbers_of(
        &mut self,
        text: &DictionaryArray<Int32Type>,
        texts: &mut Texts,
    ) -> Result<PrimitiveArray<Int32Type>> {
        let values = text.values().as_string_opt::<i32>().ok_or_else(|| unexpected("a dictionary of no texts"))?;
        if !same(&self.values, values) {
            self.values = values.clone();
            self.numbers.clear();
            self.numbers.resize(values.len(), UNKNOWN);
        }
        let numbers = &mut self.numbers;
        let mut failed = false;
        let mut number_of = |key: i32| {
            let at = usize::try_from(key).unwrap_or(usize::MAX);
            match numbers.get_mut(at) {
                Some(known) if *known != UNKNOWN => *known,
                Some(unknown) => {
                    let number = if values.is_null(at) { Some(NULL) } else { texts.number(values.value(at)) };
                    failed |= number.is_none();
                    *unknown = number.unwrap_or(NULL);
                    *unknown
                }
                None => NULL,
            }
        };
        let keys = text.keys();
        let numbers = if keys.null_count() == 0 && values.null_count() == 0 {
            Int32Array::from_iter_values(keys.values().iter().map(|key| number_of(*key)))
        } else {
            keys.iter().map(|key| key.map(&mut number_of).filter(|number| *number != NULL)).collect()
        };
        if failed { Err(unexpected("more texts than numbers")) } else { Ok(numbers) }
    }
}

/// Whether both are the same memory: batches of one row group share their dictionary.
fn same(a: &StringArray, b: &StringArray) -> bool {
    let nulls = |array: &StringArray| array.nulls().map(|nulls| (nulls.offset(), nulls.buffer().as_ptr()));
    a.len() == b.len()
        && a.value_data().as_ptr() == b.value_data().as_ptr()
        && a.value_offsets().as_ptr() == b.value_offsets().as_ptr()
        && nulls(a) == nulls(b)
}

/// The columns of `input`, and behind them those of the numbers of `columns`.
pub(super) fn with_numbers(input: &SchemaRef, columns: impl IntoIterator<Item = usize>) -> SchemaRef {
    let number = |at: usize| {
        let nullable = input.fields().get(at).is_none_or(|field| field.is_nullable());
        Arc::new(Field::new(format!("number of column {at}"), DataType::Int32, nullable))
    };
    let fields: Vec<_> = input.fields().iter().cloned().chain(columns.into_iter().map(number)).collect();
    Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()))
}

fn unexpected(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("grouping by text: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(keys: &[Option<i32>], values: &ArrayRef) -> RecordBatch {
        let text = DictionaryArray::try_new(Int32Array::from(keys.to_vec()), Arc::clone(values)).unwrap();
        let schema = Schema::new(vec![Field::new("text", text.data_type().clone(), true)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(text)]).unwrap()
    }

    /// Proves that a text has the same number in dictionaries of other orders, twice in one, and that both kinds of NULL
    /// are NULL.
    #[test]
    fn equal_texts_have_equal_numbers_whatever_the_dictionary() {
        let first: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), Some("a")]));
        let second: ArrayRef = Arc::new(StringArray::from(vec!["c", "b", "a"]));
        let one = batch(&[Some(2), None, Some(1), Some(0), Some(3)], &first);
        let mut coder = Coder::new(&one.schema(), [0]);
        let numbers =
            |coder: &mut Coder, batch| coder.encode(batch).unwrap().column(1).as_primitive::<Int32Type>().clone();
        assert_eq!(numbers(&mut coder, &one), Int32Array::from(vec![Some(0), None, None, Some(1), Some(1)]));
        let two = batch(&[Some(0), Some(1), Some(2)], &second);
        assert_eq!(numbers(&mut coder, &two), Int32Array::from(vec![2, 0, 1]));
        let texts =
            coder.decode(&(Arc::new(Int32Array::from(vec![Some(2), None, Some(0), Some(2)])) as ArrayRef)).unwrap();
        let texts = arrow::compute::cast(&texts, &DataType::Utf8).unwrap();
        assert_eq!(texts.as_string::<i32>(), &StringArray::from(vec![Some("c"), None, Some("b"), Some("c")]));
        assert!(!coder.is_full(3) && coder.is_full(2));
    }
}
