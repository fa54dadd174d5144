//! Arrow batches as PostgreSQL rows. A [`BatchRows`] is one batch made ready once ([`reader`]) and written row by row
//! straight into the connection's output buffer; nothing is allocated per value.

mod binary;
mod json;
mod number;
mod reader;
mod text;
mod time;
mod types;

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::buffer::OffsetBuffer;
use bytes::{BufMut, BytesMut};

pub(crate) use number::read_numeric_binary;
pub(crate) use reader::Reader;
pub(crate) use time::{unix_days, unix_micros};
pub(crate) use types::{Column, columns, pg_type, type_len};

use crate::error::PgError;

/// Text or binary, chosen by the client for each column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

impl Format {
    /// The format code of Bind and RowDescription.
    pub(crate) fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// A batch ready to be written, and how far it has been.
#[derive(Debug)]
pub(crate) struct BatchRows {
    pub(crate) columns: Vec<Reader>,
    next: usize,
    rows: usize,
}

impl BatchRows {
    /// Makes `batch` ready.
    pub(crate) fn new(batch: &RecordBatch) -> Result<Self, PgError> {
        let columns = batch.columns().iter().map(Reader::new).collect::<Result<_, _>>();
        let columns = columns.map_err(|error| PgError::internal(&error.to_string()))?;
        Ok(Self { columns, next: 0, rows: batch.num_rows() })
    }

    /// The number of the next row, which then counts as taken; `None` at the end of the batch.
    pub(crate) fn take_row(&mut self) -> Option<usize> {
        (self.next < self.rows).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Appends row `row` as a DataRow message; `format_of` gives the format of each column.
    pub(crate) fn write_data_row(
        &self,
        row: usize,
        format_of: impl Fn(usize) -> Format,
        out: &mut BytesMut,
    ) -> Result<(), PgError> {
        out.put_u8(b'D');
        let message = begin_length(out);
        out.put_i16(i16::try_from(self.columns.len()).unwrap_or(i16::MAX));
        for (index, column) in self.columns.iter().enumerate() {
            if column.is_null(row) {
                out.put_i32(-1);
                continue;
            }
            let field = begin_length(out);
            match format_of(index) {
                Format::Text => column.write_text(row, out),
                Format::Binary => column.write_binary(row, out)?,
            }
            end_length(field, out);
        }
        end_message(message, out);
        Ok(())
    }
}

/// Leaves room for a length word and tells where it is.
pub(crate) fn begin_length(out: &mut BytesMut) -> usize {
    out.put_i32(0);
    out.len()
}

/// Fills in the length word before `start` with the number of bytes written since.
pub(crate) fn end_length(start: usize, out: &mut BytesMut) {
    set_length(start, out.len() - start, out);
}

/// As [`end_length`], for a message: its length counts the length word too.
pub(crate) fn end_message(start: usize, out: &mut BytesMut) {
    set_length(start, out.len() - start + 4, out);
}

fn set_length(start: usize, length: usize, out: &mut BytesMut) {
    let word = i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes();
    if let Some(slot) = out.get_mut(start - 4..start) {
        slot.copy_from_slice(&word);
    }
}

/// The item rows of list row `row`.
fn span(offsets: &OffsetBuffer<i32>, row: usize) -> Range<usize> {
    let at = |index: usize| offsets.get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    at(row)..at(row + 1)
}

#[cfg(test)]
mod tests;
