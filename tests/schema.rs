//! `docs/schema.md` is generated from the declarations: this test writes what it should be, and fails where it differs.
//! Run with `WIRETAPE_UPDATE_DOCS=1` to write the file.

use std::{fmt::Write, fs};

use arrow::{array::RecordBatch, util::display::array_value_to_string};
use wiretape::Db;

use crate::support::root;

const HEAD: &str = "# Tables

Generated from the declarations in `ingest/src/tables/` by `tests/schema.rs`; do not edit.

`src`/`dst` of a flow are its initiator and responder, of a packet its sender and receiver. Units are in names. Types are those that SQL
shows; in Parquet, addresses and names are dictionary-encoded strings and numbers have their own width. `key` and `row` say how the
bitmap index covers a column. The same is in `system.columns`.
";

#[test]
fn the_schema_page_is_what_the_declarations_say() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |sql: &str| runtime.block_on(db.query(sql)).unwrap();
    let mut page = HEAD.to_owned();
    for table in texts(&ask("select name, comment from system.tables order by name desc"), 2) {
        let [name, comment] = table.as_slice() else { panic!("two columns") };
        write!(
            page,
            "\n## `{name}`\n\n{comment}\n\n| column | type | null | index | meaning |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        let sql = format!(
            "select name, type, nullable, index, comment from system.columns where table_name = '{name}' order by position"
        );
        for column in texts(&ask(&sql), 5) {
            let [name, kind, nullable, index, comment] = column.as_slice() else { panic!("five columns") };
            let null = if nullable == "true" { "yes" } else { "" };
            writeln!(page, "| `{name}` | {kind} | {null} | {index} | {} |", comment.replace('|', "\\|")).unwrap();
        }
    }
    let path = root().join("docs/schema.md");
    if std::env::var_os("WIRETAPE_UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == page,
        "docs/schema.md is stale: run with WIRETAPE_UPDATE_DOCS=1"
    );
}

fn texts(batches: &[RecordBatch], columns: usize) -> Vec<Vec<String>> {
    let row =
        |b: &RecordBatch, r: usize| (0..columns).map(|c| array_value_to_string(b.column(c), r).unwrap()).collect();
    batches.iter().flat_map(|b| (0..b.num_rows()).map(|r| row(b, r)).collect::<Vec<_>>()).collect()
}
