//! The capturing side: packets into logs, one log after another, and an account of every packet.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use wiretape_engine::{
    Error, LogMaker,
    fs::Fs,
    raw::{Interface, LogWriter, RawPacket, Statistics},
    retention::Policy,
};

use super::{
    config::{Clock, MIN_BUDGET_BYTES, RecordConfig},
    coverage::LogNotes,
    follow::Follower,
    recover::{self, Recovered},
    retire::Retirer,
    seal::{Store, lock},
    sync::SyncThread,
};
use crate::{
    Frame,
    keylog::{Kept, KeyLog, KeyLogError},
};

/// Time between two statistics blocks of an interface at most: how precisely a killed recorder's end is known on a quiet
/// interface.
const STATISTICS_NS: i64 = 10_000_000_000;

const MINUTE_NS: i64 = 60_000_000_000;

/// Why a recording cannot begin or go on. What is in the logs is safe, and the next recording goes on from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The disk is full, and retention may not drop anything.
    #[error("{source}; nothing may be dropped to make room (see the retention options)")]
    DiskFull {
        /// The write that did not fit.
        source: Error,
    },
    /// The disk is full, and everything on it that may be dropped is gone.
    #[error("{source}; every sealed segment was dropped to make room: something else fills this disk")]
    DiskTaken {
        /// The write that did not fit.
        source: Error,
    },
    /// The budget is too small, or the disk has not even room for the least.
    #[error("{budget_bytes} bytes are not enough to record within: the least is {MIN_BUDGET_BYTES}")]
    Budget {
        /// The smaller of the budget and what the disk has room for.
        budget_bytes: u64,
    },
    /// The key log cannot be read, or is none.
    #[error(transparent)]
    KeyLog(#[from] KeyLogError),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What the source has counted on one interface since it was announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that the kernel showed to the capture, dropped and filtered ones included.
    pub received: u64,
    /// Packets lost because the ring was full.
    pub dropped_ring: u64,
    /// Packets that the capture filter kept out.
    pub filtered: u64,
}

/// What a recording has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordReport {
    /// What the sources counted, over all interfaces.
    pub counts: Counts,
    /// Packets in the log.
    pub recorded: u64,
    /// Captured bytes of these.
    pub recorded_bytes: u64,
    /// Packets kept out because the disk was full or the budget used up.
    pub dropped_limit: u64,
    /// Bytes of log whose rows are not made yet.
    pub behind_bytes: u64,
    /// Segments sealed.
    pub segments: u64,
}

/// A recording under way.
#[derive(Debug)]
pub struct Recorder {
    config: RecordConfig,
    clock: Clock,
    notes: LogNotes,
    maker: LogMaker,
    store: Arc<Mutex<Store>>,
    log: Option<OpenLog>,
    /// Bytes of the logs before it.
    ended_bytes: u64,
    interfaces: Vec<Recorded>,
    keylog: Option<KeyLog>,
    secrets: Kept,
    sync: SyncThread,
    follower: Follower,
    report: RecordReport,
    /// The budget is used up by what is not sealed yet.
    over_budget: bool,
    recovered: Recovered,
}

#[derive(Debug)]
struct OpenLog {
    writer: LogWriter,
    began_ns: i64,
    next_statistics_ns: i64,
    /// Bytes at which the last sync was asked for.
    sync_asked_bytes: u64,
    /// Bytes at which the next look is due, though no tick comes.
    look_at_bytes: u64,
}

/// One interface of the source.
#[derive(Debug)]
struct Recorded {
    interface: Interface,
    announced_ns: i64,
    /// Its number in the log that is open.
    number: Option<u32>,
    /// What the source has counted, now and when the log began.
    counts: Counts,
    counts_before: Counts,
    recorded: u64,
    dropped_limit: u64,
    /// Packets recorded, or dropped for want of disk, in the logs before.
    taken_before: u64,
    /// Nothing more will come of it.
    gone: bool,
}

impl Recorder {
    /// Opens the database at `dir`, creating it if need be, makes segments of what a killed recorder has left, and begins.
    pub fn begin(dir: &Path, config: RecordConfig, clock: Clock) -> Result<Recorder, RecordError> {
        Self::begin_with(dir, config, clock, Fs::default())
    }

    /// As [`begin`](Self::begin), through a file system that a test can stop.
    pub fn begin_with(dir: &Path, mut config: RecordConfig, clock: Clock, fs: Fs) -> Result<Recorder, RecordError> {
        let keylog = config.keylog.as_deref().map(KeyLog::open).transpose()?;
        let (mut writer, recovered) = recover::open_writer_with(dir, fs, &config, clock.now_ns())?;
        writer.set_policy(config.policy)?;
        let notes = LogNotes {
            capture_source: config.capture_source.clone(),
            node: config.pipeline.node.clone(),
            previous_end_ns: recover::last_sign_of_life(&writer)?,
        };
        let maker = writer.log_maker();
        let mut retirer = Retirer::new(&writer, config.policy)?;
        config.policy = config.policy.within(retirer.sealed_bytes() + writer.fs().available_bytes(dir)?);
        if let Some(budget_bytes) = config.policy.budget_bytes().filter(|budget| *budget < MIN_BUDGET_BYTES) {
            return Err(RecordError::Budget { budget_bytes });
        }
        retirer.set_policy(config.policy);
        let store = Arc::new(Mutex::new(Store { writer, retirer }));
        let follower = Follower::start(Arc::clone(&store), config.clone(), clock.clone());
        let sync = SyncThread::start(config.sync_interval);
        let mut recorder = Recorder {
            config,
            clock,
            notes,
            maker,
            store,
            log: None,
            ended_bytes: 0,
            interfaces: Vec::new(),
            keylog,
            secrets: Kept::default(),
            sync,
            follower,
            report: RecordReport::default(),
            over_budget: false,
            recovered,
        };
        recorder.begin_log()?;
        while recorder.read_keylog()? {}
        recorder.keylog.as_ref().map_or(Ok(()), KeyLog::check)?;
        Ok(recorder)
    }

    /// What may be dropped, and when: as configured, but for a budget that is more than the disk has.
    pub fn policy(&self) -> &Policy {
        &self.config.policy
    }

    /// What was found of a recorder that was killed.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Announces an interface of the source. Returns the number that its frames carry.
    pub fn interface(&mut self, interface: Interface) -> Result<u32, RecordError> {
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let mut recorded = Recorded {
            interface,
            announced_ns: self.clock.now_ns(),
            number: None,
            counts: Counts::default(),
            counts_before: Counts::default(),
            recorded: 0,
            dropped_limit: 0,
            taken_before: 0,
            gone: false,
        };
        if let Some(log) = &mut self.log {
            recorded.number = Some(log.writer.interface(&recorded.interface)?);
        }
        self.interfaces.push(recorded);
        Ok(number)
    }

    /// Nothing more will come of an interface: it is covered until now.
    pub fn interface_gone(&mut self, interface: u32) -> Result<(), RecordError> {
        self.statistics(Recorded::counts)?;
        if let Some(recorded) = self.interfaces.get_mut(interface as usize) {
            recorded.gone = true;
        }
        Ok(())
    }

    /// Records a frame. It is in the log when this returns, and with the operating system after the next
    /// [`tick`](Self::tick). A frame that no room can be made for is counted.
    #[inline]
    pub fn push(&mut self, frame: &Frame<'_>) -> Result<(), RecordError> {
        let Some(number) = self.interfaces.get(frame.interface as usize).and_then(|i| i.number) else {
            return Err(Error::Missing { what: format!("interface {}: it was not announced", frame.interface) }.into());
        };
        let packet = RawPacket {
            ts_ns: frame.ts_ns,
            interface: number,
            orig_len: frame.orig_len,
            data: frame.data,
            direction: frame.direction,
        };
        let pushed = if self.over_budget { false } else { self.push_packet(&packet)? };
        let Some(recorded) = self.interfaces.get_mut(frame.interface as usize) else { return Ok(()) };
        if pushed {
            recorded.recorded += 1;
            self.report.recorded += 1;
            self.report.recorded_bytes += frame.data.len() as u64;
        } else {
            recorded.dropped_limit += 1;
            self.report.dropped_limit += 1;
        }
        match &self.log {
            Some(log) if log.writer.rows() >= self.config.segment_rows => self.roll(),
            // Between two ticks more may come in than the budget has to spare.
            Some(log) if log.writer.bytes() >= log.look_at_bytes => self.look(),
            _ => Ok(()),
        }
    }

    /// Records lines of a key log that the source carries (see [`crate::keylog`]); others are passed over.
    pub fn secrets(&mut self, log: &[u8]) -> Result<(), RecordError> {
        self.secrets.add(log);
        match &mut self.log {
            Some(log) => Ok(self.secrets.write(|lines| log.writer.secrets(lines))?),
            None => Ok(()),
        }
    }

    /// Records what was appended to the key log. False when that is nothing. A log that cannot be read for now is no reason to stop
    /// recording.
    fn read_keylog(&mut self) -> Result<bool, RecordError> {
        let Some(Ok(lines)) = self.keylog.as_mut().map(KeyLog::news) else { return Ok(false) };
        self.secrets(&lines)?;
        Ok(!lines.is_empty())
    }

    /// What the source has counted on `interface` by now. Packets that were pushed are received in any case, so a source without
    /// counters of its own gives only what its filter kept out.
    pub fn counts(&mut self, interface: u32, counts: Counts) {
        if let Some(recorded) = self.interfaces.get_mut(interface as usize) {
            recorded.counts = counts;
        }
    }

    /// To be called some ten times a second, whether packets come or not: hands the log to the operating system, starts
    /// syncs, writes statistics, begins the next log when this one is full, and says when something went wrong on another
    /// thread.
    pub fn tick(&mut self) -> Result<(), RecordError> {
        if let Some(e) = self.sync.take_failure().or_else(|| self.follower.take_failure()) {
            return Err(self.explain(e));
        }
        if !self.over_budget {
            self.read_keylog()?;
        }
        let now_ns = self.clock.now_ns();
        let Some(log) = &mut self.log else { return Ok(()) };
        if now_ns >= log.next_statistics_ns {
            self.statistics(Recorded::counts)?;
        }
        self.look()
    }

    /// Hands the log to the operating system, and looks whether it is full and whether there is room for more.
    fn look(&mut self) -> Result<(), RecordError> {
        self.flush()?;
        let now_ns = self.clock.now_ns();
        let Some(log) = &mut self.log else { return Ok(()) };
        let limit_bytes = self.config.log_limit_bytes();
        log.look_at_bytes = log.writer.bytes() + limit_bytes / 8;
        if log.writer.flushed_bytes() - log.sync_asked_bytes >= self.config.sync_bytes {
            log.sync_asked_bytes = log.writer.flushed_bytes();
            self.sync.now();
        }
        let (bytes, age_ns) = (log.writer.bytes(), now_ns.saturating_sub(log.began_ns));
        self.follower.note_written(self.ended_bytes + log.writer.flushed_bytes());
        self.over_budget = self.config.is_over_budget(self.follower.open_bytes());
        if bytes >= limit_bytes || age_ns >= self.config.segment_ns {
            self.roll()?;
        }
        Ok(())
    }

    /// What was done so far.
    pub fn report(&self) -> RecordReport {
        let mut report = self.report;
        for i in &self.interfaces {
            let counts = i.counts();
            report.counts.received += counts.received;
            report.counts.dropped_ring += counts.dropped_ring;
            report.counts.filtered += counts.filtered;
        }
        report.segments = self.follower.segments();
        report.behind_bytes = self.follower.behind_bytes();
        report
    }

    /// Ends the recording: everything that came in is sealed when this returns.
    pub fn finish(mut self) -> Result<RecordReport, RecordError> {
        self.end_log(true)?;
        let done = self.follower.finish();
        let report = self.report();
        match done {
            Ok(()) => Ok(report),
            Err(e) => Err(self.explain(e)),
        }
    }

    /// True if the packet is in.
    #[inline]
    fn push_packet(&mut self, packet: &RawPacket<'_>) -> Result<bool, RecordError> {
        loop {
            let Some(log) = &mut self.log else { return Ok(false) };
            match log.writer.push(packet) {
                Ok(_) => return Ok(true),
                Err(e) => self.make_room(e)?,
            }
        }
    }

    fn flush(&mut self) -> Result<(), RecordError> {
        loop {
            let Some(log) = &mut self.log else { return Ok(()) };
            match log.writer.flush() {
                Ok(()) => return Ok(()),
                Err(e) => self.make_room(e)?,
            }
        }
    }

    /// Drops the oldest segment if `error` is a full disk and the policy lets it.
    fn make_room(&self, error: Error) -> Result<(), RecordError> {
        if !error.is_disk_full() {
            return Err(error.into());
        }
        let Store { writer, retirer } = &mut *lock(&self.store);
        if retirer.make_room(writer)? { Ok(()) } else { Err(self.explain(error)) }
    }

    /// Says of a full disk whether it is ours to keep free.
    fn explain(&self, source: Error) -> RecordError {
        match source.is_disk_full() {
            true if self.config.policy.is_unlimited() => RecordError::DiskFull { source },
            true => RecordError::DiskTaken { source },
            false => RecordError::Store(source),
        }
    }

    fn begin_log(&mut self) -> Result<(), RecordError> {
        let mut writer = loop {
            match self.maker.begin(&self.notes.to_comment()) {
                Ok(writer) => break writer,
                Err(e) => self.make_room(e)?,
            }
        };
        // The gap before a recording is told once.
        self.notes.previous_end_ns = None;
        self.interfaces.iter_mut().for_each(|i| i.number = None);
        for i in self.interfaces.iter_mut().filter(|i| !i.gone) {
            i.number = Some(writer.interface(&i.interface)?);
            (i.counts_before, i.taken_before) = (i.settled(), i.taken());
            (i.recorded, i.dropped_limit) = (0, 0);
        }
        self.secrets.begin_log();
        self.secrets.write(|lines| writer.secrets(lines))?;
        let now_ns = self.clock.now_ns();
        self.sync.log(writer.syncer()?);
        self.follower.begin(writer.id());
        let next_statistics_ns = next_statistics(now_ns);
        self.log =
            Some(OpenLog { writer, began_ns: now_ns, next_statistics_ns, sync_asked_bytes: 0, look_at_bytes: 0 });
        Ok(())
    }

    /// Completes the log, the recording's `last` or not.
    fn end_log(&mut self, last: bool) -> Result<(), RecordError> {
        self.read_keylog()?;
        self.statistics(if last { Recorded::counts } else { Recorded::settled })?;
        self.flush()?;
        if let Some(log) = self.log.take() {
            self.ended_bytes += log.writer.flushed_bytes();
            self.follower.note_written(self.ended_bytes);
            self.follower.end(log.writer.id(), last);
        }
        Ok(())
    }

    fn roll(&mut self) -> Result<(), RecordError> {
        self.end_log(false)?;
        self.begin_log()
    }

    /// Writes what every interface has counted since the log began.
    fn statistics(&mut self, counted: fn(&Recorded) -> Counts) -> Result<(), RecordError> {
        let now_ns = self.clock.now_ns();
        let Some(log) = &mut self.log else { return Ok(()) };
        for i in self.interfaces.iter().filter(|i| !i.gone) {
            let Some(interface) = i.number else { continue };
            let (counts, before) = (counted(i), i.counts_before);
            let received = counts.received.saturating_sub(before.received);
            log.writer.statistics(&Statistics {
                interface,
                ts_ns: now_ns,
                start_ns: i.announced_ns.max(log.began_ns).min(now_ns),
                received,
                dropped_ring: counts.dropped_ring.saturating_sub(before.dropped_ring),
                accepted: received.saturating_sub(counts.filtered.saturating_sub(before.filtered)),
                dropped_limit: i.dropped_limit,
                recorded: i.recorded,
            })?;
        }
        log.next_statistics_ns = next_statistics(now_ns);
        Ok(())
    }
}

impl Recorded {
    /// Packets that were recorded, or dropped for want of disk.
    fn taken(&self) -> u64 {
        self.taken_before + self.recorded + self.dropped_limit
    }

    /// What the source has counted; of packets received, those that became something. What it still holds is of the next log.
    fn settled(&self) -> Counts {
        let Counts { dropped_ring, filtered, .. } = self.counts;
        Counts { received: self.taken() + dropped_ring + filtered, dropped_ring, filtered }
    }

    /// What the source has counted; of packets received, at least those that became something.
    fn counts(&self) -> Counts {
        let settled = self.settled();
        Counts { received: self.counts.received.max(settled.received), ..settled }
    }
}

/// The end of the minute, or sooner.
fn next_statistics(now_ns: i64) -> i64 {
    let minute_end = now_ns - now_ns.rem_euclid(MINUTE_NS) + MINUTE_NS;
    now_ns.saturating_add(STATISTICS_NS).min(minute_end)
}
