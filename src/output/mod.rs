//! Rows as text or files: the formats of `wiretape query`. Data goes to one writer, nothing else does; every format but
//! the table's first rows is written as the batches come, so a result of any size takes the memory of one batch.

mod plan;
mod report;
mod stdout;
mod table;
mod text;

use std::io::{self, Write};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray},
    datatypes::{Field, Schema, SchemaRef},
    json::writer::{JsonArray, LineDelimited},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use wiretape_sql::unique_names;

pub(crate) use plan::PlanWriter;
pub(crate) use report::write_report;
pub(crate) use stdout::{Stdout, pipe_is_closed};
pub(crate) use table::{Layout, TableWriter};

/// Rows of a Parquet row group: large enough to compress, small enough to hold in memory while it is written.
const ROW_GROUP_ROWS: usize = 1 << 17;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for reading
    #[default]
    Table,
    /// RFC 4180 with a header line
    Csv,
    /// One array of objects
    Json,
    /// One object per line
    Ndjson,
    /// A table for a README or an issue
    Markdown,
    /// A Parquet file
    Parquet,
}

impl Format {
    /// Whether the output is for programs only, and would disturb a terminal.
    pub(crate) fn is_binary(self) -> bool {
        self == Format::Parquet
    }
}

type Out = Box<dyn Write + Send>;

/// Writes the batches of one result.
pub(crate) enum RowWriter {
    Table(TableWriter),
    Csv(Box<arrow::csv::Writer<Out>>),
    Json(arrow::json::Writer<Out, JsonArray>),
    Ndjson(arrow::json::Writer<Out, LineDelimited>),
    Parquet(Box<ArrowWriter<Out>>),
}

impl RowWriter {
    /// Starts a result with these columns. `layout` matters to tables only.
    pub(crate) fn new(format: Format, schema: &SchemaRef, layout: Layout, out: Out) -> io::Result<RowWriter> {
        let json = || arrow::json::WriterBuilder::new().with_explicit_nulls(true);
        // A reader of these finds columns by name, a reader of a table or of CSV by place.
        let by_name = matches!(format, Format::Json | Format::Ndjson | Format::Parquet);
        let schema = &if by_name { unique_names(schema) } else { SchemaRef::clone(schema) };
        Ok(match format {
            Format::Table => RowWriter::Table(TableWriter::new(schema, layout, out)),
            Format::Markdown => RowWriter::Table(TableWriter::new(schema, Layout::Markdown, out)),
            Format::Csv => {
                let mut csv = arrow::csv::WriterBuilder::new().with_header(true).build(out);
                // A result without rows has a header all the same.
                csv.write(&flat(&RecordBatch::new_empty(SchemaRef::clone(schema)))?).map_err(io::Error::other)?;
                RowWriter::Csv(Box::new(csv))
            }
            Format::Json => RowWriter::Json(json().build(out)),
            Format::Ndjson => RowWriter::Ndjson(json().build(out)),
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(out, SchemaRef::clone(schema), Some(properties));
                RowWriter::Parquet(Box::new(writer.map_err(io::Error::other)?))
            }
        })
    }

    /// Writes the rows of `batch`.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        match self {
            RowWriter::Table(table) => table.write(batch),
            RowWriter::Csv(csv) => csv.write(&flat(batch)?).map_err(io::Error::other),
            RowWriter::Json(json) => json.write(&by_name(batch)?).map_err(io::Error::other),
            RowWriter::Ndjson(json) => json.write(&by_name(batch)?).map_err(io::Error::other),
            RowWriter::Parquet(parquet) => parquet.write(&by_name(batch)?).map_err(io::Error::other),
        }
    }

    /// Shows what was written so far; a table's columns keep the widths they have then.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            RowWriter::Table(table) => table.flush(),
            // Written through with each batch, into writers that end lines of their own accord.
            RowWriter::Csv(_) | RowWriter::Json(_) | RowWriter::Ndjson(_) | RowWriter::Parquet(_) => Ok(()),
        }
    }

    /// Ends the result: closing bracket, footer or row count.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            RowWriter::Table(table) => table.finish(),
            RowWriter::Csv(csv) => csv.into_inner().flush(),
            RowWriter::Ndjson(mut json) => {
                json.finish().map_err(io::Error::other)?;
                json.into_inner().flush()
            }
            RowWriter::Json(mut json) => {
                json.finish().map_err(io::Error::other)?;
                let mut out = json.into_inner();
                out.write_all(b"\n")?;
                out.flush()
            }
            RowWriter::Parquet(parquet) => parquet.into_inner().map_err(io::Error::other)?.flush(),
        }
    }
}

/// The batch with a name of its own for each column.
fn by_name(batch: &RecordBatch) -> io::Result<RecordBatch> {
    let schema = unique_names(&batch.schema());
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, batch.columns().to_vec(), &options).map_err(io::Error::other)
}

/// The batch with lists and structs as text, which CSV has no other way to hold.
fn flat(batch: &RecordBatch) -> io::Result<RecordBatch> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|f| f.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            let cells = text::Cells::new(column)?;
            let texts: StringArray = (0..column.len()).map(|row| cells.text(row)).collect();
            fields.push(Field::new(field.name(), arrow::datatypes::DataType::Utf8, true));
            columns.push(std::sync::Arc::new(texts));
        } else {
            fields.push(field.as_ref().clone());
            columns.push(ArrayRef::clone(column));
        }
    }
    RecordBatch::try_new(SchemaRef::new(Schema::new(fields)), columns).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
