//! `wiretape info`: what is in the database and what it costs, from its metadata alone; no component is read.

use std::{collections::BTreeMap, io::Write, sync::Arc};

use arrow::{
    array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array},
    util::display::{ArrayFormatter, FormatOptions},
};
use wiretape_engine::{Segment, View};
use wiretape_ingest::TABLES;

use super::database;
use crate::{
    End, Failure,
    cli::Global,
    output::{Format, Layout, RowWriter, Stdout},
};

/// Show what the database holds and what it costs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sizes are bytes on disk. The same facts as tables: select * from system.segments

  wiretape info
  wiretape info --segments                       one line per segment, too")]
pub(crate) struct Args {
    /// List every segment
    #[arg(long)]
    segments: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let dir = global.db_dir()?;
    let view = database::open_store(&dir)?.view()?;
    let mut out = Stdout::new();
    writeln!(out, "database  {}", dir.display())?;
    writeln!(out, "version   {}", view.version())?;
    writeln!(out, "imports   {}", view.imports().len())?;
    writeln!(out, "segments  {}", view.segments().len())?;
    if let Some((first, last)) = time_range(view.segments()) {
        writeln!(out, "from      {}\nto        {}", time(first), time(last))?;
    }
    writeln!(out)?;
    out.flush()?;
    print(&tables(&view)?)?;
    writeln!(out)?;
    out.flush()?;
    print(&components(&view)?)?;
    if args.segments {
        writeln!(out)?;
        out.flush()?;
        print(&segments(view.segments())?)?;
    }
    Ok(End::Done)
}

fn print(batch: &RecordBatch) -> Result<(), Failure> {
    let mut writer = RowWriter::new(Format::Table, &batch.schema(), Layout::Pipe, Box::new(Stdout::new()))?;
    writer.write(batch)?;
    Ok(writer.finish()?)
}

/// Rows per table. A table of parts counts parts: merging them would mean reading them.
fn tables(view: &View) -> Result<RecordBatch, Failure> {
    let names: StringArray = TABLES.iter().map(|t| Some(t.sql_name())).collect();
    let rows: UInt64Array = TABLES.iter().map(|t| Some(view.rows(t.name))).collect();
    let columns: UInt64Array = TABLES.iter().map(|t| Some(t.columns.len() as u64)).collect();
    let note = |part_key: Option<&str>| part_key.map(|key| format!("parts; one row per {key} when queried"));
    let notes: StringArray = TABLES.iter().map(|t| note(t.part_key)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("table", Arc::new(names)),
        ("rows", Arc::new(rows)),
        ("columns", Arc::new(columns)),
        ("note", Arc::new(notes)),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Size of each kind of component over all segments, per packet, and as a share of the whole; all indexes together again
/// at the end, since their share is what one wants to know of them.
fn components(view: &View) -> Result<RecordBatch, Failure> {
    let sizes = component_sizes(view.segments());
    let all: u64 = sizes.values().sum();
    let indexes = sizes.iter().filter(|(name, _)| name.ends_with(".idx")).map(|(_, size)| size).sum();
    let mut lines: Vec<(&str, u64)> = sizes.iter().map(|(name, size)| (name.as_str(), *size)).collect();
    lines.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    lines.extend([("all indexes", indexes), ("everything", all)]);
    let packets = view.rows("packets");
    let ratio = |part: u64, whole: u64, decimals: f64| {
        (whole > 0).then(|| (part as f64 / whole as f64 * decimals).round() / decimals)
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("component", Arc::new(lines.iter().map(|(name, _)| Some(*name)).collect::<StringArray>())),
        ("bytes", Arc::new(lines.iter().map(|(_, size)| Some(*size)).collect::<UInt64Array>())),
        ("bytes_per_packet", Arc::new(lines.iter().map(|l| ratio(l.1, packets, 100.0)).collect::<Float64Array>())),
        ("percent", Arc::new(lines.iter().map(|l| ratio(l.1 * 100, all, 10.0)).collect::<Float64Array>())),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn component_sizes(segments: &[Arc<Segment>]) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    for component in segments.iter().flat_map(|s| &s.meta().components) {
        *sizes.entry(component.file.clone()).or_default() += component.size_bytes;
    }
    sizes
}

fn segments(segments: &[Arc<Segment>]) -> Result<RecordBatch, Failure> {
    let starts = segments.iter().map(|s| s.time_range("packets").map(|r| r.0));
    let ends = segments.iter().map(|s| s.time_range("packets").map(|r| r.1));
    let size = |s: &Arc<Segment>| s.meta().components.iter().map(|c| c.size_bytes).sum::<u64>();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("segment", Arc::new(segments.iter().map(|s| Some(u64::from(s.id()))).collect::<UInt64Array>())),
        ("packets", Arc::new(segments.iter().map(|s| Some(s.rows("packets"))).collect::<UInt64Array>())),
        ("from", Arc::new(starts.collect::<TimestampNanosecondArray>())),
        ("to", Arc::new(ends.collect::<TimestampNanosecondArray>())),
        ("bytes", Arc::new(segments.iter().map(|s| Some(size(s))).collect::<UInt64Array>())),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn time_range(segments: &[Arc<Segment>]) -> Option<(i64, i64)> {
    let ranges = || segments.iter().filter_map(|s| s.time_range("packets"));
    Some((ranges().map(|r| r.0).min()?, ranges().map(|r| r.1).max()?))
}

/// As in the tables: UTC, to the nanosecond.
fn time(ts_ns: i64) -> String {
    let column = TimestampNanosecondArray::from(vec![ts_ns]);
    let options = FormatOptions::new().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f UTC"));
    let formatter = ArrayFormatter::try_new(&column, &options).expect("every timestamp type has a formatter");
    formatter.value(0).to_string()
}
