//! What a query did, for reading.

use std::io::{self, Write};

use indicatif::HumanCount;
use wiretape_sql::{Bytes, Report, Scan, ScanBy};

use crate::units::count;

/// Writes what was understood, what was left out and what was read.
pub(crate) fn write_report(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} in {:.1} ms", count(report.rows, "row"), report.elapsed.as_secs_f64() * 1e3)?;
    for filter in &report.filters {
        writeln!(out, "\n{} is understood as", filter.call)?;
        for (number, condition) in filter.conditions.iter().enumerate() {
            writeln!(out, "  {} {condition}", if number == 0 { "   " } else { "and" })?;
        }
    }
    for scan in &report.scans {
        write_scan(scan, out)?;
    }
    for Bytes { filter, must, must_not, packets } in &report.bytes {
        writeln!(out, "\nbytes read of {} for bpf('{filter}')", count(*packets, "packet"))?;
        writeln!(out, "  matches without where  {must}\n  and does not where     {must_not}")?;
    }
    out.flush()
}

fn write_scan(scan: &Scan, out: &mut dyn Write) -> io::Result<()> {
    let by = match scan.by {
        ScanBy::Bitmaps => "from bitmaps, no column read",
        ScanBy::Pages => "the pages that hold its rows",
        ScanBy::Columns => "columns",
        ScanBy::OpenSegments => "open segments, every row",
    };
    writeln!(out, "\n{}: {by}", scan.table)?;
    let left = scan.segments.saturating_sub(scan.pruned_by_time + scan.pruned_by_index);
    writeln!(
        out,
        "  segments  {left} of {}; {} left out by time, {} by the index",
        scan.segments, scan.pruned_by_time, scan.pruned_by_index
    )?;
    writeln!(out, "  rows      {} of {}", HumanCount(scan.rows_selected), HumanCount(scan.rows))?;
    if let Some((read, all)) = scan.pages {
        writeln!(out, "  pages     {read} of {all} a column")?;
    }
    for condition in &scan.index {
        writeln!(out, "  index     {}", shortened(condition))?;
    }
    Ok(())
}

/// A condition on one line, cut where nobody reads on.
fn shortened(condition: &str) -> String {
    const MOST: usize = 160;
    match condition.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} …", condition.get(..at).unwrap_or(condition)),
        None => condition.to_owned(),
    }
}
