//! Rows of an open segment on their way to readers: a file of chunks, each an Arrow IPC stream behind a header.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | `WTRW` |
//! | 4 | 4 | rows |
//! | 8 | 4 | bytes of the IPC stream |
//! | 12 | 4 | 0 |
//! | 16 | 8 | smallest value of the time column, ns |
//! | 24 | 8 | largest |
//! | 32 | 8 | XXH3-64 of the IPC stream |
//! | 40 | … | the IPC stream: schema, dictionaries, one batch, LZ4 |
//!
//! A chunk is complete in itself, so a reader may begin with any.

use std::{
    fs::{self, File},
    io::Cursor,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{AsArray, RecordBatch},
    compute,
    datatypes::{Field, TimestampNanosecondType},
    error::ArrowError,
};
use arrow_ipc::{
    CompressionType,
    reader::StreamReader,
    writer::{IpcWriteOptions, StreamWriter},
};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    Error, Result, TableDef,
    fs::{Fs, LogFile},
};

const MAGIC: [u8; 4] = *b"WTRW";
const HEADER_BYTES: usize = 40;

/// Bytes of a chunk's IPC stream at most; a recorder writes chunks of a fraction of a second, far below.
const MAX_CHUNK_BYTES: usize = 1 << 30;

/// Writes one table's rows for readers.
#[derive(Debug)]
pub struct RowsWriter {
    fs: Fs,
    dir: PathBuf,
    table: &'static TableDef,
    generation: u32,
    file: LogFile,
}

impl RowsWriter {
    /// Begins the rows of `table` in an open segment's folder.
    pub fn create(fs: &Fs, dir: &Path, table: &'static TableDef) -> Result<RowsWriter> {
        let file = fs.create_log(&dir.join(file_name(table, 0)))?;
        Ok(RowsWriter { fs: fs.clone(), dir: dir.to_owned(), table, generation: 0, file })
    }

    /// Appends rows: readers see all of them or, until the call is over, none. After an error none were added, and the
    /// call may be made again.
    pub fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.file.append(&to_chunk(batch)?)
    }

    /// Puts `batch` in the place of all rows so far.
    pub fn replace(&mut self, batch: &RecordBatch) -> Result<()> {
        let generation = self.generation.wrapping_add(1);
        let path = self.dir.join(file_name(self.table, generation));
        let hidden = path.with_extension("tmp");
        let mut file = self.fs.create_log(&hidden)?;
        let written = match batch.num_rows() {
            0 => Ok(()),
            _ => to_chunk(batch).and_then(|chunk| file.append(&chunk)),
        };
        if let Err(e) = written {
            self.fs.remove_file(&hidden)?;
            return Err(e);
        }
        self.fs.rename_unsynced(&hidden, &path)?;
        self.fs.remove_file(&self.dir.join(file_name(self.table, self.generation)))?;
        (self.generation, self.file) = (generation, file);
        Ok(())
    }

    /// The table whose rows these are.
    pub fn table(&self) -> &'static TableDef {
        self.table
    }

    /// Bytes written since the rows began or were last replaced.
    pub fn bytes(&self) -> u64 {
        self.file.len()
    }
}

fn file_name(table: &TableDef, generation: u32) -> String {
    format!("{}.{generation:06}.rows", table.name)
}

/// The newest file of `table`'s rows in `dir`.
fn newest(dir: &Path, table: &TableDef) -> Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let name = entry.map_err(Error::io(dir))?.file_name().into_string().unwrap_or_default();
        let of_table = name.strip_suffix(".rows").and_then(|n| n.strip_prefix(table.name)?.strip_prefix('.'));
        if of_table.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit())) {
            newest = newest.max(Some(name));
        }
    }
    Ok(newest.map(|name| dir.join(name)))
}

fn to_chunk(batch: &RecordBatch) -> Result<Vec<u8>> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
    let mut writer = StreamWriter::try_new_with_options(vec![0; HEADER_BYTES], &batch.schema(), options)?;
    writer.write(batch)?;
    let mut chunk = writer.into_inner()?;
    let (header, stream) = chunk.split_at_mut(HEADER_BYTES);
    let count = |n: usize| u32::try_from(n).ok().filter(|_| stream.len() <= MAX_CHUNK_BYTES);
    let (Some(rows), Some(len)) = (count(batch.num_rows()), count(stream.len())) else {
        let what = format!("a chunk of {} rows and {} bytes", batch.num_rows(), stream.len());
        return Err(Error::Limit { what, limit: format!("{MAX_CHUNK_BYTES} bytes") });
    };
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
    let bounds = [compute::min(times).unwrap_or_default(), compute::max(times).unwrap_or_default()];
    let fields = [&MAGIC[..], &rows.to_le_bytes(), &len.to_le_bytes(), &[0; 4]]
        .concat()
        .into_iter()
        .chain(bounds.into_iter().flat_map(i64::to_le_bytes))
        .chain(xxh3_64(stream).to_le_bytes());
    for (slot, byte) in header.iter_mut().zip(fields) {
        *slot = byte;
    }
    Ok(chunk)
}

/// One chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) rows: u32,
    pub(super) min_ts_ns: i64,
    pub(super) max_ts_ns: i64,
    offset: u64,
    len: u32,
    checksum: u64,
}

/// The rows of one table as they were when this was made or last extended.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    table: &'static TableDef,
    path: PathBuf,
    file: Arc<File>,
    pub(super) chunks: Vec<Chunk>,
    /// Where the next chunk will be.
    end: u64,
}

impl Rows {
    /// What is there now, going on from `before`. None when the table has no rows yet.
    pub(super) fn newest(dir: &Path, table: &'static TableDef, before: Option<&Rows>) -> Result<Option<Rows>> {
        let Some(path) = newest(dir, table)? else { return Ok(None) };
        let mut rows = match before {
            Some(before) if before.path == path => before.clone(),
            _ => {
                let file = Arc::new(File::open(&path).map_err(Error::io(&path))?);
                Rows { table, path, file, chunks: Vec::new(), end: 0 }
            }
        };
        rows.extend()?;
        Ok(Some(rows))
    }

    /// Takes in the chunks that are whole by now.
    fn extend(&mut self) -> Result<()> {
        let len = self.file.metadata().map_err(Error::io(&self.path))?.len();
        while let Some(at) = self.end.checked_add(HEADER_BYTES as u64).filter(|at| *at <= len) {
            let mut header = [0; HEADER_BYTES];
            self.file.read_exact_at(&mut header, self.end).map_err(Error::io(&self.path))?;
            let chunk = parse_header(&header, at)
                .ok_or_else(|| Error::damaged(&self.path, self.end, "not the header of a chunk of rows"))?;
            let end = at + u64::from(chunk.len);
            if end > len {
                break;
            }
            self.chunks.push(chunk);
            self.end = end;
        }
        Ok(())
    }

    /// Decodes the columns at `projection` of a chunk, in that order.
    pub(super) fn read(&self, chunk: &Chunk, projection: &[usize]) -> Result<RecordBatch> {
        let damaged = |what: &str| Error::damaged(&self.path, chunk.offset, what);
        let mut bytes = vec![0; chunk.len as usize];
        self.file.read_exact_at(&mut bytes, chunk.offset).map_err(Error::io(&self.path))?;
        if xxh3_64(&bytes) != chunk.checksum {
            return Err(damaged("the checksum of a chunk of rows does not match"));
        }
        // Read in the order of the file. Never without a column: the time column costs little.
        let mut columns: Vec<usize> = projection.iter().copied().chain([0]).collect();
        columns.sort_unstable();
        columns.dedup();
        let unreadable = |e: ArrowError| damaged(&format!("a chunk that is no rows of its table: {e}"));
        let mut stream = StreamReader::try_new(Cursor::new(bytes), Some(columns.clone())).map_err(unreadable)?;
        let batch = stream.next().ok_or_else(|| damaged("a chunk of rows without rows"))?.map_err(unreadable)?;
        if batch.num_rows() != chunk.rows as usize {
            return Err(damaged("a chunk has other rows than it says"));
        }
        if !batch.schema().fields().iter().zip(&columns).all(|(field, at)| self.is_column(field, *at)) {
            return Err(damaged("a chunk has other columns than its table"));
        }
        let order: Vec<usize> = projection.iter().map(|c| columns.binary_search(c).unwrap_or_default()).collect();
        Ok(batch.project(&order)?)
    }

    /// Whether a field is the table's column at this place.
    fn is_column(&self, field: &Field, at: usize) -> bool {
        let column = self.table.columns.get(at);
        column.is_some_and(|c| c.name == field.name() && c.kind.data_type() == *field.data_type())
    }
}

fn parse_header(header: &[u8; HEADER_BYTES], offset: u64) -> Option<Chunk> {
    let u32_at = |at: usize| header.get(at..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b));
    let u64_at = |at: usize| header.get(at..)?.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let len = u32_at(8).filter(|len| *len as usize <= MAX_CHUNK_BYTES)?;
    header.starts_with(&MAGIC).then_some(())?;
    Some(Chunk {
        rows: u32_at(4)?,
        min_ts_ns: u64_at(16)? as i64,
        max_ts_ns: u64_at(24)? as i64,
        offset,
        len,
        checksum: u64_at(32)?,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, TimestampNanosecondArray};

    use super::*;
    use crate::{ColumnDef, table::Kind};

    const TS: ColumnDef = ColumnDef::new("ts", Kind::Ts, false, "When.");
    const COUNT: ColumnDef = ColumnDef::new("count", Kind::I64, true, "How often.");
    const PLACE: ColumnDef = ColumnDef::new("place", Kind::I64, true, "Where.");
    const COUNT_AS_TEXT: ColumnDef = ColumnDef::new("count", Kind::Text, true, "How often, in words.");

    const fn turns(columns: &'static [ColumnDef]) -> TableDef {
        TableDef {
            name: "turns",
            comment: "What a turnstile counted.",
            columns,
            part_key: None,
            system: false,
            group: None,
            variables: &[],
            entries: &[],
        }
    }

    static TURNS: TableDef = turns(&[TS, COUNT, PLACE]);
    static RENAMED: TableDef = turns(&[TS, PLACE, COUNT]);
    static RETYPED: TableDef = turns(&[TS, COUNT_AS_TEXT, PLACE]);
    static WIDER: TableDef = turns(&[TS, COUNT, PLACE, COUNT_AS_TEXT]);

    /// Proves that rows come back in the columns asked for, and that rows of a table with other columns, which another version has
    /// written, are told from them before anyone takes a number for a text.
    #[test]
    fn rows_are_of_the_columns_of_their_table() {
        let dir = tempfile::tempdir().unwrap();
        let times = TimestampNanosecondArray::from(vec![5, 7]).with_data_type(Kind::Ts.data_type());
        let columns: [ArrayRef; 3] = [
            Arc::new(times),
            Arc::new(Int64Array::from(vec![Some(1), None])),
            Arc::new(Int64Array::from(vec![10, 20])),
        ];
        let batch = RecordBatch::try_new(TURNS.schema(), columns.to_vec()).unwrap();
        RowsWriter::create(&Fs::default(), dir.path(), &TURNS).unwrap().append(&batch).unwrap();

        let read = |table: &'static TableDef, projection: &[usize]| {
            let rows = Rows::newest(dir.path(), table, None).unwrap().unwrap();
            rows.read(rows.chunks.first().unwrap(), projection)
        };
        assert_eq!(read(&TURNS, &[2, 0]).unwrap(), batch.project(&[2, 0]).unwrap());
        assert_eq!(read(&TURNS, &[]).unwrap().num_rows(), 2);
        for (table, column) in [(&RENAMED, 1), (&RETYPED, 1), (&WIDER, 3)] {
            assert_eq!(read(table, &[0]).unwrap().num_rows(), 2, "a column that both have is read");
            let error = read(table, &[0, column]).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }) && error.to_string().contains("table"), "{error}");
        }
    }
}
