//! Rows as COPY data: PostgreSQL's text, CSV and binary forms. To a client each row is a CopyData message, which some
//! rely on; a [`CopyEncoder`] gives the same bytes without the protocol around them. Capture files are passed through as
//! they come.

use arrow::{array::RecordBatch, datatypes::Schema};
use bytes::{BufMut, Bytes, BytesMut};
use wiretape_sql::{CopyFormat, CopyOptions, SqlError};

use crate::{
    encode::{BatchRows, Column, Reader, begin_length, columns, end_message},
    error::PgError,
};

/// Signature, no flags, no header extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The field count -1 ends the data.
const BINARY_TRAILER: &[u8] = b"\xff\xff";

/// The bytes that psql would write for a `COPY … TO STDOUT` in text, CSV or binary.
#[derive(Debug)]
pub struct CopyEncoder<'a>(RowCopier<'a>);

impl<'a> CopyEncoder<'a> {
    /// An encoder by `options`, whose format is text, CSV or binary.
    pub fn new(options: &'a CopyOptions) -> Self {
        Self(RowCopier::new(options))
    }

    /// What comes before the first row of `schema`.
    pub fn start(&mut self, schema: &Schema) -> Bytes {
        let mut out = BytesMut::new();
        self.0.write_start(&columns(schema), &mut out);
        out.freeze()
    }

    /// The rows of `batch`. A value that has no binary form is an error.
    pub fn rows(&mut self, batch: &RecordBatch) -> Result<Bytes, SqlError> {
        let mut out = BytesMut::new();
        let mut rows = BatchRows::new(batch).map_err(PgError::into_sql)?;
        while let Some(row) = rows.take_row() {
            self.0.write_row(&rows, row, &mut out).map_err(PgError::into_sql)?;
        }
        Ok(out.freeze())
    }

    /// What comes after the last row.
    pub fn end(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        self.0.write_end(&mut out);
        out.freeze()
    }
}

/// Writes the rows of one COPY.
#[derive(Debug)]
pub(crate) struct RowCopier<'a> {
    options: &'a CopyOptions,
    /// The text of one value, before it is escaped.
    value: BytesMut,
}

impl<'a> RowCopier<'a> {
    /// A writer by `options`, whose format is text, CSV or binary.
    pub(crate) fn new(options: &'a CopyOptions) -> Self {
        Self { options, value: BytesMut::new() }
    }

    /// What comes before the first row.
    pub(crate) fn write_start(&mut self, columns: &[Column], out: &mut BytesMut) {
        match self.options.format {
            CopyFormat::Binary => out.put_slice(BINARY_HEADER),
            _ if self.options.header == Some(true) => {
                for (index, column) in columns.iter().enumerate() {
                    self.separate(index, out);
                    self.put_value(column.name.as_bytes(), out);
                }
                out.put_u8(b'\n');
            }
            _ => {}
        }
    }

    /// One row.
    pub(crate) fn write_row(&mut self, batch: &BatchRows, row: usize, out: &mut BytesMut) -> Result<(), PgError> {
        if self.options.format == CopyFormat::Binary {
            out.put_i16(i16::try_from(batch.columns.len()).unwrap_or(i16::MAX));
            for column in &batch.columns {
                column.write_binary_field(row, out)?;
            }
        } else {
            for (index, column) in batch.columns.iter().enumerate() {
                self.separate(index, out);
                self.put_field(column, row, out);
            }
            out.put_u8(b'\n');
        }
        Ok(())
    }

    /// What comes after the last row.
    pub(crate) fn write_end(&mut self, out: &mut BytesMut) {
        if self.options.format == CopyFormat::Binary {
            out.put_slice(BINARY_TRAILER);
        }
    }

    fn separate(&self, index: usize, out: &mut BytesMut) {
        if index > 0 {
            put_char(self.options.delimiter, out);
        }
    }

    fn put_field(&mut self, column: &Reader, row: usize, out: &mut BytesMut) {
        if column.is_null(row) {
            out.put_slice(self.options.null.as_bytes());
            return;
        }
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        column.write_text(row, &mut value);
        if self.options.format == CopyFormat::Csv && self.options.force_quote {
            self.put_quoted(&value, out);
        } else {
            self.put_value(&value, out);
        }
        self.value = value;
    }

    fn put_value(&self, value: &[u8], out: &mut BytesMut) {
        if self.options.format == CopyFormat::Csv {
            if self.needs_quotes(value) { self.put_quoted(value, out) } else { out.put_slice(value) }
        } else {
            self.put_escaped(value, out);
        }
    }

    /// A value that could be taken for NULL, for several values or for the end of the data is quoted.
    fn needs_quotes(&self, value: &[u8]) -> bool {
        let special = [self.options.delimiter, self.options.quote];
        value == self.options.null.as_bytes()
            || value == b"\\."
            || value.iter().any(|byte| matches!(byte, b'\n' | b'\r') || special.contains(&char::from(*byte)))
    }

    fn put_quoted(&self, value: &[u8], out: &mut BytesMut) {
        put_char(self.options.quote, out);
        for byte in value {
            if [self.options.quote, self.options.escape].contains(&char::from(*byte)) {
                put_char(self.options.escape, out);
            }
            out.put_u8(*byte);
        }
        put_char(self.options.quote, out);
    }

    fn put_escaped(&self, value: &[u8], out: &mut BytesMut) {
        for byte in value {
            let letter = match byte {
                b'\\' => b'\\',
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                byte if char::from(*byte) == self.options.delimiter => *byte,
                byte => {
                    out.put_u8(*byte);
                    continue;
                }
            };
            out.put_u8(b'\\');
            out.put_u8(letter);
        }
    }
}

/// Appends what `write` writes as a CopyData message; none if that is nothing.
pub(crate) fn put_copy_data<T>(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> T) -> T {
    let before = out.len();
    out.put_u8(b'd');
    let message = begin_length(out);
    let written = write(out);
    if out.len() > message {
        end_message(message, out)
    } else {
        out.truncate(before)
    }
    written
}

/// Bytes of a capture file in one CopyData message at most, so that a large piece is written as it goes.
const MAX_COPY_DATA_BYTES: usize = 256 << 10;

/// `bytes` in pieces of a message each.
pub(crate) fn copy_data_pieces(bytes: &Bytes) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(MAX_COPY_DATA_BYTES)
}

/// Delimiters and quotes are single bytes; the `sql` crate refuses others.
fn put_char(c: char, out: &mut BytesMut) {
    let mut bytes = [0; 4];
    out.put_slice(c.encode_utf8(&mut bytes).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn copied(options: &CopyOptions) -> Vec<u8> {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a\tb\"c,\\"), None, Some("")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), None]));
        let batch = RecordBatch::try_from_iter([("t", texts), ("n", numbers)]).unwrap();
        let mut encoder = CopyEncoder::new(options);
        [encoder.start(&batch.schema()), encoder.rows(&batch).unwrap(), encoder.end()].concat()
    }

    #[test]
    fn a_message_holds_what_is_written_and_nothing_is_no_message() {
        let mut out = BytesMut::new();
        put_copy_data(&mut out, |out| out.put_slice(b"ab"));
        put_copy_data(&mut out, |_| ());
        assert_eq!(out, b"d\0\0\0\x06ab"[..]);
    }

    #[test]
    fn text_escapes_and_marks_null() {
        assert_eq!(copied(&CopyOptions::new(CopyFormat::Text)), b"a\\tb\"c,\\\\\t1\n\\N\t2\n\t\\N\n");
    }

    #[test]
    fn csv_quotes_what_could_be_misread() {
        let options = CopyOptions { header: Some(true), ..CopyOptions::new(CopyFormat::Csv) };
        assert_eq!(copied(&options), b"t,n\n\"a\tb\"\"c,\\\",1\n,2\n\"\",\n");
    }

    #[test]
    fn binary_has_header_and_trailer() {
        let data = copied(&CopyOptions::new(CopyFormat::Binary));
        assert!(data.starts_with(BINARY_HEADER) && data.ends_with(BINARY_TRAILER));
        assert_eq!(&data[BINARY_HEADER.len()..][..6], [0, 2, 0, 0, 0, 7]);
    }
}
