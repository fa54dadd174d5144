//! The follow thread: rows behind the log, readers' copies of them, and segments when a log is complete.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use wiretape_engine::{
    Error, Result, TableDef,
    fs::Fs,
    live::RowsWriter,
    raw::{LOG_FILE, LogTail},
    segment::Sealed,
};

use super::{
    ahead::Ahead,
    config::{Clock, RecordConfig},
    recover,
    replay::Replay,
    seal::{self, Store, lock},
};
use crate::{
    pipeline::SegmentRows,
    tables::{COVERAGE, FLOWS, PACKETS},
};

/// How long the thread waits when it has read everything. With one publication of rows it bounds how late rows are.
const IDLE: Duration = Duration::from_millis(100);

/// Rows made between two publications when there is more to read.
const PUBLISH_ROWS: usize = 1 << 16;

/// Idle waits between two looks at retention: files that were retired go after this, and ages are checked.
const RETIRE_EVERY: u32 = 20;

/// A file of flow parts is written anew when it has this many times the bytes that it had then, so that a long segment
/// with busy flows does not fill the disk with replaced rows.
const REWRITE_FACTOR: u64 = 4;
/// … and at least this many.
const REWRITE_BYTES: u64 = 16 << 20;

/// What the capturing side tells.
enum Message {
    Begin(u32),
    End {
        id: u32,
        /// No other log follows.
        last: bool,
    },
}

/// Rows that readers see take less of the disk than a log divided by this, with packets as small as they get.
const ROWS_SHARE: u64 = 2;

/// What both sides look at. Bytes are of logs, added up since the recording began.
#[derive(Debug, Default)]
struct Shared {
    failure: Mutex<Option<Error>>,
    segments: AtomicU64,
    /// Bytes that the capturing side has written.
    written_bytes: AtomicU64,
    /// Bytes whose rows are made.
    read_bytes: AtomicU64,
    /// Bytes of logs that are sealed and gone.
    sealed_bytes: AtomicU64,
    /// Bytes of the readers' rows of logs that are not.
    rows_bytes: AtomicU64,
}

impl Shared {
    /// Bytes on the disk of what is not sealed: logs, and readers' rows with those that are yet to be made of them.
    fn open_bytes(&self) -> u64 {
        let written = self.written_bytes.load(Ordering::Relaxed);
        let logs = written.saturating_sub(self.sealed_bytes.load(Ordering::Relaxed));
        let behind = written.saturating_sub(self.read_bytes.load(Ordering::Relaxed));
        logs + self.rows_bytes.load(Ordering::Relaxed) + behind / ROWS_SHARE
    }

    /// A log is gone from the disk, with its rows.
    fn gone(&self, size: OpenSize) {
        self.sealed_bytes.fetch_add(size.log_bytes, Ordering::Relaxed);
        self.rows_bytes.fetch_sub(size.rows_bytes, Ordering::Relaxed);
    }
}

/// The handle on the follow thread.
#[derive(Debug)]
pub(super) struct Follower {
    messages: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Follower {
    pub(super) fn start(store: Arc<Mutex<Store>>, config: RecordConfig, clock: Clock) -> Follower {
        let (messages, inbox) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let run = Run {
            replay: Replay::new(config.pipeline.clone()),
            store,
            config,
            clock,
            inbox,
            sealing: None,
            idle: 0,
            retired_at_bytes: 0,
            shared: Arc::clone(&shared),
        };
        let failed = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            if let Err(e) = run.run() {
                *failed.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
            }
        });
        Follower { messages: Some(messages), thread: Some(thread), shared }
    }

    /// Log `id` has begun.
    pub(super) fn begin(&mut self, id: u32) {
        self.send(Message::Begin(id));
    }

    /// Log `id` is complete, and is the recording's `last` or not.
    pub(super) fn end(&mut self, id: u32, last: bool) {
        self.send(Message::End { id, last });
    }

    /// Reads to the end, seals everything and returns; an error leaves the logs for the next start.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        self.take_failure().map_or(Ok(()), Err)
    }

    pub(super) fn take_failure(&self) -> Option<Error> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Segments sealed.
    pub(super) fn segments(&self) -> u64 {
        self.shared.segments.load(Ordering::Relaxed)
    }

    /// Says how much was written since the recording began.
    pub(super) fn note_written(&self, bytes: u64) {
        self.shared.written_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes on the disk of what is not sealed.
    pub(super) fn open_bytes(&self) -> u64 {
        self.shared.open_bytes()
    }

    /// Bytes of log whose rows are not made yet.
    pub(super) fn behind_bytes(&self) -> u64 {
        let read = self.shared.read_bytes.load(Ordering::Relaxed);
        self.shared.written_bytes.load(Ordering::Relaxed).saturating_sub(read)
    }

    fn send(&self, message: Message) {
        if let Some(messages) = &self.messages {
            // A thread that has failed does not listen; its failure is told elsewhere.
            let _ = messages.send(message);
        }
    }
}

/// Whoever gives a recording up without finishing it leaves no thread behind that still writes.
impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

/// The thread's own.
struct Run {
    store: Arc<Mutex<Store>>,
    config: RecordConfig,
    clock: Clock,
    inbox: Receiver<Message>,
    replay: Replay,
    sealing: Option<Sealing>,
    shared: Arc<Shared>,
    /// Idle waits since retention was last looked at.
    idle: u32,
    /// Bytes that were open then.
    retired_at_bytes: u64,
}

/// What a log that is not sealed takes on the disk.
#[derive(Debug, Clone, Copy)]
struct OpenSize {
    log_bytes: u64,
    rows_bytes: u64,
}

/// A seal on its own thread.
struct Sealing {
    thread: JoinHandle<Result<Sealed>>,
    size: OpenSize,
}

impl Run {
    /// Follows one log after another until the capturing side hangs up.
    fn run(mut self) -> Result<()> {
        let mut open: Option<Following> = None;
        let mut begun = VecDeque::new();
        let mut ended = VecDeque::new();
        let mut more_to_come = true;
        loop {
            let Some(following) = &mut open else {
                match begun.pop_front() {
                    Some(id) => open = Some(self.follow(id)?),
                    None if more_to_come => more_to_come = self.listen(IDLE, &mut begun, &mut ended)?,
                    None => break,
                }
                continue;
            };
            // Asked before reading: what is complete then is read whole.
            let complete = ended.front().copied().filter(|(id, _)| *id == following.id);
            let now_ns = self.clock.now_ns();
            let caught_up = following.read(&mut self.replay, &self.shared, now_ns, complete.is_some())?;
            following.publish(&mut self.replay, &self.shared)?;
            if let (true, Some((_, last))) = (caught_up, complete) {
                ended.pop_front();
                self.seal(open.take().expect("it is the one at hand"), last)?;
            } else {
                let wait = if caught_up { IDLE } else { Duration::ZERO };
                more_to_come &= self.listen(wait, &mut begun, &mut ended)?;
                // A capturing side that was dropped in the middle of a log completes it all the same.
                if !more_to_come && ended.is_empty() && caught_up {
                    ended.extend(open.as_ref().map(|f| (f.id, true)));
                }
            }
        }
        self.commit_sealing()
    }

    /// Takes in messages, waiting for the first as long as `wait`. False when none will come any more.
    fn listen(&mut self, wait: Duration, begun: &mut VecDeque<u32>, ended: &mut VecDeque<(u32, bool)>) -> Result<bool> {
        let mut message = match self.inbox.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => {
                self.look_around(!wait.is_zero())?;
                return Ok(true);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Ok(message) => Some(message),
        };
        while let Some(m) = message {
            match m {
                Message::Begin(id) => begun.push_back(id),
                Message::End { id, last } => ended.push_back((id, last)),
            }
            message = self.inbox.try_recv().ok();
        }
        Ok(true)
    }

    /// What is done now and then: a finished seal is committed, and old things go.
    fn look_around(&mut self, idle: bool) -> Result<()> {
        if self.sealing.as_ref().is_some_and(|s| s.thread.is_finished()) {
            self.commit_sealing()?;
        }
        self.idle += u32::from(idle);
        let grown_bytes = self.shared.open_bytes().saturating_sub(self.retired_at_bytes);
        if self.idle >= RETIRE_EVERY {
            let Store { writer, retirer } = &mut *lock(&self.store);
            retirer.sweep(writer)?;
        } else if grown_bytes <= self.config.log_limit_bytes() / 2 {
            return Ok(());
        }
        self.retire()
    }

    /// Drops what is to go by now.
    fn retire(&mut self) -> Result<()> {
        self.idle = 0;
        self.retired_at_bytes = self.shared.open_bytes();
        let Store { writer, retirer } = &mut *lock(&self.store);
        retirer.retire(writer, self.retired_at_bytes + self.config.reserve_bytes(), self.clock.now_ns())
    }

    fn follow(&mut self, id: u32) -> Result<Following> {
        let (dir, fs) = {
            let Store { writer, .. } = &*lock(&self.store);
            (writer.log_dir(id), writer.fs().clone())
        };
        let path = dir.join(LOG_FILE);
        self.replay.begin(id, recover::notes(&mut LogTail::open(&path)?)?);
        let rows = |table: &'static TableDef| RowsWriter::create(&fs, &dir, table);
        Ok(Following {
            id,
            tail: LogTail::open(&path)?,
            ahead: self.config.keylog.as_ref().map(|_| Ahead::open(&path)).transpose()?,
            packets: rows(&PACKETS)?,
            flows: rows(&FLOWS)?,
            coverage: rows(&COVERAGE)?,
            calls: Vec::new(),
            fs,
            dir,
            flows_base: 0,
            rows_bytes: 0,
        })
    }

    /// Hands a complete log to a seal thread, once the one before is committed.
    fn seal(&mut self, following: Following, last: bool) -> Result<()> {
        if last {
            self.replay.finish();
        }
        let rows = self.replay.seal()?;
        self.commit_sealing()?;
        let id = following.id;
        let size = OpenSize { log_bytes: following.tail.offset(), rows_bytes: following.rows_bytes };
        if rows.iter().all(|(_, batch)| batch.num_rows() == 0) {
            lock(&self.store).writer.remove_log(id)?;
            self.shared.gone(size);
            return Ok(());
        }
        self.retire()?;
        let (store, codec, workers) = (Arc::clone(&self.store), self.config.codec, self.config.workers);
        let thread = std::thread::spawn(move || seal::seal(&store, id, &rows, codec, workers));
        self.sealing = Some(Sealing { thread, size });
        Ok(())
    }

    /// Waits for the segment being sealed, if any, and commits it.
    fn commit_sealing(&mut self) -> Result<()> {
        let Some(Sealing { thread, size }) = self.sealing.take() else { return Ok(()) };
        let sealed = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let open_bytes = self.shared.open_bytes().saturating_sub(size.log_bytes + size.rows_bytes);
        seal::commit(&self.store, &sealed, open_bytes + self.config.reserve_bytes(), self.clock.now_ns())?;
        self.shared.gone(size);
        self.shared.segments.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A run that ends in an error leaves no thread behind that still writes once the database's lock is given back.
impl Drop for Run {
    fn drop(&mut self) {
        if let Some(sealing) = self.sealing.take() {
            let _ = sealing.thread.join();
        }
    }
}

/// The log at hand.
struct Following {
    id: u32,
    tail: LogTail,
    /// Where a key log is followed.
    ahead: Option<Ahead>,
    packets: RowsWriter,
    flows: RowsWriter,
    coverage: RowsWriter,
    /// Those of application protocols that were seen.
    calls: Vec<RowsWriter>,
    fs: Fs,
    dir: PathBuf,
    /// Bytes of the flows' file when it was last written anew.
    flows_base: u64,
    /// Bytes of all files of rows, as others were told.
    rows_bytes: u64,
}

impl Following {
    /// Makes rows of what the log has, or has had long enough. False when there is more than was read at once.
    fn read(&mut self, replay: &mut Replay, shared: &Shared, now_ns: i64, is_complete: bool) -> Result<bool> {
        let ripe = match &mut self.ahead {
            Some(ahead) => ahead.ripe_to(replay, now_ns)?,
            None => u64::MAX,
        };
        let ripe = if is_complete { u64::MAX } else { ripe };
        let before = self.tail.offset();
        let mut caught_up = false;
        for _ in 0..PUBLISH_ROWS {
            if self.tail.offset() >= ripe {
                caught_up = true;
                break;
            }
            match self.tail.next_entry()? {
                Some(entry) => replay.push(&entry),
                None => {
                    caught_up = true;
                    break;
                }
            }
        }
        shared.read_bytes.fetch_add(self.tail.offset() - before, Ordering::Relaxed);
        Ok(caught_up)
    }

    /// What writes the rows of an application protocol's table.
    fn writer(&mut self, table: &'static TableDef) -> Result<&mut RowsWriter> {
        let at = match self.calls.iter().position(|w| w.table().name == table.name) {
            Some(at) => at,
            None => {
                self.calls.push(RowsWriter::create(&self.fs, &self.dir, table)?);
                self.calls.len() - 1
            }
        };
        Ok(self.calls.get_mut(at).expect("it is there by now"))
    }

    /// Shows readers what is new. A full disk is no failure here: the rows are in memory and the log is on disk, so they
    /// come with the segment.
    fn publish(&mut self, replay: &mut Replay, shared: &Shared) -> Result<()> {
        let Some(SegmentRows { packets, flows, calls }) = replay.flush()? else { return Ok(()) };
        let coverage = replay.coverage()?;
        let written = (|| {
            self.packets.append(&packets)?;
            if self.flows.bytes() > (self.flows_base * REWRITE_FACTOR).max(REWRITE_BYTES) {
                if let Some(parts) = replay.flow_parts()? {
                    self.flows.replace(&parts)?;
                }
                self.flows_base = self.flows.bytes();
            } else {
                self.flows.append(&flows)?;
            }
            for (table, rows) in calls {
                self.writer(table)?.append(&rows)?;
            }
            coverage.map_or(Ok(()), |rows| self.coverage.replace(&rows))
        })();
        let calls_bytes: u64 = self.calls.iter().map(RowsWriter::bytes).sum();
        let rows_bytes = self.packets.bytes() + self.flows.bytes() + self.coverage.bytes() + calls_bytes;
        // What is written anew may be less than before: the sum wraps, and is right again.
        shared.rows_bytes.fetch_add(rows_bytes.wrapping_sub(self.rows_bytes), Ordering::Relaxed);
        self.rows_bytes = rows_bytes;
        match written {
            Err(e) if e.is_disk_full() => Ok(()),
            other => other,
        }
    }
}
