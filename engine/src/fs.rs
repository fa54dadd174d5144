//! Every write, fsync and rename of the store goes through here, in the order that survives a crash, and a test can stop
//! it at any step.
//!
//! Durability is an order: write, fsync, rename, fsync the folder, publish. A test makes an [`Fs`] that
//! [stops after N steps](Fs::stopping_after): the step that reaches the limit is half done (a write is torn in the
//! middle), and everything after it fails, as if the process had been killed there.

use std::{
    fmt::{self, Debug},
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use xxhash_rust::xxh3::Xxh3;

use crate::{Error, Result};

/// Write access to the file system. Cheap to clone; clones share the step counter.
#[derive(Debug, Clone, Default)]
pub struct Fs {
    steps: Arc<Steps>,
}

#[derive(Debug)]
struct Steps {
    taken: AtomicU64,
    stop_after: u64,
}

impl Default for Steps {
    fn default() -> Self {
        Steps { taken: AtomicU64::new(0), stop_after: u64::MAX }
    }
}

/// What a step may do.
enum Step {
    Whole,
    Torn,
}

impl Fs {
    /// An `Fs` that does `steps` writes, fsyncs, renames and removals, and then fails for ever: a killed process.
    pub fn stopping_after(steps: u64) -> Fs {
        Fs { steps: Arc::new(Steps { taken: AtomicU64::new(0), stop_after: steps }) }
    }

    /// Steps taken so far.
    pub fn steps_taken(&self) -> u64 {
        self.steps.taken.load(Ordering::Relaxed)
    }

    fn step(&self, path: &Path) -> Result<Step> {
        let n = self.steps.taken.fetch_add(1, Ordering::Relaxed);
        if n < self.steps.stop_after {
            Ok(Step::Whole)
        } else if n == self.steps.stop_after {
            Ok(Step::Torn)
        } else {
            Err(stopped(path))
        }
    }

    /// As [`step`](Self::step), for operations that cannot be half done.
    fn whole_step(&self, path: &Path) -> Result<()> {
        match self.step(path)? {
            Step::Whole => Ok(()),
            Step::Torn => Err(stopped(path)),
        }
    }

    /// Creates a file that must not exist yet, for buffered appending.
    pub fn create(&self, path: &Path) -> Result<Appender> {
        self.whole_step(path)?;
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Error::io(path))?;
        let sink = Sink { fs: self.clone(), path: path.to_owned(), file };
        Ok(Appender { inner: BufWriter::with_capacity(1 << 20, sink), written: 0, hash: Box::new(Xxh3::new()) })
    }

    /// Creates a file that must not exist yet, for appending whole pieces while others read it.
    pub fn create_log(&self, path: &Path) -> Result<LogFile> {
        self.whole_step(path)?;
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(Error::io(path))?;
        Ok(LogFile { sink: Sink { fs: self.clone(), path: path.to_owned(), file }, len: 0 })
    }

    /// Bytes that are free for us on the file system that holds `path`.
    pub fn available_bytes(&self, path: &Path) -> Result<u64> {
        let disk = rustix::fs::statvfs(path).map_err(|e| Error::io(path)(e.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Creates a folder and its parents.
    pub fn create_dir_all(&self, path: &Path) -> Result<()> {
        self.whole_step(path)?;
        fs::create_dir_all(path).map_err(Error::io(path))
    }

    /// Gives a file that never changes a second name, or where the file system has no such thing, copies it.
    pub fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.whole_step(to)?;
        if fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        let mut file = File::open(from).map_err(Error::io(from))?;
        let mut copy = self.create(to)?;
        io::copy(&mut file, &mut copy).map_err(Error::io(to))?;
        copy.finish().map(drop)
    }

    /// Renames; the new name may be lost in a crash. For what is never the only copy of anything.
    pub fn rename_unsynced(&self, from: &Path, to: &Path) -> Result<()> {
        self.whole_step(from)?;
        #[expect(clippy::disallowed_methods, reason = "the one place that renames")]
        fs::rename(from, to).map_err(Error::io(from))
    }

    /// Renames, then fsyncs the folder that now holds the name.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.rename_unsynced(from, to)?;
        match to.parent() {
            Some(parent) => self.sync_dir(parent),
            None => Ok(()),
        }
    }

    /// Makes the names in a folder durable.
    pub fn sync_dir(&self, path: &Path) -> Result<()> {
        self.whole_step(path)?;
        File::open(path).and_then(|d| d.sync_all()).map_err(Error::io(path))
    }

    /// Removes a folder and all in it.
    pub fn remove_dir_all(&self, path: &Path) -> Result<()> {
        self.whole_step(path)?;
        fs::remove_dir_all(path).map_err(Error::io(path))
    }

    /// Removes a file.
    pub fn remove_file(&self, path: &Path) -> Result<()> {
        self.whole_step(path)?;
        fs::remove_file(path).map_err(Error::io(path))
    }

    /// Puts `bytes` at `path` whole or not at all: temporary file, fsync, rename, fsync of the folder.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let temporary = path.with_extension("tmp");
        if temporary.exists() {
            self.remove_file(&temporary)?;
        }
        let mut file = self.create(&temporary)?;
        file.write_all(bytes).map_err(Error::io(&temporary))?;
        file.finish()?;
        self.rename(&temporary, path)
    }
}

fn stopped(path: &Path) -> Error {
    Error::Io { path: path.to_owned(), source: io::Error::other("stopped by a test") }
}

/// A new file being appended to.
pub struct Appender {
    inner: BufWriter<Sink>,
    written: u64,
    hash: Box<Xxh3>,
}

impl Debug for Appender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Appender({}, {} bytes)", self.path().display(), self.written)
    }
}

/// A file that grows piece by piece. Nothing is buffered here: what was appended is with the operating system, and
/// outlives the process.
#[derive(Debug)]
pub struct LogFile {
    sink: Sink,
    len: u64,
}

impl LogFile {
    /// Appends `bytes` whole, or leaves the file as it was: on an error what got through is cut off again.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match self.sink.write_all(bytes) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                Ok(())
            }
            Err(e) => {
                // If this fails as well, a torn piece stays at the end, and readers stop before it. The next append must
                // not go behind it.
                if self.sink.fs.whole_step(&self.sink.path).is_ok() {
                    self.sink.file.set_len(self.len).map_err(Error::io(&self.sink.path))?;
                    self.sink.file.seek(SeekFrom::Start(self.len)).map_err(Error::io(&self.sink.path))?;
                }
                Err(Error::io(&self.sink.path)(e))
            }
        }
    }

    /// Bytes appended.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.sink.path
    }

    /// A handle that makes what was appended durable, for another thread.
    pub fn syncer(&self) -> Result<Syncer> {
        let Sink { fs, path, file } = &self.sink;
        let file = file.try_clone().map_err(Error::io(path))?;
        Ok(Syncer { fs: fs.clone(), path: path.clone(), file })
    }
}

/// Makes what a [`LogFile`] holds durable.
#[derive(Debug)]
pub struct Syncer {
    fs: Fs,
    path: PathBuf,
    file: File,
}

impl Syncer {
    /// Returns when everything that was appended before the call is on the disk.
    pub fn sync(&self) -> Result<()> {
        self.fs.whole_step(&self.path)?;
        self.file.sync_data().map_err(Error::io(&self.path))
    }
}

#[derive(Debug)]
struct Sink {
    fs: Fs,
    path: PathBuf,
    file: File,
}

impl Appender {
    /// Bytes appended so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// XXH3-64 of the bytes appended so far: the component checksum of `segment.json`.
    pub fn checksum(&self) -> u64 {
        self.hash.digest()
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.inner.get_ref().path
    }

    /// Appends, with the path in the error.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|e| Error::io(self.path())(e))
    }

    /// Flushes and fsyncs. Returns the file's length in bytes.
    pub fn finish(mut self) -> Result<u64> {
        self.inner.flush().map_err(|e| Error::io(self.path())(e))?;
        let sink = self.inner.get_ref();
        sink.fs.whole_step(&sink.path)?;
        sink.file.sync_data().map_err(Error::io(&sink.path))?;
        Ok(self.written)
    }
}

impl Write for Appender {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.hash.update(buf.get(..n).unwrap_or(buf));
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.fs.step(&self.path) {
            Ok(Step::Whole) => self.file.write(buf),
            Ok(Step::Torn) => {
                let half = buf.get(..buf.len() / 2).unwrap_or_default();
                self.file.write_all(half)?;
                Err(io::Error::other("stopped by a test in the middle of a write"))
            }
            Err(_) => Err(io::Error::other("stopped by a test")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replace_leaves_the_old_content_at_every_stop() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("f.json");
        Fs::default().replace(&path, b"old old old").expect("first write");
        for stop in 0..20 {
            let fs = Fs::stopping_after(stop);
            let done = fs.replace(&path, b"new new new").is_ok();
            let content = fs::read(&path).expect("the file is always there");
            assert!(
                content == b"new new new" || (!done && content == b"old old old"),
                "half a file after {stop} steps"
            );
            fs::write(&path, b"old old old").expect("reset");
        }
    }
}
