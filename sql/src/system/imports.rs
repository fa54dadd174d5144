//! `system.imports`: the capture files that were read.

use wiretape_engine::manifest::{Import, ImportState};

use super::{Column, Facts, SystemTable, count, optional_text, text, time};

pub(super) static IMPORTS: SystemTable = SystemTable {
    name: "imports",
    comment: "One row per capture file that was read, in order. state is complete, damaged or interrupted; detail says where a file is damaged.",
    rows,
};

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let all = facts.view.imports();
    let detail = |i: &Import| match &i.state {
        ImportState::Damaged(what) => Some(what.clone()),
        _ => None,
    };
    vec![
        text("name", all.iter().map(|i| &i.name)),
        optional_text("fingerprint", all.iter().map(|i| i.fingerprint.clone())),
        time("started", all.iter().map(|i| Some(i.started_ns))),
        count("packets", all.iter().map(|i| i.packets)),
        count("segments", all.iter().map(|i| i.segments.len() as u64)),
        text("state", all.iter().map(|i| i.state.name())),
        optional_text("detail", all.iter().map(detail)),
    ]
}
