//! One Arrow column made ready to be read row by row. Arrow's many layouts are folded into few (integers widened, times
//! in microseconds) once per batch, so that the per-value code in [`super::text`] and [`super::binary`] is one match.
//! It writes nothing itself.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    Decimal256Array, DurationMicrosecondArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, LargeBinaryArray, LargeStringArray, StringArray, StringViewArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use pgwire::api::Type;

use super::types::pg_type;

/// A column of one batch, ready to be read by row number.
#[derive(Debug)]
pub(crate) struct Reader {
    nulls: Option<NullBuffer>,
    pub(super) values: Values,
}

/// The layouts values are read from.
#[derive(Debug)]
pub(super) enum Values {
    Null,
    Bool(BooleanArray),
    Int16(Int16Array),
    Int32(Int32Array),
    Int64(Int64Array),
    UInt64(UInt64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    LargeBytes(LargeBinaryArray),
    BytesView(BinaryViewArray),
    /// Days since 1970-01-01.
    Date(Date32Array),
    /// Microseconds since midnight.
    Time(Time64MicrosecondArray),
    /// Microseconds since 1970-01-01 00:00 UTC.
    Timestamp {
        micros: TimestampMicrosecondArray,
        zoned: bool,
    },
    Decimal128(Decimal128Array),
    Decimal256(Decimal256Array),
    Interval(IntervalMonthDayNanoArray),
    Duration(DurationMicrosecondArray),
    Dictionary {
        keys: Vec<usize>,
        values: Box<Reader>,
    },
    List {
        offsets: OffsetBuffer<i32>,
        items: Box<Reader>,
        item_type: Type,
        as_json: bool,
    },
    Struct {
        names: Vec<String>,
        fields: Vec<Reader>,
    },
    Map {
        offsets: OffsetBuffer<i32>,
        keys: Box<Reader>,
        values: Box<Reader>,
    },
}

impl Reader {
    /// Prepares `array` for reading.
    pub(crate) fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        let array = normalised(array)?;
        let nulls = array.nulls().cloned();
        Ok(Self { nulls, values: values_of(&array)? })
    }

    /// Whether the value in `row` is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match &self.values {
            Values::Null => true,
            _ if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => true,
            Values::Dictionary { keys, values } => keys.get(row).is_none_or(|key| values.is_null(*key)),
            _ => false,
        }
    }
}

/// Folds layouts that are only read through another one.
fn normalised(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let target = match array.data_type() {
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) | DataType::ListView(item) => {
            DataType::List(Arc::clone(item))
        }
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        _ => return Ok(Arc::clone(array)),
    };
    cast(array, &target)
}

fn values_of(array: &ArrayRef) -> Result<Values, ArrowError> {
    Ok(match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Bool(array.as_boolean().clone()),
        DataType::Int16 => Values::Int16(array.as_primitive().clone()),
        DataType::Int32 => Values::Int32(array.as_primitive().clone()),
        DataType::Int64 => Values::Int64(array.as_primitive().clone()),
        DataType::UInt64 => Values::UInt64(array.as_primitive().clone()),
        DataType::Float32 => Values::Float32(array.as_primitive().clone()),
        DataType::Float64 => Values::Float64(array.as_primitive().clone()),
        DataType::Utf8 => Values::Text(array.as_string().clone()),
        DataType::LargeUtf8 => Values::LargeText(array.as_string().clone()),
        DataType::Utf8View => Values::TextView(array.as_string_view().clone()),
        DataType::Binary => Values::Bytes(array.as_binary().clone()),
        DataType::LargeBinary => Values::LargeBytes(array.as_binary().clone()),
        DataType::BinaryView => Values::BytesView(array.as_binary_view().clone()),
        DataType::Date32 => Values::Date(array.as_primitive().clone()),
        DataType::Time64(TimeUnit::Microsecond) => Values::Time(array.as_primitive().clone()),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            Values::Timestamp { micros: array.as_primitive().clone(), zoned: zone.is_some() }
        }
        DataType::Decimal128(..) => Values::Decimal128(array.as_primitive().clone()),
        DataType::Decimal256(..) => Values::Decimal256(array.as_primitive().clone()),
        DataType::Interval(IntervalUnit::MonthDayNano) => Values::Interval(array.as_primitive().clone()),
        DataType::Duration(TimeUnit::Microsecond) => Values::Duration(array.as_primitive().clone()),
        DataType::Dictionary(..) => dictionary(array)?,
        DataType::List(item) => {
            let list = array.as_list::<i32>();
            let item_type = pg_type(item.data_type());
            let as_json = pg_type(array.data_type()) == Type::JSON;
            Values::List {
                offsets: list.offsets().clone(),
                items: Box::new(Reader::new(list.values())?),
                item_type,
                as_json,
            }
        }
        DataType::Struct(fields) => Values::Struct {
            names: fields.iter().map(|field| field.name().clone()).collect(),
            fields: array.as_struct().columns().iter().map(Reader::new).collect::<Result<_, _>>()?,
        },
        DataType::Map(..) => {
            let map = array.as_map();
            Values::Map {
                offsets: map.offsets().clone(),
                keys: Box::new(Reader::new(map.keys())?),
                values: Box::new(Reader::new(map.values())?),
            }
        }
        _ => Values::Text(displayed(array)?),
    })
}

fn dictionary(array: &ArrayRef) -> Result<Values, ArrowError> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().is_empty() {
        return Ok(Values::Null);
    }
    Ok(Values::Dictionary { keys: dictionary.normalized_keys(), values: Box::new(Reader::new(dictionary.values())?) })
}

/// Arrow's own text form, for the few types PostgreSQL has nothing like.
fn displayed(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    Ok((0..array.len()).map(|row| array.is_valid(row).then(|| formatter.value(row).to_string())).collect())
}
