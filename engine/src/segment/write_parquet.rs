//! A table's rows of one segment as a Parquet component, with the encodings its declaration asks for.

use std::path::Path;

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{DataType, FieldRef},
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves},
    },
    basic::{Compression, Encoding as ParquetEncoding, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{
            EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterPropertiesPtr, WriterVersion,
        },
    },
    schema::types::{ColumnDescPtr, ColumnPath},
};

use super::{
    Component,
    encode::{self, Encoder},
    seal::component,
};
use crate::{
    Result, TableDef,
    fs::Fs,
    parallel,
    table::{Encoding, Kind},
};

/// Rows of a data page. A row selection reads whole pages, so small pages make needles cheap; page headers and shorter
/// compression runs make them dear. Measured in `docs/benchmarks.md`.
pub const PAGE_ROWS: usize = 4096;

/// Rows of a row group: one group is the unit of work of a scan.
pub const ROW_GROUP_ROWS: usize = 1 << 18;

/// Rows that an encoder is given at a time. It makes lists of positions and levels of them, which then stay in the cache.
const WRITE_ROWS: usize = 4 * PAGE_ROWS;

/// zstd level of dictionary pages and data pages.
pub(super) const ZSTD_LEVEL: i32 = 1;

/// Writes `batch` as `<table>.parquet` in `dir`, fsynced. The columns of a row group are shared out among `threads`; the
/// file does not depend on how many.
pub(super) fn write(fs: &Fs, dir: &Path, table: &TableDef, batch: &RecordBatch, threads: usize) -> Result<Component> {
    let file_name = format!("{}.parquet", table.name);
    let file = fs.create(&dir.join(&file_name))?;
    let writer = ArrowWriter::try_new(file, batch.schema(), Some(properties(table)))?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    let (schema, properties) = (file.schema_descr().clone(), WriterPropertiesPtr::clone(file.properties()));
    let mut encoders = (0..threads.max(1)).map(|_| Encoder::new()).collect::<Result<Vec<_>>>()?;
    for number in 0..batch.num_rows().div_ceil(ROW_GROUP_ROWS) {
        let start = number * ROW_GROUP_ROWS;
        let rows = batch.slice(start, ROW_GROUP_ROWS.min(batch.num_rows() - start));
        let mut leaves = schema.columns().iter().zip(factory.create_column_writers(number)?);
        let fields = batch.schema_ref().fields().iter().zip(rows.columns());
        let columns = fields.map(|(field, array)| Column {
            field,
            array,
            leaves: leaves.by_ref().take(leaf_count(field.data_type())).collect(),
        });
        let columns = columns.collect();
        let mut group = file.next_row_group()?;
        for chunks in encode_group(&mut encoders, columns, &properties) {
            for chunk in chunks? {
                match chunk {
                    Chunk::Ours(chunk) => chunk.append_to_row_group(&mut group)?,
                    Chunk::Library(chunk) => chunk.append_to_row_group(&mut group)?,
                }
            }
        }
        group.close()?;
    }
    component(file_name, file.into_inner()?)
}

/// One column of a row group, on its way to an encoder.
struct Column<'a> {
    field: &'a FieldRef,
    array: &'a ArrayRef,
    /// The columns of Parquet that it becomes, each with the library's encoder for what ours does not take.
    leaves: Vec<(&'a ColumnDescPtr, ArrowColumnWriter)>,
}

/// Columns of Parquet that a column of this type becomes.
fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::Map(inner, _) | DataType::List(inner) => leaf_count(inner.data_type()),
        DataType::Struct(fields) => fields.iter().map(|f| leaf_count(f.data_type())).sum(),
        _ => 1,
    }
}

/// A column chunk, encoded and compressed in memory, by one encoder or the other.
enum Chunk {
    Ours(encode::Chunk),
    Library(ArrowColumnChunk),
}

/// Encodes the columns, each on whichever thread is free; in order.
fn encode_group(
    encoders: &mut [Encoder],
    columns: Vec<Column<'_>>,
    properties: &WriterProperties,
) -> Vec<Result<Vec<Chunk>>> {
    parallel::map(encoders, columns, |encoder, column| encode(encoder, column, properties))
}

fn encode(encoder: &mut Encoder, column: Column<'_>, properties: &WriterProperties) -> Result<Vec<Chunk>> {
    let Column { field, array, mut leaves } = column;
    if let ([(descr, _)], false) = (leaves.as_slice(), field.data_type().is_nested())
        && let Some(chunk) = encoder.encode(array, descr, properties)?
    {
        return Ok(vec![Chunk::Ours(chunk)]);
    }
    for from in (0..array.len()).step_by(WRITE_ROWS) {
        let slice = array.slice(from, WRITE_ROWS.min(array.len() - from));
        for (leaf, (_, library)) in compute_leaves(field, &slice)?.iter().zip(&mut leaves) {
            library.write(leaf)?;
        }
    }
    leaves.into_iter().map(|(_, library)| Ok(Chunk::Library(library.close()?))).collect()
}

pub(super) fn properties(table: &TableDef) -> WriterProperties {
    let mut p = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(format!("wiretape {}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(vec![KeyValue::new("wiretape.table".to_owned(), table.name.to_owned())]));
    for column in table.columns {
        p = encoded(p, ColumnPath::from(column.name), column.encoding);
        // Page bounds help where values are clustered: times, ids and numbers. Text is the index's work.
        if matches!(column.kind, Kind::Ts | Kind::I64) {
            p = p.set_column_statistics_enabled(ColumnPath::from(column.name), EnabledStatistics::Page);
        }
    }
    p.build()
}

fn encoded(p: WriterPropertiesBuilder, column: ColumnPath, encoding: Encoding) -> WriterPropertiesBuilder {
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
        variables: &[],
        entries: &[],
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
