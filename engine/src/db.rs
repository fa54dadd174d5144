//! A database directory: readers take a [`View`], one [`Writer`](crate::Writer) adds segments.
//!
//! A reader needs no lock. It looks at the open segments, then reads `manifest.json`, opens the segments it lists, and
//! keeps all of it in an `Arc<View>`; a later view shares what it has in common with the one before. The order matters: an
//! open segment goes only after the manifest lists it as sealed, so whatever happens meanwhile its rows are seen once.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use crate::{
    Error, Result, Segment, TableDef,
    live::LiveSegment,
    manifest::{Import, Manifest},
    raw::RawReader,
    retention::Policy,
    segment::folder_id,
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
    manifest: Arc<Manifest>,
    segments: Arc<[Arc<Segment>]>,
    live: Vec<Arc<LiveSegment>>,
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
        let live = live_segments(dir, tables, &[])?;
        let (stamp, view) = sealed_segments(dir, &[])?;
        let view = view.with_live(live);
        Ok(Arc::new(Db { dir: dir.to_owned(), tables, current: RwLock::new((stamp, Arc::new(view))) }))
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The tables it was opened with.
    pub fn tables(&self) -> &'static [&'static TableDef] {
        self.tables
    }

    /// Whether a process holds the writer's lock right now.
    pub fn is_being_written(&self) -> bool {
        File::open(self.dir.join("LOCK"))
            .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The newest version, the same `Arc` as long as nothing changes. Costs a few system calls then.
    pub fn view(&self) -> Result<Arc<View>> {
        let (known, current) = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            (current.0, Arc::clone(&current.1))
        };
        let live = live_segments(&self.dir, self.tables, &current.live)?;
        let (stamp, sealed) = match Stamp::of(&self.dir)? == known {
            true => {
                let (manifest, segments) = (Arc::clone(&current.manifest), Arc::clone(&current.segments));
                (known, View { live: Vec::new(), manifest, segments })
            }
            false => sealed_segments(&self.dir, &current.segments)?,
        };
        let view = sealed.with_live(live);
        if stamp == known && view.live_as_in(&current) {
            return Ok(current);
        }
        let view = Arc::new(view);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (stamp, Arc::clone(&view));
        Ok(view)
    }
}

/// The manifest and its segments, without the open ones. A segment that retention removes between the two is in no later
/// manifest, which is read then.
fn sealed_segments(dir: &Path, open: &[Arc<Segment>]) -> Result<(Stamp, View)> {
    loop {
        // Taken before the manifest is read: a commit in between makes the next call read again.
        let stamp = Stamp::of(dir)?;
        match View::open(dir, Manifest::read(dir)?, open) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound && Stamp::of(dir)? != stamp => {}
            view => return Ok((stamp, view?)),
        }
    }
}

/// The open segments, ascending by id, going on from what was known of them before.
fn live_segments(
    dir: &Path,
    tables: &'static [&'static TableDef],
    before: &[Arc<LiveSegment>],
) -> Result<Vec<Arc<LiveSegment>>> {
    let folder = open_dir(dir);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(&folder)(e)),
    };
    let mut live = Vec::new();
    for entry in entries {
        let name = entry.map_err(Error::io(&folder))?.file_name();
        if let Some(id) = folder_id(&name) {
            let before = before.iter().find(|s| s.id() == id).map(Arc::as_ref);
            live.extend(LiveSegment::open(&folder.join(name), id, tables, before)?.map(Arc::new));
        }
    }
    live.sort_by_key(|s| s.id());
    Ok(live)
}

impl View {
    /// Opens the manifest's segments, taking over those already open in `open` (ascending by id).
    fn open(dir: &Path, manifest: Manifest, open: &[Arc<Segment>]) -> Result<View> {
        let folder = segments_dir(dir);
        let segments = manifest
            .segments
            .iter()
            .map(|entry| {
                let dir = folder.join(entry.folder());
                match open.binary_search_by_key(&entry.id, |s| s.id()).ok().and_then(|at| open.get(at)) {
                    Some(known) if known.dropped() == entry.dropped && known.dir() == dir => Ok(Arc::clone(known)),
                    _ => Segment::open(&dir, &entry.dropped).map(Arc::new),
                }
            })
            .collect::<Result<Arc<[_]>>>()?;
        Ok(View { manifest: Arc::new(manifest), segments, live: Vec::new() })
    }

    /// With the open segments that the manifest does not list as sealed.
    fn with_live(self, mut live: Vec<Arc<LiveSegment>>) -> View {
        live.retain(|s| s.id() >= self.manifest.next_segment);
        View { live, ..self }
    }

    fn live_as_in(&self, other: &View) -> bool {
        self.live.len() == other.live.len() && self.live.iter().zip(&other.live).all(|(a, b)| a.same_rows(b))
    }

    /// The manifest's version: it grows with each commit.
    pub fn version(&self) -> u64 {
        self.manifest.version
    }

    /// The sealed segments, ascending by id.
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The open segments, ascending by id; all come after the sealed ones.
    pub fn live(&self) -> &[Arc<LiveSegment>] {
        &self.live
    }

    /// The sealed segment with this id.
    pub fn segment(&self, id: u32) -> Option<&Arc<Segment>> {
        self.segments.binary_search_by_key(&id, |s| s.id()).ok().and_then(|at| self.segments.get(at))
    }

    /// The exact packets of segment `id`, sealed or open. None where retention has dropped them, and for a segment that is
    /// not there.
    pub fn raw(&self, id: u32) -> Result<Option<Arc<RawReader>>> {
        match (self.segment(id), self.live.iter().find(|s| s.id() == id)) {
            (Some(segment), _) => segment.raw(),
            (None, Some(live)) => live.raw().map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Capture files that were imported, in order.
    pub fn imports(&self) -> &[Import] {
        &self.manifest.imports
    }

    /// What the last recorder was told to keep.
    pub fn policy(&self) -> &Policy {
        &self.manifest.policy
    }

    /// Rows of `table` in all sealed segments. For a table of parts these are parts.
    pub fn rows(&self, table: &str) -> u64 {
        self.segments.iter().map(|s| s.rows(table)).sum()
    }

    /// Whether `table` has any rows, sealed or open.
    pub fn has_rows(&self, table: &str) -> bool {
        self.segments.iter().any(|s| s.rows(table) > 0) || self.live.iter().any(|s| s.rows(table) > 0)
    }
}

/// Where the sealed segments of the database at `dir` lie.
pub(crate) fn segments_dir(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// Where the open ones lie.
pub(crate) fn open_dir(dir: &Path) -> PathBuf {
    dir.join("open")
}
