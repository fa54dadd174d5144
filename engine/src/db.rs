//! A database directory: readers take a [`View`], one [`Writer`] adds segments.
//!
//! A reader needs no lock. It reads `manifest.json`, opens the segments it lists, and keeps both in an `Arc<View>`; a
//! later manifest makes a later view that shares the segments they have in common. The writer holds `LOCK`, persists a
//! change, and only then publishes it by replacing the manifest.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::SystemTime,
};

use crate::{
    Error, Result, Segment, TableDef,
    fs::Fs,
    manifest::{Import, Manifest, SegmentEntry},
    raw::Codec,
    segment::{OpenSegment, Sealed, folder_name},
};

/// A database opened for reading.
#[derive(Debug)]
pub struct Db {
    dir: PathBuf,
    tables: &'static [&'static TableDef],
    current: RwLock<(Stamp, Arc<View>)>,
}

/// One version of the database: what a statement sees from its first row to its last.
#[derive(Debug)]
pub struct View {
    manifest: Manifest,
    segments: Vec<Arc<Segment>>,
}

/// What tells one manifest file from the next without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    len: u64,
    inode: u64,
}

impl Stamp {
    fn of(dir: &Path) -> Result<Stamp> {
        use std::os::unix::fs::MetadataExt;
        let path = Manifest::path(dir);
        let meta = std::fs::metadata(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::NotADatabase {
                path: dir.to_owned(),
                what: "no manifest.json here, so this is no Wiretape database".to_owned(),
            },
            _ => Error::io(&path)(e),
        })?;
        let modified = meta.modified().map_err(Error::io(&path))?;
        Ok(Stamp { modified, len: meta.len(), inode: meta.ino() })
    }
}

impl Db {
    /// Opens the database at `dir` with the tables that the caller knows.
    pub fn open(dir: &Path, tables: &'static [&'static TableDef]) -> Result<Arc<Db>> {
        let stamp = Stamp::of(dir)?;
        let view = Arc::new(View::open(dir, Manifest::read(dir)?, &[])?);
        Ok(Arc::new(Db { dir: dir.to_owned(), tables, current: RwLock::new((stamp, view)) }))
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The tables it was opened with.
    pub fn tables(&self) -> &'static [&'static TableDef] {
        self.tables
    }

    /// The newest version. Costs one `stat` when nothing was committed since the last call.
    pub fn view(&self) -> Result<Arc<View>> {
        // The stamp is taken before the manifest is read: a commit in between makes the next call read again.
        let stamp = Stamp::of(&self.dir)?;
        if let Ok(current) = self.current.read()
            && current.0 == stamp
        {
            return Ok(Arc::clone(&current.1));
        }
        let manifest = Manifest::read(&self.dir)?;
        let mut current = self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let view = Arc::new(View::open(&self.dir, manifest, &current.1.segments)?);
        *current = (stamp, Arc::clone(&view));
        Ok(view)
    }
}

impl View {
    /// Opens the manifest's segments, taking over those already open in `open` (ascending by id).
    fn open(dir: &Path, manifest: Manifest, open: &[Arc<Segment>]) -> Result<View> {
        let folder = segments_dir(dir);
        let segments = manifest
            .segments
            .iter()
            .map(|entry| match open.binary_search_by_key(&entry.id, |s| s.id()) {
                Ok(at) => open.get(at).map(Arc::clone).ok_or_else(|| Error::Missing { what: "segment".to_owned() }),
                Err(_) => Segment::open(&folder.join(folder_name(entry.id))).map(Arc::new),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(View { manifest, segments })
    }

    /// The manifest's version: it grows with each commit.
    pub fn version(&self) -> u64 {
        self.manifest.version
    }

    /// The live segments, ascending by id.
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The segment with this id.
    pub fn segment(&self, id: u32) -> Option<&Arc<Segment>> {
        self.segments.binary_search_by_key(&id, |s| s.id()).ok().and_then(|at| self.segments.get(at))
    }

    /// Capture files that were imported, in order.
    pub fn imports(&self) -> &[Import] {
        &self.manifest.imports
    }

    /// Rows of `table` in all segments. For a table of parts these are parts.
    pub fn rows(&self, table: &str) -> u64 {
        self.segments.iter().map(|s| s.rows(table)).sum()
    }
}

fn segments_dir(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// The one process that may add segments. Holds `LOCK` until it is dropped.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    fs: Fs,
    manifest: Manifest,
    next_segment: u32,
    _lock: File,
}

impl Writer {
    /// Opens the database at `dir` for writing, creating it if `dir` is absent or empty, and clears away what a killed
    /// writer left half done.
    pub fn open(dir: &Path) -> Result<Writer> {
        Self::open_with(dir, Fs::default())
    }

    /// As [`open`](Self::open), through a file system that a test can stop.
    pub fn open_with(dir: &Path, fs: Fs) -> Result<Writer> {
        create_dir(dir, &fs)?;
        // The lock file comes first: it marks a folder that a killed writer left without a manifest as ours.
        let lock = take_lock(dir)?;
        create_layout(dir, &fs)?;
        let manifest = match Manifest::path(dir).exists() {
            true => Manifest::read(dir)?,
            false => {
                let manifest = Manifest::default();
                manifest.write(&fs, dir)?;
                manifest
            }
        };
        clear_leftovers(dir, &fs, &manifest)?;
        let next_segment = manifest.next_segment;
        Ok(Writer { dir: dir.to_owned(), fs, manifest, next_segment, _lock: lock })
    }

    /// The last published manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Starts a segment with the next free id. Several may be open; they must be committed in the order of their ids.
    pub fn begin_segment(&mut self, codec: Codec, workers: usize) -> Result<OpenSegment> {
        let id = self.next_segment;
        let segment = OpenSegment::create(&self.fs, &self.dir.join("open"), id, codec, workers)?;
        self.next_segment = id
            .checked_add(1)
            .ok_or_else(|| Error::Limit { what: "number of segments".to_owned(), limit: format!("{}", u32::MAX) })?;
        Ok(segment)
    }

    /// Publishes a sealed segment. `edit` changes the import records in the same commit.
    pub fn commit(&mut self, sealed: &Sealed, edit: impl FnOnce(&mut Vec<Import>)) -> Result<()> {
        let id = sealed.id();
        if self.manifest.segments.last().is_some_and(|s| s.id >= id) {
            return Err(Error::Missing { what: format!("place for segment {id}: a later one is already committed") });
        }
        self.fs.rename(&sealed.dir, &segments_dir(&self.dir).join(folder_name(id)))?;
        self.fs.sync_dir(&self.dir.join("open"))?;
        let size_bytes = sealed.meta.components.iter().map(|c| c.size_bytes).sum();
        self.publish(|m| {
            m.segments.push(SegmentEntry { id, size_bytes });
            m.next_segment = m.next_segment.max(id.saturating_add(1));
            edit(&mut m.imports);
        })
    }

    /// Changes the import records.
    pub fn edit_imports(&mut self, edit: impl FnOnce(&mut Vec<Import>)) -> Result<()> {
        self.publish(|m| edit(&mut m.imports))
    }

    /// Persists the changed manifest; only then is it the one in memory.
    fn publish(&mut self, change: impl FnOnce(&mut Manifest)) -> Result<()> {
        let mut next = self.manifest.clone();
        change(&mut next);
        next.version += 1;
        next.write(&self.fs, &self.dir)?;
        self.manifest = next;
        Ok(())
    }
}

/// What a database directory holds. A killed writer may have left any part of it, so any part of it, and nothing else,
/// is a directory that a writer may go on with.
const ENTRIES: [&str; 6] = ["LOCK", "manifest.json", "manifest.tmp", "open", "segments", "trash"];

/// The database's own folder. A folder that holds other things is not made into one.
fn create_dir(dir: &Path, fs: &Fs) -> Result<()> {
    if dir.exists() && !Manifest::path(dir).exists() {
        let foreign = |path: &PathBuf| !ENTRIES.iter().any(|e| path.file_name().is_some_and(|name| name == *e));
        if entries(dir)?.iter().any(foreign) {
            let what = "the folder is not empty and holds no database; choose an empty or a new one".to_owned();
            return Err(Error::NotADatabase { path: dir.to_owned(), what });
        }
    }
    if dir.is_dir() { Ok(()) } else { fs.create_dir_all(dir) }
}

fn create_layout(dir: &Path, fs: &Fs) -> Result<()> {
    for folder in ["open", "segments", "trash"].map(|name| dir.join(name)) {
        if !folder.is_dir() {
            fs.create_dir_all(&folder)?;
        }
    }
    Ok(())
}

fn take_lock(dir: &Path) -> Result<File> {
    let path = dir.join("LOCK");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(Error::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: dir.to_owned() }),
        Err(TryLockError::Error(e)) => Err(Error::io(&path)(e)),
    }
}

/// Removes what no manifest lists. A segment that a capture file was being imported into is no loss: the file is its
/// log, and importing it again goes on from the last committed segment.
fn clear_leftovers(dir: &Path, fs: &Fs, manifest: &Manifest) -> Result<()> {
    let trash = dir.join("trash");
    for parent in [dir.join("open"), segments_dir(dir)] {
        for path in entries(&parent)? {
            let live = parent.ends_with("segments")
                && manifest.segments.iter().any(|s| path.file_name().is_some_and(|n| *n == *folder_name(s.id)));
            if let (false, Some(name)) = (live, path.file_name()) {
                let to = trash.join(name);
                if to.exists() {
                    fs.remove_dir_all(&to)?;
                }
                fs.rename(&path, &to)?;
            }
        }
    }
    for path in entries(&trash)? {
        fs.remove_dir_all(&path)?;
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(dir).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect()).map_err(Error::io(dir))
}
