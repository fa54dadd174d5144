//! `docs/kfl.md` is held to: its examples compile, and its variables are those of the vocabulary.
//! Run with `WIRETAPE_UPDATE_DOCS=1` to write the tables of variables.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use super::super::compile;
use super::super::vocabulary::{self, Origin};

/// What the generated part begins with; it goes to the end of the page.
const VARIABLES: &str = "## Variables\n";

fn page() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/kfl.md");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

/// Proves that every example is a filter.
#[test]
fn examples_compile() {
    let (_, page) = page();
    let examples: Vec<&str> = page.split("\n```kfl\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 7);
    for example in examples {
        let filter = compile(example, 0).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(filter.notice, None, "{example}");
    }
}

/// Proves that the tables of variables are what is declared.
#[test]
fn variables_are_those_of_the_vocabulary() {
    let (path, page) = page();
    let written = page.find(VARIABLES).map_or(page.as_str(), |at| &page[..at]);
    let mut expected =
        format!("{written}{VARIABLES}\nGenerated from the declarations in `sql/src/kfl/vocabulary/`; do not edit.\n");
    for group in vocabulary::groups() {
        let ours = if group.origin == Origin::Wiretape { "\nKubeshark does not have these.\n" } else { "" };
        write!(expected, "\n### {}\n{ours}\n| variable | type | meaning |\n|---|---|---|\n", group.title).unwrap();
        for var in group.vars {
            writeln!(expected, "| `{}` | {} | {} |", var.name, var.ty.ty(), var.meaning.replace('|', "\\|")).unwrap();
        }
    }
    if std::env::var_os("WIRETAPE_UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == expected, "docs/kfl.md is stale: run with WIRETAPE_UPDATE_DOCS=1");
}

/// Proves that a name is declared once, and means something.
#[test]
fn variables_are_declared_once() {
    let mut names: Vec<&str> = vocabulary::variables().map(|var| var.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(vocabulary::variables().all(|var| var.meaning.ends_with('.')));
}
