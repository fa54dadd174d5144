//! Reads selected rows of one component, and of the file only the pages that hold them.

use std::{
    ops::{ControlFlow, Range},
    path::PathBuf,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
    datatypes::SchemaRef,
};
use croaring::Bitmap;
use datafusion::{
    error::Result,
    execution::cache::cache_manager::FileMetadataCache,
    parquet::arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder},
    },
};
use wiretape_engine::Error;

use super::{
    evaluate::external,
    page_file::PageFile,
    selected::{selection, within},
};

/// Rows of one component that a scan wants.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) path: PathBuf,
    /// Size of the file, bytes.
    pub(super) size: u64,
    /// All rows of the file.
    pub(super) file_rows: u64,
    pub(super) rows: Arc<Bitmap>,
    /// The part of `rows` that is meant.
    pub(super) range: Range<u32>,
}

impl Wanted {
    /// Gives the columns of `schema` to `each`, in batches of at most `batch_rows` rows, until it breaks. Columns that the
    /// file lacks are NULL.
    pub(super) fn read(
        &self,
        schema: &SchemaRef,
        cache: &FileMetadataCache,
        batch_rows: usize,
        mut each: impl FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let file = PageFile::open(&self.path, self.size)?;
        let footer = file.footer(&self.path, cache)?;
        let columns = columns_of(&footer, schema);
        let mut start = 0;
        for (number, group) in footer.metadata().row_groups().iter().enumerate() {
            let rows = u32::try_from(group.num_rows()).map_err(|_| self.damaged("a row group too long"))?;
            let end = rows.checked_add(start).ok_or_else(|| self.damaged("row groups too long"))?;
            let range = start.max(self.range.start)..end.min(self.range.end);
            let skipped = (range.start.saturating_sub(start)) as usize;
            let mut wanted = within(&self.rows, range).map(|row| row + skipped).peekable();
            start = end;
            if wanted.peek().is_none() {
                continue;
            }
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer.clone())
                .with_projection(columns.clone())
                .with_row_groups(vec![number])
                .with_row_selection(selection(wanted, rows as usize))
                .with_batch_size(batch_rows)
                .build()?;
            for batch in reader {
                if each(shaped(&batch?, schema)?).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        match u64::from(start) == self.file_rows {
            true => Ok(ControlFlow::Continue(())),
            false => Err(self.damaged(&format!("{start} rows where there should be {}", self.file_rows))),
        }
    }

    fn damaged(&self, what: &str) -> datafusion::error::DataFusionError {
        external(Error::damaged(&self.path, 0, what))
    }
}

/// The file's columns of the names in `schema`.
fn columns_of(footer: &ArrowReaderMetadata, schema: &SchemaRef) -> ProjectionMask {
    let named = |(at, field): (usize, &Arc<arrow::datatypes::Field>)| schema.index_of(field.name()).ok().map(|_| at);
    ProjectionMask::roots(footer.parquet_schema(), footer.schema().fields().iter().enumerate().filter_map(named))
}

/// `batch` with the columns of `schema`, in its order and of its types.
fn shaped(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let column = |field: &Arc<arrow::datatypes::Field>| -> Result<ArrayRef> {
        match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => Ok(cast(column, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
