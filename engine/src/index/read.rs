//! [`Index`]: an index file opened for questions. Sections are read, checked and decoded when first needed, and kept.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use arrow::{
    array::{Array, ArrayRef},
    buffer::BooleanBuffer,
};
use croaring::{Bitmap, Portable};

use super::{
    codes::Codes,
    dictionary,
    gather::Gathered,
    layout::{ColumnEntry, Damage, Directory, HEADER_BYTES, Role, Section, read_header},
    postings::{Block, Counts, Ways},
    selection::Selection,
};
use crate::{Error, Result};

/// Keys for each one that is looked up by itself, at least: comparing all codes at once takes less time a code.
const LOOKED_UP_SHARE: usize = 8;

/// The index of one table in one segment. Share it by [`Arc`]; threads that need the same section at the same time may each
/// decode it, and one result is kept.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    file: File,
    pub(super) directory: Directory,
    dictionaries: Vec<OnceLock<ArrayRef>>,
    columns: Vec<OnceLock<Loaded>>,
    counts: OnceLock<Counts>,
    blocks: Vec<OnceLock<Block>>,
}

/// A column in memory.
#[derive(Debug)]
enum Loaded {
    /// The code of each key.
    Key(Codes),
    /// The rows of each code.
    Rows(Vec<Bitmap>),
}

impl Index {
    /// Opens an index file and checks its header and directory; the sections stay on disk.
    pub fn open(path: &Path) -> Result<Index> {
        let file = File::open(path).map_err(Error::io(path))?;
        let file_bytes = file.metadata().map_err(Error::io(path))?.len();
        let damaged = |d: Damage| Error::damaged(path, d.offset, d.what);
        if file_bytes < HEADER_BYTES as u64 {
            return Err(damaged(Damage::at(file_bytes, "the header is cut off")));
        }
        let header = read_at(&file, path, 0, HEADER_BYTES)?;
        let (directory_bytes, checksum) = read_header(&header).map_err(damaged)?;
        if u64::from(directory_bytes) > file_bytes - HEADER_BYTES as u64 {
            return Err(damaged(Damage::at(12, "the directory is longer than the file")));
        }
        let bytes = read_at(&file, path, HEADER_BYTES as u64, directory_bytes as usize)?;
        if xxhash_rust::xxh3::xxh3_64(&bytes) != checksum {
            return Err(damaged(Damage::at(HEADER_BYTES as u64, "the directory's checksum does not hold")));
        }
        let directory = Directory::read(&bytes, file_bytes).map_err(damaged)?;
        Ok(Index {
            path: path.to_owned(),
            file,
            dictionaries: directory.dictionaries.iter().map(|_| OnceLock::new()).collect(),
            columns: directory.columns.iter().map(|_| OnceLock::new()).collect(),
            counts: OnceLock::new(),
            blocks: directory.blocks.iter().map(|_| OnceLock::new()).collect(),
            directory,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Rows of the segment's table.
    pub fn rows(&self) -> u32 {
        self.directory.rows
    }

    /// Names of the indexed columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.directory.columns.iter().map(|c| c.name.as_str())
    }

    /// The values a column can have in this segment, distinct and ascending, of the column's value type (`Utf8` for
    /// dictionary kinds); then one NULL if there may be one. `None` if the column is not indexed.
    ///
    /// Columns that mirror each other share their values, so some may occur at the other end only: whether a predicate
    /// selects nothing is for [`select`](Self::select) to say.
    pub fn values(&self, column: &str) -> Result<Option<ArrayRef>> {
        match self.directory.columns.iter().find(|c| c.name == column) {
            Some(entry) => Ok(Some(Arc::clone(self.dictionary(usize::from(entry.dictionary))?))),
            None => Ok(None),
        }
    }

    /// The rows whose value's position in [`values`](Self::values) is set in `mask`, which is as long.
    pub fn select(&self, column: &str, mask: &BooleanBuffer) -> Result<Selection> {
        self.select_within(column, mask, &Selection::All)
    }

    /// Those rows of `within` that [`select`](Self::select) gives. Where `within` is a few keys, only they are looked at.
    pub fn select_within(&self, column: &str, mask: &BooleanBuffer, within: &Selection) -> Result<Selection> {
        let missing = || Error::Missing { what: format!("index on column {column}") };
        let mut entries = self.directory.columns.iter().enumerate();
        let (position, entry) = entries.find(|(_, c)| c.name == column).ok_or_else(missing)?;
        let values = self.directory.dictionaries.get(usize::from(entry.dictionary)).map_or(0, |d| d.codes());
        if mask.len() != values {
            return Err(Error::Columnar(format!("a mask of {} for the {values} values of {column}", mask.len())));
        }
        // What is the same for every row needs no look at the rows.
        match mask.count_set_bits() {
            0 => return Ok(Selection::none()),
            all if all == values => return Ok(within.clone()),
            _ => {}
        }
        let selected = match (self.column(position)?, within) {
            (Loaded::Key(codes), Selection::Keys(few))
                if few.cardinality() < (codes.len() / LOOKED_UP_SHARE) as u64 =>
            {
                let mirrored = self.partner(entry)?.unwrap_or(codes);
                let is_wanted = |key: &u32| if key.is_multiple_of(2) { codes } else { mirrored }.is_in(key / 2, mask);
                return Ok(Selection::Keys(few.iter().filter(is_wanted).collect()));
            }
            (Loaded::Key(codes), _) => self.select_keys(entry, codes, mask).map(Selection::Keys)?,
            (Loaded::Rows(bitmaps), _) => {
                let wanted: Vec<&Bitmap> = mask.set_indices().filter_map(|code| bitmaps.get(code)).collect();
                Selection::Rows(Bitmap::fast_or(&wanted))
            }
        };
        self.and(within.clone(), selected)
    }

    /// The codes that a key column has in the key's mirrored rows: those that its partner has in the others.
    fn partner(&self, entry: &ColumnEntry) -> Result<Option<&Codes>> {
        let Role::Key { mirror: Some(partner) } = entry.role else { return Ok(None) };
        Ok(match self.column(usize::from(partner))? {
            Loaded::Key(codes) => Some(codes),
            Loaded::Rows(_) => None,
        })
    }

    fn select_keys(&self, entry: &ColumnEntry, codes: &Codes, mask: &BooleanBuffer) -> Result<Bitmap> {
        let virtual_keys = match self.partner(entry)? {
            Some(partner) => {
                let mut forward = doubled(&codes.positions(mask), 0);
                forward.or_inplace(&doubled(&partner.positions(mask), 1));
                forward
            }
            None => {
                let both: Vec<u32> = codes.positions(mask).into_iter().flat_map(|k| [2 * k, 2 * k + 1]).collect();
                Bitmap::of(&both)
            }
        };
        Ok(virtual_keys.and(&self.counts()?.live))
    }

    /// Every row.
    pub fn all(&self) -> Selection {
        if self.rows() == 0 { Selection::none() } else { Selection::All }
    }

    /// No row.
    pub fn none(&self) -> Selection {
        Selection::none()
    }

    /// The rows in both. Two selections of keys stay one.
    pub fn and(&self, a: Selection, b: Selection) -> Result<Selection> {
        Ok(match (a, b) {
            (Selection::All, other) | (other, Selection::All) => other,
            (none, _) | (_, none) if none.is_none() => Selection::none(),
            (Selection::Keys(mut a), Selection::Keys(b)) => {
                a.and_inplace(&b);
                Selection::Keys(a)
            }
            (a, b) => {
                let mut rows = self.expanded(a)?;
                rows.and_inplace(&self.expanded(b)?);
                Selection::Rows(rows)
            }
        })
    }

    /// The rows in either. Two selections of keys stay one.
    pub fn or(&self, a: Selection, b: Selection) -> Result<Selection> {
        Ok(match (a, b) {
            (Selection::All, _) | (_, Selection::All) => Selection::All,
            (none, other) | (other, none) if none.is_none() => other,
            (Selection::Keys(mut a), Selection::Keys(b)) => {
                a.or_inplace(&b);
                Selection::Keys(a)
            }
            (a, b) => {
                let mut rows = self.expanded(a)?;
                rows.or_inplace(&self.expanded(b)?);
                Selection::Rows(rows)
            }
        })
    }

    /// The row numbers of a selection.
    pub fn rows_of(&self, selection: &Selection) -> Result<Bitmap> {
        match selection {
            Selection::All => Ok(Bitmap::from_range(0..self.rows())),
            Selection::Rows(rows) => Ok(rows.clone()),
            Selection::Keys(keys) => self.rows_of_keys(keys),
        }
    }

    fn expanded(&self, selection: Selection) -> Result<Bitmap> {
        match selection {
            Selection::Rows(rows) => Ok(rows),
            other => self.rows_of(&other),
        }
    }

    /// How many rows a selection has. Reads no postings.
    pub fn count(&self, selection: &Selection) -> Result<u64> {
        match selection {
            Selection::All => Ok(u64::from(self.rows())),
            Selection::Rows(rows) => Ok(rows.cardinality()),
            Selection::Keys(keys) => {
                let counts = self.counts()?;
                Ok(keys.iter().map(|virtual_key| u64::from(counts.of(virtual_key))).sum())
            }
        }
    }

    /// Bytes of memory held by what was decoded so far.
    pub fn size_bytes(&self) -> usize {
        let dictionaries = self.dictionaries.iter().filter_map(OnceLock::get).map(|d| d.get_array_memory_size());
        let columns = self.columns.iter().filter_map(OnceLock::get).map(Loaded::size_bytes);
        let counts = self.counts.get().map_or(0, Counts::size_bytes);
        let blocks = self.blocks.iter().filter_map(OnceLock::get).map(Block::size_bytes);
        size_of::<Index>() + dictionaries.chain(columns).chain(blocks).sum::<usize>() + counts
    }

    fn rows_of_keys(&self, virtual_keys: &Bitmap) -> Result<Bitmap> {
        let counts = self.counts()?;
        let expected = virtual_keys.iter().map(|virtual_key| u64::from(counts.of(virtual_key))).sum();
        let mut gathered = Gathered::new(self.rows(), expected);
        let mut position = 0;
        let mut bounds = 0..0;
        let mut virtual_keys = virtual_keys.iter().peekable();
        while let Some(virtual_key) = virtual_keys.next() {
            let key = virtual_key / 2;
            let ways = if virtual_key % 2 == 1 {
                Ways::Mirrored
            } else if virtual_keys.next_if_eq(&(virtual_key + 1)).is_some() {
                Ways::Both
            } else {
                Ways::Forward
            };
            while key >= bounds.end {
                let Some(block) = self.directory.blocks.get(position) else {
                    return Err(Error::Missing { what: format!("key {key} in {}", self.path.display()) });
                };
                bounds = bounds.end..bounds.end + block.keys;
                position += 1;
            }
            let block = self.block(position - 1, bounds.start)?;
            let rows = counts.of(key * 2) + counts.of(key * 2 + 1);
            block.visit((key - bounds.start) as usize, rows, ways, |row| gathered.add(row));
        }
        Ok(gathered.into_bitmap())
    }

    /// Reads, checks and decompresses one section.
    pub(super) fn section(&self, section: &Section) -> Result<Vec<u8>> {
        let stored = read_at(&self.file, &self.path, section.offset, section.stored_bytes as usize)?;
        section.unpack(&stored).map_err(|d| Error::damaged(&self.path, d.offset, d.what))
    }

    pub(super) fn damaged(&self, section: &Section, what: String) -> Error {
        Error::damaged(&self.path, section.offset, what)
    }

    pub(super) fn dictionary(&self, number: usize) -> Result<&ArrayRef> {
        let (Some(slot), Some(entry)) = (self.dictionaries.get(number), self.directory.dictionaries.get(number)) else {
            return Err(Error::Missing { what: format!("dictionary {number}") });
        };
        load(slot, || {
            let raw = self.section(&entry.section)?;
            dictionary::decode(entry.kind, entry.values as usize, entry.has_null, &raw)
                .map_err(|what| self.damaged(&entry.section, what))
        })
    }

    /// The codes of a column, from disk.
    pub(super) fn codes(&self, entry: &ColumnEntry) -> Result<Codes> {
        let limit = self.directory.dictionaries.get(usize::from(entry.dictionary)).map_or(0, |d| d.codes());
        let n = match entry.role {
            Role::Key { .. } => self.directory.keys,
            Role::Row => self.directory.rows,
        };
        let raw = self.section(&entry.section)?;
        Codes::decode(&raw, n as usize, limit).map_err(|what| self.damaged(&entry.section, what))
    }

    fn column(&self, position: usize) -> Result<&Loaded> {
        let (Some(slot), Some(entry)) = (self.columns.get(position), self.directory.columns.get(position)) else {
            return Err(Error::Missing { what: format!("indexed column {position}") });
        };
        load(slot, || {
            let codes = self.codes(entry)?;
            Ok(match entry.role {
                Role::Key { .. } => Loaded::Key(codes),
                Role::Row => {
                    let values =
                        self.directory.dictionaries.get(usize::from(entry.dictionary)).map_or(0, |d| d.codes());
                    Loaded::Rows(bitmaps_of_codes(&codes, values))
                }
            })
        })
    }

    pub(super) fn counts(&self) -> Result<&Counts> {
        load(&self.counts, || {
            let section = &self.directory.counts;
            Counts::decode(&self.section(section)?, self.directory.keys as usize, self.rows())
                .map_err(|what| self.damaged(section, what))
        })
    }

    pub(super) fn block(&self, position: usize, first_key: u32) -> Result<&Block> {
        let (Some(slot), Some(entry)) = (self.blocks.get(position), self.directory.blocks.get(position)) else {
            return Err(Error::Missing { what: format!("posting block {position}") });
        };
        load(slot, || {
            let counts = self.counts()?;
            Block::decode(self.section(&entry.section)?, first_key, entry.keys, self.rows(), counts)
                .map_err(|what| self.damaged(&entry.section, what))
        })
    }
}

impl Loaded {
    fn size_bytes(&self) -> usize {
        match self {
            Loaded::Key(codes) => codes.size_bytes(),
            Loaded::Rows(bitmaps) => {
                bitmaps.iter().map(|b| size_of::<Bitmap>() + b.get_serialized_size_in_bytes::<Portable>()).sum()
            }
        }
    }
}

/// What `slot` holds, filled by `read` if it is empty.
fn load<T>(slot: &OnceLock<T>, read: impl FnOnce() -> Result<T>) -> Result<&T> {
    match slot.get() {
        Some(value) => Ok(value),
        None => {
            let value = read()?;
            Ok(slot.get_or_init(|| value))
        }
    }
}

fn read_at(file: &File, path: &Path, offset: u64, bytes: usize) -> Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, offset).map_err(Error::io(path))?;
    Ok(buffer)
}

fn doubled(keys: &[u32], mirrored: u32) -> Bitmap {
    Bitmap::of(&keys.iter().map(|key| 2 * key + mirrored).collect::<Vec<u32>>())
}

/// The rows of each of `values` codes.
fn bitmaps_of_codes(codes: &Codes, values: usize) -> Vec<Bitmap> {
    codes
        .positions_by_code(values)
        .iter()
        .map(|rows| {
            let mut bitmap = Bitmap::of(rows);
            bitmap.run_optimize();
            bitmap.shrink_to_fit();
            bitmap
        })
        .collect()
}
