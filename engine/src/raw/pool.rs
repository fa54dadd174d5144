//! Frames on their way to disk: compressed by worker threads, written in order.
//!
//! ```text
//! caller ── full buffer ──► bounded by the buffers there are ──► worker: compress ─► wait for its turn ─► write
//!    ▲                                                             │
//!    └──────────────────────── empty buffer ◄──────────────────────┘
//! ```
//!
//! There are only so many buffers, so a slow disk stops the caller. Whoever compressed a frame writes it, once the
//! frame before is written. After an error nothing more is written, and the caller learns of it at its next frame.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use xxhash_rust::xxh3::xxh3_64;

use super::{Codec, FRAME_BYTES, codec::Encoder, seek::Frame};
use crate::{Error, Result, fs::Appender};

/// Buffers for each worker: one being compressed, and enough waiting that a caller in bursts does not starve it.
const BUFFERS_PER_WORKER: usize = 8;

/// The file, and the frames written to it.
#[derive(Debug)]
pub(crate) struct FrameFile {
    file: Appender,
    frames: Vec<Frame>,
}

impl FrameFile {
    fn write(&mut self, stored: &[u8], plain_len: usize, end_row: u32) -> Result<()> {
        let over = |_| Error::Limit { what: "a frame of the raw log".to_owned(), limit: "4 GiB".to_owned() };
        let frame = Frame {
            offset: self.file.written(),
            checksum: xxh3_64(stored),
            stored_len: u32::try_from(stored.len()).map_err(over)?,
            plain_len: u32::try_from(plain_len).map_err(over)?,
            end_row,
        };
        self.file.append(stored)?;
        self.frames.push(frame);
        Ok(())
    }
}

/// Takes frames, compresses and writes them.
#[derive(Debug)]
pub(crate) enum Pool {
    Inline { encoder: Encoder, out: Box<FrameFile> },
    Threads(Threads),
}

impl Pool {
    /// Compresses on `workers` threads; on the caller's own when that is 0.
    pub(crate) fn new(file: Appender, codec: Codec, workers: usize) -> Result<Pool> {
        let path = file.path().to_owned();
        let out = FrameFile { file, frames: Vec::new() };
        if workers == 0 {
            let encoder = Encoder::new(codec).map_err(Error::io(&path))?;
            return Ok(Pool::Inline { encoder, out: Box::new(out) });
        }
        Ok(Pool::Threads(Threads::start(out, path, codec, workers)?))
    }

    /// Hands over the frame in `buffer`, after which `end_row` rows are written, and leaves an empty buffer there.
    pub(crate) fn submit(&mut self, buffer: &mut Vec<u8>, end_row: u32) -> Result<()> {
        match self {
            Pool::Inline { encoder, out } => {
                let stored = encoder.encode(buffer).map_err(Error::io(out.file.path()))?;
                out.write(stored, buffer.len(), end_row)?;
                empty(buffer);
                Ok(())
            }
            Pool::Threads(threads) => threads.submit(buffer, end_row),
        }
    }

    /// Waits until every frame is written.
    pub(crate) fn finish(self) -> Result<(Appender, Vec<Frame>)> {
        let FrameFile { file, frames } = match self {
            Pool::Inline { out, .. } => *out,
            Pool::Threads(threads) => threads.finish()?,
        };
        Ok((file, frames))
    }
}

/// Workers and the way to them. Dropping it waits for them, so that nobody writes to the file afterwards.
#[derive(Debug)]
pub(crate) struct Threads {
    jobs: Option<mpsc::Sender<Job>>,
    empty: mpsc::Receiver<Vec<u8>>,
    next: u64,
    path: PathBuf,
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Job {
    number: u64,
    plain: Vec<u8>,
    end_row: u32,
}

#[derive(Debug)]
struct Shared {
    turn: Mutex<Turn>,
    passed: Condvar,
}

/// Whose turn it is to write, and where to.
#[derive(Debug)]
struct Turn {
    number: u64,
    /// None once the file has been taken back.
    out: Option<FrameFile>,
    error: Option<Error>,
    failed: bool,
}

impl Threads {
    fn start(out: FrameFile, path: PathBuf, codec: Codec, workers: usize) -> Result<Threads> {
        let (jobs, queue) = mpsc::channel();
        let (give_back, empty) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let turn = Turn { number: 0, out: Some(out), error: None, failed: false };
        let shared = Arc::new(Shared { turn: Mutex::new(turn), passed: Condvar::new() });
        for _ in 0..workers.saturating_mul(BUFFERS_PER_WORKER) {
            give_back.send(Vec::with_capacity(FRAME_BYTES)).map_err(|_| gone(&path))?;
        }
        let mut threads = Threads { jobs: Some(jobs), empty, next: 0, path, shared, handles: Vec::new() };
        for n in 0..workers {
            let encoder = Encoder::new(codec).map_err(Error::io(&threads.path))?;
            let (queue, shared, give_back) = (Arc::clone(&queue), Arc::clone(&threads.shared), give_back.clone());
            let path = threads.path.clone();
            let handle = thread::Builder::new()
                .name(format!("raw-{n}"))
                .spawn(move || work(&queue, &shared, &give_back, encoder, &path))
                .map_err(Error::io(&threads.path))?;
            threads.handles.push(handle);
        }
        Ok(threads)
    }

    fn submit(&mut self, buffer: &mut Vec<u8>, end_row: u32) -> Result<()> {
        // A worker that failed still gives buffers back, so this wait always ends.
        let fresh = self.empty.recv().map_err(|_| gone(&self.path))?;
        self.check()?;
        let job = Job { number: self.next, plain: std::mem::replace(buffer, fresh), end_row };
        self.next += 1;
        let jobs = self.jobs.as_ref().ok_or_else(|| gone(&self.path))?;
        jobs.send(job).map_err(|_| gone(&self.path))
    }

    fn finish(mut self) -> Result<FrameFile> {
        self.stop();
        self.check()?;
        let mut turn = lock(&self.shared.turn);
        turn.out.take().filter(|_| turn.number == self.next).ok_or_else(|| gone(&self.path))
    }

    fn check(&self) -> Result<()> {
        let mut turn = lock(&self.shared.turn);
        match turn.error.take() {
            Some(e) => Err(e),
            None if turn.failed => Err(gone(&self.path)),
            None => Ok(()),
        }
    }

    fn stop(&mut self) {
        self.jobs = None;
        for handle in self.handles.drain(..) {
            // A worker that panicked has not passed its turn on: `finish` sees that frames are missing.
            let _ = handle.join();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(
    queue: &Mutex<mpsc::Receiver<Job>>,
    shared: &Shared,
    give_back: &mpsc::Sender<Vec<u8>>,
    mut encoder: Encoder,
    path: &Path,
) {
    loop {
        let job = lock(queue).recv();
        let Ok(mut job) = job else { return };
        let stored = encoder.encode(&job.plain).map_err(Error::io(path));
        let waiting = shared.passed.wait_while(lock(&shared.turn), |turn| turn.number != job.number);
        let mut turn = waiting.unwrap_or_else(PoisonError::into_inner);
        if !turn.failed {
            let plain_len = job.plain.len();
            let written = stored.and_then(|stored| match &mut turn.out {
                Some(out) => out.write(stored, plain_len, job.end_row),
                None => Err(gone(path)),
            });
            if let Err(e) = written {
                turn.failed = true;
                turn.error = Some(e);
            }
        }
        turn.number += 1;
        drop(turn);
        shared.passed.notify_all();
        empty(&mut job.plain);
        // The caller may have gone already.
        let _ = give_back.send(job.plain);
    }
}

/// Empties a buffer, and does not keep what a giant packet made it.
fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(FRAME_BYTES);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone(path: &Path) -> Error {
    Error::Io { path: path.to_owned(), source: io::Error::other("an earlier write to the raw log did not succeed") }
}
