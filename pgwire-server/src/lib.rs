//! Wiretape's PostgreSQL endpoint: psql, drivers and Grafana over a [`wiretape_sql::Session`] each.
//!
//! ```text
//!  socket ─ wire ─► connection ─ startup | simple | extended ─► backend ─┬─ hooks    SET, BEGIN, FETCH, DISCARD …
//!                       ▲                                                ├─ catalog  pg_catalog, its rewriting
//!                       │                                                └─ everything else ─► wiretape_sql::Session
//!                       └── send ◄── encode | copy ◄── rows ◄──────────────── batches
//! ```
//!
//! The message formats are pgwire's; the message loop is ours, because a statement must end when it is cancelled, when
//! its time is up and when its client is gone, also in the midst of its rows.
//!
//! ```no_run
//! # async fn example(database: std::sync::Arc<wiretape_sql::Database>) -> Result<(), wiretape_pgwire_server::ServerError> {
//! use wiretape_pgwire_server::{Server, ServerConfig};
//!
//! let server = Server::bind(ServerConfig::default(), database).await?;
//! server.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod backend;
mod cancel;
mod catalog;
mod connection;
mod copy;
mod encode;
mod error;
mod hooks;
mod params;
mod rows;
mod script;
mod server;
mod settings;
mod wire;

pub use copy::CopyEncoder;
pub use server::{DEFAULT_MAX_CONNECTIONS, Server, ServerConfig, ServerError};
