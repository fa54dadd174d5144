//! From a raw log to rows: the one way, for a recorder at work, for recovery after a crash and for a later replay.

use wiretape_engine::{Result, TableDef, raw::LogEntry};

use super::coverage::{Coverage, LogNotes};
use crate::{
    Frame,
    pipeline::{Pipeline, PipelineConfig, SegmentRows},
    tables::{COVERAGE, FLOWS, PACKETS},
};

/// Turns the entries of one log after another into rows. Flows go on from log to log.
#[derive(Debug)]
pub struct Replay {
    config: PipelineConfig,
    pipeline: Option<Pipeline>,
    coverage: Coverage,
    /// Whether there is coverage that readers have not seen.
    covered_more: bool,
    /// Whether packets are of the time at which they are recorded.
    live: bool,
}

/// The rows of one segment, by table.
pub type TableRows = Vec<(&'static TableDef, arrow::array::RecordBatch)>;

impl Replay {
    /// A replay whose flows and reassembly keep to the limits of `config`.
    pub fn new(config: PipelineConfig) -> Replay {
        Replay {
            config,
            pipeline: None,
            coverage: Coverage::new(LogNotes::default()),
            covered_more: false,
            live: false,
        }
    }

    /// Rows from now on belong to segment `id`, and are of a log with these notes.
    pub fn begin(&mut self, id: u32, notes: LogNotes) {
        let config = PipelineConfig { node: notes.node.clone(), ..self.config.clone() };
        let pipeline = self.pipeline.get_or_insert_with(|| Pipeline::new(config, notes.capture_source.clone()));
        pipeline.begin_segment(id);
        self.live = notes.capture_source != "file";
        self.coverage = Coverage::new(notes);
    }

    /// Takes in one entry of the log.
    pub fn push(&mut self, entry: &LogEntry<'_>) {
        match entry {
            LogEntry::Interface(interface) => self.coverage.interface(interface),
            LogEntry::Secrets(log) => self.learn_secrets(log),
            LogEntry::Statistics(statistics) => {
                self.covered_more = true;
                self.coverage.statistics(statistics);
                // Packets of a stream are of any age; those from the kernel are of now, and their flows end on time
                // though nothing more passes.
                if self.live
                    && let Some(pipeline) = &mut self.pipeline
                {
                    pipeline.advance(statistics.ts_ns);
                }
            }
            LogEntry::Packet { packet, interface } => {
                self.covered_more = true;
                self.coverage.packet(packet.interface, packet.ts_ns, packet.data.len());
                let frame = Frame {
                    ts_ns: packet.ts_ns,
                    interface: packet.interface,
                    link_type: interface.link_type,
                    orig_len: packet.orig_len,
                    data: packet.data,
                    direction: packet.direction,
                };
                if let Some(pipeline) = &mut self.pipeline {
                    pipeline.push(&frame, Some(interface.name.as_str()).filter(|name| !name.is_empty()));
                }
            }
        }
    }

    /// Takes in lines of a key log, before the packets that they open; after [`begin`](Self::begin).
    pub fn learn_secrets(&mut self, log: &[u8]) {
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.learn_secrets(log);
        }
    }

    /// Rows of `packets` since the segment began.
    pub fn rows(&self) -> usize {
        self.pipeline.as_ref().map_or(0, Pipeline::rows)
    }

    /// What is new since the last call, for readers of the open segment.
    pub(super) fn flush(&mut self) -> Result<Option<SegmentRows>> {
        self.pipeline.as_mut().map(Pipeline::flush).transpose()
    }

    /// All parts of flows that the segment has so far.
    pub(super) fn flow_parts(&self) -> Result<Option<arrow::array::RecordBatch>> {
        self.pipeline.as_ref().map(Pipeline::flow_parts).transpose()
    }

    /// All of `coverage` that the segment has so far, if there is more than at the last call.
    pub(super) fn coverage(&mut self) -> Result<Option<arrow::array::RecordBatch>> {
        match std::mem::take(&mut self.covered_more) {
            true => self.coverage.rows().finish().map(Some),
            false => Ok(None),
        }
    }

    /// No more logs will come: every open flow ends. Call before the last [`seal`](Self::seal).
    pub fn finish(&mut self) {
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.finish();
        }
    }

    /// Ends the segment and hands over its rows.
    pub fn seal(&mut self) -> Result<TableRows> {
        let coverage = self.coverage.rows().finish()?;
        let Some(pipeline) = &mut self.pipeline else { return Ok(Vec::new()) };
        let SegmentRows { packets, flows, calls } = pipeline.seal()?;
        let mut rows: TableRows = vec![(&PACKETS, packets), (&FLOWS, flows), (&COVERAGE, coverage)];
        rows.extend(calls);
        Ok(rows)
    }
}
