//! A table's rows of one segment as a Parquet component, with the encodings its declaration asks for.

use std::{panic::resume_unwind, path::Path, thread};

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::FieldRef,
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
    },
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

/// Rows that an encoder is given at a time. It makes lists of positions and levels of them, which then stay in the cache.
const WRITE_ROWS: usize = 4 * PAGE_ROWS;

/// Writes `batch` as `<table>.parquet` in `dir`, fsynced. As many row groups as `threads` are encoded at a time; the file
/// does not depend on it.
pub(super) fn write(fs: &Fs, dir: &Path, table: &TableDef, batch: &RecordBatch, threads: usize) -> Result<Component> {
    let file_name = format!("{}.parquet", table.name);
    let file = fs.create(&dir.join(&file_name))?;
    let writer = ArrowWriter::try_new(file, batch.schema(), Some(properties(table)))?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    let groups: Vec<usize> = (0..batch.num_rows().div_ceil(ROW_GROUP_ROWS)).collect();
    for wave in groups.chunks(threads.max(1)) {
        let encoded: Vec<Result<Vec<ArrowColumnChunk>>> = thread::scope(|scope| {
            let encode = |&number| {
                scope.spawn({
                    let factory = &factory;
                    move || encode_group(factory, number, batch)
                })
            };
            let threads: Vec<_> = wave.iter().map(encode).collect();
            threads.into_iter().map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        for chunks in encoded {
            let mut group = file.next_row_group()?;
            for chunk in chunks? {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close()?;
        }
    }
    component(file_name, file.into_inner()?)
}

/// Row group `number` of `batch`, encoded and compressed in memory.
fn encode_group(
    factory: &ArrowRowGroupWriterFactory,
    number: usize,
    batch: &RecordBatch,
) -> Result<Vec<ArrowColumnChunk>> {
    let start = number * ROW_GROUP_ROWS;
    let rows = ROW_GROUP_ROWS.min(batch.num_rows() - start);
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns()).zip(factory.create_column_writers(number)?);
    let encode = |((field, column), mut writer): ((&FieldRef, &ArrayRef), ArrowColumnWriter)| {
        for from in (0..rows).step_by(WRITE_ROWS) {
            let slice = column.slice(start + from, WRITE_ROWS.min(rows - from));
            for leaf in compute_leaves(field, &slice)? {
                writer.write(&leaf)?;
            }
        }
        Ok(writer.close()?)
    };
    columns.map(encode).collect()
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
        // Where a dictionary grows too large. The default of this version keeps a megabyte of buffers a column at hand.
        Encoding::Dictionary => p.set_column_encoding(column, ParquetEncoding::PLAIN),
        Encoding::Delta => plain(p, ParquetEncoding::DELTA_BINARY_PACKED),
        Encoding::Plain => plain(p, ParquetEncoding::PLAIN),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{AsArray, Int64Array, TimestampNanosecondArray},
        datatypes::TimestampNanosecondType,
    };
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::ColumnDef;

    static TURNS: TableDef = TableDef {
        name: "turns",
        comment: "What a turnstile counted.",
        columns: &[
            ColumnDef::new("ts", Kind::Ts, false, "When.").encoded(Encoding::Delta),
            ColumnDef::new("count", Kind::I64, true, "How often."),
        ],
        part_key: None,
        system: false,
        group: None,
    };

    /// Proves that row groups stay in order and whole, however many are encoded at a time.
    #[test]
    fn the_file_does_not_depend_on_the_threads() {
        let rows = 0..i64::try_from(3 * ROW_GROUP_ROWS + 5).unwrap();
        let times = TimestampNanosecondArray::from_iter_values(rows.clone().map(|n| n * 1000));
        let counts: Int64Array = rows.map(|n| (n % 3 == 0).then_some(n / 500)).collect();
        let times = times.with_data_type(Kind::Ts.data_type());
        let batch = RecordBatch::try_new(TURNS.schema(), vec![Arc::new(times), Arc::new(counts)]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("turns.parquet");
        let [one, two, many] = [1, 2, 8].map(|threads| {
            let _ = std::fs::remove_file(&file);
            write(&Fs::default(), dir.path(), &TURNS, &batch, threads).unwrap();
            std::fs::read(&file).unwrap()
        });
        assert!(one == two && one == many, "the files differ");
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&file).unwrap()).unwrap();
        let mut times = Vec::new();
        for part in reader.build().unwrap() {
            times.extend_from_slice(part.unwrap().column(0).as_primitive::<TimestampNanosecondType>().values());
        }
        assert_eq!(times, batch.column(0).as_primitive::<TimestampNanosecondType>().values().as_ref());
    }
}
