//! What all sessions share: the store, the memory and spill limits, and the cache of Parquet footers.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use datafusion::execution::{
    memory_pool::{FairSpillPool, TrackConsumersPool},
    runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
};
use wiretape_engine::Db;
use wiretape_engine::TableDef;

use crate::{Config, Session, SqlError};

/// Parquet footers and page indexes kept in memory, bytes: some hundred segments' worth, so that a repeated query opens
/// no footer twice.
const METADATA_CACHE_BYTES: usize = 128 << 20;

/// Memory consumers named when the limit is reached: enough to see which operator it was.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(3).expect("3 is not 0");

/// A database opened for queries. Cheap to share; each connection takes a [`Session`] of its own.
#[derive(Debug)]
pub struct Database {
    db: Arc<Db>,
    config: Config,
    runtime: Arc<RuntimeEnv>,
}

impl Database {
    /// Opens the database at `dir`. `tables` are the tables to offer, as the crate that declares them lists them.
    pub fn open(dir: &Path, tables: &'static [&'static TableDef], config: Config) -> Result<Arc<Database>, SqlError> {
        let pool = TrackConsumersPool::new(FairSpillPool::new(config.memory_limit_bytes), CONSUMERS_NAMED);
        let mut runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_max_temp_directory_size(config.spill_limit_bytes)
            .with_metadata_cache_limit(METADATA_CACHE_BYTES);
        if let Some(spill_dir) = &config.spill_dir {
            runtime = runtime.with_temp_file_path(spill_dir);
        }
        let runtime = runtime.build_arc()?;
        // Below, a path with `..` in it is refused. One that cannot be resolved is no database, which is said there.
        let resolved = dir.canonicalize();
        let db = Db::open(resolved.as_deref().unwrap_or(dir), tables)?;
        Ok(Arc::new(Database { db, config, runtime }))
    }

    /// A new session: its settings are its own, the limits are everybody's.
    pub fn session(self: &Arc<Self>) -> Session {
        Session::new(Arc::clone(self))
    }

    /// The store below.
    pub fn db(&self) -> &Arc<Db> {
        &self.db
    }

    /// The limits it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn runtime(&self) -> &Arc<RuntimeEnv> {
        &self.runtime
    }
}
