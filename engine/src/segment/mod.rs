//! A segment: a folder of component files, written once, that holds a stretch of rows of every table and the exact
//! packets behind them.
//!
//! ```text
//! segments/0000000041/
//!   segment.json        what is here: rows per table, time range, size and checksum of each component
//!   raw.pcapng.lz4      the packets
//!   packets.parquet     their headers, one row a packet: row n is packet n of the raw component
//!   packets.idx         bitmap index over packets.parquet
//!   flows.parquet       one part per flow that this segment saw
//! ```

mod encode;
mod rewrite;
mod seal;
mod write_parquet;

use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use arrow::array::RecordBatch;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde::{Deserialize, Serialize};

pub use rewrite::{Packets, Rewrite};
pub use seal::{OpenSegment, Sealed};
pub use write_parquet::{PAGE_ROWS, ROW_GROUP_ROWS};

use crate::{Error, Result, index::Index, raw::RawReader, sealed_json};

/// `segment.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentMeta {
    /// Format version of the writer, as in the manifest.
    pub format_version: u32,
    /// The segment's id.
    pub id: u32,
    /// The tables that have rows here.
    pub tables: Vec<TableMeta>,
    /// Every other file of the folder.
    pub components: Vec<Component>,
}

/// What a segment holds of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMeta {
    /// The table's name.
    pub name: String,
    /// Rows here.
    pub rows: u64,
    /// Smallest value of the time column, ns.
    pub min_ts_ns: i64,
    /// Largest value of the time column, ns.
    pub max_ts_ns: i64,
    /// Whether no row is earlier than the row before it.
    pub in_time_order: bool,
    /// The columns written; a column added to the table later reads NULL here.
    pub columns: Vec<String>,
}

/// One component file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// File name within the segment's folder.
    pub file: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// XXH3-64 of its bytes, hex.
    pub checksum: String,
}

/// Name of a segment's folder: ten digits, so that names sort like ids.
pub fn folder_name(id: u32) -> String {
    format!("{id:010}")
}

/// Name of the folder of a segment whose rows were made anew so often: the segment's, and from the first time on that number.
pub fn generation_name(id: u32, generation: u32) -> String {
    match generation {
        0 => folder_name(id),
        _ => format!("{}.{generation}", folder_name(id)),
    }
}

/// The id that a folder is named for; None for any other name.
pub fn folder_id(name: &OsStr) -> Option<u32> {
    let name = name.to_str().filter(|n| n.len() == 10 && n.bytes().all(|b| b.is_ascii_digit()))?;
    name.parse().ok()
}

/// A sealed segment. Components are opened when first asked for and stay open.
#[derive(Debug)]
pub struct Segment {
    dir: PathBuf,
    meta: SegmentMeta,
    dropped: Vec<String>,
    raw: OnceLock<Option<Arc<RawReader>>>,
    indexes: Vec<(String, OnceLock<Arc<Index>>)>,
}

impl Segment {
    /// Opens the segment in folder `dir` by reading its `segment.json`. Of its components, retention has `dropped` some.
    pub fn open(dir: &Path, dropped: &[String]) -> Result<Segment> {
        let mut meta: SegmentMeta = sealed_json::read(&dir.join("segment.json"))?;
        meta.components.retain(|c| !dropped.contains(&c.file));
        let indexes = meta
            .components
            .iter()
            .filter_map(|c| c.file.strip_suffix(".idx"))
            .map(|table| (table.to_owned(), OnceLock::new()))
            .collect();
        Ok(Segment { dir: dir.to_owned(), meta, dropped: dropped.to_vec(), raw: OnceLock::new(), indexes })
    }

    /// Its id: the upper 32 bits of its packets' `packet_id`.
    pub fn id(&self) -> u32 {
        self.meta.id
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Components that retention has dropped.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// What `segment.json` says, without what retention has dropped.
    pub fn meta(&self) -> &SegmentMeta {
        &self.meta
    }

    /// What it holds of `table`, or None when it has no such rows.
    pub fn table(&self, table: &str) -> Option<&TableMeta> {
        self.meta.tables.iter().find(|t| t.name == table)
    }

    /// Rows of `table` here; 0 when there are none.
    pub fn rows(&self, table: &str) -> u64 {
        self.table(table).map_or(0, |t| t.rows)
    }

    /// Smallest and largest time of `table`'s rows here, ns.
    pub fn time_range(&self, table: &str) -> Option<(i64, i64)> {
        self.table(table).map(|t| (t.min_ts_ns, t.max_ts_ns))
    }

    /// The Parquet component of `table`.
    pub fn parquet(&self, table: &str) -> Option<&Component> {
        let file = format!("{table}.parquet");
        self.meta.components.iter().find(|c| c.file == file)
    }

    /// Path of `table`'s Parquet component.
    pub fn parquet_path(&self, table: &str) -> Option<PathBuf> {
        self.parquet(table).map(|c| self.dir.join(&c.file))
    }

    /// The raw component's entry, whatever its codec.
    pub fn raw_component(&self) -> Option<&Component> {
        self.meta.components.iter().find(|c| Self::is_raw(&c.file))
    }

    /// Whether a component of this name holds the exact packets.
    pub fn is_raw(file: &str) -> bool {
        file.starts_with("raw.")
    }

    /// The index of `table`, or None where the table has none.
    pub fn index(&self, table: &str) -> Result<Option<Arc<Index>>> {
        let Some((_, slot)) = self.indexes.iter().find(|(name, _)| name == table) else {
            return Ok(None);
        };
        if let Some(index) = slot.get() {
            return Ok(Some(Arc::clone(index)));
        }
        let path = self.dir.join(format!("{table}.idx"));
        let index = Index::open(&path)?;
        if u64::from(index.rows()) != self.rows(table) {
            let what = format!("covers {} rows where the table has {}", index.rows(), self.rows(table));
            return Err(Error::damaged(&path, 0, what));
        }
        Ok(Some(Arc::clone(slot.get_or_init(|| Arc::new(index)))))
    }

    /// All rows of `table`, for tables that are small. Nothing when there are none here.
    pub fn read(&self, table: &str) -> Result<Vec<RecordBatch>> {
        let Some(builder) = self.reader(table)? else { return Ok(Vec::new()) };
        Ok(builder.build()?.collect::<std::result::Result<_, _>>()?)
    }

    /// As [`read`](Self::read), of the `columns` of these names only, those that are here, in the order of the table.
    pub fn read_columns(&self, table: &str, columns: &[&str]) -> Result<Vec<RecordBatch>> {
        let Some(builder) = self.reader(table)? else { return Ok(Vec::new()) };
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        Ok(builder.with_projection(mask).build()?.collect::<std::result::Result<_, _>>()?)
    }

    /// The first row of `table`, of these columns only.
    pub fn first(&self, table: &str, columns: &[&str]) -> Result<Option<RecordBatch>> {
        let Some(builder) = self.reader(table)? else { return Ok(None) };
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        Ok(builder.with_projection(mask).with_limit(1).build()?.next().transpose()?)
    }

    fn reader(&self, table: &str) -> Result<Option<ParquetRecordBatchReaderBuilder<File>>> {
        let Some(path) = self.parquet_path(table) else { return Ok(None) };
        let file = File::open(&path).map_err(Error::io(&path))?;
        Ok(Some(ParquetRecordBatchReaderBuilder::try_new(file)?))
    }

    /// The exact packets, or None where retention has dropped them.
    pub fn raw(&self) -> Result<Option<Arc<RawReader>>> {
        if let Some(raw) = self.raw.get() {
            return Ok(raw.clone());
        }
        let opened = match self.raw_component() {
            Some(c) => Some(Arc::new(RawReader::open(&self.dir.join(&c.file))?)),
            None => None,
        };
        Ok(self.raw.get_or_init(|| opened).clone())
    }
}
