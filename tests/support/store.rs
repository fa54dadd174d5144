//! A database in a temporary folder, and its answers as text. No process, so that a hundred captures take seconds.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, atomic::AtomicBool},
};

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wiretape::{
    demo,
    engine::{Writer, fs::Fs},
    ingest::{
        TABLES,
        import::{ImportConfig, ImportError, ImportReport, import_file},
    },
    sql::{Config, Database, Outcome, Session, SqlError},
};

/// What every test's queries run on.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("threads can be started")
});

/// The demo's capture, imported in some segments: what tests ask that do not bring a capture of their own.
pub static OFFICE: LazyLock<Store> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let capture = dir.path().join(demo::FILE_NAME);
    std::fs::write(&capture, demo::pcap(&demo::packets())).expect("the temporary folder has room");
    let (store, report) = Store::of(&capture, 3000);
    assert!(report.segments.len() > 3, "queries cross segments");
    store
});

/// A database and a session over it.
#[derive(Debug)]
pub struct Store {
    /// Holds the folder for as long as the database is in use.
    dir: TempDir,
    /// Its session; bitmap indexes are in use.
    pub session: Session,
}

impl Store {
    /// The capture at `path`, imported in segments of at most `segment_rows` packets.
    pub fn of(path: &Path, segment_rows: usize) -> (Store, ImportReport) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = dir.path().join("db");
        let report = import(&db, path, segment_rows, Fs::default()).expect("the capture can be imported");
        let session = open(&db).session();
        (Store { dir, session }, report)
    }

    /// A name in the store's temporary folder, beside the database.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The rows of a query as text, NULL as `NULL`.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        rows(&self.session, sql)
    }

    /// The only row of a query.
    pub fn row(&self, sql: &str) -> Vec<String> {
        let mut rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0)
    }

    /// The only value of a query, a number.
    pub fn number(&self, sql: &str) -> i64 {
        let row = self.row(sql);
        row[0].parse().unwrap_or_else(|e| panic!("{sql}: {row:?}: {e}"))
    }
}

/// Imports the capture at `path` into the database `db`.
pub fn import(db: &Path, path: &Path, segment_rows: usize, fs: Fs) -> Result<ImportReport, ImportError> {
    let mut writer = Writer::open_with(db, fs)?;
    let config = ImportConfig { segment_rows, workers: 1, ..ImportConfig::default() };
    import_file(&mut writer, db, path, &config, &mut |_| (), &AtomicBool::new(false))
}

/// Opens a database for queries.
pub fn open(db: &Path) -> Arc<Database> {
    let config = Config { threads: 2, export_dir: Some("/".into()), ..Config::default() };
    Database::open(db, TABLES, config).unwrap_or_else(|e| panic!("{}: {e}", db.display()))
}

/// The batches of a query.
pub fn batches(session: &Session, sql: &str) -> Result<Vec<RecordBatch>, SqlError> {
    RUNTIME.block_on(async {
        match session.query(sql).await? {
            Outcome::Rows(rows) => Ok(rows.try_collect().await?),
            _ => Ok(Vec::new()),
        }
    })
}

/// The rows of a query as text, NULL as `NULL`.
pub fn rows(session: &Session, sql: &str) -> Vec<Vec<String>> {
    texts(&batches(session, sql).unwrap_or_else(|e| panic!("{sql}: {e:?}")))
}

/// Rows as text, NULL as `NULL`.
pub fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("every column has a text form"))
            .collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    rows
}
