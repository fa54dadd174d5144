//! A value in PostgreSQL's binary format (`typsend` of each type). NULL is the caller's business.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::json::write_json;
use super::number::write_numeric_binary;
use super::reader::{Reader, Values};
use super::time::{pg_days, pg_micros};
use crate::error::PgError;

const NANOS_PER_MICRO: i64 = 1000;

impl Reader {
    /// Appends the bytes of the value in `row`, which is not NULL. Fails with 22003 for a `UInt64` beyond `int8`.
    pub(crate) fn write_binary(&self, row: usize, out: &mut BytesMut) -> Result<(), PgError> {
        match &self.values {
            Values::Null => {}
            Values::Bool(array) => out.put_u8(u8::from(array.value(row))),
            Values::Int16(array) => out.put_i16(array.value(row)),
            Values::Int32(array) => out.put_i32(array.value(row)),
            Values::Int64(array) => out.put_i64(array.value(row)),
            Values::UInt64(array) => out.put_i64(signed(array.value(row))?),
            Values::Float32(array) => out.put_f32(array.value(row)),
            Values::Float64(array) => out.put_f64(array.value(row)),
            Values::Text(array) => out.put_slice(array.value(row).as_bytes()),
            Values::LargeText(array) => out.put_slice(array.value(row).as_bytes()),
            Values::TextView(array) => out.put_slice(array.value(row).as_bytes()),
            Values::Bytes(array) => out.put_slice(array.value(row)),
            Values::LargeBytes(array) => out.put_slice(array.value(row)),
            Values::BytesView(array) => out.put_slice(array.value(row)),
            Values::Date(array) => out.put_i32(pg_days(array.value(row))),
            Values::Time(array) => out.put_i64(array.value(row)),
            Values::Timestamp { micros, .. } => out.put_i64(pg_micros(micros.value(row))),
            Values::Decimal128(array) => write_numeric_binary(&array.value_as_string(row), out),
            Values::Decimal256(array) => write_numeric_binary(&array.value_as_string(row), out),
            Values::Interval(array) => {
                let value = array.value(row);
                out.put_i64(value.nanoseconds / NANOS_PER_MICRO);
                out.put_i32(value.days);
                out.put_i32(value.months);
            }
            Values::Duration(array) => {
                out.put_i64(array.value(row));
                out.put_i32(0);
                out.put_i32(0);
            }
            Values::Dictionary { keys, values } => {
                if let Some(key) = keys.get(row) {
                    values.write_binary(*key, out)?;
                }
            }
            Values::List { as_json: true, .. } | Values::Struct { .. } | Values::Map { .. } => {
                write_json(self, row, out)
            }
            Values::List { offsets, items, item_type, .. } => {
                write_array(items, super::span(offsets, row), item_type, out)?;
            }
        }
        Ok(())
    }

    /// Appends the length word and the bytes of the value in `row`; NULL is length -1.
    pub(crate) fn write_binary_field(&self, row: usize, out: &mut BytesMut) -> Result<(), PgError> {
        if self.is_null(row) {
            out.put_i32(-1);
            return Ok(());
        }
        let start = super::begin_length(out);
        self.write_binary(row, out)?;
        super::end_length(start, out);
        Ok(())
    }
}

/// Dimensions, null flag, element OID, then length and lower bound of the one dimension, then the elements.
fn write_array(items: &Reader, rows: Range<usize>, item_type: &Type, out: &mut BytesMut) -> Result<(), PgError> {
    let length = i32::try_from(rows.len()).unwrap_or(i32::MAX);
    out.put_i32(i32::from(length > 0));
    out.put_i32(i32::from(rows.clone().any(|row| items.is_null(row))));
    out.put_u32(item_type.oid());
    if length > 0 {
        out.put_i32(length);
        out.put_i32(1);
    }
    for row in rows {
        items.write_binary_field(row, out)?;
    }
    Ok(())
}

fn signed(value: u64) -> Result<i64, PgError> {
    i64::try_from(value).map_err(|_| {
        PgError::new("22003", format!("value {value} is out of range for type bigint"))
            .with_hint("cast it: value::decimal(20,0)")
    })
}
