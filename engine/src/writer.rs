//! The one process that may change a database.
//!
//! ```text
//!  import    begin_segment ─► open/<id>.tmp/ ── seal ─► commit: rename into segments/<id>/, then manifest.json
//!  recorder  LogMaker ─► open/<id>/raw.pcapng … then begin_seal(id) ─► open/<id>.tmp/ ── seal ─► commit ─► remove_log
//!  replay    begin_rewrite ─► open/<id>.<n>.tmp/ ── seal ─► commit_rewrites: rename into segments/<id>.<n>/, then manifest.json
//!  retention retire: manifest.json ─► sweep: files
//! ```
//!
//! The one fact to know: what can be lost is never the only copy. A folder `.tmp` can be made again from a capture file or
//! from a log, and a log goes only when the manifest lists its segment. A change is persisted, and only then published by
//! replacing the manifest.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    Error, Result, Segment, TableDef,
    db::{open_dir, segments_dir},
    fs::Fs,
    manifest::{Import, Manifest, SegmentEntry},
    raw::{Codec, LOG_FILE, LogWriter},
    retention::{Expired, Policy},
    segment::{OpenSegment, Packets, Rewrite, Sealed, folder_id, folder_name, generation_name},
};

/// Holds `LOCK` until it is dropped.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    fs: Fs,
    manifest: Manifest,
    next_segment: Arc<AtomicU32>,
    /// Logs of a recorder that was killed, ascending.
    unsealed: Vec<u32>,
    /// What no manifest lists any more and old views may still read.
    retired: Vec<PathBuf>,
    _lock: File,
}

impl Writer {
    /// Opens the database at `dir` for writing, creating it if `dir` is absent or empty, and clears away what a killed
    /// writer left half done. Its logs stay: see [`unsealed`](Self::unsealed).
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
        let mut unsealed: Vec<u32> =
            entries(&open_dir(dir))?.iter().filter_map(|p| p.file_name().and_then(folder_id)).collect();
        unsealed.sort_unstable();
        let next = unsealed.last().map_or(0, |id| id.saturating_add(1)).max(manifest.next_segment);
        Ok(Writer {
            dir: dir.to_owned(),
            fs,
            manifest,
            next_segment: Arc::new(AtomicU32::new(next)),
            unsealed,
            retired: Vec::new(),
            _lock: lock,
        })
    }

    /// The database's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Through which it writes.
    pub fn fs(&self) -> &Fs {
        &self.fs
    }

    /// The last published manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Logs of a recorder that was stopped before it sealed them, ascending. They must be sealed, or found empty and
    /// removed, before any other segment is committed.
    pub fn unsealed(&self) -> &[u32] {
        &self.unsealed
    }

    /// Starts a segment with the next free id. Several may be open; they must be committed in the order of their ids.
    pub fn begin_segment(&mut self, codec: Codec, workers: usize) -> Result<OpenSegment> {
        if let Some(id) = self.unsealed.first() {
            return Err(Error::Missing { what: format!("segment yet from the log {}", self.log_dir(*id).display()) });
        }
        let id = take_id(&self.next_segment)?;
        self.begin_seal(id, codec, workers)
    }

    /// Starts to seal the segment of log `id`.
    pub fn begin_seal(&self, id: u32, codec: Codec, workers: usize) -> Result<OpenSegment> {
        OpenSegment::create(&self.fs, self.seal_dir(id), id, codec, workers)
    }

    /// Removes what a seal of log `id` that went wrong has left.
    pub fn discard_seal(&self, id: u32) -> Result<()> {
        remove(&self.fs, &self.seal_dir(id))
    }

    fn seal_dir(&self, id: u32) -> PathBuf {
        open_dir(&self.dir).join(format!("{}.tmp", folder_name(id)))
    }

    /// What makes this database's logs, on whatever thread captures.
    pub fn log_maker(&self) -> LogMaker {
        LogMaker { fs: self.fs.clone(), dir: open_dir(&self.dir), next_segment: Arc::clone(&self.next_segment) }
    }

    /// The folder of log `id`.
    pub fn log_dir(&self, id: u32) -> PathBuf {
        open_dir(&self.dir).join(folder_name(id))
    }

    /// Removes the log of a segment that is committed, or that was found empty.
    pub fn remove_log(&mut self, id: u32) -> Result<()> {
        self.fs.remove_dir_all(&self.log_dir(id))?;
        self.unsealed.retain(|unsealed| *unsealed != id);
        Ok(())
    }

    /// Publishes a sealed segment. `edit` changes the import records in the same commit. After an error the call may be
    /// made again.
    pub fn commit(&mut self, sealed: &Sealed, edit: impl FnOnce(&mut Vec<Import>)) -> Result<()> {
        let id = sealed.id();
        if self.manifest.segments.last().is_some_and(|s| s.id >= id) {
            return Err(Error::Missing { what: format!("place for segment {id}: a later one is already committed") });
        }
        if sealed.dir.exists() {
            self.fs.rename(&sealed.dir, &segments_dir(&self.dir).join(folder_name(id)))?;
            self.fs.sync_dir(&open_dir(&self.dir))?;
        }
        let size_bytes = sealed.size_bytes();
        self.publish(|m| {
            m.segments.push(SegmentEntry { id, generation: 0, size_bytes, dropped: Vec::new() });
            m.next_segment = m.next_segment.max(id.saturating_add(1));
            edit(&mut m.imports);
        })
    }

    /// Starts to make the rows of a sealed segment anew: those of the tables `made`. Everything else is taken over.
    pub fn begin_rewrite(
        &self,
        segment: &Segment,
        made: &[&TableDef],
        packets: Packets,
        workers: usize,
    ) -> Result<Rewrite> {
        let entry = self.entry(segment.id())?;
        let generation = entry.generation.saturating_add(1);
        let dir = self.rewrite_dir(entry);
        Rewrite::create(&self.fs, dir, generation, segment, made, packets, workers)
    }

    /// Publishes segments with new rows, all at once, in the place of those that there were. The files of these go with the next
    /// [`sweep`](Self::sweep).
    pub fn commit_rewrites(&mut self, sealed: &[Sealed]) -> Result<()> {
        let segments = segments_dir(&self.dir);
        let mut old = Vec::new();
        for new in sealed {
            old.push(segments.join(self.entry(new.id())?.folder()));
            if new.dir.exists() {
                self.fs.rename(&new.dir, &segments.join(generation_name(new.id(), new.generation)))?;
            }
        }
        self.fs.sync_dir(&open_dir(&self.dir))?;
        self.publish(|m| {
            for new in sealed {
                for entry in m.segments.iter_mut().filter(|s| s.id == new.id()) {
                    (entry.generation, entry.size_bytes) = (new.generation, new.size_bytes());
                }
            }
        })?;
        self.retired.extend(old);
        Ok(())
    }

    /// Removes what was written to make the rows of segment `id` anew.
    pub fn discard_rewrite(&self, id: u32) -> Result<()> {
        remove(&self.fs, &self.rewrite_dir(self.entry(id)?))
    }

    fn rewrite_dir(&self, entry: &SegmentEntry) -> PathBuf {
        open_dir(&self.dir).join(format!("{}.tmp", generation_name(entry.id, entry.generation.saturating_add(1))))
    }

    fn entry(&self, id: u32) -> Result<&SegmentEntry> {
        let entry = self.manifest.segments.iter().find(|s| s.id == id);
        entry.ok_or_else(|| Error::Missing { what: format!("segment {id}") })
    }

    /// Changes the import records.
    pub fn edit_imports(&mut self, edit: impl FnOnce(&mut Vec<Import>)) -> Result<()> {
        self.publish(|m| edit(&mut m.imports))
    }

    /// Notes what a recorder was told to keep, for those who look.
    pub fn set_policy(&mut self, policy: Policy) -> Result<()> {
        if self.manifest.policy == policy { Ok(()) } else { self.publish(|m| m.policy = policy) }
    }

    /// Takes what has expired out of the manifest. The files go with the next [`sweep`](Self::sweep).
    pub fn retire(&mut self, expired: &[Expired]) -> Result<()> {
        if expired.is_empty() {
            return Ok(());
        }
        let folder = |id: u32| -> Result<PathBuf> { Ok(segments_dir(&self.dir).join(self.entry(id)?.folder())) };
        let files = expired.iter().map(|e| match e {
            Expired::Segment { id } => folder(*id),
            Expired::Component { id, file, .. } => Ok(folder(*id)?.join(file)),
        });
        let files = files.collect::<Result<Vec<PathBuf>>>()?;
        self.publish(|m| {
            for e in expired {
                match e {
                    Expired::Segment { id } => m.segments.retain(|s| s.id != *id),
                    Expired::Component { id, file, size_bytes } => {
                        for s in m.segments.iter_mut().filter(|s| s.id == *id && !s.dropped.contains(file)) {
                            s.dropped.push(file.clone());
                            s.size_bytes = s.size_bytes.saturating_sub(*size_bytes);
                        }
                    }
                }
            }
        })?;
        self.retired.extend(files);
        Ok(())
    }

    /// Removes the files of what was [retired](Self::retire). Between the two, views made before go on reading.
    pub fn sweep(&mut self) -> Result<()> {
        while let Some(path) = self.retired.pop() {
            remove(&self.fs, &path)?;
        }
        Ok(())
    }

    /// Removes a component before any manifest says so: the way out when the disk has no room for a manifest.
    /// [`retire`](Self::retire) it next.
    pub fn remove_component(&self, id: u32, file: &str) -> Result<()> {
        self.fs.remove_file(&segments_dir(&self.dir).join(self.entry(id)?.folder()).join(file))
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

/// Makes logs; each is the beginning of a segment.
#[derive(Debug, Clone)]
pub struct LogMaker {
    fs: Fs,
    dir: PathBuf,
    next_segment: Arc<AtomicU32>,
}

impl LogMaker {
    /// Begins the next log. Its name is durable when this returns.
    pub fn begin(&self, comment: &str) -> Result<LogWriter> {
        let id = take_id(&self.next_segment)?;
        let dir = self.dir.join(folder_name(id));
        self.fs.create_dir_all(&dir)?;
        let log = LogWriter::create(&self.fs, &dir, id, comment)?;
        self.fs.sync_dir(&dir)?;
        self.fs.sync_dir(&self.dir)?;
        Ok(log)
    }
}

fn take_id(next: &AtomicU32) -> Result<u32> {
    let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |id| id.checked_add(1));
    taken.map_err(|_| Error::Limit { what: "number of segments".to_owned(), limit: format!("{}", u32::MAX) })
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

/// Removes what no manifest lists, and what retention has dropped; keeps the logs of segments that are not sealed.
fn clear_leftovers(dir: &Path, fs: &Fs, manifest: &Manifest) -> Result<()> {
    let trash = dir.join("trash");
    let listed: HashSet<String> = manifest.segments.iter().map(SegmentEntry::folder).collect();
    for parent in [open_dir(dir), segments_dir(dir)] {
        for path in entries(&parent)? {
            let name = path.file_name().unwrap_or_default();
            let live = match folder_id(name) {
                _ if parent.ends_with("segments") => name.to_str().is_some_and(|name| listed.contains(name)),
                Some(id) => id >= manifest.next_segment && path.join(LOG_FILE).exists(),
                None => false,
            };
            if let (false, Some(name)) = (live, path.file_name()) {
                let to = trash.join(name);
                if to.exists() {
                    remove(fs, &to)?;
                }
                fs.rename(&path, &to)?;
            }
        }
    }
    for path in entries(&trash)? {
        remove(fs, &path)?;
    }
    for segment in &manifest.segments {
        for file in &segment.dropped {
            remove(fs, &segments_dir(dir).join(segment.folder()).join(file))?;
        }
    }
    Ok(())
}

/// Removes a file or folder, if it is there.
fn remove(fs: &Fs, path: &Path) -> Result<()> {
    match path {
        path if path.is_dir() => fs.remove_dir_all(path),
        path if path.exists() => fs.remove_file(path),
        _ => Ok(()),
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(dir).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect()).map_err(Error::io(dir))
}
