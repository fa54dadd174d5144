//! `system.settings`: limits and switches in force.

use super::{Column, Facts, SystemTable, optional_text, text};

pub(super) static SETTINGS: SystemTable = SystemTable {
    name: "settings",
    comment: "One row per limit or switch. Those with a dot in the name are changed by SET, the others when the program starts.",
    rows,
};

fn rows(facts: &Facts<'_>) -> Vec<Column> {
    let config = facts.config;
    let on_off = |on: bool| Some(if on { "on" } else { "off" }.to_owned());
    let all: [(&str, Option<String>, &str); 7] = [
        ("wiretape.use_index", on_off(facts.options.use_index), "Whether bitmap indexes answer predicates"),
        (
            "memory_limit_bytes",
            Some(config.memory_limit_bytes.to_string()),
            "Memory of all running statements together",
        ),
        ("time_limit", config.time_limit.map(|t| format!("{t:?}")), "How long one statement may run"),
        ("threads", Some(config.threads.to_string()), "Threads that one statement may keep busy"),
        ("spill_limit_bytes", Some(config.spill_limit_bytes.to_string()), "Disk that spilled data may take"),
        ("spill_dir", config.spill_dir.as_ref().map(|d| d.display().to_string()), "Where sorts and groups spill"),
        ("export_dir", config.export_dir.as_ref().map(|d| d.display().to_string()), "Where COPY TO may write files"),
    ];
    vec![
        text("name", all.iter().map(|(name, ..)| name)),
        optional_text("value", all.iter().map(|(_, value, _)| value.clone())),
        text("comment", all.iter().map(|(.., comment)| comment)),
    ]
}
