//! Rows of sealed segments made anew from their packets: what today's code reads in yesterday's packets, and what a key log opens
//! that came later.
//!
//! ```text
//!  run: the segments of one import or one recording, in order
//!  raw component ─► Replay ─► rows ─► open/<id>.<n>.tmp/ … ─► all of a run are published at once
//! ```
//!
//! The one fact to know: a flow goes on from segment to segment, so a run is read from its first packet that is there, whichever of
//! its segments are wanted. Segments whose packets were dropped keep their rows.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::Int64Type,
};
use wiretape_engine::{
    Db, Error, Result, Segment, TableDef, View, Writer,
    manifest::ImportState,
    raw::{Entries, LogEntry},
    segment::{Packets, Sealed},
};

use crate::{
    TABLES,
    keylog::Kept,
    pipeline::PipelineConfig,
    record::{LogNotes, Replay, TableRows},
    tables::{COVERAGE, PACKETS},
};

/// Entries between two looks at the stop flag and calls of the progress function.
const CHECK_EVERY: u64 = 4096;

/// What a replay may be told.
#[derive(Debug, Clone, Default)]
pub struct ReplayConfig {
    /// Limits of decoding, flows and application protocols.
    pub pipeline: PipelineConfig,
    /// Lines of a key log (see [`crate::keylog`]), learnt before the first packet. With them packets are written again, the secrets
    /// beside them, so that the next replay has them too.
    pub keylog: Vec<u8>,
    /// Threads that write.
    pub workers: usize,
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayReport {
    /// Segments whose rows are others now.
    pub changed: u64,
    /// Segments whose rows are as they were.
    pub unchanged: u64,
    /// Segments whose packets are gone.
    pub without_packets: u64,
    /// Packets read.
    pub packets: u64,
    /// It was stopped: of the run that was being read everything is as it was.
    pub stopped: bool,
}

/// Makes the rows of the segments `wanted` anew, or of all where none is named. `progress` is called now and then with the packets
/// read and how many there are. Readers see a run as it was, or as it is made anew. Old files go with the writer's next sweep.
pub fn replay_segments(
    writer: &mut Writer,
    wanted: &[u32],
    config: &ReplayConfig,
    progress: &mut dyn FnMut(u64, u64),
    stop: &AtomicBool,
) -> Result<ReplayReport> {
    let view = Db::open(writer.dir(), TABLES)?.view()?;
    if let Some(id) = wanted.iter().find(|id| view.segment(**id).is_none()) {
        return Err(Error::Missing { what: format!("segment {id}: select id from system.segments lists them") });
    }
    let is_wanted = |id: u32| wanted.is_empty() || wanted.contains(&id);
    let mut report = ReplayReport::default();
    let mut runs = Vec::new();
    for mut run in runs_of(&view)? {
        report.without_packets += count(&run.segments, |s| is_wanted(s.id()) && s.raw_component().is_none());
        run.segments.retain(|s| s.raw_component().is_some());
        let last = run.segments.iter().rposition(|s| is_wanted(s.id()));
        if let Some(last) = last {
            run.is_over &= last + 1 == run.segments.len();
            run.segments.truncate(last + 1);
            runs.push(run);
        }
    }
    let packets: u64 = runs.iter().flat_map(|run| &run.segments).map(|s| s.rows(PACKETS.name)).sum();
    for run in runs {
        let mut at = Anew { writer, config, report: &mut report, sealed: Vec::new(), stop };
        let done = at.run(&run, &is_wanted, &mut |read| progress(read, packets));
        let Anew { sealed, .. } = at;
        match done {
            Ok(true) if sealed.is_empty() => {}
            Ok(true) => {
                writer.commit_rewrites(&sealed)?;
                report.changed += sealed.len() as u64;
            }
            stopped => {
                sealed.iter().try_for_each(|s| writer.discard_rewrite(s.id()))?;
                report.stopped = !stopped?;
                return Ok(report);
            }
        }
    }
    Ok(report)
}

fn count(segments: &[Arc<Segment>], counts: impl Fn(&Segment) -> bool) -> u64 {
    segments.iter().filter(|s| counts(s)).count() as u64
}

/// Segments through which flows go on.
#[derive(Debug)]
struct Run {
    segments: Vec<Arc<Segment>>,
    /// Nothing comes after the last one: open flows end with it.
    is_over: bool,
}

/// The runs of all segments.
fn runs_of(view: &View) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut imported: HashSet<u32> = HashSet::new();
    for import in view.imports() {
        imported.extend(&import.segments);
        let segments = import.segments.iter().filter_map(|id| view.segment(*id)).map(Arc::clone).collect();
        runs.push(Run { segments, is_over: import.state != ImportState::Interrupted });
    }
    let mut before = None;
    for segment in view.segments() {
        if imported.contains(&segment.id()) {
            before = None;
            continue;
        }
        match before.and_then(|at: usize| runs.get_mut(at)) {
            Some(run) if !begins_recording(segment)? => run.segments.push(Arc::clone(segment)),
            _ => {
                before = Some(runs.len());
                runs.push(Run { segments: vec![Arc::clone(segment)], is_over: true });
            }
        }
    }
    Ok(runs)
}

/// Whether a recording began with this segment, after an earlier one.
fn begins_recording(segment: &Segment) -> Result<bool> {
    let restarts = |batch: &RecordBatch| {
        let column = batch.column_by_name("restarts")?.as_primitive_opt::<Int64Type>()?;
        arrow::compute::sum(column)
    };
    let batches = segment.read_columns(COVERAGE.name, &["restarts"])?;
    Ok(batches.iter().filter_map(restarts).any(|sum| sum > 0))
}

/// How the packets of a run were captured, as its rows say.
fn notes_of(segment: &Segment) -> Result<LogNotes> {
    for table in [PACKETS.name, COVERAGE.name] {
        let Some(first) = segment.first(table, &["capture_source", "node"])?.filter(|batch| batch.num_rows() > 0)
        else {
            continue;
        };
        let text = |name: &str| {
            let column = arrow::compute::cast(first.column_by_name(name)?, &arrow::datatypes::DataType::Utf8).ok()?;
            let column = column.as_string_opt::<i32>()?;
            (!column.is_null(0)).then(|| column.value(0).to_owned())
        };
        let capture_source = text("capture_source").unwrap_or_else(|| "file".to_owned());
        return Ok(LogNotes { capture_source, node: text("node"), previous_end_ns: None });
    }
    Ok(LogNotes { capture_source: "file".to_owned(), ..LogNotes::default() })
}

/// A run being made anew.
struct Anew<'a> {
    writer: &'a Writer,
    config: &'a ReplayConfig,
    report: &'a mut ReplayReport,
    /// Segments with other rows than before.
    sealed: Vec<Sealed>,
    stop: &'a AtomicBool,
}

impl Anew<'_> {
    /// False when stopped.
    fn run(&mut self, run: &Run, is_wanted: &dyn Fn(u32) -> bool, progress: &mut dyn FnMut(u64)) -> Result<bool> {
        let Some(first) = run.segments.first() else { return Ok(true) };
        let notes = notes_of(first)?;
        let mut replay = Replay::new(self.config.pipeline.clone());
        for (at, segment) in run.segments.iter().enumerate() {
            replay.begin(segment.id(), notes.clone());
            if at == 0 {
                replay.learn_secrets(&self.config.keylog);
            }
            if !self.read(&mut replay, segment, progress)? {
                return Ok(false);
            }
            if run.is_over && at + 1 == run.segments.len() {
                replay.finish();
            }
            let rows = replay.seal()?;
            if is_wanted(segment.id()) {
                let sealed = self.write(segment, rows);
                if sealed.is_err() {
                    self.writer.discard_rewrite(segment.id())?;
                }
                self.keep_or_drop(segment, sealed?)?;
            }
        }
        Ok(true)
    }

    /// Reads a segment's packets. False when stopped.
    fn read(&mut self, replay: &mut Replay, segment: &Segment, progress: &mut dyn FnMut(u64)) -> Result<bool> {
        let Some(raw) = segment.raw()? else { return Ok(true) };
        // Secrets may be behind the packets that they open.
        let mut entries = Entries::of(Arc::clone(&raw))?;
        while let Some(entry) = entries.next_entry()? {
            if let LogEntry::Secrets(log) = entry {
                replay.learn_secrets(log);
            }
        }
        let mut entries = Entries::of(raw)?;
        while let Some(entry) = entries.next_entry()? {
            replay.push(&entry);
            if matches!(entry, LogEntry::Packet { .. }) {
                self.report.packets += 1;
                if self.report.packets.is_multiple_of(CHECK_EVERY) {
                    progress(self.report.packets);
                    if self.stop.load(Ordering::Relaxed) {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Writes a segment's new rows, and its packets where secrets go beside them.
    fn write(&self, segment: &Segment, rows: TableRows) -> Result<Sealed> {
        // Coverage says what recording saw, whoever reads it.
        let rows: TableRows = rows.into_iter().filter(|(table, _)| table.name != COVERAGE.name).collect();
        let made: Vec<&TableDef> = TABLES.iter().copied().filter(|table| table.name != COVERAGE.name).collect();
        let packets = if self.config.keylog.is_empty() { Packets::Keep } else { Packets::Copy };
        let mut rewrite = self.writer.begin_rewrite(segment, &made, packets, self.config.workers)?;
        if let (Some(new), Some(raw)) = (rewrite.raw(), segment.raw()?) {
            let mut secrets = Kept::default();
            secrets.add(&self.config.keylog);
            secrets.write(|lines| new.secrets(lines))?;
            let mut entries = Entries::of(raw)?;
            while let Some(entry) = entries.next_entry()? {
                new.entry(&entry)?;
            }
        }
        rewrite.seal(&rows)
    }

    /// Keeps a segment for publication if its rows are others than before.
    fn keep_or_drop(&mut self, before: &Segment, new: Sealed) -> Result<()> {
        let rows = |meta: &wiretape_engine::segment::SegmentMeta| {
            let mut all: Vec<_> = meta.components.iter().filter(|c| !Segment::is_raw(&c.file)).cloned().collect();
            all.sort_by(|a, b| a.file.cmp(&b.file));
            all
        };
        if rows(before.meta()) == rows(new.meta()) {
            self.report.unchanged += 1;
            return self.writer.discard_rewrite(before.id());
        }
        self.sealed.push(new);
        Ok(())
    }
}
