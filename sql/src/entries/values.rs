//! Columns of SQL as values of KFL.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, Int64Array, ListArray, MapArray, StringViewArray,
        TimestampNanosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Int64Type, TimeUnit, TimestampNanosecondType},
};
use datafusion::error::{DataFusionError, Result};

use crate::kfl::{Value, vocabulary::VarType};

/// What stands between values of a key that comes more than once.
const SEPARATOR: &str = ", ";

/// A column of values of one type.
#[derive(Debug)]
pub(super) enum Values {
    Bool(arrow::array::BooleanArray),
    Int(Int64Array),
    String(StringViewArray),
    Bytes(BinaryArray),
    Timestamp(TimestampNanosecondArray),
    StringList(ListArray),
    StringMap(MapArray),
}

impl Values {
    /// `array` as values of type `ty`.
    pub(super) fn of(array: &ArrayRef, ty: VarType) -> Result<Values> {
        let wrong = || DataFusionError::Internal(format!("{:?} is no {}", array.data_type(), ty.ty()));
        let ns = DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC")));
        Ok(match ty {
            VarType::Bool => Values::Bool(cast(array, &DataType::Boolean)?.as_boolean().clone()),
            VarType::Int => Values::Int(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            VarType::String => Values::String(cast(array, &DataType::Utf8View)?.as_string_view().clone()),
            VarType::Bytes => Values::Bytes(cast(array, &DataType::Binary)?.as_binary::<i32>().clone()),
            VarType::Timestamp => {
                Values::Timestamp(cast(array, &ns)?.as_primitive::<TimestampNanosecondType>().clone())
            }
            VarType::StringList => Values::StringList(array.as_list_opt::<i32>().ok_or_else(wrong)?.clone()),
            VarType::StringMap => Values::StringMap(array.as_map_opt().ok_or_else(wrong)?.clone()),
        })
    }

    /// The value at `row`; nothing for NULL.
    pub(super) fn value(&self, row: usize) -> Result<Option<Value>> {
        Ok(match self {
            Values::Bool(a) => a.is_valid(row).then(|| Value::Bool(a.value(row))),
            Values::Int(a) => a.is_valid(row).then(|| Value::Int(a.value(row))),
            Values::String(a) => a.is_valid(row).then(|| Value::string(a.value(row))),
            Values::Bytes(a) => a.is_valid(row).then(|| Value::Bytes(Arc::from(a.value(row)))),
            Values::Timestamp(a) => a.is_valid(row).then(|| Value::Timestamp(a.value(row))),
            Values::StringList(a) if a.is_valid(row) => {
                let texts = cast(&a.value(row), &DataType::Utf8View)?;
                Some(Value::List(texts.as_string_view().iter().map(|t| Value::string(t.unwrap_or_default())).collect()))
            }
            Values::StringMap(a) if a.is_valid(row) => {
                let pairs = pairs(a, row)?;
                Some(Value::Map(pairs.into_iter().map(|(k, v)| (Value::string(k), Value::string(v))).collect()))
            }
            Values::StringList(_) | Values::StringMap(_) => None,
        })
    }
}

/// Keys of the map at `row`, each once, with their values; those of a key that comes more than once in one text.
pub(super) fn pairs(maps: &MapArray, row: usize) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for_each_pair(maps, row, |key, value| match pairs.iter_mut().find(|(known, _)| known == key) {
        Some((_, before)) => {
            before.push_str(SEPARATOR);
            before.push_str(value);
        }
        None => pairs.push((key.to_owned(), value.to_owned())),
    })?;
    Ok(pairs)
}

/// The value of `key` in the map at `row`, as in [`pairs`].
pub(super) fn value_of(maps: &MapArray, row: usize, key: &str) -> Result<Option<String>> {
    let mut found: Option<String> = None;
    for_each_pair(maps, row, |k, value| {
        if k == key {
            match &mut found {
                Some(before) => {
                    before.push_str(SEPARATOR);
                    before.push_str(value);
                }
                None => found = Some(value.to_owned()),
            }
        }
    })?;
    Ok(found)
}

fn for_each_pair(maps: &MapArray, row: usize, mut each: impl FnMut(&str, &str)) -> Result<()> {
    if maps.is_null(row) {
        return Ok(());
    }
    let (keys, values) = (maps.keys().as_string_opt::<i32>(), maps.values().as_string_opt::<i32>());
    let (Some(keys), Some(values)) = (keys, values) else {
        return Err(DataFusionError::Internal("a map that is not of texts".to_owned()));
    };
    let bounds = maps.value_offsets().get(row..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default();
    let [from, to] = bounds.map(|at| usize::try_from(at).unwrap_or(0));
    for at in from..to {
        each(keys.value(at), if values.is_valid(at) { values.value(at) } else { "" });
    }
    Ok(())
}
