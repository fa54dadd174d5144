//! The facade for programs that embed Wiretape: open, import, query. It reads no configuration and no environment.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::{SystemTime, UNIX_EPOCH},
};

use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use wiretape_engine::Writer;
use wiretape_ingest::{
    TABLES,
    import::{ImportConfig, ImportError, ImportReport, import_file},
    record::open_writer,
};
use wiretape_sql::{Config, Database, Outcome, Session, SqlError};

/// A database directory, created when it is not there yet.
#[derive(Debug)]
pub struct Db {
    dir: PathBuf,
    database: Arc<Database>,
}

/// Why the facade could not do as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory cannot be opened or written.
    #[error(transparent)]
    Store(#[from] wiretape_engine::Error),
    /// A capture file was not imported.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A statement failed.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl Db {
    /// Opens the database at `dir` with default limits.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Db, Error> {
        Self::open_with(dir, Config::default())
    }

    /// Opens the database at `dir` with the caller's limits.
    pub fn open_with(dir: impl Into<PathBuf>, config: Config) -> Result<Db, Error> {
        let dir = dir.into();
        if !wiretape_engine::manifest::Manifest::path(&dir).exists() {
            drop(Writer::open(&dir)?);
        }
        let database = Database::open(&dir, TABLES, config)?;
        Ok(Db { dir, database })
    }

    /// Imports a capture file. Refused while another process writes to this database, and for a file that is in already.
    pub fn import(&self, capture: impl AsRef<Path>) -> Result<ImportReport, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let config = ImportConfig { now_ns, ..ImportConfig::default() };
        let (mut writer, _) = open_writer(&self.dir, now_ns)?;
        let never = AtomicBool::new(false);
        Ok(import_file(&mut writer, &self.dir, capture.as_ref(), &config, &mut |_| {}, &never)?)
    }

    /// A session, for streaming results, parameters and `COPY`.
    pub fn session(&self) -> Session {
        self.database.session()
    }

    /// Runs one statement and collects its rows; no rows for a statement that gives none.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        match self.session().query(sql).await? {
            Outcome::Rows(rows) => Ok(rows.try_collect().await.map_err(SqlError::from)?),
            _ => Ok(Vec::new()),
        }
    }
}
