//! `system.tables`: what there is to query, and how much of it.

use super::{Column, Facts, PACKETS, SystemTable, component_bytes, count, optional_count, raw_bytes, text, time};

pub(super) static TABLES: SystemTable = SystemTable {
    name: "tables",
    comment: "One row per table of packets and what is made of them. rows counts stored rows: a flow that spans segments is stored in parts, and in an open segment once for each time it changed.",
    rows,
};

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let (tables, segments) = (facts.tables, facts.view.segments());
    let bytes = |name: &str, kind: &str| -> u64 {
        segments.iter().map(|s| component_bytes(s, &format!("{name}.{kind}"))).sum()
    };
    let open = facts.view.live();
    let open_rows = |name: &str| -> u64 { open.iter().map(|s| s.rows(name)).sum() };
    let ranges = |name: &'static str| {
        let sealed = segments.iter().filter_map(move |s| s.time_range(name));
        sealed.chain(open.iter().filter_map(move |s| s.time_range(name)))
    };
    vec![
        text("name", tables.iter().map(|t| t.sql_name())),
        count("columns", tables.iter().map(|t| t.columns.len() as u64)),
        count("rows", tables.iter().map(|t| facts.view.rows(t.name) + open_rows(t.name))),
        count("segments", tables.iter().map(|t| segments.iter().filter(|s| s.rows(t.name) > 0).count() as u64)),
        time("min_ts", tables.iter().map(|t| ranges(t.name).map(|r| r.0).min())),
        time("max_ts", tables.iter().map(|t| ranges(t.name).map(|r| r.1).max())),
        count("bytes", tables.iter().map(|t| bytes(t.name, "parquet"))),
        count("index_bytes", tables.iter().map(|t| bytes(t.name, "idx"))),
        optional_count(
            "raw_bytes",
            tables.iter().map(|t| (t.name == PACKETS).then(|| segments.iter().filter_map(|s| raw_bytes(s)).sum())),
        ),
        text("comment", tables.iter().map(|t| t.comment)),
    ]
}
