//! The listener: accepts clients up to the limit, gives each a task, and ends them all.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use wiretape_sql::Database;

use crate::{
    cancel::Cancels,
    catalog::Catalog,
    connection::{self, Admission, Shared},
};

/// Sessions at a time, unless the configuration says otherwise. PostgreSQL's own default; Grafana's pool may open as
/// many.
pub const DEFAULT_MAX_CONNECTIONS: usize = 100;

/// Connections beyond the limit of sessions that are still heard, so that a full server can be sent a CancelRequest.
const EXTRA_CONNECTIONS: usize = 32;

/// How long running statements have to end at shutdown before their tasks are dropped.
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

/// The wait after a failed accept, which happens when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where and for how many a [`Server`] listens.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on. Only loopback addresses are accepted: nobody is asked for a password.
    pub listen: SocketAddr,
    /// Sessions at a time; a client beyond is refused with SQLSTATE 53300.
    pub max_connections: usize,
}

impl Default for ServerConfig {
    /// `127.0.0.1:5433`, 100 sessions.
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 5433)), max_connections: DEFAULT_MAX_CONNECTIONS }
    }
}

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address can be reached from other machines, and everybody would be let in.
    #[error(
        "{address} can be reached from other machines and no users are configured; \
         listen on 127.0.0.1 and reach it through an ssh tunnel"
    )]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// A PostgreSQL server over a database, listening but not yet serving.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    max_connections: usize,
    database: Arc<Database>,
}

impl Server {
    /// Listens on the configured address; port 0 takes a free one.
    pub async fn bind(config: ServerConfig, database: Arc<Database>) -> Result<Self, ServerError> {
        let address = config.listen;
        if !address.ip().is_loopback() {
            return Err(ServerError::NotLoopback { address });
        }
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local_addr, max_connections: config.max_connections, database })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves clients until `shutdown` resolves. Then clients are told (57P01), running statements are ended, and it
    /// returns when all are gone, at the latest after a few seconds.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (end, ended) = watch::channel(false);
        let shared = Shared {
            catalog: Arc::new(Catalog::new(&self.database)),
            database: self.database,
            cancels: Arc::new(Cancels::default()),
            shutdown: ended,
            keys: Arc::default(),
        };
        let mut clients = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let open = clients.len();
            let has_room = open < self.max_connections.saturating_add(EXTRA_CONNECTIONS);
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                // A task that panicked has ended its own connection and no other.
                Some(_) = clients.join_next() => {}
                accepted = self.listener.accept(), if has_room => match accepted {
                    Ok((stream, _)) => {
                        let admission = if open < self.max_connections { Admission::Welcome } else { Admission::Full };
                        clients.spawn(serve(stream, shared.clone(), admission));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
        drop(self.listener);
        let _ = end.send(true);
        let all_gone = async { while clients.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SHUTDOWN_TIME, all_gone).await;
    }
}

async fn serve(stream: TcpStream, shared: Shared, admission: Admission) {
    // Results are gathered into large writes already; waiting for more only delays the last one.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    connection::serve(reader, writer, shared, admission).await;
}
