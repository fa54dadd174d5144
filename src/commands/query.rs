//! `wiretape query`: SQL in, rows out.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use super::{database, results};
use crate::{
    End, Failure,
    cli::Global,
    output::{Format, Stdout, write_report},
};

/// Run SQL and print the result
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  wiretape query \"select src_ip, sum(orig_len) from packets group by 1 order by 2 desc limit 10\"
  wiretape query --format csv -f report.sql > report.csv
  wiretape query --format parquet -o flows.parquet \"select * from flows\"
  wiretape query \"copy (select * from packets where dst_port = 53) to 'dns.pcap'\"

  wiretape query --explain \"select count(*) from packets where bpf('host 10.20.1.47')\"
  wiretape query --follow \"select ts, src_ip, dst_ip from packets where dst_port = 53\"
  wiretape query --follow \"select ts, src_ip, host, path from http where status_code >= 500\"

Times are UTC with nanoseconds. Tables: packets, flows, calls, one per protocol. Their columns:
  wiretape query \"select * from information_schema.columns where table_name = 'flows'\"")]
pub(crate) struct Args {
    /// The statement, or several with ; between; - reads them from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    sql: Option<String>,
    /// Read the SQL from a file; - is standard input
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How rows are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Go on giving rows as they come, until Ctrl-C; flows come when they end
    #[arg(long, conflicts_with = "output")]
    follow: bool,
    /// Run the query and show what was understood and read instead of its rows
    #[arg(long, conflicts_with_all = ["follow", "output"])]
    explain: bool,
    /// Write the rows to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let sql = read_sql(args)?;
    let target = results::Target { format: args.format, file: args.output.clone(), quiet: global.quiet };
    let database = database::open(&global.db_dir()?, global, database::anywhere())?;
    database::run(global, async {
        let session = database.session();
        match args {
            Args { explain: true, .. } => {
                let report = session.report(&sql).await.map_err(|e| Failure::in_sql(e, &sql, 0))?;
                write_report(&report, &mut Stdout::new())?;
            }
            Args { follow: true, .. } => results::follow(&session, &[&sql], &target).await?,
            _ => results::run(&session, &sql, &target).await?,
        }
        Ok(End::Done)
    })
}

fn read_sql(args: &Args) -> Result<String, Failure> {
    let file = match (&args.sql, &args.file) {
        (Some(sql), _) if sql != "-" => return Ok(sql.clone()),
        (_, Some(path)) if path.as_os_str() != "-" => path,
        _ => return Ok(io::read_to_string(io::stdin().lock().by_ref())?),
    };
    std::fs::read_to_string(file).map_err(|e| Failure::new(format!("{}: {e}", file.display())))
}
