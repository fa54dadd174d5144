//! Pages, their compression and what the footer says of them.

use std::io::Write;

use bytes::Bytes;
use parquet::{
    basic::{BoundaryOrder, Compression, Encoding, EncodingMask, PageType, ZstdLevel},
    column::{
        page::{CompressedPage, Page as ParquetPage, PageWriteSpec, PageWriter as _},
        writer::ColumnCloseResult,
    },
    file::{
        metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats},
        page_index::column_index::ColumnIndexMetaData,
        properties::EnabledStatistics,
        writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};
use zstd::bulk::Compressor;

use super::{
    gather::{Gathered, Page},
    hybrid,
    plain::{self, Dictionary},
};
use crate::{Error, Result, segment::write_parquet::ZSTD_LEVEL};

/// Bytes of values that are worth a try to compress: a frame alone costs some ten.
const COMPRESS_BYTES: usize = 48;

/// A column chunk, encoded and compressed in memory.
pub(in crate::segment) struct Chunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

impl Chunk {
    /// Makes it the next column of `group`.
    pub(in crate::segment) fn append_to_row_group<W: Write + Send>(
        self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        Ok(group.append_column(&self.bytes, self.close)?)
    }
}

/// Writes the pages of chunks, one chunk after another.
pub(super) struct PageWriter {
    compressor: Compressor<'static>,
    compressed: Vec<u8>,
    values: Vec<u8>,
}

impl PageWriter {
    pub(super) fn new() -> Result<Self> {
        let compressor = Compressor::new(ZSTD_LEVEL).map_err(zstd_error)?;
        Ok(PageWriter { compressor, compressed: Vec::new(), values: Vec::new() })
    }

    /// The chunk of `column`, whose values have `codes` into `dictionary`.
    pub(super) fn write(
        &mut self,
        column: &Gathered,
        codes: &[u32],
        dictionary: &Dictionary,
        descr: &ColumnDescPtr,
        statistics: EnabledStatistics,
    ) -> Result<Chunk> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut out = SerializedPageWriter::new(&mut sink);
        let mut sizes = Sizes::default();
        sizes.add(&out.write_page(self.dictionary_page(dictionary)?)?);
        let data_page_offset = sizes.compressed;
        let mut offsets = OffsetIndexBuilder::new();
        for page in &column.pages {
            let codes = codes.get(page.values.clone()).unwrap_or_default();
            let spec = out.write_page(self.data_page(page, codes, descr)?)?;
            sizes.add(&spec);
            offsets.append_row_count(size(page.rows)?);
            offsets.append_offset_and_size(size(spec.offset)?, size(spec.compressed_size)?);
        }
        let rows: usize = column.pages.iter().map(|page| page.rows).sum();
        let nulls = size(column.null_count())?;
        let encodings = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
        let metadata = ColumnChunkMetaData::builder(ColumnDescPtr::clone(descr))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(page_encodings(column.pages.len())?)
            .set_statistics(dictionary.bounds.statistics(nulls, descr))
            .set_total_compressed_size(size(sizes.compressed)?)
            .set_total_uncompressed_size(size(sizes.uncompressed)?)
            .set_num_values(size(rows)?)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(size(data_page_offset)?)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: size(sizes.compressed)?,
            rows_written: size(rows)?,
            metadata,
            bloom_filter: None,
            column_index: (statistics == EnabledStatistics::Page).then(|| page_bounds(column, descr)).transpose()?,
            offset_index: Some(offsets.build()),
        };
        Ok(Chunk { bytes: sink.into_inner()?.into(), close })
    }

    fn dictionary_page(&mut self, dictionary: &Dictionary) -> Result<CompressedPage> {
        let page = ParquetPage::DictionaryPage {
            // Always compressed: unlike a data page it cannot say that it is not.
            buf: self.compressor.compress(&dictionary.bytes).map_err(zstd_error)?.into(),
            num_values: size(dictionary.entries)?,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        Ok(CompressedPage::new(page, dictionary.bytes.len()))
    }

    fn data_page(&mut self, page: &Page, codes: &[u32], descr: &ColumnDescPtr) -> Result<CompressedPage> {
        let width = hybrid::width(codes);
        self.values.clear();
        self.values.push(width);
        match codes {
            [code] => hybrid::put_run(*code, page.rows - page.null_count(), width, &mut self.values),
            _ => hybrid::put_codes(codes, width, &mut self.values),
        }
        let mut bytes = Vec::with_capacity(self.values.len() + page.rows / 8);
        if descr.max_def_level() > 0 {
            hybrid::put_levels(page.rows, page.nulls.as_ref(), &mut bytes);
        }
        let levels = bytes.len();
        let is_compressed = self.values.len() >= COMPRESS_BYTES && self.compress_values()?;
        bytes.extend_from_slice(if is_compressed { &self.compressed } else { &self.values });
        let written = ParquetPage::DataPageV2 {
            buf: bytes.into(),
            num_values: size(page.rows)?,
            encoding: Encoding::RLE_DICTIONARY,
            num_nulls: size(page.null_count())?,
            num_rows: size(page.rows)?,
            def_levels_byte_len: size(levels)?,
            rep_levels_byte_len: 0,
            is_compressed,
            statistics: None,
        };
        Ok(CompressedPage::new(written, levels + self.values.len()))
    }

    /// Compresses the page's values. False when that gains nothing.
    fn compress_values(&mut self) -> Result<bool> {
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(self.values.len()));
        self.compressor.compress_to_buffer(&self.values, &mut self.compressed).map_err(zstd_error)?;
        Ok(self.compressed.len() < self.values.len())
    }
}

/// Bytes of pages, headers included.
#[derive(Default)]
struct Sizes {
    compressed: usize,
    uncompressed: usize,
}

impl Sizes {
    fn add(&mut self, page: &PageWriteSpec) {
        self.compressed += page.compressed_size;
        self.uncompressed += page.uncompressed_size;
    }
}

/// Says that every value is in the dictionary, so that readers may filter by it.
fn page_encodings(data_pages: usize) -> Result<Vec<PageEncodingStats>> {
    Ok(vec![
        PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 },
        PageEncodingStats {
            page_type: PageType::DATA_PAGE_V2,
            encoding: Encoding::RLE_DICTIONARY,
            count: size(data_pages)?,
        },
    ])
}

/// The bounds of each page of a column of numbers.
fn page_bounds(column: &Gathered, descr: &ColumnDescPtr) -> Result<ColumnIndexMetaData> {
    let plain = |value| {
        let mut bytes = Vec::with_capacity(size_of::<i64>());
        plain::put(value, descr.physical_type(), &mut bytes);
        bytes
    };
    let mut index = ColumnIndexBuilder::new(descr.physical_type());
    for page in &column.pages {
        let (min, max) = page.bounds.map(|(min, max)| (plain(min), plain(max))).unwrap_or_default();
        index.append(page.bounds.is_none(), min, max, size(page.null_count())?);
    }
    index.set_boundary_order(order(column));
    Ok(index.build()?)
}

/// How the pages' bounds follow each other, pages of NULLs left out.
fn order(column: &Gathered) -> BoundaryOrder {
    let bounds: Vec<(i64, i64)> = column.pages.iter().filter_map(|page| page.bounds).collect();
    if bounds.is_sorted_by(|(min, max), (next_min, next_max)| min <= next_min && max <= next_max) {
        BoundaryOrder::ASCENDING
    } else if bounds.is_sorted_by(|(min, max), (next_min, next_max)| min >= next_min && max >= next_max) {
        BoundaryOrder::DESCENDING
    } else {
        BoundaryOrder::UNORDERED
    }
}

/// A count or size in the type that the format has for it.
fn size<N: TryInto<T>, T>(size: N) -> Result<T> {
    size.try_into().map_err(|_| Error::Columnar("a column chunk beyond the sizes of the format".to_owned()))
}

fn zstd_error(e: std::io::Error) -> Error {
    Error::Columnar(format!("zstd: {e}"))
}
