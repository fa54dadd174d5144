//! Encodes a dictionary column of one row group: what nearly every column of ours is, at a few nanoseconds a value.
//!
//! ```text
//!  Arrow array ──gather──► values, widened, without NULLs ──codes──► codes ──hybrid──► RLE / bit-packed ──zstd──► data pages
//!   (rows of a group)      a page of equals as one value      │                                                     │
//!                                                             └──► distinct values ──plain──► dictionary page ──► chunk
//! ```
//!
//! Every value is an `i64` on the way, be it a number or the key of an Arrow dictionary, so that there is one code for
//! all. The bytes are standard Parquet and depend on nothing but the rows. What this encoder does not take is left to
//! the Parquet library's: other types and encodings, dictionaries that grow too large, texts too long for exact bounds.

mod chunk;
mod codes;
mod gather;
mod hybrid;
mod plain;
#[cfg(test)]
mod tests;

use arrow::{
    array::{Array, ArrowPrimitiveType, AsArray, StringArray},
    datatypes::{Int32Type, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type},
};
use parquet::{
    basic::Type,
    file::properties::{EnabledStatistics, WriterProperties},
    schema::types::ColumnDescPtr,
};

pub(super) use chunk::Chunk;

use self::{chunk::PageWriter, codes::Coder, gather::Gathered, plain::Dictionary};
use crate::Result;

/// Bytes of a dictionary page at most. Readers hold a column's dictionary in memory, and one that is larger saves little
/// over plain values; it is the Parquet library's own limit, too.
const DICTIONARY_BYTES: usize = 1 << 20;

/// An encoder of columns, one after another: its buffers and its compressor stay.
pub(super) struct Encoder {
    gathered: Gathered,
    coder: Coder,
    pages: PageWriter,
}

impl Encoder {
    /// A new encoder that compresses as everything in a Parquet component is compressed.
    pub(super) fn new() -> Result<Self> {
        Ok(Encoder { gathered: Gathered::default(), coder: Coder::default(), pages: PageWriter::new()? })
    }

    /// The rows of `column` as one column chunk, or None where they are for the library to encode. At least one row.
    pub(super) fn encode(
        &mut self,
        column: &dyn Array,
        descr: &ColumnDescPtr,
        properties: &WriterProperties,
    ) -> Result<Option<Chunk>> {
        if !properties.dictionary_enabled(descr.path()) {
            return Ok(None);
        }
        let statistics = properties.statistics_enabled(descr.path());
        let dictionary = match texts(column) {
            Some(_) if statistics == EnabledStatistics::Page => None,
            Some((keys, texts)) => self.code_texts(keys, texts, descr),
            None => self.code_numbers(column, descr),
        };
        let Some(dictionary) = dictionary else { return Ok(None) };
        self.pages.write(&self.gathered, &self.coder.codes, &dictionary, descr, statistics).map(Some)
    }

    fn code_texts(&mut self, keys: &dyn Array, texts: &StringArray, descr: &ColumnDescPtr) -> Option<Dictionary> {
        self.gather::<Int32Type>(keys)?;
        let coded = self.coder.assign(&self.gathered, DICTIONARY_BYTES / size_of::<u32>());
        coded.then(|| plain::texts(&mut self.coder, texts, descr))?
    }

    fn code_numbers(&mut self, column: &dyn Array, descr: &ColumnDescPtr) -> Option<Dictionary> {
        self.gather::<UInt8Type>(column)
            .or_else(|| self.gather::<UInt16Type>(column))
            .or_else(|| self.gather::<UInt32Type>(column))
            .or_else(|| self.gather::<Int64Type>(column))
            .or_else(|| self.gather::<TimestampNanosecondType>(column))?;
        let width = if descr.physical_type() == Type::INT32 { size_of::<i32>() } else { size_of::<i64>() };
        let coded = self.coder.assign(&self.gathered, DICTIONARY_BYTES / width);
        coded.then(|| plain::numbers(&self.coder.distinct, &self.gathered, descr))?
    }

    /// Gathers the column's values if they are of this type.
    fn gather<T: ArrowPrimitiveType<Native: Into<i64>>>(&mut self, column: &dyn Array) -> Option<()> {
        self.gathered.fill(column.as_primitive_opt::<T>()?);
        Some(())
    }
}

/// Keys and texts, if that is what the column is made of.
fn texts(column: &dyn Array) -> Option<(&dyn Array, &StringArray)> {
    let dictionary = column.as_dictionary_opt::<Int32Type>()?;
    let texts = dictionary.values().as_string_opt::<i32>()?;
    // A key of a NULL is a NULL of its own, which the keys do not show.
    (texts.null_count() == 0).then_some((dictionary.keys() as &dyn Array, texts))
}
