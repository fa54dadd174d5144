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
    engine::{Writer, fs::Fs},
    ingest::{
        TABLES,
        import::{ImportConfig, ImportError, ImportReport, import_file},
    },
    sql::{Config, Database, Outcome, Session, SqlError},
};

use super::frames;

/// What every test's queries run on.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("threads can be started")
});

/// The demo's capture, imported in some segments: what tests ask that do not bring a capture of their own.
pub(crate) static OFFICE: LazyLock<Store> = LazyLock::new(|| {
    let dir = scratch("office");
    let capture = frames::office(&dir, usize::MAX);
    let report = import(&dir.join("db"), &capture, 3000, Fs::default()).expect("our own capture can be imported");
    assert!(report.segments.len() > 3, "queries cross segments");
    let session = open(&dir.join("db")).session();
    Store { dir, session, _guard: None }
});

/// An empty folder for what all tests of a run share. Nobody ends a static, so a later run clears what this one leaves.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&parent).expect("the build folder can be written");
    for left in std::fs::read_dir(&parent).expect("just made").map(|e| e.expect("readable").path()) {
        let owner = Path::new("/proc").join(left.file_name().unwrap_or_default());
        if Path::new("/proc/self").exists() && !owner.exists() {
            // Another run that starts now may be quicker.
            let _ = std::fs::remove_dir_all(&left);
        }
    }
    let dir = parent.join(std::process::id().to_string());
    std::fs::create_dir_all(&dir).expect("the build folder can be written");
    dir
}

/// A database and a session over it.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    /// Its session; bitmap indexes are in use.
    pub(crate) session: Session,
    /// Holds the folder for as long as the database is in use.
    _guard: Option<TempDir>,
}

impl Store {
    /// The capture at `path`, imported in segments of at most `segment_rows` packets.
    pub(crate) fn of(path: &Path, segment_rows: usize) -> (Store, ImportReport) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = dir.path().join("db");
        let report = import(&db, path, segment_rows, Fs::default()).expect("the capture can be imported");
        let session = open(&db).session();
        (Store { dir: dir.path().to_owned(), session, _guard: Some(dir) }, report)
    }

    /// A name in the store's temporary folder, beside the database.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The rows of a query as text, NULL as `NULL`.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        rows(&self.session, sql)
    }

    /// The only row of a query.
    pub(crate) fn row(&self, sql: &str) -> Vec<String> {
        let mut rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}");
        rows.remove(0)
    }

    /// The only value of a query, a number.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        let row = self.row(sql);
        row[0].parse().unwrap_or_else(|e| panic!("{sql}: {row:?}: {e}"))
    }
}

/// Imports the capture at `path` into the database `db`.
pub(crate) fn import(db: &Path, path: &Path, segment_rows: usize, fs: Fs) -> Result<ImportReport, ImportError> {
    let mut writer = Writer::open_with(db, fs)?;
    let config = ImportConfig { segment_rows, workers: 1, ..ImportConfig::default() };
    import_file(&mut writer, db, path, &config, &mut |_| (), &AtomicBool::new(false))
}

/// Opens a database for queries.
pub(crate) fn open(db: &Path) -> Arc<Database> {
    let config = Config { threads: 2, export_dir: Some("/".into()), ..Config::default() };
    Database::open(db, TABLES, config).unwrap_or_else(|e| panic!("{}: {e}", db.display()))
}

/// The batches of a query.
pub(crate) fn batches(session: &Session, sql: &str) -> Result<Vec<RecordBatch>, SqlError> {
    RUNTIME.block_on(async {
        match session.query(sql).await? {
            Outcome::Rows(rows) => Ok(rows.try_collect().await?),
            _ => Ok(Vec::new()),
        }
    })
}

/// The rows of a query as text, NULL as `NULL`.
pub(crate) fn rows(session: &Session, sql: &str) -> Vec<Vec<String>> {
    texts(&batches(session, sql).unwrap_or_else(|e| panic!("{sql}: {e:?}")))
}

/// Rows as text, NULL as `NULL`.
pub(crate) fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
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
