//! `wiretape kfl`: the entries that a KFL filter selects, or their packets.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use arrow::array::{AsArray, RecordBatch};
use futures::TryStreamExt;
use wiretape_sql::{Outcome, Session, SqlError, kfl};

use super::{database, results};
use crate::{
    End, Failure,
    cli::Global,
    output::{Format, Stdout},
};

/// List what a KFL filter selects: calls, flows, errors, datagrams
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  wiretape kfl 'http && status_code >= 500'              the newest
  wiretape kfl 'dns && size(dns_answers) == 0' -n 20
  wiretape kfl 'tcp && tcp_error_type == \"Reset\"' --pcap resets.pcap
  wiretape kfl --follow 'http && elapsed_time > 1000000'   as they come
  wiretape kfl --explain 'tlsx && tlsx_version < 771'      the SQL that it means

The variables:
  wiretape query \"select name, type, meaning from system.kfl_fields\"")]
pub(crate) struct Args {
    /// The filter; without one, everything
    #[arg(value_name = "FILTER", default_value = "")]
    filter: String,
    /// How many, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, conflicts_with_all = ["follow", "pcap"])]
    limit: usize,
    /// Go on listing what comes, until Ctrl-C; flows when they have ended
    #[arg(long, conflicts_with_all = ["pcap", "explain"])]
    follow: bool,
    /// Write the packets of all of them to a capture file
    #[arg(long, value_name = "FILE", conflicts_with = "explain")]
    pcap: Option<PathBuf>,
    /// Show the SQL that the filter means
    #[arg(long)]
    explain: bool,
    /// How rows are written
    #[arg(long, value_enum, default_value_t, conflicts_with = "explain")]
    format: Format,
}

/// The columns of a line, of calls and of entries.
const LINE: &str = "ts, coalesce(src_name, src_ip) as src, coalesce(dst_name, dst_ip) as dst, dst_port, app_proto, method, \
                    target, status, error_type, round(latency_ns / 1e6, 3) as latency_ms, call_id";

/// The same of a table that has no calls.
fn bare_line(ts: &str, status: &str) -> String {
    format!(
        "{ts} as ts, src_ip as src, dst_ip as dst, dst_port, app_proto, cast(null as text) as method, \
         cast(null as text) as target, {status} as status, cast(null as text) as error_type, \
         cast(null as double) as latency_ms, cast(null as bigint) as call_id"
    )
}

/// The packets of an entry: those of its call, or of its flow where it is one.
const PACKETS: &str = "e.flow_id = p.flow_id and p.packet_id between coalesce(e.first_packet_id, 0) \
                       and coalesce(e.last_packet_id, 9223372036854775807)";

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    if let Some(notice) = check(&args.filter)?
        && (args.follow || args.explain)
    {
        writeln!(io::stderr(), "note: {notice}")?;
    }
    let filter = quoted(&args.filter);
    let target = results::Target { format: args.format, file: None, quiet: global.quiet };
    let database = database::open(&global.db_dir()?, global, database::anywhere())?;
    database::run(global, async {
        let session = database.session();
        if args.follow {
            let all = [
                ("call", LINE.to_owned(), "calls"),
                ("flow", bare_line("start_ts", "tcp_state"), "flows"),
                ("udp", bare_line("ts", "cast(null as text)"), "packets"),
            ]
            .map(|(entry, line, table)| {
                format!("select '{entry}' as entry, {line} from {table} where kfl_match({filter})")
            });
            results::follow(&session, &all.each_ref().map(String::as_str), &target).await?;
        } else if args.explain {
            writeln!(Stdout::new(), "{}", explained(&session, &filter).await?)?;
        } else if let Some(file) = &args.pcap {
            let packets =
                format!("select packet_id from packets p where exists (select 1 from kfl({filter}) e where {PACKETS})");
            let file = std::path::absolute(file)?;
            let format = if file.extension().is_some_and(|e| e == "pcapng") { "pcapng" } else { "pcap" };
            let copy = format!("copy ({packets}) to {} (format {format})", quoted(&file.display().to_string()));
            results::run(&session, &copy, &target).await?;
        } else {
            let newest = format!("select entry, {LINE} from kfl({filter}) order by ts desc limit {}", args.limit);
            results::run(&session, &format!("select * from ({newest}) order by ts"), &target).await?;
        }
        Ok(End::Done)
    })
}

/// The SQL that a filter, a text of SQL, means.
async fn explained(session: &Session, filter: &str) -> Result<String, Failure> {
    let Outcome::Rows(rows) = session.query(&format!("select explain_kfl({filter})")).await? else {
        return Ok(String::new());
    };
    let batches: Vec<RecordBatch> = rows.try_collect().await?;
    Ok(batches.iter().flat_map(|batch| batch.column(0).as_string::<i32>()).flatten().collect())
}

/// The notice that goes with a filter. An error points at what is wrong in the filter itself, not in the SQL around it.
fn check(filter: &str) -> Result<Option<String>, Failure> {
    let e = match kfl::compile(filter, 0) {
        Ok(compiled) => return Ok(compiled.notice),
        Err(e) => e,
    };
    let before = filter.get(..e.span.start).map_or(0, |before| before.chars().count());
    let error = SqlError::new("42601", e.message).at(Some(before + 1));
    let error = match e.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    };
    Err(Failure::in_sql(error, filter, 0))
}

/// A text of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
