//! Wiretape, an embedded time-series packet database: it records the wire and lets people query the past.
//!
//! ```text
//!  capture files ─► import ─► segments (exact packets, Parquet, bitmap index) ─► SQL ─► rows
//!                                                                              └──────► the exact packets, as pcap
//! ```
//!
//! [`Db`] is the whole of it for a program that embeds Wiretape; the `wiretape` binary is made of the same parts. Those who
//! need more take the crates below: [`engine`] (the store), [`ingest`] (capture files, decode, flows), [`sql`] (sessions)
//! and [`pgwire_server`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let dir = tempfile::tempdir().unwrap();
//! let capture = dir.path().join("office.pcap");
//! std::fs::write(&capture, wiretape::demo::pcap(&wiretape::demo::packets())).unwrap();
//!
//! let db = wiretape::Db::open(dir.path().join("db")).unwrap();
//! let report = db.import(&capture).unwrap();
//! let rows = db.query("select dst_ip, count(*) from packets where proto = 'udp' and dst_port = 53 group by dst_ip").await.unwrap();
//! assert_eq!(rows.iter().map(|b| b.num_rows()).sum::<usize>(), 1);
//! assert!(report.packets > 10_000);
//! # });
//! ```

pub mod demo;
mod embed;

pub use embed::{Db, Error};
pub use wiretape_engine as engine;
pub use wiretape_ingest as ingest;
pub use wiretape_pgwire_server as pgwire_server;
pub use wiretape_sql as sql;
