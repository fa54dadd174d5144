//! `wiretape show`: one call whole, and its packets.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::Int64Type,
    util::display::{ArrayFormatter, FormatOptions},
};
use futures::TryStreamExt;
use wiretape_sql::{Outcome, Session};

use super::database;
use crate::{End, Failure, cli::Global, output::Stdout, units::count};

/// Show one request and its response whole, or write its packets
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  wiretape show 4294967297                   as listed by wiretape calls
  wiretape show 4294967297 --pcap call.pcap  its packets, and nothing else")]
pub(crate) struct Args {
    /// The call's call_id
    call_id: i64,
    /// Write its packets to this capture file: pcapng if it is called so, or else pcap
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let database = database::open(&global.db_dir()?, global, database::anywhere())?;
    let session = database.session();
    database::run(global, async {
        let Some((table, call)) = find(&session, args.call_id).await? else {
            return Err(Failure::new(format!("there is no call {}", args.call_id))
                .hint("wiretape calls lists them, with their call_id at the end"));
        };
        let packets = packets_of(&call);
        match &args.pcap {
            Some(path) => write_packets(&session, &packets, path, global.quiet).await?,
            None => {
                print_call(table, &call)?;
                let sql = format!(
                    "select ts, packet_id, src_ip, src_port, dst_ip, dst_port, tcp_flags_text(tcp_flags) as flags, payload_len \
                     from packets where {packets} order by packet_id"
                );
                let target = super::results::Target { format: crate::output::Format::Table, file: None, quiet: true };
                writeln!(Stdout::new(), "\npackets:")?;
                super::results::run(&session, &sql, &target).await?;
            }
        }
        Ok(End::Done)
    })
}

/// The call's row, and the table it is in.
async fn find(session: &Session, call_id: i64) -> Result<Option<(&'static str, RecordBatch)>, Failure> {
    let db = session.database().db();
    let view = db.view()?;
    for table in db.tables().iter().filter(|t| t.group.is_some() && view.has_rows(t.name)) {
        let sql = format!("select * from {} where call_id = {call_id}", table.name);
        let Outcome::Rows(rows) = session.query(&sql).await.map_err(|e| Failure::in_sql(e, &sql, 0))? else { continue };
        let batches: Vec<RecordBatch> = rows.try_collect().await?;
        if let Some(row) = batches.into_iter().find(|b| b.num_rows() > 0) {
            return Ok(Some((table.name, row)));
        }
    }
    Ok(None)
}

/// The packets of a call as a predicate: those of its flow, from its first to its last.
fn packets_of(call: &RecordBatch) -> String {
    let value = |name: &str| {
        let column = call.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>());
        column.filter(|c| !c.is_empty()).map_or(0, |c| c.value(0))
    };
    let (flow, first, last) = (value("flow_id"), value("first_packet_id"), value("last_packet_id"));
    format!("flow_id = {flow} and packet_id between {first} and {last}")
}

async fn write_packets(session: &Session, packets: &str, path: &Path, quiet: bool) -> Result<(), Failure> {
    let name = path.display().to_string().replace('\'', "''");
    let is_pcapng = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pcapng"));
    let format = if is_pcapng { "pcapng" } else { "pcap" };
    let sql = format!("copy (select * from packets where {packets}) to '{name}' (format {format})");
    if let Outcome::Copied { rows, path } = session.query(&sql).await.map_err(|e| Failure::in_sql(e, &sql, 0))?
        && !quiet
    {
        eprintln!("{} written to {}", count(rows, "packet"), path.display());
    }
    Ok(())
}

/// Prints every column that says something; long texts below their name.
fn print_call(table: &str, call: &RecordBatch) -> Result<(), Failure> {
    let mut out = Stdout::new();
    writeln!(out, "{table}")?;
    let options = FormatOptions::default();
    for (field, column) in call.schema_ref().fields().iter().zip(call.columns()) {
        if column.is_null(0) {
            continue;
        }
        if let Some(map) = column.as_map_opt() {
            writeln!(out, "  {}:", field.name())?;
            let entries = map.value(0);
            let [keys, values] = [0, 1].map(|at| ArrayFormatter::try_new(entries.column(at), &options));
            let (keys, values) = (keys?, values?);
            for at in 0..entries.len() {
                writeln!(out, "    {}: {}", keys.value(at), values.value(at))?;
            }
            continue;
        }
        let text = ArrayFormatter::try_new(column, &options)?.value(0).to_string();
        if text.contains('\n') {
            writeln!(out, "  {}:", field.name())?;
            for line in text.lines() {
                writeln!(out, "    {line}")?;
            }
        } else {
            writeln!(out, "  {}: {text}", field.name())?;
        }
    }
    Ok(())
}
