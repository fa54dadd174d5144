//! `system.segments`: what each segment holds of each table, sealed ones and open ones.

use super::{
    Column, Facts, PACKETS, SystemTable, boolean, component_bytes, count, optional_count, raw_bytes, text, time,
};

pub(super) static SEGMENTS: SystemTable = SystemTable {
    name: "segments",
    comment: "One row per segment and table with rows in it. raw_bytes is the size of the segment's packets, in the row of packets. An open segment is being recorded: its rows are not indexed yet.",
    rows,
};

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let mut all: Vec<Row> = Vec::new();
    for s in facts.view.segments() {
        all.extend(s.meta().tables.iter().map(|t| Row {
            id: s.id(),
            table: t.name.clone(),
            rows: t.rows,
            range: (t.min_ts_ns, t.max_ts_ns),
            in_time_order: t.in_time_order,
            bytes: component_bytes(s, &format!("{}.parquet", t.name)),
            index_bytes: component_bytes(s, &format!("{}.idx", t.name)),
            raw_bytes: raw_bytes(s).filter(|_| t.name == PACKETS),
            open: false,
        }));
    }
    for s in facts.view.live() {
        all.extend(facts.tables.iter().filter(|t| s.rows(t.name) > 0).map(|t| Row {
            id: s.id(),
            table: t.name.to_owned(),
            rows: s.rows(t.name),
            range: s.time_range(t.name).unwrap_or_default(),
            in_time_order: false,
            bytes: 0,
            index_bytes: 0,
            raw_bytes: Some(s.log_bytes()).filter(|_| t.name == PACKETS),
            open: true,
        }));
    }
    vec![
        count("id", all.iter().map(|r| u64::from(r.id))),
        text("table_name", all.iter().map(|r| &r.table)),
        count("rows", all.iter().map(|r| r.rows)),
        time("min_ts", all.iter().map(|r| Some(r.range.0))),
        time("max_ts", all.iter().map(|r| Some(r.range.1))),
        boolean("in_time_order", all.iter().map(|r| r.in_time_order)),
        count("bytes", all.iter().map(|r| r.bytes)),
        count("index_bytes", all.iter().map(|r| r.index_bytes)),
        optional_count("raw_bytes", all.iter().map(|r| r.raw_bytes)),
        boolean("open", all.iter().map(|r| r.open)),
    ]
}

struct Row {
    id: u32,
    table: String,
    rows: u64,
    range: (i64, i64),
    in_time_order: bool,
    bytes: u64,
    index_bytes: u64,
    raw_bytes: Option<u64>,
    open: bool,
}
