//! Structs, maps and nested lists as JSON text, the only built-in type of PostgreSQL that can hold them.

use bytes::{BufMut, BytesMut};

use super::reader::{Reader, Values};

/// Appends the value in `row` as JSON; NULL is `null`.
pub(super) fn write_json(reader: &Reader, row: usize, out: &mut BytesMut) {
    if reader.is_null(row) {
        out.put_slice(b"null");
        return;
    }
    match &reader.values {
        Values::Bool(array) => out.put_slice(if array.value(row) { b"true" } else { b"false" }),
        Values::Int16(_) | Values::Int32(_) | Values::Int64(_) | Values::UInt64(_) => reader.write_text(row, out),
        Values::Decimal128(_) | Values::Decimal256(_) => reader.write_text(row, out),
        Values::Float32(array) if array.value(row).is_finite() => reader.write_text(row, out),
        Values::Float64(array) if array.value(row).is_finite() => reader.write_text(row, out),
        Values::Dictionary { keys, values } => write_json(values, keys.get(row).copied().unwrap_or(0), out),
        Values::List { offsets, items, .. } => {
            out.put_u8(b'[');
            for (index, item) in super::span(offsets, row).enumerate() {
                separate(index, out);
                write_json(items, item, out);
            }
            out.put_u8(b']');
        }
        Values::Struct { names, fields } => {
            out.put_u8(b'{');
            for (index, (name, field)) in names.iter().zip(fields).enumerate() {
                separate(index, out);
                put_string(name.as_bytes(), out);
                out.put_u8(b':');
                write_json(field, row, out);
            }
            out.put_u8(b'}');
        }
        Values::Map { offsets, keys, values } => {
            out.put_u8(b'{');
            for (index, item) in super::span(offsets, row).enumerate() {
                separate(index, out);
                put_text_of(keys, item, out);
                out.put_u8(b':');
                write_json(values, item, out);
            }
            out.put_u8(b'}');
        }
        _ => put_text_of(reader, row, out),
    }
}

fn separate(index: usize, out: &mut BytesMut) {
    if index > 0 {
        out.put_u8(b',');
    }
}

fn put_text_of(reader: &Reader, row: usize, out: &mut BytesMut) {
    let mut text = BytesMut::new();
    reader.write_text(row, &mut text);
    put_string(&text, out);
}

fn put_string(text: &[u8], out: &mut BytesMut) {
    out.put_u8(b'"');
    for byte in text {
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0..0x20 => out.put_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.put_u8(*byte),
        }
    }
    out.put_u8(b'"');
}
