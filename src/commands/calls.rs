//! `wiretape calls`: what was said, one line per request and response of any protocol.

use super::{database, results};
use crate::{End, Failure, cli::Global, output::Format};

/// List requests and responses of every protocol
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  wiretape calls                                         the newest
  wiretape calls --where \"app_proto = 'dns' and status <> 'NOERROR'\"
  wiretape calls --where \"dst_name = 'api.example.com' and latency_ns > 1e9\" -n 20
  wiretape calls --follow --where \"status like '5%'\"     as they come, while it is recorded
  wiretape show 4294967297                               one of them whole

The predicate is SQL over the columns of the view calls; each protocol has a table with more.")]
pub(crate) struct Args {
    /// Which calls: an SQL predicate [default: all]
    #[arg(long = "where", value_name = "PREDICATE")]
    predicate: Option<String>,
    /// How many, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, conflicts_with = "follow")]
    limit: usize,
    /// Go on listing calls as they come, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// How rows are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The columns of a line.
const LINE: &str = "ts, coalesce(src_name, src_ip) as src, coalesce(dst_name, dst_ip) as dst, dst_port, app_proto, method, \
                    target, status, error_type, round(latency_ns / 1e6, 3) as latency_ms, call_id";

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let predicate = args.predicate.as_ref().map_or_else(String::new, |p| format!(" where ({p})"));
    let all = format!("select {LINE} from calls{predicate}");
    let target = results::Target { format: args.format, file: None, quiet: global.quiet };
    let database = database::open(&global.db_dir()?, global, database::anywhere())?;
    database::run(global, async {
        let session = database.session();
        if args.follow {
            results::follow(&session, &[&all], &target).await?;
        } else {
            let newest = format!("{all} order by ts desc, call_id desc limit {}", args.limit);
            results::run(&session, &format!("select * from ({newest}) order by ts, call_id"), &target).await?;
        }
        Ok(End::Done)
    })
}
