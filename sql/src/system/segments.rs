//! `system.segments`: what each segment holds of each table.

use super::{
    Column, Facts, PACKETS, SystemTable, boolean, component_bytes, count, optional_count, raw_bytes, text, time,
};

pub(super) static SEGMENTS: SystemTable = SystemTable {
    name: "segments",
    comment: "One row per segment and table with rows in it. raw_bytes is the size of the segment's packets, in the row of packets.",
    rows,
};

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let segments = facts.view.segments();
    let all: Vec<_> = segments.iter().flat_map(|s| s.meta().tables.iter().map(move |t| (s, t))).collect();
    vec![
        count("id", all.iter().map(|(s, _)| u64::from(s.id()))),
        text("table_name", all.iter().map(|(_, t)| &t.name)),
        count("rows", all.iter().map(|(_, t)| t.rows)),
        time("min_ts", all.iter().map(|(_, t)| Some(t.min_ts_ns))),
        time("max_ts", all.iter().map(|(_, t)| Some(t.max_ts_ns))),
        boolean("in_time_order", all.iter().map(|(_, t)| t.in_time_order)),
        count("bytes", all.iter().map(|(s, t)| component_bytes(s, &format!("{}.parquet", t.name)))),
        count("index_bytes", all.iter().map(|(s, t)| component_bytes(s, &format!("{}.idx", t.name)))),
        optional_count("raw_bytes", all.iter().map(|(s, t)| raw_bytes(s).filter(|_| t.name == PACKETS))),
    ]
}
