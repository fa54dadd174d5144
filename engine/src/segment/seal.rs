//! From an open segment to a sealed one.
//!
//! ```text
//! open/<id>.tmp/  components, each fsynced ─► segment.json ─► fsync folder │ Writer::commit: rename into segments/ ─► manifest
//! ```
//!
//! Sealing needs no lock and may run on any thread; only the commit is ordered.

use std::path::{Path, PathBuf};

use arrow::{
    array::{AsArray, RecordBatch},
    compute,
    datatypes::TimestampNanosecondType,
};

use super::{Component, SegmentMeta, TableMeta, write_parquet};
use crate::{
    Result, TableDef,
    fs::Fs,
    index,
    manifest::FORMAT_VERSION,
    parallel,
    raw::{Codec, RawWriter},
    sealed_json,
};

/// A segment being filled: its raw component is open for appending, its rows are in the hands of the caller.
#[derive(Debug)]
pub struct OpenSegment {
    id: u32,
    dir: PathBuf,
    fs: Fs,
    raw: RawWriter,
    /// Threads that compress, here and in the raw component.
    workers: usize,
}

/// A segment that is whole and durable in its `.tmp` folder, ready to be committed.
#[derive(Debug)]
pub struct Sealed {
    pub(crate) meta: SegmentMeta,
    pub(crate) dir: PathBuf,
    /// How often its rows were made anew.
    pub(crate) generation: u32,
}

impl Sealed {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.meta.id
    }

    /// Bytes of all its components.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.meta.components.iter().map(|c| c.size_bytes).sum()
    }

    /// What its `segment.json` says.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }
}

impl OpenSegment {
    pub(crate) fn create(fs: &Fs, dir: PathBuf, id: u32, codec: Codec, workers: usize) -> Result<Self> {
        fs.create_dir_all(&dir)?;
        let raw = RawWriter::create(fs, &dir, codec, workers)?;
        Ok(OpenSegment { id, dir, fs: fs.clone(), raw, workers })
    }

    /// Its id: the upper 32 bits of the `packet_id` of its packets.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where its packets go.
    pub fn raw(&mut self) -> &mut RawWriter {
        &mut self.raw
    }

    /// Writes and fsyncs every component, at the same time: some wait for the disk, others for the processor. Empty
    /// batches leave no component behind.
    pub fn seal(self, tables: &[(&'static TableDef, RecordBatch)]) -> Result<Sealed> {
        let OpenSegment { id, dir, fs, raw, workers } = self;
        let kept = SegmentMeta { format_version: FORMAT_VERSION, id, tables: Vec::new(), components: Vec::new() };
        let meta = seal(&fs, &dir, kept, Some(raw), tables, workers)?;
        Ok(Sealed { meta, dir, generation: 0 })
    }

    /// Gives the segment up; its folder is removed.
    pub fn discard(self) -> Result<()> {
        drop(self.raw);
        self.fs.remove_dir_all(&self.dir)
    }
}

/// Threads beside those that are at work: they wait for the disk.
const WAITING: usize = 1;

/// A component to be written.
enum Work<'a> {
    Raw(Box<RawWriter>),
    /// A table's rows, and how many encode its columns.
    Rows(&'a TableDef, &'a RecordBatch, usize),
    Index(&'a TableDef, &'a RecordBatch),
}

/// Writes the components of `tables`, completes the `raw` one, and says in `segment.json` what is in the folder: these and what
/// was `kept`.
pub(super) fn seal(
    fs: &Fs,
    dir: &Path,
    kept: SegmentMeta,
    raw: Option<RawWriter>,
    tables: &[(&'static TableDef, RecordBatch)],
    workers: usize,
) -> Result<SegmentMeta> {
    let filled: Vec<_> = tables.iter().filter(|(_, batch)| batch.num_rows() > 0).collect();
    let cells = |batch: &RecordBatch| batch.num_rows() * batch.num_columns();
    let all: usize = filled.iter().map(|(_, batch)| cells(batch)).sum();
    let mut work: Vec<Work<'_>> = raw.map(|raw| Work::Raw(Box::new(raw))).into_iter().collect();
    for (table, batch) in &filled {
        // What is most of it is not to be waited for when the rest is done.
        work.push(Work::Rows(table, batch, (workers * cells(batch)).div_ceil(all)));
        work.extend(table.is_indexed().then_some(Work::Index(table, batch)));
    }
    let components = parallel::map(&mut vec![(); workers + WAITING], work, |(), work| match work {
        Work::Raw(raw) => finish_raw(*raw),
        Work::Rows(table, batch, encoders) => write_parquet::write(fs, dir, table, batch, encoders),
        Work::Index(table, batch) => write_index(fs, dir, table, batch),
    });
    let components = components.into_iter().collect::<Result<Vec<Component>>>()?;
    let mut meta = kept;
    meta.tables.extend(filled.iter().map(|(t, b)| table_meta(t, b)));
    meta.components.extend(components);
    let mut file = fs.create(&dir.join("segment.json"))?;
    file.append(&sealed_json::to_bytes(&meta)?)?;
    file.finish()?;
    fs.sync_dir(dir)?;
    Ok(meta)
}

fn finish_raw(raw: RawWriter) -> Result<Component> {
    let summary = raw.finish()?;
    Ok(Component {
        file: summary.file_name,
        size_bytes: summary.stored_bytes,
        checksum: format!("{:016x}", summary.checksum),
    })
}

fn write_index(fs: &Fs, dir: &Path, table: &TableDef, batch: &RecordBatch) -> Result<Component> {
    let file_name = format!("{}.idx", table.name);
    let bytes = index::build(table, batch)?;
    let mut file = fs.create(&dir.join(&file_name))?;
    file.append(&bytes)?;
    component(file_name, file)
}

/// Finishes a component file and describes it.
pub(super) fn component(file_name: String, file: crate::fs::Appender) -> Result<Component> {
    let checksum = format!("{:016x}", file.checksum());
    Ok(Component { file: file_name, size_bytes: file.finish()?, checksum })
}

fn table_meta(table: &TableDef, batch: &RecordBatch) -> TableMeta {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>();
    TableMeta {
        name: table.name.to_owned(),
        rows: batch.num_rows() as u64,
        min_ts_ns: compute::min(times).unwrap_or_default(),
        max_ts_ns: compute::max(times).unwrap_or_default(),
        in_time_order: times.values().is_sorted(),
        columns: table.columns.iter().map(|c| c.name.to_owned()).collect(),
    }
}
