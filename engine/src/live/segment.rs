//! One open segment, at one moment.

use std::{
    collections::HashSet,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch},
    compute,
    datatypes::Int64Type,
};

use super::rows::{Chunk, Rows};
use crate::{
    Error, Result, TableDef,
    raw::{LOG_FILE, LogScan, RawReader},
};

/// An open segment as it was when the view was made.
#[derive(Debug)]
pub struct LiveSegment {
    id: u32,
    dir: PathBuf,
    tables: Vec<(&'static TableDef, Rows)>,
    /// Held open, since sealing removes the name.
    log: File,
    log_len: u64,
    /// Shared with the same segment's later moments.
    scan: Arc<Mutex<LogScan>>,
    raw: OnceLock<Arc<RawReader>>,
}

impl LiveSegment {
    /// The open segment in folder `dir` as it is now, going on from what was known of it `before`. None when it is gone:
    /// sealed meanwhile.
    pub(crate) fn open(
        dir: &Path,
        id: u32,
        tables: &[&'static TableDef],
        before: Option<&LiveSegment>,
    ) -> Result<Option<LiveSegment>> {
        loop {
            match Self::try_open(dir, id, tables, before) {
                Ok(segment) => return Ok(Some(segment)),
                // Files of rows come and go while the log is there.
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    if !dir.join(LOG_FILE).exists() {
                        return Ok(None);
                    }
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn try_open(
        dir: &Path,
        id: u32,
        tables: &[&'static TableDef],
        before: Option<&LiveSegment>,
    ) -> Result<LiveSegment> {
        let mut rows = Vec::new();
        for &table in tables {
            if let Some(found) = Rows::newest(dir, table, before.and_then(|b| b.rows_of(table.name)))? {
                rows.push((table, found));
            }
        }
        // Looked at last: no row is visible whose packet is not.
        let path = dir.join(LOG_FILE);
        let log = File::open(&path).map_err(Error::io(&path))?;
        let log_len = log.metadata().map_err(Error::io(&path))?.len();
        let scan = before.map_or_else(Arc::default, |b| Arc::clone(&b.scan));
        Ok(LiveSegment { id, dir: dir.to_owned(), tables: rows, log, log_len, scan, raw: OnceLock::new() })
    }

    /// Whether `other` is the same segment with the same rows.
    pub(crate) fn same_rows(&self, other: &LiveSegment) -> bool {
        let chunks =
            |s: &LiveSegment| s.tables.iter().map(|(t, r)| (t.name, r.chunks.last().copied())).collect::<Vec<_>>();
        self.id == other.id && chunks(self) == chunks(other)
    }

    /// Its id: the upper 32 bits of the `packet_id` of its packets.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Bytes of its raw log.
    pub fn log_bytes(&self) -> u64 {
        self.log_len
    }

    /// Rows of `table`; of a table of parts, rows as they were written, replaced ones included.
    pub fn rows(&self, table: &str) -> u64 {
        self.chunks(table).map(|c| u64::from(c.rows)).sum()
    }

    /// Smallest and largest time of `table`'s rows, ns.
    pub fn time_range(&self, table: &str) -> Option<(i64, i64)> {
        let bounds = self.chunks(table).map(|c| (c.min_ts_ns, c.max_ts_ns));
        bounds.reduce(|(low, high), (min, max)| (low.min(min), high.max(max)))
    }

    /// The rows of `table`, of which only the columns at `projection`, a batch at a time. In order of arrival, but of a
    /// table of parts the newest first.
    pub fn read<'a>(
        &'a self,
        table: &'static TableDef,
        projection: &'a [usize],
    ) -> Box<dyn Iterator<Item = Result<RecordBatch>> + Send + 'a> {
        let Some(rows) = self.rows_of(table.name) else { return Box::new(std::iter::empty()) };
        match table.part_key.and_then(|key| table.column(key)) {
            Some((key, _)) => {
                let mut seen = HashSet::new();
                Box::new(rows.chunks.iter().rev().map(move |c| newest_parts(rows, c, projection, key, &mut seen)))
            }
            None => Box::new(rows.chunks.iter().map(move |c| rows.read(c, projection))),
        }
    }

    /// As [`read`](Self::read) of a table without parts, but for the rows that an earlier moment of this segment had: so many.
    pub fn read_after<'a>(
        &'a self,
        table: &'static TableDef,
        projection: &'a [usize],
        known: u64,
    ) -> impl Iterator<Item = Result<RecordBatch>> + 'a {
        let rows = self.rows_of(table.name);
        let chunks = rows.into_iter().flat_map(|rows| rows.chunks.iter().map(move |chunk| (rows, chunk)));
        let mut before = 0;
        let new = chunks.filter(move |(_, chunk)| {
            before += u64::from(chunk.rows);
            before > known
        });
        new.map(move |(rows, chunk)| rows.read(chunk, projection))
    }

    /// The exact packets.
    pub fn raw(&self) -> Result<Arc<RawReader>> {
        if let Some(raw) = self.raw.get() {
            return Ok(Arc::clone(raw));
        }
        let path = self.dir.join(LOG_FILE);
        let log = self.log.try_clone().map_err(Error::io(&path))?;
        let mut scan = self.scan.lock().unwrap_or_else(PoisonError::into_inner);
        let raw = Arc::new(scan.reader(&path, log, self.log_len)?);
        Ok(Arc::clone(self.raw.get_or_init(|| raw)))
    }

    fn rows_of(&self, table: &str) -> Option<&Rows> {
        self.tables.iter().find(|(t, _)| t.name == table).map(|(_, rows)| rows)
    }

    fn chunks(&self, table: &str) -> impl Iterator<Item = &Chunk> {
        self.rows_of(table).into_iter().flat_map(|rows| &rows.chunks)
    }
}

/// Fuzz entry: the open segment in folder `dir`, whatever its files are.
#[doc(hidden)]
pub fn fuzz_live(dir: &Path, tables: &[&'static TableDef]) -> Result<Option<LiveSegment>> {
    LiveSegment::open(dir, 1, tables, None)
}

/// The rows of a chunk whose key no later chunk has.
fn newest_parts(
    rows: &Rows,
    chunk: &Chunk,
    projection: &[usize],
    key: usize,
    seen: &mut HashSet<i64>,
) -> Result<RecordBatch> {
    let with_key: Vec<usize> = projection.iter().copied().chain([key]).collect();
    let batch = rows.read(chunk, &with_key)?;
    let keys = batch.column(projection.len()).as_primitive::<Int64Type>();
    let newest: BooleanArray = keys.values().iter().map(|key| Some(seen.insert(*key))).collect();
    let batch = compute::filter_record_batch(&batch, &newest)?;
    Ok(batch.project(&(0..projection.len()).collect::<Vec<_>>())?)
}
