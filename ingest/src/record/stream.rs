//! A capture stream into a recording: from a pipe, a socket, another program's standard output. It may be silent for hours,
//! so it is read on a thread of its own.

use std::{
    io::{self, Read},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    time::Duration,
};

use super::{Counts, FrameFilter, RecordError, Recorder};
use crate::{
    Frame, Interface,
    frame::Direction,
    source::{CaptureFile, Event, SourceError},
};

/// How long the stream is waited for between two ticks of the recorder.
const TICK: Duration = Duration::from_millis(50);

/// Frames handed over together when they come fast, and hand-overs that may wait: some megabytes.
const BATCH_FRAMES: usize = 256;
const BATCHES_AHEAD: usize = 16;

/// Why recording a stream ended before the stream did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The stream is no capture, or damaged. Everything before is recorded.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Events of the stream on their way between threads, bytes together.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    events: Vec<Owned>,
}

#[derive(Debug)]
enum Owned {
    Interface(Interface),
    Secrets { len: usize },
    Frame { ts_ns: i64, interface: u32, link_type: u16, orig_len: u32, len: usize, direction: Option<Direction> },
}

/// Records the capture called `name` that `reader` gives to its end, or until `stop` is set, `max_packets` are in, or
/// `tick` says false. `filter` decides whether a frame is recorded.
pub fn record_stream(
    recorder: &mut Recorder,
    name: &str,
    reader: Box<dyn Read + Send>,
    mut filter: Option<FrameFilter<'_>>,
    max_packets: Option<u64>,
    stop: &AtomicBool,
    tick: &mut dyn FnMut(&Recorder) -> bool,
) -> Result<(), StreamError> {
    let (tx, rx) = mpsc::sync_channel(BATCHES_AHEAD);
    // Not joined: a read that blocks for ever must not keep the recording from ending.
    let name = name.to_owned();
    std::thread::spawn(move || read(name, reader, tx));
    let mut stream = Stream { numbers: Vec::new(), left: max_packets.unwrap_or(u64::MAX), filtered: Vec::new() };
    while !stop.load(Ordering::Relaxed) && stream.left > 0 && tick(recorder) {
        match next(&rx)? {
            Next::Batch(batch) => stream.push(recorder, &batch, &mut filter)?,
            Next::Nothing => {}
            Next::End => break,
        }
        recorder.tick()?;
    }
    Ok(())
}

enum Next {
    Batch(Batch),
    Nothing,
    End,
}

fn next(rx: &Receiver<Result<Batch, SourceError>>) -> Result<Next, SourceError> {
    match rx.recv_timeout(TICK) {
        Ok(batch) => batch.map(Next::Batch),
        Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
        Err(RecvTimeoutError::Disconnected) => Ok(Next::End),
    }
}

/// What was read and not yet handed over.
struct Pending {
    batch: Mutex<Batch>,
    tx: SyncSender<Result<Batch, SourceError>>,
}

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when the recording is over.
    fn hand_over(&self) -> bool {
        let batch = std::mem::take(&mut *self.lock());
        batch.events.is_empty() || self.tx.send(Ok(batch)).is_ok()
    }
}

/// Hands over what there is before it asks for more, so that no frame waits for the next to come.
struct Prompt {
    reader: Box<dyn Read + Send>,
    pending: Arc<Pending>,
}

impl Read for Prompt {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.pending.hand_over() { self.reader.read(buf) } else { Ok(0) }
    }
}

/// Reads to the end.
fn read(name: String, reader: Box<dyn Read + Send>, tx: SyncSender<Result<Batch, SourceError>>) {
    let pending = Arc::new(Pending { batch: Mutex::default(), tx });
    let reader = Prompt { reader, pending: Arc::clone(&pending) };
    let end = CaptureFile::from_reader(name, Box::new(reader)).and_then(|mut source| {
        while let Some(event) = source.next_event()? {
            let full = {
                let mut batch = pending.lock();
                batch.push(&event);
                batch.events.len() >= BATCH_FRAMES
            };
            if full && !pending.hand_over() {
                break;
            }
        }
        Ok(())
    });
    pending.hand_over();
    if let Err(e) = end {
        // Nobody listens when the recording is over, and then it does not matter.
        let _ = pending.tx.send(Err(e));
    }
}

impl Batch {
    fn push(&mut self, event: &Event<'_>) {
        self.events.push(match event {
            Event::Interface(interface) => Owned::Interface(interface.clone()),
            Event::Secrets(log) => {
                self.bytes.extend_from_slice(log);
                Owned::Secrets { len: log.len() }
            }
            Event::Frame(f) => {
                self.bytes.extend_from_slice(f.data);
                Owned::Frame {
                    ts_ns: f.ts_ns,
                    interface: f.interface,
                    link_type: f.link_type,
                    orig_len: f.orig_len,
                    len: f.data.len(),
                    direction: f.direction,
                }
            }
        });
    }
}

/// What is known of the stream.
struct Stream {
    /// The number that the recording gave each of its interfaces.
    numbers: Vec<u32>,
    /// Packets yet to record.
    left: u64,
    /// Packets kept out, by interface.
    filtered: Vec<u64>,
}

impl Stream {
    fn push(
        &mut self,
        recorder: &mut Recorder,
        batch: &Batch,
        filter: &mut Option<FrameFilter<'_>>,
    ) -> Result<(), RecordError> {
        let mut rest = batch.bytes.as_slice();
        for event in &batch.events {
            match event {
                Owned::Interface(interface) => {
                    // The log's unit is the ns, whatever the stream's.
                    let resolution = crate::frame::Resolution::Nano;
                    self.numbers.push(recorder.interface(Interface { resolution, ..interface.clone() })?);
                    self.filtered.push(0);
                }
                Owned::Secrets { len } => {
                    let (log, after) = rest.split_at_checked(*len).unwrap_or_default();
                    rest = after;
                    recorder.secrets(log)?;
                }
                Owned::Frame { ts_ns, interface, link_type, orig_len, len, direction } => {
                    let (data, after) = rest.split_at_checked(*len).unwrap_or_default();
                    rest = after;
                    let Some(&number) = self.numbers.get(*interface as usize) else { continue };
                    let (ts_ns, link_type, orig_len, direction) = (*ts_ns, *link_type, *orig_len, *direction);
                    let frame = Frame { ts_ns, interface: number, link_type, orig_len, data, direction };
                    if self.left == 0 || filter.as_mut().is_some_and(|wanted| !wanted(link_type, &frame)) {
                        if let Some(filtered) = self.filtered.get_mut(*interface as usize) {
                            *filtered += 1;
                            recorder.counts(number, Counts { filtered: *filtered, ..Counts::default() });
                        }
                        continue;
                    }
                    self.left -= 1;
                    recorder.push(&frame)?;
                }
            }
        }
        Ok(())
    }
}
