//! Checks a database from end to end: every checksum, and the rules that hold between components.
//!
//! Findings are values, not errors: one damaged component does not hide the next.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use arrow::array::{Array, AsArray, RecordBatch};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use xxhash_rust::xxh3::Xxh3;

use crate::{
    Error, Result, Segment, TableDef,
    db::segments_dir,
    manifest::Manifest,
    segment::{Component, TableMeta},
};

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file it shows in.
    pub path: PathBuf,
    /// What is wrong, and where in the file.
    pub what: String,
}

/// What [`verify`] did.
#[derive(Debug, Default)]
pub struct Report {
    /// Segments looked at.
    pub segments: usize,
    /// Component files read whole.
    pub components: usize,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong; empty when all is well.
    pub findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, path: &Path, what: impl Into<String>) {
        self.findings.push(Finding { path: path.to_owned(), what: what.into() });
    }

    fn add_error(&mut self, path: &Path, error: &Error) {
        match error {
            Error::Damaged { path, offset, what } => self.add(path, format!("byte {offset}: {what}")),
            other => self.add(path, other.to_string()),
        }
    }
}

/// Reads every byte of the database at `dir` and checks it. An error is a folder that is no database of this format; a
/// damaged database is a report.
pub fn verify(dir: &Path, tables: &[&TableDef]) -> Result<Report> {
    let mut report = Report::default();
    let manifest = match Manifest::read(dir) {
        Ok(manifest) => manifest,
        Err(e @ Error::Damaged { .. }) => {
            report.add_error(&Manifest::path(dir), &e);
            return Ok(report);
        }
        Err(e) => return Err(e),
    };
    for entry in &manifest.segments {
        report.segments += 1;
        let folder = segments_dir(dir).join(entry.folder());
        match Segment::open(&folder, &entry.dropped) {
            Ok(segment) => verify_segment(&segment, tables, &mut report),
            Err(e) => report.add_error(&folder.join("segment.json"), &e),
        }
    }
    Ok(report)
}

fn verify_segment(segment: &Segment, tables: &[&TableDef], report: &mut Report) {
    for component in &segment.meta().components {
        let path = segment.dir().join(&component.file);
        report.components += 1;
        match checksum(&path) {
            Ok((size, sum)) => {
                report.bytes += size;
                compare(&path, component, size, sum, report);
            }
            Err(e) => report.add(&path, e),
        }
    }
    if let Err(e) = segment.raw().and_then(|raw| raw.map_or(Ok(()), |r| check_raw(segment, &r))) {
        report.add_error(segment.dir(), &e);
    }
    for meta in &segment.meta().tables {
        if let Some(table) = tables.iter().find(|t| t.name == meta.name) {
            verify_table(segment, table, meta, report);
        }
    }
}

fn check_raw(segment: &Segment, raw: &crate::raw::RawReader) -> Result<()> {
    raw.verify()?;
    let rows = segment.rows("packets");
    if u64::from(raw.rows()) != rows {
        let file = segment.raw_component().map_or("raw", |c| c.file.as_str());
        let what = format!("holds {} packets where packets.parquet has {rows} rows", raw.rows());
        return Err(Error::damaged(&segment.dir().join(file), 0, what));
    }
    Ok(())
}

fn compare(path: &Path, component: &Component, size: u64, sum: u64, report: &mut Report) {
    if size != component.size_bytes {
        report.add(path, format!("{size} bytes where segment.json records {}", component.size_bytes));
    } else if format!("{sum:016x}") != component.checksum {
        report.add(path, format!("checksum is {sum:016x} where segment.json records {}", component.checksum));
    }
}

fn checksum(path: &Path) -> Result<(u64, u64), String> {
    let mut file = File::open(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => "missing".to_owned(),
        _ => e.to_string(),
    })?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let n = file.read(&mut buffer).map_err(|e| e.to_string())?;
        if n == 0 {
            return Ok((size, hash.digest()));
        }
        hash.update(buffer.get(..n).unwrap_or_default());
        size += n as u64;
    }
}

/// The table's rows against its metadata, its ids and its index.
fn verify_table(segment: &Segment, table: &TableDef, meta: &TableMeta, report: &mut Report) {
    let Some(path) = segment.parquet_path(table.name) else {
        report.add(segment.dir(), format!("segment.json lists rows of {} but no component for them", table.name));
        return;
    };
    // What is not what was written is not decoded: the Parquet library's reader panics at some of it.
    let is_whole = !report.findings.iter().any(|finding| finding.path == path);
    let rows = if is_whole { rows_and_ids(&path, segment.id(), table) } else { Ok(meta.rows) };
    match rows {
        Ok(rows) if rows != meta.rows => {
            report.add(&path, format!("{rows} rows where segment.json records {}", meta.rows));
        }
        Ok(_) => {}
        Err(what) => report.add(&path, what),
    }
    if table.is_indexed() {
        let checked = match segment.index(table.name) {
            Ok(Some(index)) => index.verify(),
            Ok(None) => Err(Error::Missing { what: format!("{}.idx, the table's index", table.name) }),
            Err(e) => Err(e),
        };
        if let Err(e) = checked {
            report.add_error(&segment.dir().join(format!("{}.idx", table.name)), &e);
        }
    }
}

/// Decodes every column; counts rows, and holds each `packet_id` against segment and row number.
fn rows_and_ids(path: &Path, segment: u32, table: &TableDef) -> Result<u64, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
    let id_column = table.column("packet_id").filter(|_| table.name == "packets").map(|(at, _)| at);
    let reader = builder.with_projection(ProjectionMask::all()).build().map_err(|e| e.to_string())?;
    let mut rows = 0;
    for batch in reader {
        let batch: RecordBatch = batch.map_err(|e| e.to_string())?;
        if let Some(at) = id_column {
            let ids = batch.column(at).as_primitive_opt::<arrow::datatypes::Int64Type>();
            let first = (i64::from(segment) << 32) + i64::try_from(rows).unwrap_or(i64::MAX);
            let ascending = ids.is_some_and(|ids| ids.values().iter().zip(first..).all(|(id, want)| *id == want));
            if !ascending {
                return Err(format!("packet_id does not count up from segment {segment}, row {rows}"));
            }
        }
        rows += batch.num_rows() as u64;
        debug_assert!(batch.column(0).len() == batch.num_rows());
    }
    Ok(rows)
}
