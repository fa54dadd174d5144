//! The SQL of `tests/slt`, one session with the bitmap indexes and one without, one set of expectations.
//!
//! The data are the demo's hour (`wiretape::demo`), which is the same in every build. To write a new file, give queries
//! without results and run this test with `WIRETAPE_SLT_WRITE=1`: it fills them in. Then check each by other means.

use std::{fmt, path::PathBuf};

use arrow::datatypes::DataType;
use async_trait::async_trait;
use futures::TryStreamExt;
use sqllogictest::{
    AsyncDB, DBOutput, DefaultColumnType, Runner, default_column_validator, default_normalizer, default_validator,
};
use wiretape::sql::{Outcome, Session, SqlError};

use crate::support::{
    root,
    store::{OFFICE, RUNTIME, open, texts},
};

struct Db(Session);

/// An error as the files expect it: SQLSTATE, message, position, hint.
#[derive(Debug)]
struct Refused(SqlError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SqlError { sqlstate, message, position, hint, .. } = &self.0;
        write!(f, "{sqlstate} {message}")?;
        if let Some(position) = position {
            write!(f, " at {position}")?;
        }
        if let Some(hint) = hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

#[async_trait]
impl AsyncDB for Db {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let outcome = self.0.query(sql).await.map_err(Refused)?;
        let Outcome::Rows(rows) = outcome else { return Ok(DBOutput::StatementComplete(0)) };
        let types = rows.schema().fields().iter().map(|f| column_type(f.data_type())).collect();
        let batches: Vec<_> = rows.try_collect().await.map_err(|e| Refused(SqlError::from(e)))?;
        Ok(DBOutput::Rows { types, rows: texts(&batches) })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "wiretape"
    }
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        t if t.is_integer() => DefaultColumnType::Integer,
        t if t.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Text,
    }
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root().join("tests/slt")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "slt"));
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    files
}

fn runner(use_index: bool) -> Runner<Db, impl sqllogictest::MakeConnection<Conn = Db>> {
    let mut runner = Runner::new(move || async move {
        let session = open(&OFFICE.path("db")).session();
        session.set_use_index(use_index);
        Ok(Db(session))
    });
    runner.with_column_validator(sqllogictest::strict_column_validator);
    runner
}

/// Runs every file; all failures are told, not only the first.
fn run_all(use_index: bool) {
    let mut failures = Vec::new();
    for file in files() {
        let result = RUNTIME.block_on(runner(use_index).run_file_async(&file));
        failures.extend(result.err().map(|e| format!("{}: {}", file.display(), e.display(false))));
    }
    assert!(failures.is_empty(), "index {use_index}:\n{}", failures.join("\n\n"));
}

#[test]
fn every_file_holds_with_the_indexes() {
    if std::env::var_os("WIRETAPE_SLT_WRITE").is_some() {
        for file in files() {
            let mut runner = runner(true);
            let write =
                runner.update_test_file(&file, " ", default_validator, default_normalizer, default_column_validator);
            RUNTIME.block_on(write).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        }
    }
    run_all(true);
}

#[test]
fn every_file_holds_without_the_indexes() {
    run_all(false);
}

fn explained(session: &Session, sql: &str) -> String {
    crate::support::store::rows(session, sql).concat().join("\n")
}

/// The plan says what the index spared; without the index it claims nothing of the kind.
#[test]
fn explain_shows_segments_and_pages() {
    let session = &OFFICE.session;
    let selective = "from packets where dst_ip = '203.0.113.66' and dst_port = 8443";
    let plan = explained(session, &format!("explain select ts {selective}"));
    for word in ["segments=", "rows=", "pages="] {
        assert!(plan.contains(word), "{word} in\n{plan}");
    }
    let plan = explained(session, &format!("explain analyze select ts {selective}"));
    for word in ["segments=", "pages="] {
        assert!(plan.contains(word), "{word} in\n{plan}");
    }
}

/// Dictionaries skip a whole segment when a value is absent from it.
#[test]
fn a_value_that_is_nowhere_prunes_every_segment() {
    let plan = explained(&OFFICE.session, "explain select ts from packets where src_ip = '192.0.2.200'");
    let segments = OFFICE.number("select count(*) from system.segments where table_name = 'packets'");
    assert!(plan.contains(&format!("segments=0/{segments}")) || plan.contains("EmptyExec"), "{plan}");
}
