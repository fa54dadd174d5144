//! Opening the database that the command line names, and running asynchronous work over it until it is done or the user
//! has had enough.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use wiretape_engine::Db;
use wiretape_ingest::TABLES;
use wiretape_sql::{Config, Database};

use crate::{End, Failure, cli::Global, interrupt};

/// Stack of a worker thread: the planner recurses, and an unoptimised build needs several times the usual 2 MiB.
const WORKER_STACK_BYTES: usize = 8 << 20;

/// Opens the store at `dir` for reading.
pub(super) fn open_store(dir: &Path) -> Result<Arc<Db>, Failure> {
    Db::open(dir, TABLES).map_err(|e| explain(dir, e.into()))
}

/// Where `COPY … TO 'file'` may write for the one who runs the program: wherever the system lets them.
pub(super) fn anywhere() -> Option<PathBuf> {
    Some(PathBuf::from("/"))
}

/// Opens the database at `dir` for queries, whose `COPY … TO 'file'` may write below `export_dir`.
pub(super) fn open(dir: &Path, global: &Global, export_dir: Option<PathBuf>) -> Result<Arc<Database>, Failure> {
    let config = Config {
        memory_limit_bytes: global.memory_limit,
        time_limit: global.time_limit,
        export_dir,
        threads: global.threads(),
        ..Config::default()
    };
    Database::open(dir, TABLES, config).map_err(|e| explain(dir, e.into()))
}

/// Where there is nothing yet, says how to begin.
pub(super) fn explain(dir: &Path, failure: Failure) -> Failure {
    if dir.join("manifest.json").exists() {
        return failure;
    }
    Failure::new(format!("there is no database at {}", dir.display()))
        .hint("make one with: wiretape import FILE (or see one with: wiretape demo)")
}

/// Runs `work` to its end; Ctrl-C drops it where it stands, which cancels what it had begun.
pub(super) fn run(global: &Global, work: impl Future<Output = Result<End, Failure>>) -> Result<End, Failure> {
    block_on(global, async {
        tokio::select! {
            result = work => result,
            () = interrupt::requested() => Ok(End::Interrupted),
        }
    })
}

/// Runs `work` to its end, which it finds by itself.
pub(super) fn block_on(global: &Global, work: impl Future<Output = Result<End, Failure>>) -> Result<End, Failure> {
    // A query may keep as many threads busy as it has partitions; two more hear cancel requests and other clients.
    let workers = global.threads() + 2;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_stack_size(WORKER_STACK_BYTES)
        .enable_all()
        .build()?;
    let result = runtime.block_on(work);
    // Nobody waits for what a cancelled query still computes.
    runtime.shutdown_background();
    result
}
