//! `docs/bpf.md`: its examples are run.

use crate::support::{
    root,
    store::{self, OFFICE},
};

/// The lines of the page's blocks in `language`.
fn blocks(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/bpf.md")).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        match &mut open {
            None if line == format!("```{language}") => open = Some(String::new()),
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

/// Proves that every filter on the page can be asked, of packets and of flows.
#[test]
fn filters_of_the_page_can_be_asked() {
    for filter in blocks("bpf").iter().flat_map(|block| block.lines()) {
        let call = format!("bpf('{}')", filter.replace('\'', "''"));
        let packets = OFFICE.number(&format!("select count(*) from packets where {call}"));
        let others = OFFICE.number(&format!("select count(*) from packets where not {call}"));
        assert_eq!(packets + others, OFFICE.number("select count(*) from packets"), "{filter}");
        let flows = OFFICE.number(&format!("select count(*) from flows where {call}"));
        assert!(packets > 0 || flows == 0, "{filter}: {flows} flows and no packet");
    }
}

/// Proves that the statements on the page run.
#[test]
fn statements_of_the_page_run() {
    for statement in blocks("sql") {
        store::rows(&OFFICE.session, statement.trim().trim_end_matches(';'));
    }
}
