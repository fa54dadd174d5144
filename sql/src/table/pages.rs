//! Reads selected rows of one component, and of the file only the pages that hold them.

use std::{
    ops::{ControlFlow, Range},
    path::PathBuf,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
    datatypes::{FieldRef, SchemaRef},
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
                .build()
                .map_err(|e| self.damaged(&e.to_string()))?;
            for batch in reader {
                let batch = batch.map_err(|e| self.damaged(&e.to_string()))?;
                if each(shaped(&batch, schema)?).is_break() {
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
    let named = |(at, field): (usize, &FieldRef)| schema.index_of(field.name()).ok().map(|_| at);
    ProjectionMask::roots(footer.parquet_schema(), footer.schema().fields().iter().enumerate().filter_map(named))
}

/// `batch` with the columns of `schema`, in its order and of its types.
fn shaped(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let column = |field: &FieldRef| -> Result<ArrayRef> {
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

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Array, AsArray, DictionaryArray, Int64Array, RecordBatch},
        datatypes::{DataType, Field, Int32Type, Int64Type, Schema},
    };
    use datafusion::{
        execution::runtime_env::RuntimeEnv,
        parquet::{arrow::ArrowWriter, file::properties::WriterProperties},
    };

    use super::*;

    const ROWS: u32 = 1000;

    /// A file of 1000 rows in groups of 300 and pages of 50: `n` counts, `text` repeats.
    fn file(dir: &std::path::Path) -> Wanted {
        let text: DictionaryArray<Int32Type> =
            (0..ROWS).map(|n| format!("t{}", n % 7)).collect::<Vec<_>>().iter().map(String::as_str).collect();
        let n = Int64Array::from_iter_values((0..ROWS).map(i64::from));
        let fields = vec![Field::new("n", DataType::Int64, false), Field::new("text", text.data_type().clone(), true)];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![Arc::new(n), Arc::new(text)]).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(300))
            .set_data_page_row_count_limit(50)
            .set_write_batch_size(50);
        let path = dir.join("rows.parquet");
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let size = std::fs::metadata(&path).unwrap().len();
        let rows = Arc::new(Bitmap::of(&[0, 1, 49, 50, 299, 300, 599, 777, 999]));
        Wanted { path, size, file_rows: u64::from(ROWS), rows, range: 0..ROWS }
    }

    fn read(wanted: &Wanted, schema: &SchemaRef, stop_after: usize) -> Result<Vec<RecordBatch>> {
        let cache = RuntimeEnv::default().cache_manager.get_file_metadata_cache();
        let mut batches = Vec::new();
        for _ in 0..2 {
            // The second time the footer is a kept one.
            batches.clear();
            let _ = wanted.read(schema, &*cache, 2, |batch| {
                batches.push(batch);
                if batches.len() < stop_after { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
        }
        Ok(batches)
    }

    /// Proves that exactly the rows wanted come, from every row group, in any range, in the order and types of the schema,
    /// with NULL for what the file lacks.
    #[test]
    fn the_rows_wanted_come_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let mut wanted = file(dir.path());
        let fields = vec![
            Field::new("later", DataType::UInt16, true),
            Field::new("text", DataType::Utf8, true),
            Field::new("n", DataType::Int64, false),
        ];
        let schema = Arc::new(Schema::new(fields));
        for (range, expected) in [
            (0..ROWS, vec![0, 1, 49, 50, 299, 300, 599, 777, 999]),
            (1..300, vec![1, 49, 50, 299]),
            (50..777, vec![50, 299, 300, 599]),
            (778..999, vec![]),
        ] {
            wanted.range = range;
            let batches = read(&wanted, &schema, usize::MAX).unwrap();
            let n: Vec<i64> =
                batches.iter().flat_map(|b| b.column(2).as_primitive::<Int64Type>().values().to_vec()).collect();
            assert_eq!(n, expected);
            for batch in &batches {
                assert_eq!(batch.column(0).null_count(), batch.num_rows());
                let text = batch.column(1).as_string::<i32>().iter().map(Option::unwrap);
                let expected =
                    batch.column(2).as_primitive::<Int64Type>().values().iter().map(|n| format!("t{}", n % 7));
                assert!(text.eq(expected), "{batch:?}");
                assert!(batch.num_rows() <= 2);
            }
        }
        wanted.range = 0..ROWS;
        assert_eq!(read(&wanted, &schema, 2).unwrap().len(), 2);
    }

    /// Proves that a file of other rows than its segment says is called damaged, with its name, and so is a cut one.
    #[test]
    fn a_file_that_is_not_what_it_should_be_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut wanted = file(dir.path());
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        wanted.file_rows += 1;
        let error = read(&wanted, &schema, usize::MAX).unwrap_err().to_string();
        assert!(error.contains("rows.parquet: damaged") && error.contains("1000 rows"), "{error}");
        wanted.file_rows -= 1;
        std::fs::File::options().write(true).open(&wanted.path).unwrap().set_len(wanted.size / 2).unwrap();
        assert!(read(&wanted, &schema, usize::MAX).is_err());
    }
}
