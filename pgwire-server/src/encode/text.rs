//! A value in PostgreSQL's text format. NULL is the caller's business: the wire, COPY text and CSV each mark it in their
//! own way.

use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use super::json::write_json;
use super::number::{write_f32, write_f64};
use super::reader::{Reader, Values};
use super::time::{write_date, write_interval, write_time, write_timestamp};

const NANOS_PER_MICRO: i64 = 1000;

impl Reader {
    /// Appends the text of the value in `row`, which is not NULL.
    pub(crate) fn write_text(&self, row: usize, out: &mut BytesMut) {
        match &self.values {
            Values::Null => {}
            Values::Bool(array) => out.put_u8(if array.value(row) { b't' } else { b'f' }),
            Values::Int16(array) => put_integer(i64::from(array.value(row)), out),
            Values::Int32(array) => put_integer(i64::from(array.value(row)), out),
            Values::Int64(array) => put_integer(array.value(row), out),
            Values::UInt64(array) => put_unsigned(array.value(row), out),
            Values::Float32(array) => write_f32(array.value(row), out),
            Values::Float64(array) => write_f64(array.value(row), out),
            Values::Text(array) => out.put_slice(array.value(row).as_bytes()),
            Values::LargeText(array) => out.put_slice(array.value(row).as_bytes()),
            Values::TextView(array) => out.put_slice(array.value(row).as_bytes()),
            Values::Bytes(array) => put_hex(array.value(row), out),
            Values::LargeBytes(array) => put_hex(array.value(row), out),
            Values::BytesView(array) => put_hex(array.value(row), out),
            Values::Date(array) => write_date(i64::from(array.value(row)), out),
            Values::Time(array) => write_time(array.value(row), out),
            Values::Timestamp { micros, zoned } => write_timestamp(micros.value(row), *zoned, out),
            Values::Decimal128(array) => out.put_slice(array.value_as_string(row).as_bytes()),
            Values::Decimal256(array) => out.put_slice(array.value_as_string(row).as_bytes()),
            Values::Interval(array) => {
                let value = array.value(row);
                write_interval(value.months, value.days, value.nanoseconds / NANOS_PER_MICRO, out);
            }
            Values::Duration(array) => write_interval(0, 0, array.value(row), out),
            Values::Dictionary { keys, values } => {
                if let Some(key) = keys.get(row) {
                    values.write_text(*key, out);
                }
            }
            Values::List { as_json: true, .. } | Values::Struct { .. } | Values::Map { .. } => {
                write_json(self, row, out)
            }
            Values::List { offsets, items, item_type, .. } => {
                write_array(items, super::span(offsets, row), item_type, out);
            }
        }
    }
}

/// `{a,"b c",NULL}`.
fn write_array(items: &Reader, rows: std::ops::Range<usize>, item_type: &Type, out: &mut BytesMut) {
    let may_need_quotes = matches!(
        *item_type,
        Type::TEXT | Type::BYTEA | Type::TIMESTAMP | Type::TIMESTAMPTZ | Type::INTERVAL | Type::DATE | Type::JSON
    );
    out.put_u8(b'{');
    for (index, row) in rows.enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        if items.is_null(row) {
            out.put_slice(b"NULL");
        } else if may_need_quotes {
            let mut item = BytesMut::new();
            items.write_text(row, &mut item);
            put_array_item(&item, out);
        } else {
            items.write_text(row, out);
        }
    }
    out.put_u8(b'}');
}

fn put_array_item(item: &[u8], out: &mut BytesMut) {
    let special = |byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace();
    if !item.is_empty() && !item.iter().any(special) && !item.eq_ignore_ascii_case(b"null") {
        out.put_slice(item);
        return;
    }
    out.put_u8(b'"');
    for byte in item {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

fn put_integer(value: i64, out: &mut BytesMut) {
    if value < 0 {
        out.put_u8(b'-');
    }
    put_unsigned(value.unsigned_abs(), out);
}

fn put_unsigned(value: u64, out: &mut BytesMut) {
    let mut digits = [0_u8; 20];
    let mut rest = value;
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    let (_, tail) = digits.split_at(digits.len() - used);
    out.put_slice(tail);
}

fn put_hex(bytes: &[u8], out: &mut BytesMut) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'?');
    out.reserve(2 + bytes.len() * 2);
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_u8(digit(byte >> 4));
        out.put_u8(digit(byte & 15));
    }
}
