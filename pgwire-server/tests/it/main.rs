//! The endpoint as clients see it: tokio-postgres, raw bytes, and psql when it is installed. The database is empty; its
//! tables are the real ones.

#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]
#![expect(clippy::indexing_slicing, reason = "what a test's helper does not find fails the test")]

mod client;
mod psql;
mod wire;

use std::{net::SocketAddr, sync::Arc};

use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use wiretape_engine::Writer;
use wiretape_pgwire_server::{Server, ServerConfig, ServerError};
use wiretape_sql::{Config, Database};

/// A running server over an empty database, and how to end it.
struct Running {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _dir: TempDir,
}

impl Running {
    async fn start() -> Self {
        Self::with_limit(100).await
    }

    async fn with_limit(max_connections: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let database = database(&dir);
        let config = ServerConfig { listen: ([127, 0, 0, 1], 0).into(), max_connections };
        let server = Server::bind(config, database).await.unwrap();
        let address = server.local_addr();
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(server.run(async move { drop(ended.await) }));
        Self { address, end, task, _dir: dir }
    }

    async fn stop(self) {
        let _ = self.end.send(());
        self.task.await.unwrap();
    }
}

fn database(dir: &TempDir) -> Arc<Database> {
    let config = Config { threads: 2, ..Config::default() };
    drop(Writer::open(dir.path()).unwrap());
    Database::open(dir.path(), wiretape_ingest::TABLES, config).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_others_can_reach_is_refused() {
    let dir = TempDir::new().unwrap();
    let config = ServerConfig { listen: ([0, 0, 0, 0], 0).into(), ..ServerConfig::default() };
    let refused = Server::bind(config, database(&dir)).await;
    assert!(matches!(refused, Err(ServerError::NotLoopback { .. })));
}
