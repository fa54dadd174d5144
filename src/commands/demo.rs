//! `wiretape demo`: the whole path on a capture of our own making, from a file to SQL and back to the exact packets.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use indicatif::HumanCount;
use wiretape::demo::{self, CONTROLLER, SUSPECT, VICTIM};
use wiretape_ingest::source::{CaptureFile, Event};
use wiretape_sql::{Database, Outcome, SqlError};

use super::{database, import, results};
use crate::{
    End, Failure,
    cli::Global,
    output::{Format, Stdout},
};

/// See it work: a generated capture, five questions, and the packets back
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Needs nothing but this program. Writes an hour of a small office's traffic, with an incident in
it, into a folder of its own, imports it there, and leaves it for you to go on.

  wiretape demo
  wiretape demo --dir /tmp/demo")]
pub(crate) struct Args {
    /// The folder for the capture and the database
    #[arg(long, value_name = "DIR", default_value = "wiretape-demo")]
    dir: PathBuf,
}

/// Marks the folder as ours to replace.
const MARK: &str = ".wiretape-demo";

/// One question of the tour.
struct Question {
    asks: &'static str,
    sql: String,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    prepare(&args.dir)?;
    let (capture, db_dir) = (args.dir.join(demo::FILE_NAME), args.dir.join("db"));
    let packets = demo::packets();
    fs::write(&capture, demo::pcap(&packets)).map_err(|e| Failure::new(format!("{}: {e}", capture.display())))?;
    say(&format!(
        "An hour at a small office, {} packets. Somebody got in at 17:23.\n\n$ wiretape import {} --db {}\n",
        HumanCount(packets.len() as u64),
        capture.display(),
        db_dir.display()
    ))?;
    let report = import::quietly(&db_dir, &capture, global)?;
    say(&format!("{} packets imported\n", HumanCount(report.packets)))?;
    let database = database::open(&db_dir, global, database::anywhere())?;
    database::run(global, tour(&database, args))
}

async fn tour(database: &Arc<Database>, args: &Args) -> Result<End, Failure> {
    let session = database.session();
    let target = results::Target { format: Format::Table, file: None, quiet: true };
    for (n, question) in questions().iter().enumerate() {
        say(&format!("\n{}. {}\n\n{}\n\n", n + 1, question.asks, question.sql))?;
        results::run(&session, &question.sql, &target).await?;
    }
    let evidence = args.dir.join("evidence.pcap");
    let copy = evidence_sql(&evidence)?;
    say(&format!("\nAnd the packets themselves, as a capture file:\n\n{copy}\n\n"))?;
    let outcome = session.query(&copy).await.map_err(|e: SqlError| Failure::in_sql(e, &copy, 0))?;
    let Outcome::Copied { rows, .. } = outcome else {
        return Err(Failure::new("COPY to a file did not write one"));
    };
    let read_back = count_packets(&evidence)?;
    if read_back != rows {
        let path = evidence.display();
        return Err(Failure::new(format!("{path} holds {read_back} packets where {rows} were exported")));
    }
    say(&format!("{} packets written to {}, and as many read back\n", HumanCount(rows), evidence.display()))?;
    say(&farewell(args, &evidence))?;
    Ok(End::Done)
}

fn questions() -> Vec<Question> {
    let question = |asks, sql: &str| Question { asks, sql: sql.trim().to_owned() };
    vec![
        question(
            "What is on this network?",
            "
select proto, ip_version, count(*) as packets, sum(orig_len) as bytes
from packets
group by proto, ip_version
order by bytes desc",
        ),
        question(
            "Who talks most, and with whom?",
            "
select src_ip, dst_ip, count(*) as flows, sum(bytes_out) as sent, sum(bytes_in) as received
from flows
group by src_ip, dst_ip
order by sum(bytes_out) + sum(bytes_in) desc
limit 8",
        ),
        question(
            "Who knocked on many doors around 17:23 and was turned away?",
            "
select src_ip, dst_ip, count(distinct dst_port) as ports, sum(rst_count) as resets,
       min(start_ts) as first_knock, max(end_ts) as last_knock
from flows
where start_ts between '2026-11-20 17:20:00' and '2026-11-20 17:30:00'
  and proto = 'tcp'
group by src_ip, dst_ip
having count(distinct dst_port) > 20",
        ),
        question(
            "One door opened. What did that host do afterwards?",
            &format!(
                "
select start_ts, dst_ip, dst_port, tcp_state, handshake_ns / 1000 as handshake_us,
       bytes_out, bytes_in, date_trunc('second', end_ts) as ended
from flows
where src_ip = '{SUSPECT}'
  and start_ts > '2026-11-20 17:23:00'
  and payload_bytes_out + payload_bytes_in > 100000
order by start_ts"
            ),
        ),
        question(
            "Where did the data go, and who else reports there?",
            &format!(
                "
select src_ip, dst_port, count(*) as flows, sum(bytes_out) as bytes_out,
       min(start_ts) as first_seen, max(start_ts) as last_seen
from flows
where dst_ip = '{CONTROLLER}'
group by src_ip, dst_port
order by first_seen"
            ),
        ),
    ]
}

fn evidence_sql(evidence: &Path) -> Result<String, Failure> {
    let name = std::path::absolute(evidence)?;
    let name = name.to_str().ok_or_else(|| Failure::new("the demo's folder has a name that is not UTF-8"))?;
    Ok(format!(
        "copy (\n  select packet_id from packets\n  where src_ip in ('{SUSPECT}', '{CONTROLLER}', '{VICTIM}')\n    \
         and dst_ip in ('{SUSPECT}', '{CONTROLLER}', '{VICTIM}')\n) to '{}'",
        name.replace('\'', "''")
    ))
}

fn count_packets(path: &Path) -> Result<u64, Failure> {
    let mut capture = CaptureFile::open(path)?;
    let mut packets = 0;
    while let Some(event) = capture.next_event()? {
        packets += u64::from(matches!(event, Event::Frame(_)));
    }
    Ok(packets)
}

fn farewell(args: &Args, evidence: &Path) -> String {
    let (db, evidence) = (args.dir.join("db"), evidence.display());
    let db = db.display();
    format!(
        "\nGo on from here:
  wiretape query --db {db} \"select * from flows where app_proto is not null limit 5\"
  wiretape export --db {db} --where \"dst_port = 53\" -w - | tshark -r -
  wiretape serve --db {db}      then: psql -h 127.0.0.1 -p 5433 wiretape
  tshark -r {evidence} -q -z conv,tcp
  wiretape import your.pcap           your own packets\n"
    )
}

/// An empty folder, or one that an earlier demo made, cleared; never a folder of somebody else's.
fn prepare(dir: &Path) -> Result<(), Failure> {
    let explain = |e: std::io::Error| Failure::new(format!("{}: {e}", dir.display()));
    fs::create_dir_all(dir).map_err(explain)?;
    let empty = fs::read_dir(dir).map_err(explain)?.next().is_none();
    if !empty && !dir.join(MARK).is_file() {
        return Err(Failure::new(format!("{} is not empty, and no earlier demo made it", dir.display()))
            .hint("name another folder with --dir"));
    }
    if !empty {
        fs::remove_dir_all(dir.join("db")).or_else(absent_is_fine).map_err(explain)?;
    }
    fs::write(dir.join(MARK), "made by wiretape demo, which may replace what is here\n").map_err(explain)
}

fn absent_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = Stdout::new();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_folder_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        let refused = prepare(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("is not empty, and no earlier demo made it"), "{refused}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_earlier_demo_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        fs::create_dir(dir.path().join("db")).unwrap();
        fs::write(dir.path().join("db/old"), "").unwrap();
        prepare(dir.path()).unwrap();
        assert!(!dir.path().join("db").exists());
    }
}
