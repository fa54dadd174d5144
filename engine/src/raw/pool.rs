//! Frames on their way to disk: compressed by worker threads, written in order.
//!
//! ```text
//! caller ── full batch ──► bounded by the batches there are ──► worker: compress ─► wait for its turn ─► write
//!    ▲                                                            │
//!    └──────────────────────── empty batch ◄──────────────────────┘
//! ```
//!
//! Frames travel in batches, because waking a thread for each costs the caller a seventh of what compressing one does. There are only so many
//! batches, so a slow disk stops the caller. Whoever compressed a batch writes it, once the batch before is written.
//! After an error nothing more is written, and the caller learns of it at its next batch.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use xxhash_rust::xxh3::xxh3_64;

use super::{Codec, FRAME_BYTES, codec::Encoder, seek::Frame};
use crate::{Error, Result, fs::Appender};

/// Batches for each worker: one being compressed, and enough waiting that a caller in bursts does not starve it.
const BATCHES_PER_WORKER: usize = 3;

/// Plain bytes with which a batch is full.
const BATCH_BYTES: usize = 16 * FRAME_BYTES;

/// Frames that follow each other, the last of them perhaps not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The content of all frames.
    pub(crate) plain: Vec<u8>,
    /// Of each whole frame: where it ends in `plain`, and how many rows the file has up to there.
    ends: Vec<(usize, u32)>,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        Batch { plain: Vec::with_capacity(BATCH_BYTES + FRAME_BYTES), ends: Vec::new() }
    }

    /// Bytes of the frame that is not whole yet.
    #[inline]
    pub(crate) fn frame_len(&self) -> usize {
        self.plain.len() - self.ends.last().map_or(0, |(end, _)| *end)
    }

    /// Ends a frame, with which the file has `end_row` rows.
    pub(crate) fn end_frame(&mut self, end_row: u32) {
        self.ends.push((self.plain.len(), end_row));
    }

    /// Whether it is time to hand it over.
    pub(crate) fn is_full(&self) -> bool {
        self.plain.len() >= BATCH_BYTES
    }

    /// Empties it, and does not keep what a giant packet made of it.
    fn clear(&mut self) {
        self.plain.clear();
        self.plain.shrink_to(BATCH_BYTES + FRAME_BYTES);
        self.ends.clear();
    }
}

/// Compresses batches. One for each thread.
#[derive(Debug)]
pub(crate) struct BatchEncoder {
    encoder: Encoder,
    stored: Vec<u8>,
    /// The frames in `stored`, with offsets from its start.
    frames: Vec<Frame>,
}

impl BatchEncoder {
    fn new(codec: Codec) -> io::Result<BatchEncoder> {
        Ok(BatchEncoder { encoder: Encoder::new(codec)?, stored: Vec::new(), frames: Vec::new() })
    }

    /// What to write for `batch`: the bytes, and the frames in them.
    fn encode(&mut self, batch: &Batch) -> io::Result<(&[u8], &[Frame])> {
        self.frames.clear();
        // A giant packet is not to be remembered.
        self.stored.truncate(2 * BATCH_BYTES);
        self.stored.shrink_to(2 * BATCH_BYTES);
        let (mut plain_start, mut start) = (0, 0);
        for &(plain_end, end_row) in &batch.ends {
            let plain = batch.plain.get(plain_start..plain_end).unwrap_or_default();
            let end = self.encoder.encode(plain, &mut self.stored, start)?;
            let stored = self.stored.get(start..end).unwrap_or_default();
            self.frames.push(Frame {
                offset: start as u64,
                checksum: xxh3_64(stored),
                stored_len: u32::try_from(stored.len()).map_err(io::Error::other)?,
                plain_len: u32::try_from(plain.len()).map_err(io::Error::other)?,
                end_row,
            });
            (plain_start, start) = (plain_end, end);
        }
        Ok((self.stored.get(..start).unwrap_or_default(), &self.frames))
    }
}

/// The file, and the frames written to it.
#[derive(Debug)]
pub(crate) struct FrameFile {
    file: Appender,
    frames: Vec<Frame>,
}

impl FrameFile {
    fn write(&mut self, (stored, frames): (&[u8], &[Frame])) -> Result<()> {
        let start = self.file.written();
        self.file.append(stored)?;
        self.frames.extend(frames.iter().map(|f| Frame { offset: start + f.offset, ..*f }));
        Ok(())
    }
}

/// Takes batches of frames, compresses and writes them.
#[derive(Debug)]
pub(crate) enum Pool {
    Inline { encoder: BatchEncoder, out: Box<FrameFile> },
    Threads(Threads),
}

impl Pool {
    /// Compresses on `workers` threads; on the caller's own when that is 0.
    pub(crate) fn new(file: Appender, codec: Codec, workers: usize) -> Result<Pool> {
        let path = file.path().to_owned();
        let out = FrameFile { file, frames: Vec::new() };
        if workers == 0 {
            let encoder = BatchEncoder::new(codec).map_err(Error::io(&path))?;
            return Ok(Pool::Inline { encoder, out: Box::new(out) });
        }
        Ok(Pool::Threads(Threads::start(out, path, codec, workers)?))
    }

    /// Hands over the whole frames in `batch`, and leaves an empty one there.
    pub(crate) fn submit(&mut self, batch: &mut Batch) -> Result<()> {
        match self {
            Pool::Inline { encoder, out } => {
                let encoded = encoder.encode(batch).map_err(Error::io(out.file.path()))?;
                out.write(encoded)?;
                batch.clear();
                Ok(())
            }
            Pool::Threads(threads) => threads.submit(batch),
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
    empty: mpsc::Receiver<Batch>,
    next: u64,
    path: PathBuf,
    shared: Arc<Shared>,
    handles: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Job {
    number: u64,
    batch: Batch,
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
        for _ in 0..workers.saturating_mul(BATCHES_PER_WORKER) {
            give_back.send(Batch::new()).map_err(|_| gone(&path))?;
        }
        let mut threads = Threads { jobs: Some(jobs), empty, next: 0, path, shared, handles: Vec::new() };
        for n in 0..workers {
            let encoder = BatchEncoder::new(codec).map_err(Error::io(&threads.path))?;
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

    fn submit(&mut self, batch: &mut Batch) -> Result<()> {
        // A worker that failed still gives batches back, so this wait always ends.
        let fresh = self.empty.recv().map_err(|_| gone(&self.path))?;
        self.check()?;
        let job = Job { number: self.next, batch: std::mem::replace(batch, fresh) };
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
    give_back: &mpsc::Sender<Batch>,
    mut encoder: BatchEncoder,
    path: &Path,
) {
    loop {
        let job = lock(queue).recv();
        let Ok(mut job) = job else { return };
        let encoded = encoder.encode(&job.batch).map_err(Error::io(path));
        let waiting = shared.passed.wait_while(lock(&shared.turn), |turn| turn.number != job.number);
        let mut turn = waiting.unwrap_or_else(PoisonError::into_inner);
        if !turn.failed {
            let written = encoded.and_then(|encoded| match &mut turn.out {
                Some(out) => out.write(encoded),
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
        job.batch.clear();
        // The caller may have gone already.
        let _ = give_back.send(job.batch);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone(path: &Path) -> Error {
    Error::Io { path: path.to_owned(), source: io::Error::other("an earlier write to the raw log did not succeed") }
}
