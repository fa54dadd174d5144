//! A table's rows of one segment as a Parquet component, with the encodings its declaration asks for.

use std::path::Path;

use arrow::array::RecordBatch;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding as ParquetEncoding, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion},
    },
    schema::types::ColumnPath,
};

use super::{Component, seal::component};
use crate::{
    Result, TableDef,
    fs::Fs,
    table::{Encoding, Kind},
};

/// Rows of a data page. A row selection reads whole pages, so small pages make needles cheap; page headers and shorter
/// compression runs make them dear. Measured in `docs/benchmarks.md`.
pub const PAGE_ROWS: usize = 4096;

/// Rows of a row group: one group is the unit of work of a scan.
pub const ROW_GROUP_ROWS: usize = 1 << 18;

/// Writes `batch` as `<table>.parquet` in `dir`, fsynced.
pub(super) fn write(fs: &Fs, dir: &Path, table: &TableDef, batch: &RecordBatch) -> Result<Component> {
    let file_name = format!("{}.parquet", table.name);
    let file = fs.create(&dir.join(&file_name))?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties(table)))?;
    writer.write(batch)?;
    component(file_name, writer.into_inner()?)
}

fn properties(table: &TableDef) -> WriterProperties {
    let mut p = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(format!("wiretape {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![KeyValue::new("wiretape.table".to_owned(), table.name.to_owned())]));
    for column in table.columns {
        p = encode(p, ColumnPath::from(column.name), column.encoding);
        // Page bounds help where values are clustered: times, ids and numbers. Text is the index's work.
        if matches!(column.kind, Kind::Ts | Kind::I64) {
            p = p.set_column_statistics_enabled(ColumnPath::from(column.name), EnabledStatistics::Page);
        }
    }
    p.build()
}

fn encode(p: WriterPropertiesBuilder, column: ColumnPath, encoding: Encoding) -> WriterPropertiesBuilder {
    let plain = |p: WriterPropertiesBuilder, e| {
        p.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column.clone(), e)
    };
    match encoding {
        Encoding::Dictionary => p,
        Encoding::Delta => plain(p, ParquetEncoding::DELTA_BINARY_PACKED),
        Encoding::Plain => plain(p, ParquetEncoding::PLAIN),
    }
}
