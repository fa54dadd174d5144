//! Embeds Wiretape: makes a capture, imports it, asks a question, and gets the exact packets back.
//!
//! `cargo run --example embed`

use std::fs;

use wiretape::{Db, demo, sql::Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let capture = dir.path().join(demo::FILE_NAME);
    fs::write(&capture, demo::pcap(&demo::packets()))?;

    let config = Config { export_dir: Some(dir.path().to_owned()), ..Config::default() };
    let db = Db::open_with(dir.path().join("db"), config)?;
    let report = db.import(&capture)?;
    eprintln!("{} packets imported", report.packets);

    for batch in db.query("select src_ip, dst_ip, bytes_out from flows order by bytes_out desc limit 3").await? {
        eprintln!("{batch:?}");
    }

    db.query("copy (select * from packets where proto = 'icmp') to 'pings.pcap'").await?;
    eprintln!("pings.pcap: {} bytes", fs::metadata(dir.path().join("pings.pcap"))?.len());
    Ok(())
}
