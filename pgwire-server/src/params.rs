//! Parameters of Bind messages: from text or binary, by the type the client declared or the plan inferred, to the
//! value the plan takes. Values are widened as PostgreSQL widens them; a value that does not fit is the client's error.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use bytes::{Buf, Bytes};
use datafusion::scalar::ScalarValue;
use pgwire::api::Type;

use crate::{
    encode::{Format, pg_type, read_numeric_binary, unix_days, unix_micros},
    error::PgError,
};

/// One parameter of a prepared statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameter {
    /// What clients are told and encode by.
    pub(crate) pg_type: Type,
    /// What the plan takes.
    pub(crate) data_type: DataType,
}

impl Parameter {
    /// A parameter that the plan types as `inferred` and the client declared with `oid` (0 for not at all).
    pub(crate) fn new(inferred: Option<&DataType>, oid: u32) -> Self {
        let declared = Type::from_oid(oid).filter(|pg_type| *pg_type != Type::UNKNOWN);
        let pg_type = declared.unwrap_or_else(|| inferred.map_or(Type::TEXT, pg_type));
        let data_type = inferred.cloned().unwrap_or_else(|| arrow_type(&pg_type));
        Self { pg_type, data_type }
    }

    /// The value of parameter number `number` (from 1) that the client sent as `bytes`.
    pub(crate) fn decode(&self, number: usize, bytes: Option<&Bytes>, format: Format) -> Result<ScalarValue, PgError> {
        let Some(bytes) = bytes else {
            return ScalarValue::try_from(&self.data_type).map_err(|error| PgError::internal(&error.to_string()));
        };
        let value = match format {
            Format::Text => {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
                return self.decode_text(text);
            }
            Format::Binary => decode_binary(&self.pg_type, bytes).ok_or_else(|| {
                let name = self.pg_type.name();
                PgError::new("22P03", format!("incorrect binary data format in bind parameter {number}"))
                    .with_detail(format!("{} bytes for type {name}", bytes.len()))
            })?,
        };
        cast(value, &self.data_type).map_err(|()| self.invalid(&format!("parameter ${number}")))
    }

    fn decode_text(&self, text: &str) -> Result<ScalarValue, PgError> {
        let invalid = || self.invalid(text);
        let value = match self.pg_type {
            Type::BYTEA => ScalarValue::Binary(Some(bytea(text).ok_or_else(invalid)?)),
            Type::BOOL => ScalarValue::Boolean(Some(boolean(text).ok_or_else(invalid)?)),
            ref array if array.oid() != Type::TEXT.oid() && element(array).is_some() => {
                let item = element(array).map_or(DataType::Utf8, |item| arrow_type(&item));
                let items = array_items(text).ok_or_else(invalid)?;
                let items = items.into_iter().map(|i| cast(ScalarValue::Utf8(i), &item));
                list(items.collect::<Result<Vec<_>, ()>>().map_err(|()| invalid())?, &item)
            }
            // Read the declared type first, so that 'abc' is no int4 even where the plan takes text.
            ref declared => {
                let text = ScalarValue::Utf8(Some(text.trim_matches(|c| trims(declared) && c == ' ').to_owned()));
                cast(text, &arrow_type(declared)).map_err(|()| invalid())?
            }
        };
        cast(value, &self.data_type).map_err(|()| invalid())
    }

    fn invalid(&self, text: &str) -> PgError {
        let code = match self.pg_type {
            Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::DATE | Type::TIME | Type::INTERVAL => "22007",
            _ => "22P02",
        };
        PgError::new(code, format!("invalid input syntax for type {}: \"{text}\"", sql_name(&self.pg_type)))
    }
}

fn trims(pg_type: &Type) -> bool {
    !matches!(*pg_type, Type::TEXT | Type::VARCHAR | Type::BPCHAR)
}

/// The names that PostgreSQL's messages use.
fn sql_name(pg_type: &Type) -> &str {
    match *pg_type {
        Type::INT2 => "smallint",
        Type::INT4 => "integer",
        Type::INT8 => "bigint",
        Type::FLOAT4 => "real",
        Type::FLOAT8 => "double precision",
        Type::BOOL => "boolean",
        Type::TIMESTAMP => "timestamp without time zone",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        ref other => other.name(),
    }
}

/// The Arrow type in which a PostgreSQL type is decoded.
fn arrow_type(pg_type: &Type) -> DataType {
    match *pg_type {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 | Type::OID => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::BYTEA => DataType::Binary,
        Type::DATE => DataType::Date32,
        Type::TIME => DataType::Time64(TimeUnit::Microsecond),
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Nanosecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC"))),
        Type::NUMERIC => DataType::Decimal128(38, 10),
        Type::INTERVAL => DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
        ref other => match element(other) {
            Some(item) => DataType::new_list(arrow_type(&item), true),
            None => DataType::Utf8,
        },
    }
}

/// The element type of an array type.
fn element(pg_type: &Type) -> Option<Type> {
    Some(match *pg_type {
        Type::BOOL_ARRAY => Type::BOOL,
        Type::INT2_ARRAY => Type::INT2,
        Type::INT4_ARRAY => Type::INT4,
        Type::INT8_ARRAY => Type::INT8,
        Type::FLOAT4_ARRAY => Type::FLOAT4,
        Type::FLOAT8_ARRAY => Type::FLOAT8,
        Type::TEXT_ARRAY | Type::VARCHAR_ARRAY | Type::NAME_ARRAY => Type::TEXT,
        Type::DATE_ARRAY => Type::DATE,
        Type::TIMESTAMP_ARRAY => Type::TIMESTAMP,
        Type::TIMESTAMPTZ_ARRAY => Type::TIMESTAMPTZ,
        _ => return None,
    })
}

fn cast(value: ScalarValue, target: &DataType) -> Result<ScalarValue, ()> {
    if value.data_type() == *target { Ok(value) } else { value.cast_to(target).map_err(|_| ()) }
}

fn list(items: Vec<ScalarValue>, item: &DataType) -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list_nullable(&items, item))
}

/// The value of one binary parameter; `None` when the bytes are not of that type.
fn decode_binary(pg_type: &Type, bytes: &[u8]) -> Option<ScalarValue> {
    if let Some(item) = element(pg_type) {
        return decode_array(&item, bytes);
    }
    Some(match *pg_type {
        Type::BOOL => ScalarValue::Boolean(Some(u8::from_be_bytes(bytes.try_into().ok()?) != 0)),
        Type::INT2 => ScalarValue::Int16(Some(i16::from_be_bytes(bytes.try_into().ok()?))),
        Type::INT4 => ScalarValue::Int32(Some(i32::from_be_bytes(bytes.try_into().ok()?))),
        Type::OID => ScalarValue::Int64(Some(i64::from(u32::from_be_bytes(bytes.try_into().ok()?)))),
        Type::INT8 => ScalarValue::Int64(Some(i64::from_be_bytes(bytes.try_into().ok()?))),
        Type::FLOAT4 => ScalarValue::Float32(Some(f32::from_be_bytes(bytes.try_into().ok()?))),
        Type::FLOAT8 => ScalarValue::Float64(Some(f64::from_be_bytes(bytes.try_into().ok()?))),
        Type::BYTEA => ScalarValue::Binary(Some(bytes.to_vec())),
        Type::DATE => ScalarValue::Date32(Some(unix_days(i32::from_be_bytes(bytes.try_into().ok()?)))),
        Type::TIME => ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(bytes.try_into().ok()?))),
        Type::TIMESTAMP => ScalarValue::TimestampNanosecond(Some(nanos(bytes)?), None),
        Type::TIMESTAMPTZ => ScalarValue::TimestampNanosecond(Some(nanos(bytes)?), Some(Arc::from("UTC"))),
        Type::NUMERIC => ScalarValue::Utf8(Some(read_numeric_binary(bytes)?)),
        Type::INTERVAL => interval(bytes)?,
        Type::UUID => ScalarValue::Utf8(Some(uuid(bytes)?)),
        // jsonb's binary form is its text after a version byte.
        Type::JSONB => ScalarValue::Utf8(Some(text(bytes.strip_prefix(&[1])?)?)),
        _ => ScalarValue::Utf8(Some(text(bytes)?)),
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn nanos(bytes: &[u8]) -> Option<i64> {
    unix_micros(i64::from_be_bytes(bytes.try_into().ok()?)).checked_mul(1000)
}

fn interval(mut bytes: &[u8]) -> Option<ScalarValue> {
    if bytes.len() != 16 {
        return None;
    }
    let nanoseconds = bytes.get_i64().checked_mul(1000)?;
    let (days, months) = (bytes.get_i32(), bytes.get_i32());
    Some(ScalarValue::new_interval_mdn(months, days, nanoseconds))
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let number = format!("{:032x}", u128::from_be_bytes(bytes.try_into().ok()?));
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| number.get(range).unwrap_or_default().to_owned());
    Some(parts.join("-"))
}

/// One-dimensional arrays: dimensions, null flag, element OID, length, lower bound, then length and bytes of each.
fn decode_array(item: &Type, mut bytes: &[u8]) -> Option<ScalarValue> {
    let mut items = Vec::new();
    let dimensions = bytes.try_get_i32().ok()?;
    bytes.try_get_i32().ok()?;
    bytes.try_get_i32().ok()?;
    if dimensions > 1 {
        return None;
    }
    if dimensions == 1 {
        bytes.try_get_i32().ok()?;
        bytes.try_get_i32().ok()?;
    }
    let data_type = arrow_type(item);
    while !bytes.is_empty() {
        let length = bytes.try_get_i32().ok()?;
        items.push(match usize::try_from(length) {
            Err(_) => ScalarValue::try_from(&data_type).ok()?,
            Ok(length) => {
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                cast(decode_binary(item, value)?, &data_type).ok()?
            }
        });
    }
    Some(list(items, &data_type))
}

/// `\xdeadbeef`, or the old escape form: octal `\ooo` and `\\`.
fn bytea(text: &str) -> Option<Vec<u8>> {
    if let Some(hex) = text.strip_prefix("\\x") {
        let digits: Option<Vec<u8>> = hex
            .chars()
            .filter(|c| !c.is_ascii_whitespace())
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
        return rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((first, rest)) = bytes.split_first() {
        bytes = match (first, rest) {
            (b'\\', [b'\\', rest @ ..]) => {
                out.push(b'\\');
                rest
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            (b'\\', _) => return None,
            (byte, rest) => {
                out.push(*byte);
                rest
            }
        };
    }
    Some(out)
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The elements of `{a,"b c",NULL}`; `None` when malformed or of more than one dimension.
fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    if inner.trim().is_empty() {
        return Some(items);
    }
    let (mut item, mut quoted, mut was_quoted) = (String::new(), false, false);
    let mut finish = |item: &mut String, was_quoted: &mut bool| {
        let text = std::mem::take(item);
        let is_null = !std::mem::take(was_quoted) && text.trim().eq_ignore_ascii_case("null");
        items.push((!is_null).then_some(text));
    };
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => item.push(chars.next()?),
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => finish(&mut item, &mut was_quoted),
            '{' | '}' if !quoted => return None,
            _ => item.push(c),
        }
    }
    if quoted {
        return None;
    }
    finish(&mut item, &mut was_quoted);
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(inferred: &DataType, oid: u32, bytes: &[u8], format: Format) -> Result<ScalarValue, PgError> {
        Parameter::new(Some(inferred), oid).decode(1, Some(&Bytes::copy_from_slice(bytes)), format)
    }

    #[test]
    fn a_declared_smaller_integer_is_widened_to_what_the_plan_takes() {
        let value = decode(&DataType::Int64, Type::INT2.oid(), &5_i16.to_be_bytes(), Format::Binary);
        assert_eq!(value, Ok(ScalarValue::Int64(Some(5))));
    }

    #[test]
    fn an_undeclared_parameter_is_described_by_the_plan() {
        let zone = DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC")));
        assert_eq!(Parameter::new(Some(&zone), 0).pg_type, Type::TIMESTAMPTZ);
        let value = decode(&zone, 0, b"2026-11-21 18:00:00+00", Format::Text);
        assert_eq!(
            value,
            Ok(ScalarValue::TimestampNanosecond(Some(1_795_284_000_000_000_000), Some(Arc::from("UTC"))))
        );
        assert_eq!(decode(&zone, 0, &unix_micros(0).to_be_bytes(), Format::Binary).unwrap().data_type(), zone);
    }

    #[test]
    fn text_that_is_no_number_names_the_type_it_should_be() {
        let error = decode(&DataType::Int64, 0, b"abc", Format::Text).unwrap_err();
        assert_eq!(error.sqlstate, "22P02");
        assert_eq!(error.message, "invalid input syntax for type bigint: \"abc\"");
    }

    #[test]
    fn binary_of_the_wrong_length_is_refused() {
        let error = decode(&DataType::Int64, 0, &[1, 2], Format::Binary).unwrap_err();
        assert_eq!(error.sqlstate, "22P03");
    }

    #[test]
    fn arrays_are_read_in_both_formats() {
        let bigints = DataType::new_list(DataType::Int64, true);
        let from_text = decode(&bigints, 0, b"{1,NULL,3}", Format::Text).unwrap();
        let mut binary = Vec::new();
        for word in [1_i32, 1, 20, 3, 1] {
            binary.extend(word.to_be_bytes());
        }
        for item in [Some(1_i64), None, Some(3)] {
            binary.extend(item.map_or(-1_i32, |_| 8).to_be_bytes());
            binary.extend(item.map(i64::to_be_bytes).into_iter().flatten());
        }
        assert_eq!(decode(&bigints, 0, &binary, Format::Binary).unwrap(), from_text);
        let texts = array_items(r#"{a,"b, \"c\"","NULL",null}"#).unwrap();
        assert_eq!(texts, [Some("a".into()), Some("b, \"c\"".into()), Some("NULL".into()), None]);
    }

    #[test]
    fn bytea_is_read_in_hex_and_escape_form() {
        assert_eq!(bytea("\\xDEad"), Some(vec![0xde, 0xad]));
        assert_eq!(bytea("\\xD"), None);
        assert_eq!(bytea("a\\001\\\\"), Some(vec![b'a', 1, b'\\']));
    }

    #[test]
    fn hostile_arrays_do_not_allocate_what_they_claim() {
        let bigints = DataType::new_list(DataType::Int64, true);
        let mut binary = Vec::new();
        for word in [1_i32, 0, 20, i32::MAX, 1, i32::MAX] {
            binary.extend(word.to_be_bytes());
        }
        assert_eq!(decode(&bigints, 0, &binary, Format::Binary).unwrap_err().sqlstate, "22P03");
    }
}
