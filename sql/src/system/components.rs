//! `system.components`: the files of each segment.

use super::{Column, Facts, SystemTable, count, text};

pub(super) static COMPONENTS: SystemTable = SystemTable {
    name: "components",
    comment: "One row per file of a segment, with its size and checksum (XXH3-64) as written.",
    rows,
};

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let segments = facts.view.segments();
    let all: Vec<_> = segments.iter().flat_map(|s| s.meta().components.iter().map(move |c| (s, c))).collect();
    vec![
        count("segment_id", all.iter().map(|(s, _)| u64::from(s.id()))),
        text("file", all.iter().map(|(_, c)| &c.file)),
        count("bytes", all.iter().map(|(_, c)| c.size_bytes)),
        text("checksum", all.iter().map(|(_, c)| &c.checksum)),
        text("path", all.iter().map(|(s, c)| s.dir().join(&c.file).display().to_string())),
    ]
}
