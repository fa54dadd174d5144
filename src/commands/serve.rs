//! `wiretape serve`: the database over the PostgreSQL protocol, until Ctrl-C or SIGTERM; with `--record`, what passes
//! meanwhile goes into it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::mpsc::{self, RecvError},
    thread::JoinHandle,
};

use wiretape_pgwire_server::{Server, ServerConfig};

use super::{
    database,
    record::{self, Teller},
};
use crate::{End, Failure, cli::Global, interrupt};

/// Serve the database to psql, Grafana and every PostgreSQL driver
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Listens on loopback addresses only and lets every user in; use an ssh tunnel from elsewhere.
Captures imported while it runs are seen by the next statement.

  wiretape serve
  wiretape serve --db /srv/wiretape --listen 127.0.0.1:5555
  wiretape serve --record -i eth0
  psql -h 127.0.0.1 -p 5433 wiretape -c \"\\d packets\"
  psql -h 127.0.0.1 -p 5433 wiretape -qc \\
    \"copy (select * from packets where dst_port = 53) to stdout (format pcap)\" > dns.pcap")]
pub(crate) struct Args {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5433")]
    listen: SocketAddr,
    /// Sessions at a time
    #[arg(long, value_name = "N", default_value_t = wiretape_pgwire_server::DEFAULT_MAX_CONNECTIONS)]
    max_connections: usize,
    /// Let clients write files below this folder with COPY … TO 'file' [default: they may not]
    #[arg(long, value_name = "DIR")]
    export_dir: Option<PathBuf>,
    /// Record in the same process; takes the options of wiretape record
    #[arg(long, requires = "interface")]
    record: bool,
    #[command(flatten)]
    recording: record::Options,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let dir = global.db_dir()?;
    let recording = args.record.then(|| Recording::begin(global, &args.recording)).transpose()?;
    let database = database::open(&dir, global, args.export_dir.clone())?;
    let config = ServerConfig { listen: args.listen, max_connections: args.max_connections };
    let served = database::block_on(global, async {
        let server = Server::bind(config, database).await?;
        if !global.quiet {
            let at = server.local_addr();
            eprintln!("serving {} on {at}; connect with:\n", dir.display());
            eprintln!("  psql -h {} -p {} wiretape\n", at.ip(), at.port());
        }
        server.run(interrupt::requested()).await;
        Ok(End::Done)
    });
    interrupt::request();
    recording.map_or(Ok(()), Recording::end)?;
    served
}

/// A recording on a thread of its own. When it fails, the server ends as well: who asked for both wants both.
struct Recording(JoinHandle<Result<(), Failure>>);

impl Recording {
    /// Returns once packets are being recorded, so that there is a database to serve.
    fn begin(global: &Global, options: &record::Options) -> Result<Recording, Failure> {
        let (began, begins) = mpsc::channel();
        let (global, options) = (global.clone(), options.clone());
        let thread = std::thread::spawn(move || {
            let mut teller = Teller::new(true)?;
            let recorded = record::live(&global, &options, None, interrupt::flag(), &mut |recorder| {
                let _ = began.send(());
                teller.tick(recorder);
                true
            });
            interrupt::request();
            let report = recorded?;
            if !global.quiet {
                eprint!("{}", record::totals(&report));
            }
            Ok(())
        });
        match begins.recv() {
            Ok(()) => Ok(Recording(thread)),
            Err(RecvError) => match Recording(thread).end() {
                Ok(()) => Err(Failure::new("stopped before anything was recorded")),
                Err(failure) => Err(failure),
            },
        }
    }

    fn end(self) -> Result<(), Failure> {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
