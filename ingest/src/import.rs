//! A capture file into a database: read, decode and append on the calling thread, compress raw blocks on workers, seal
//! the segment before on a thread of its own.
//!
//! ```text
//!  calling thread:  source ─► pipeline ─► builders          segment n+1
//!                      └────► raw log ─► workers (compress)
//!  seal thread:                        Parquet, index, fsync  segment n ─► commit (calling thread, in order)
//! ```
//!
//! The file itself is the durable log: a segment appears whole at its commit, together with the import's progress. An
//! import that was stopped goes on from there: the frames of committed segments run through the pipeline once more, so
//! that flows continue as if nothing had happened, and only the rest is written.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread::JoinHandle,
};

use wiretape_engine::{
    Db, Error, TableDef, Writer,
    manifest::{Import, ImportState},
    raw::{Codec, RawPacket},
    segment::{OpenSegment, Sealed},
};

use crate::{
    Frame, Interface, TABLES,
    keylog::Kept,
    pipeline::{Pipeline, PipelineConfig, SegmentRows},
    source::{CaptureFile, Event, SourceError},
    tables::{FLOWS, PACKETS},
};

/// Frames between two looks at the stop flag and calls of the progress function.
const CHECK_EVERY: u64 = 1024;

/// What an import may be told.
#[derive(Debug, Clone)]
pub struct ImportConfig {
    /// Import a file again that is already in.
    pub again: bool,
    /// Memory that rows not yet written may hold, in bytes.
    pub memory_limit_bytes: usize,
    /// Packets of a segment at most.
    pub segment_rows: usize,
    /// Codec of the raw component.
    pub codec: Codec,
    /// Threads that compress raw blocks.
    pub workers: usize,
    /// The time by the caller's clock, ns since the epoch, for the import record.
    pub now_ns: i64,
    /// Lines of a key log (see [`crate::keylog`]): learnt before the first packet, and kept with the packets.
    pub keylog: Vec<u8>,
    /// The pipeline's limits.
    pub pipeline: PipelineConfig,
}

impl Default for ImportConfig {
    fn default() -> Self {
        ImportConfig {
            again: false,
            memory_limit_bytes: 1 << 30,
            segment_rows: 1 << 20,
            codec: Codec::default(),
            workers: 2,
            now_ns: 0,
            keylog: Vec::new(),
            pipeline: PipelineConfig::default(),
        }
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file read, as stored.
    pub bytes: u64,
    /// Size of the file, where it has one.
    pub size_bytes: Option<u64>,
    /// Packets read.
    pub packets: u64,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// Packets written by this call.
    pub packets: u64,
    /// Packets that an earlier, interrupted import of the same file had already written.
    pub resumed_after: u64,
    /// Captured bytes written by this call.
    pub captured_bytes: u64,
    /// Segments written by this call.
    pub segments: Vec<u32>,
    /// How it ended.
    pub state: ImportState,
}

/// Why a file was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read as a capture.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database cannot be written.
    #[error(transparent)]
    Store(#[from] Error),
    /// The same content is already in.
    #[error(
        "{name}: already imported as {earlier} ({packets} packets, segments {segments:?}); --again imports it once more"
    )]
    Duplicate {
        /// The file.
        name: String,
        /// The name it had then.
        earlier: String,
        /// Packets that import holds.
        packets: u64,
        /// Its segments.
        segments: Vec<u32>,
    },
}

/// Imports the capture file at `path`. `progress` is called now and then; setting `stop` seals what is whole and returns.
pub fn import_file(
    writer: &mut Writer,
    db_dir: &Path,
    path: &Path,
    config: &ImportConfig,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<ImportReport, ImportError> {
    let source = CaptureFile::open(path)?;
    let fingerprint = crate::source::fingerprint(path)?.map(|f| f.to_string());
    let earlier = fingerprint.as_deref().and_then(|f| writer.manifest().import_of(f)).cloned();
    let resume = match earlier {
        Some(import) if import.state == ImportState::Interrupted => Some(import),
        Some(import) if !config.again => {
            return Err(ImportError::Duplicate {
                name: source.name().to_owned(),
                earlier: import.name,
                packets: import.packets,
                segments: import.segments,
            });
        }
        _ => None,
    };
    import_source(writer, db_dir, source, fingerprint, resume, config, progress, stop)
}

/// Imports a capture stream that cannot be read twice.
pub fn import_stream(
    writer: &mut Writer,
    db_dir: &Path,
    source: CaptureFile,
    config: &ImportConfig,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<ImportReport, ImportError> {
    import_source(writer, db_dir, source, None, None, config, progress, stop)
}

#[expect(clippy::too_many_arguments, reason = "the two public entries differ only in what they know of the source")]
fn import_source(
    writer: &mut Writer,
    db_dir: &Path,
    mut source: CaptureFile,
    fingerprint: Option<String>,
    resume: Option<Import>,
    config: &ImportConfig,
    progress: &mut dyn FnMut(Progress),
    stop: &AtomicBool,
) -> Result<ImportReport, ImportError> {
    let record = writer.manifest().imports.len();
    let at = resume.as_ref().and_then(|r| writer.manifest().imports.iter().position(|i| i == r)).unwrap_or(record);
    let import = resume.unwrap_or_else(|| Import {
        name: source.name().to_owned(),
        fingerprint,
        started_ns: config.now_ns,
        packets: 0,
        segments: Vec::new(),
        state: ImportState::Interrupted,
    });
    let mut run = Run::new(writer, config, import, at);
    let mut seen = run.replay(db_dir, &mut source, stop)?;
    let state = loop {
        match source.next_event() {
            Ok(Some(Event::Interface(i))) => run.interfaces.push(i),
            Ok(Some(Event::Secrets(log))) => run.secrets(log)?,
            Ok(Some(Event::Frame(frame))) => {
                run.push(&frame)?;
                seen += 1;
                if seen.is_multiple_of(CHECK_EVERY) {
                    if stop.load(Ordering::Relaxed) {
                        break ImportState::Interrupted;
                    }
                    let packets = seen;
                    progress(Progress { bytes: source.bytes_read(), size_bytes: source.size_bytes(), packets });
                }
            }
            Ok(None) => break ImportState::Complete,
            // A source that can be left, a pipe for example, fails when it is to stop.
            Err(_) if stop.load(Ordering::Relaxed) => break ImportState::Interrupted,
            Err(e @ SourceError::Damaged { .. }) => break ImportState::Damaged(e.to_string()),
            Err(e) => return Err(e.into()),
        }
    };
    progress(Progress { bytes: source.bytes_read(), size_bytes: source.size_bytes(), packets: seen });
    Ok(run.end(state)?)
}

/// One import under way.
struct Run<'a> {
    writer: &'a mut Writer,
    config: &'a ImportConfig,
    pipeline: Pipeline,
    interfaces: Vec<Interface>,
    secrets: Kept,
    open: Option<Open>,
    sealing: Option<JoinHandle<Result<Sealed, Error>>>,
    /// The import's record and its place in the manifest.
    import: Import,
    record: usize,
    report: ImportReport,
}

/// The segment being filled.
struct Open {
    segment: OpenSegment,
    /// The number of each announced interface within this segment's raw log.
    numbers: Vec<Option<u32>>,
}

impl<'a> Run<'a> {
    fn new(writer: &'a mut Writer, config: &'a ImportConfig, import: Import, record: usize) -> Self {
        let report = ImportReport {
            packets: 0,
            resumed_after: import.packets,
            captured_bytes: 0,
            segments: Vec::new(),
            state: ImportState::Interrupted,
        };
        let mut pipeline = Pipeline::new(config.pipeline.clone(), "file".to_owned());
        let mut secrets = Kept::default();
        pipeline.learn_secrets(&config.keylog);
        secrets.add(&config.keylog);
        let interfaces = Vec::new();
        Run { writer, config, pipeline, interfaces, secrets, open: None, sealing: None, import, record, report }
    }

    /// Takes in a log of secrets that the file carries.
    fn secrets(&mut self, log: &[u8]) -> Result<(), Error> {
        self.pipeline.learn_secrets(log);
        self.secrets.add(log);
        match &mut self.open {
            Some(open) => self.secrets.write(|lines| open.segment.raw().secrets(lines)),
            None => Ok(()),
        }
    }

    /// Runs the frames of already committed segments through the pipeline. Returns their number.
    fn replay(&mut self, db_dir: &Path, source: &mut CaptureFile, stop: &AtomicBool) -> Result<u64, ImportError> {
        if self.import.segments.is_empty() {
            return Ok(0);
        }
        let view = Db::open(db_dir, TABLES)?.view()?;
        let mut seen = 0;
        for id in self.import.segments.clone() {
            let rows = view.segment(id).map_or(0, |s| s.rows(PACKETS.name));
            self.pipeline.begin_segment(id);
            let mut left = rows;
            while left > 0 && !stop.load(Ordering::Relaxed) {
                match source.next_event()? {
                    Some(Event::Interface(i)) => self.interfaces.push(i),
                    Some(Event::Secrets(log)) => self.secrets(log)?,
                    Some(Event::Frame(frame)) => {
                        self.pipeline.push(&frame, None);
                        left -= 1;
                        seen += 1;
                    }
                    None => break,
                }
            }
            self.pipeline.seal()?;
            // What these segments have already.
            self.secrets.write(|_| Ok(()))?;
        }
        Ok(seen)
    }

    fn push(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        // Looked at before the frame and not after: the last segment is then open when the file ends, and has room for
        // the flows that end with it.
        if self.is_full() {
            self.seal()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let mut segment = self.writer.begin_segment(self.config.codec, self.config.workers)?;
                self.pipeline.begin_segment(segment.id());
                self.secrets.begin_log();
                self.secrets.write(|lines| segment.raw().secrets(lines))?;
                none.insert(Open { segment, numbers: Vec::new() })
            }
        };
        let interface = self.interfaces.get(frame.interface as usize);
        let number = open.number(frame, interface)?;
        let packet = RawPacket {
            ts_ns: frame.ts_ns,
            interface: number,
            orig_len: frame.orig_len,
            data: frame.data,
            direction: frame.direction,
        };
        open.segment.raw().push(&packet)?;
        let name = interface.map(|i| i.name.as_str()).filter(|n| !n.is_empty());
        self.pipeline.push(frame, name);
        self.report.packets += 1;
        self.report.captured_bytes += frame.data.len() as u64;
        Ok(())
    }

    /// Rows waiting here and rows being sealed behind us each take a third of the limit; a third is for encoding.
    fn is_full(&self) -> bool {
        let rows = self.pipeline.rows();
        rows >= self.config.segment_rows
            || (rows.is_multiple_of(1024) && self.pipeline.size_bytes() > self.config.memory_limit_bytes / 3)
    }

    /// Hands the open segment to a seal thread, once the one before is committed.
    fn seal(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let rows = self.pipeline.seal()?;
        self.commit_sealing()?;
        self.sealing = Some(std::thread::spawn(move || seal(open.segment, rows)));
        Ok(())
    }

    /// Waits for the segment being sealed, if any, and commits it.
    fn commit_sealing(&mut self) -> Result<(), Error> {
        let Some(thread) = self.sealing.take() else { return Ok(()) };
        let sealed = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        self.report.segments.push(sealed.id());
        self.import.segments.push(sealed.id());
        self.import.packets += sealed.meta().tables.iter().find(|t| t.name == PACKETS.name).map_or(0, |t| t.rows);
        let (import, record) = (self.import.clone(), self.record);
        self.writer.commit(&sealed, |imports| put(imports, record, import))
    }

    /// Seals and commits what is left, and records how the import ended.
    fn end(mut self, state: ImportState) -> Result<ImportReport, Error> {
        if state != ImportState::Interrupted {
            self.pipeline.finish();
        }
        self.seal()?;
        if state == ImportState::Interrupted {
            self.commit_sealing()?;
        } else {
            // The last segment's commit is also the one that says the import is whole.
            let whole = self.sealing.is_some();
            self.import.state = state.clone();
            self.commit_sealing()?;
            if !whole {
                let (import, record) = (self.import.clone(), self.record);
                self.writer.edit_imports(|imports| put(imports, record, import))?;
            }
        }
        self.report.state = state;
        Ok(self.report.clone())
    }
}

/// An import that ends in an error leaves no thread behind that still writes once the writer's lock is given back.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(thread) = self.sealing.take() {
            let _ = thread.join();
        }
    }
}

fn put(imports: &mut Vec<Import>, at: usize, import: Import) {
    match imports.get_mut(at) {
        Some(slot) => *slot = import,
        None => imports.push(import),
    }
}

fn seal(segment: OpenSegment, rows: SegmentRows) -> Result<Sealed, Error> {
    let SegmentRows { packets, flows, calls } = rows;
    let mut tables: Vec<(&'static TableDef, _)> = vec![(&PACKETS, packets), (&FLOWS, flows)];
    tables.extend(calls);
    segment.seal(&tables)
}

impl Open {
    /// The interface's number in this segment's raw log, announcing it on its first packet here.
    fn number(&mut self, frame: &Frame<'_>, interface: Option<&Interface>) -> Result<u32, Error> {
        let at = frame.interface as usize;
        if let Some(Some(number)) = self.numbers.get(at) {
            return Ok(*number);
        }
        let Some(interface) = interface else {
            return Err(Error::Missing { what: format!("interface {at}: its source did not announce it") });
        };
        let number = self.segment.raw().interface(interface)?;
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, None);
        }
        if let Some(slot) = self.numbers.get_mut(at) {
            *slot = Some(number);
        }
        Ok(number)
    }
}
