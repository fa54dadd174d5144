//! Packets of a selection in time order, whatever order they were captured in.
//!
//! ```text
//!  segments by time   ├── 1 ──┤├── 3 ──┤   ├─── 2 ───┤
//!                                              ├── 4 ──┤
//!  runs               in row order, in row order, merged: times from Parquet, sorted, fetched window by window
//! ```
//!
//! Nearly always segments follow one another and their rows are in time order: then packets go straight from the raw
//! logs to the receiver. Only segments that overlap in time, or whose capture went back in time, need their times read
//! and sorted; that takes [`ENTRY_BYTES`] a packet, and one window's bytes.

use std::{fs::File, sync::Arc};

use arrow::{array::AsArray, datatypes::TimestampNanosecondType};
use croaring::Bitmap;
use datafusion::execution::memory_pool::MemoryReservation;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection},
};
use wiretape_engine::{
    Segment,
    raw::{Direction, Interface, RawPacket, RawReader},
};

use super::{file, pcap::Selection};
use crate::SqlError;

/// The table whose rows are the packets.
const PACKETS: &str = "packets";

/// Packets fetched together when times are out of order: enough that a frame is rarely decompressed twice, few enough
/// that their bytes are some megabytes.
const WINDOW_PACKETS: usize = 4096;

/// Memory of one packet in a merged run.
const ENTRY_BYTES: usize = size_of::<Entry>();

/// Memory of a window is accounted for in steps of this, bytes.
const WINDOW_STEP_BYTES: usize = 1 << 20;

/// A selected part of a segment.
#[derive(Debug)]
struct Part {
    id: u32,
    /// None while it is open: its times are read from the packets.
    segment: Option<Arc<Segment>>,
    raw: Arc<RawReader>,
    rows: Bitmap,
    /// First and last time of all the segment's packets, ns.
    range: (i64, i64),
    in_time_order: bool,
}

/// Sorts by time, then as `packet_id` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    ts_ns: i64,
    part: u32,
    row: u32,
}

/// The interfaces of the segments that have selected packets.
pub(super) fn interfaces(selection: &Selection) -> Result<Vec<Interface>, SqlError> {
    let mut all: Vec<Interface> = Vec::new();
    for id in selection.segments.keys() {
        for interface in raw_of(selection, *id)?.interfaces() {
            if !all.contains(interface) {
                all.push(interface.clone());
            }
        }
    }
    Ok(all)
}

/// Calls `f` with each selected packet and its interface, in time order.
pub(super) fn for_each(
    mut selection: Selection,
    mut f: impl FnMut(&Interface, &RawPacket<'_>) -> Result<(), SqlError>,
) -> Result<(), SqlError> {
    let mut parts = Vec::with_capacity(selection.segments.len());
    for (id, rows) in std::mem::take(&mut selection.segments) {
        let raw = raw_of(&selection, id)?;
        let segment = selection.view.segment(id).cloned();
        let open = selection.view.live().iter().find(|s| s.id() == id);
        let range = segment.as_ref().and_then(|s| s.time_range(PACKETS));
        let range = range.or_else(|| open.and_then(|s| s.time_range(PACKETS)));
        let in_time_order = segment.as_ref().and_then(|s| s.table(PACKETS)).is_some_and(|t| t.in_time_order);
        parts.push(Part { id, range: range.unwrap_or_default(), in_time_order, segment, raw, rows });
    }
    for run in runs(parts) {
        match run.as_slice() {
            [part] if part.in_time_order => {
                part.raw.for_each(part.rows.iter(), selection.threads, |_, packet| {
                    f(interface(&part.raw, packet.interface)?, &packet)
                })?;
            }
            parts => merged(parts, &mut selection.memory, selection.threads, &mut f)?,
        }
    }
    Ok(())
}

fn raw_of(selection: &Selection, id: u32) -> Result<Arc<RawReader>, SqlError> {
    let there = selection.view.segment(id).is_some() || selection.view.live().iter().any(|s| s.id() == id);
    match selection.view.raw(id)? {
        Some(raw) => Ok(raw),
        None if there => Err(SqlError::new("58P01", format!("the packets of segment {id} are no longer kept"))),
        None => Err(SqlError::new("P0002", format!("there is no segment {id}, so no packet_id of it"))
            .with_hint("Take packet_id from the table packets.")),
    }
}

/// Parts in time order; those that overlap in time together.
fn runs(mut parts: Vec<Part>) -> Vec<Vec<Part>> {
    parts.sort_by_key(|p| (p.range.0, p.id));
    let mut runs: Vec<Vec<Part>> = Vec::new();
    let mut end = i64::MIN;
    for part in parts {
        let overlaps = part.range.0 < end;
        end = end.max(part.range.1);
        match runs.last_mut() {
            Some(run) if overlaps => run.push(part),
            _ => runs.push(vec![part]),
        }
    }
    runs
}

fn interface(raw: &RawReader, number: u32) -> Result<&Interface, SqlError> {
    let found = usize::try_from(number).ok().and_then(|n| raw.interfaces().get(n));
    found.ok_or_else(|| SqlError::new("XX001", format!("a packet of interface {number}, which is not described")))
}

/// The packets of parts that overlap or are out of order.
fn merged(
    parts: &[Part],
    memory: &mut MemoryReservation,
    threads: usize,
    f: &mut impl FnMut(&Interface, &RawPacket<'_>) -> Result<(), SqlError>,
) -> Result<(), SqlError> {
    let packets: u64 = parts.iter().map(|p| p.rows.cardinality()).sum();
    let entries_bytes = usize::try_from(packets).unwrap_or(usize::MAX).saturating_mul(ENTRY_BYTES);
    let entries_memory = memory.new_empty();
    entries_memory.try_grow(entries_bytes)?;
    let mut entries = Vec::with_capacity(entries_bytes / ENTRY_BYTES);
    for (number, part) in parts.iter().enumerate() {
        times(part, u32::try_from(number).unwrap_or(u32::MAX), &mut entries)?;
    }
    entries.sort_unstable();
    let mut window = Window { slots: Vec::new(), bytes: Vec::new(), memory: memory.new_empty() };
    for entries in entries.chunks(WINDOW_PACKETS) {
        window.fetch(parts, entries, threads)?;
        for (entry, slot) in entries.iter().zip(&window.slots) {
            let part = parts.get(entry.part as usize).expect("entries number the parts");
            f(interface(&part.raw, slot.interface)?, &slot.packet(&window.bytes))?;
        }
    }
    Ok(())
}

/// Appends an entry for each selected row of `part`.
fn times(part: &Part, number: u32, entries: &mut Vec<Entry>) -> Result<(), SqlError> {
    let Some(segment) = &part.segment else {
        return part.raw.for_each(part.rows.iter(), 1, |row, packet| {
            entries.push(Entry { ts_ns: packet.ts_ns, part: number, row });
            Ok(())
        });
    };
    let path = segment.parquet_path(PACKETS);
    let path = path.ok_or_else(|| SqlError::new("XX001", format!("segment {} has no packets", part.id)))?;
    let file = File::open(&path).map_err(|e| file::io_error(&path, &e))?;
    let damaged = |e: &dyn std::fmt::Display| SqlError::new("XX001", format!("{}: {e}", path.display()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(&e))?;
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    // The first column of every table is its time.
    let time = ProjectionMask::leaves(builder.parquet_schema(), [0]);
    let reader = builder.with_projection(time).with_row_selection(row_selection(&part.rows, rows)).build();
    let mut selected = part.rows.iter();
    for batch in reader.map_err(|e| damaged(&e))? {
        let batch = batch.map_err(|e| damaged(&e))?;
        let Some(times) = batch.columns().first().and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>()) else {
            return Err(damaged(&"its first column is no time"));
        };
        entries.extend(times.values().iter().zip(&mut selected).map(|(ts, row)| Entry {
            ts_ns: *ts,
            part: number,
            row,
        }));
    }
    match selected.next() {
        None => Ok(()),
        Some(row) => Err(SqlError::new("P0002", format!("segment {} has no packet {row}", part.id))),
    }
}

fn row_selection(rows: &Bitmap, total: usize) -> RowSelection {
    let mut ranges = Vec::new();
    let mut run: Option<std::ops::Range<usize>> = None;
    for row in rows.iter().map(|r| r as usize).take_while(|r| *r < total) {
        match &mut run {
            Some(range) if range.end == row => range.end += 1,
            _ => ranges.extend(run.replace(row..row + 1)),
        }
    }
    ranges.extend(run);
    RowSelection::from_consecutive_ranges(ranges.into_iter(), total)
}

/// Some thousand packets on their way, in time order.
#[derive(Debug)]
struct Window {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    memory: MemoryReservation,
}

#[derive(Debug, Clone)]
struct Slot {
    ts_ns: i64,
    interface: u32,
    orig_len: u32,
    direction: Option<Direction>,
    data: std::ops::Range<usize>,
}

impl Slot {
    fn packet<'a>(&self, bytes: &'a [u8]) -> RawPacket<'a> {
        RawPacket {
            ts_ns: self.ts_ns,
            interface: self.interface,
            orig_len: self.orig_len,
            data: bytes.get(self.data.clone()).unwrap_or_default(),
            direction: self.direction,
        }
    }
}

impl Window {
    /// Fills the window with the packets of `entries`, in their order.
    fn fetch(&mut self, parts: &[Part], entries: &[Entry], threads: usize) -> Result<(), SqlError> {
        let empty = Slot { ts_ns: 0, interface: 0, orig_len: 0, direction: None, data: 0..0 };
        self.slots.clear();
        self.slots.resize(entries.len(), empty);
        self.bytes.clear();
        // By segment and row, each with its place in the window.
        let mut wanted: Vec<(u32, u32, usize)> =
            entries.iter().enumerate().map(|(place, e)| (e.part, e.row, place)).collect();
        wanted.sort_unstable();
        for same_part in wanted.chunk_by(|a, b| a.0 == b.0) {
            let Some(part) = same_part.first().and_then(|(part, ..)| parts.get(*part as usize)) else { continue };
            let mut places = same_part.iter().map(|(.., place)| *place);
            part.raw.for_each(same_part.iter().map(|(_, row, _)| *row), threads, |_, packet| {
                self.keep(places.next(), &packet)
            })?;
        }
        Ok(())
    }

    fn keep(&mut self, place: Option<usize>, packet: &RawPacket<'_>) -> Result<(), SqlError> {
        let start = self.bytes.len();
        let end = start + packet.data.len();
        if end.div_ceil(WINDOW_STEP_BYTES) * WINDOW_STEP_BYTES > self.memory.size() {
            self.memory.try_resize(end.div_ceil(WINDOW_STEP_BYTES) * WINDOW_STEP_BYTES)?;
        }
        self.bytes.extend_from_slice(packet.data);
        if let Some(slot) = place.and_then(|p| self.slots.get_mut(p)) {
            *slot = Slot {
                ts_ns: packet.ts_ns,
                interface: packet.interface,
                orig_len: packet.orig_len,
                direction: packet.direction,
                data: start..end,
            };
        }
        Ok(())
    }
}
