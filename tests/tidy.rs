//! Rules of the house that a compiler does not hold: who may lean on whom, how long a file may be, what each opens with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::root;

/// No file is longer; past this, split by idea.
const MAX_LINES: usize = 600;
/// Nine of ten files are no longer.
const P90_LINES: usize = 400;
/// Half of the files are no longer.
const MEDIAN_LINES: usize = 200;
/// No function is longer.
const MAX_FUNCTION_LINES: usize = 70;

/// Which of our packages each may depend on, and what it must never reach.
const HOUSE: &[(&str, &[&str], &[&str])] = &[
    ("engine", &[], &["datafusion", "tokio", "pgwire"]),
    ("ebpf", &[], &["datafusion", "tokio", "pgwire", "arrow"]),
    ("ingest", &["wiretape-engine", "wiretape-ebpf"], &["datafusion", "tokio", "pgwire"]),
    ("sql", &["wiretape-engine"], &["pgwire"]),
    ("pgwire-server", &["wiretape-sql"], &[]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for top in ["src", "ebpf", "engine", "ingest", "sql", "pgwire-server", "tests", "benches", "examples", "fuzz"] {
        collect(&root().join(top), &mut files);
    }
    assert!(files.len() > 40, "the walk finds the sources");
    files
}

fn collect(dir: &Path, files: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.map(|e| e.expect("readable folder").path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            files.push((path.strip_prefix(root()).expect("below the root").to_owned(), text));
        }
    }
}

#[test]
fn packages_lean_only_where_the_plan_says() {
    for (folder, may, never) in HOUSE {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("each package has a manifest");
        let dependencies = manifest
            .split("\n[dependencies]\n")
            .nth(1)
            .and_then(|rest| rest.split("\n[").next())
            .expect("each manifest has dependencies");
        for name in dependencies.lines().filter_map(|l| l.split(['.', ' ', '=']).next()).filter(|n| !n.is_empty()) {
            assert!(!name.starts_with("wiretape-") || may.contains(&name), "{folder} may not depend on {name}");
            assert!(!never.iter().any(|n| name.starts_with(n)), "{folder} must not depend on {name}");
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut lengths = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines, more than {MAX_LINES}", path.display());
        assert!(text.starts_with("//!") || text.starts_with("#!["), "{} does not say what it is", path.display());
        lengths.push(lines);
    }
    lengths.sort_unstable();
    let at = |share: usize| lengths[lengths.len() * share / 100];
    assert!(at(90) <= P90_LINES, "p90 is {} lines", at(90));
    assert!(at(50) <= MEDIAN_LINES, "the median is {} lines", at(50));
}

#[test]
fn functions_are_short() {
    for (path, text) in sources() {
        let mut open: Option<(usize, String)> = None;
        for (at, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let body = line.trim_start();
            let starts =
                ["fn ", "pub fn ", "pub(crate) fn ", "pub(super) fn ", "async fn ", "pub async fn ", "const fn "];
            if starts.iter().any(|s| body.starts_with(s)) && !body.ends_with(';') {
                open = Some((at, " ".repeat(indent) + "}"));
            }
            if let Some((from, end)) = &open
                && line == end
            {
                let lines = at - from + 1;
                assert!(lines <= MAX_FUNCTION_LINES, "{}:{} has {lines} lines", path.display(), from + 1);
                open = None;
            }
        }
    }
}

#[test]
fn no_module_is_a_drawer() {
    for (path, _) in sources() {
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        for drawer in ["util", "utils", "common", "helpers", "misc", "manager"] {
            assert!(stem != drawer && !path.iter().any(|p| p == drawer), "{} is a drawer", path.display());
        }
    }
}

#[test]
fn the_core_has_no_clock_and_no_chance() {
    for (path, text) in sources() {
        let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs" || part == "testing.rs");
        if is_test || !(path.starts_with("engine/src") || path.starts_with("ingest/src")) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["SystemTime::now", "Instant::now", "thread_rng", "rand::", "env::var", "tokio::"] {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
        assert!(
            path.ends_with("engine/src/fs.rs") || !code.contains("fs::rename"),
            "{} renames behind the back of fs.rs",
            path.display()
        );
    }
}
