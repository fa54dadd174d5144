//! `wiretape record`: live packets, or a capture stream, into the database until told to stop.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use wiretape_ebpf::{Capture, CaptureConfig, DEFAULT_RING_BYTES, Interfaces, MAX_SNAPLEN, Method, interfaces};
use wiretape_engine::retention::Policy;
use wiretape_ingest::{
    l7::L7Limits,
    pipeline::PipelineConfig,
    record::{Clock, RecordConfig, RecordReport, Recorder, record_live, record_stream},
};

use super::{capture_filter::CaptureFilter, watch};
use crate::{
    End, Failure,
    cli::Global,
    interrupt,
    units::{self, count, parse_duration, parse_size},
};

/// Record live packets, or a capture stream, into the database
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every packet is in the database's raw log at once and a row within a second; a server or a query
running beside it sees both. Needs rights: see wiretape doctor. Ctrl-C seals and ends it.

  wiretape record -i eth0
  wiretape record -i any --bpf 'not port 22' --max-size 50GiB --raw-max-age 7d --max-age 90d
  ssh gateway tcpdump -i eth0 -U -w - | wiretape record -r -
  wiretape record --watch /var/captures")]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    /// Record a capture stream instead: a named pipe, or - for standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "interface")]
    read: Option<PathBuf>,
    /// Import the captures that another program rotates in a folder, each when it is complete
    #[arg(long, value_name = "DIR", conflicts_with_all = ["interface", "read", "bpf", "count"])]
    watch: Option<PathBuf>,
    /// End after this time, such as 10m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// End after this many packets
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
}

/// What and how to record: the same here and for `wiretape serve --record`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Interface to record, more than once for several; any for all that are up
    #[arg(short, long, value_name = "IFACE")]
    interface: Vec<String>,
    /// Record only what this filter lets through, in tcpdump's language
    #[arg(long, value_name = "FILTER")]
    bpf: Option<String>,
    /// Bytes of each packet to keep
    #[arg(short, long, value_name = "BYTES", default_value_t = MAX_SNAPLEN)]
    snaplen: u32,
    /// Way in: auto takes the first of tcx, clsact and packet that works here
    #[arg(long, value_enum, default_value_t = Way::Auto)]
    method: Way,
    /// Ring between kernel and recorder
    #[arg(long, value_name = "SIZE", default_value_t = DEFAULT_RING_BYTES.to_string(), value_parser = parse_ring)]
    ring_size: String,
    /// Also take packets for other stations
    #[arg(long)]
    promiscuous: bool,
    /// Name of this machine, for the column node
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Disk that the database may take: the oldest goes first [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<usize>,
    /// Age from which everything goes, such as 90d [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_age: Option<Duration>,
    /// Disk that exact packets may take; their rows stay [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    raw_max_size: Option<usize>,
    /// Age from which exact packets go; their rows stay [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    raw_max_age: Option<Duration>,
    /// Do not read application protocols: packets and flows only
    #[arg(long)]
    no_l7: bool,
    /// Open TLS with the secrets that programs write to this file (SSLKEYLOGFILE); they are kept with the packets
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Longest time between a packet and the start of its sync to disk
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    sync_interval: Duration,
    /// Most bytes before a sync starts
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = parse_size)]
    sync_size: usize,
}

fn parse_ring(text: &str) -> Result<String, String> {
    let bytes = parse_size(text)?;
    u32::try_from(bytes).map(|b| b.to_string()).map_err(|_| "a ring is less than 4GiB".to_owned())
}

/// The way from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// The best that works here
    Auto,
    /// BPF on TCX hooks (kernel 6.6)
    Tcx,
    /// BPF on the clsact qdisc (kernel 5.8)
    Clsact,
    /// A packet socket, as tcpdump has it
    Packet,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let deadline = args.duration.map(|d| Instant::now() + d);
    if let Some(dir) = &args.watch {
        return watch::run(global, dir, args.options.policy(), args.options.keylog.as_deref(), deadline);
    }
    if args.read.is_none() && args.options.interface.is_empty() {
        return Err(Failure::new("nothing to record").hint(format!("name an interface with -i: {}", present())));
    }
    let mut teller = Teller::new(global.quiet)?;
    let stop = interrupt::flag();
    let mut tick = |recorder: &Recorder| {
        teller.tick(recorder);
        deadline.is_none_or(|deadline| Instant::now() < deadline)
    };
    let report = match &args.read {
        Some(path) => stream(global, args, path, stop, &mut tick)?,
        None => live(global, &args.options, args.count, stop, &mut tick)?,
    };
    teller.end(&report);
    Ok(End::Done)
}

/// Records from the kernel until told to stop.
pub(super) fn live(
    global: &Global,
    options: &Options,
    max_packets: Option<u64>,
    stop: &AtomicBool,
    tick: &mut dyn FnMut(&Recorder) -> bool,
) -> Result<RecordReport, Failure> {
    let mut filter = options.bpf.as_deref().map(CaptureFilter::parse).transpose()?;
    let method = match options.method {
        Way::Auto => Method::Auto,
        Way::Tcx => Method::Tcx,
        Way::Clsact => Method::Clsact,
        Way::Packet => Method::PacketSocket,
    };
    let interfaces = match options.interface.iter().any(|name| name == "any") {
        true => Interfaces::Any,
        false => Interfaces::Named(options.interface.clone()),
    };
    let config = CaptureConfig {
        interfaces,
        method,
        snaplen: options.snaplen.clamp(1, MAX_SNAPLEN),
        ring_bytes: options.ring_size.parse().unwrap_or(DEFAULT_RING_BYTES),
        filter: filter.as_ref().and_then(CaptureFilter::for_socket),
        promiscuous: options.promiscuous,
    };
    let mut capture =
        Capture::open(&config).map_err(|e| Failure::from(e).hint("wiretape doctor says what is missing here"))?;
    let source = if capture.method() == Method::PacketSocket { "af_packet" } else { "ebpf" };
    let mut recorder = begin(global, options, source)?;
    if !global.quiet {
        capture.fallbacks().iter().for_each(|note| eprintln!("note: {note}"));
        let what = options.interface.join(", ");
        eprintln!("recording {what} by {} into {}; Ctrl-C ends it", capture.method(), global.db_dir()?.display());
    }
    let mut here = |link_type, frame: &wiretape_ingest::Frame<'_>| {
        filter.as_mut().is_none_or(|f| f.matches(link_type, frame.data, frame.orig_len))
    };
    let filter = (options.bpf.is_some() && !capture.filter_in_kernel()).then_some(&mut here as _);
    let ended = record_live(&mut recorder, &mut capture, filter, max_packets, stop, tick);
    finish(recorder, ended)
}

fn stream(
    global: &Global,
    args: &Args,
    path: &Path,
    stop: &AtomicBool,
    tick: &mut dyn FnMut(&Recorder) -> bool,
) -> Result<RecordReport, Failure> {
    let mut filter = args.options.bpf.as_deref().map(CaptureFilter::parse).transpose()?;
    let (name, reader): (_, Box<dyn Read + Send>) = match path.as_os_str() == "-" {
        true if io::stdin().is_terminal() => {
            return Err(Failure::new("standard input is a terminal").hint("send a capture into it, or name a file"));
        }
        true => ("standard input".to_owned(), Box::new(io::stdin())),
        false => {
            let file = File::open(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
            (path.display().to_string(), Box::new(file))
        }
    };
    let mut recorder = begin(global, &args.options, "file")?;
    let mut here = |link_type, frame: &wiretape_ingest::Frame<'_>| {
        filter.as_mut().is_none_or(|f| f.matches(link_type, frame.data, frame.orig_len))
    };
    let filter = args.options.bpf.is_some().then_some(&mut here as _);
    let ended = record_stream(&mut recorder, &name, reader, filter, args.count, stop, tick);
    finish(recorder, ended)
}

/// Seals what came in, however the source ended, and tells the first thing that went wrong.
fn finish<E: std::error::Error + 'static>(recorder: Recorder, ended: Result<(), E>) -> Result<RecordReport, Failure> {
    let finished = recorder.finish();
    ended?;
    Ok(finished?)
}

/// The interfaces that are here.
fn present() -> String {
    let names = interfaces().map(|all| all.into_iter().map(|i| i.name).collect::<Vec<_>>());
    names.map_or_else(|e| e.to_string(), |names| format!("any, {}", names.join(", ")))
}

impl Options {
    fn policy(&self) -> Policy {
        let age = |age: Option<Duration>| age.map(|a| i64::try_from(a.as_nanos()).unwrap_or(i64::MAX));
        let size = |size: Option<usize>| size.map(|s| s as u64);
        Policy {
            max_age_ns: age(self.max_age),
            raw_max_age_ns: age(self.raw_max_age),
            max_bytes: size(self.max_size),
            raw_max_bytes: size(self.raw_max_size),
        }
    }
}

fn begin(global: &Global, options: &Options, capture_source: &str) -> Result<Recorder, Failure> {
    let dir = global.db_dir()?;
    std::fs::create_dir_all(&dir).map_err(|e| Failure::new(format!("{}: {e}", dir.display())))?;
    let config = RecordConfig {
        capture_source: capture_source.to_owned(),
        sync_interval: options.sync_interval,
        sync_bytes: options.sync_size as u64,
        policy: options.policy(),
        keylog: options.keylog.clone(),
        pipeline: PipelineConfig {
            node: options.node.clone(),
            l7: (!options.no_l7).then(L7Limits::default),
            ..PipelineConfig::default()
        },
        ..RecordConfig::default()
    };
    let recorder = Recorder::begin(&dir, config, Clock::new(units::now_ns))?;
    if let (Some(room), Some(wanted), false) =
        (recorder.policy().max_bytes, options.max_size.map(|s| s as u64), global.quiet)
        && room < wanted
    {
        eprintln!(
            "note: the disk has room for {}, less than the {} of --max-size",
            HumanBytes(room),
            HumanBytes(wanted)
        );
    }
    let recovered = recorder.recovered();
    if recovered.logs > 0 && !global.quiet {
        let torn = match recovered.torn_bytes {
            0 => String::new(),
            n => format!(", {} of a torn packet left out", HumanBytes(n)),
        };
        eprintln!("note: {} of a recorder that was stopped are sealed{torn}", count(recovered.packets, "packet"));
    }
    Ok(recorder)
}

/// What the user hears meanwhile: a line on a terminal, counters on SIGUSR1, and tcpdump's three lines at the end.
pub(super) struct Teller {
    line: ProgressBar,
    wanted: Arc<AtomicBool>,
    quiet: bool,
    last: Option<(Instant, RecordReport)>,
}

impl Teller {
    pub(super) fn new(quiet: bool) -> Result<Teller, Failure> {
        let wanted = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&wanted))?;
        let line = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        line.set_style(ProgressStyle::with_template("{msg}").expect("the template is well-formed"));
        Ok(Teller { line, wanted, quiet, last: None })
    }

    pub(super) fn tick(&mut self, recorder: &Recorder) {
        if self.wanted.swap(false, Ordering::Relaxed) {
            self.line.suspend(|| eprint!("{}", totals(&recorder.report())));
        }
        let now = Instant::now();
        match &self.last {
            Some((at, _)) if now.duration_since(*at) < Duration::from_secs(1) => return,
            Some((at, before)) => {
                let (report, ms) = (recorder.report(), now.duration_since(*at).as_millis().max(1));
                let rate = |now: u64, before: u64| {
                    u64::try_from(u128::from(now.saturating_sub(before)) * 1000 / ms).unwrap_or(u64::MAX)
                };
                self.line.set_message(format!(
                    "{}, {}/s, {}/s, {} dropped, {} behind",
                    count(report.recorded, "packet"),
                    HumanCount(rate(report.recorded, before.recorded)),
                    HumanBytes(rate(report.recorded_bytes, before.recorded_bytes)),
                    HumanCount(report.counts.dropped_ring + report.dropped_limit),
                    HumanBytes(report.behind_bytes),
                ));
            }
            None => {}
        }
        self.last = Some((now, recorder.report()));
    }

    fn end(&self, report: &RecordReport) {
        self.line.finish_and_clear();
        if !self.quiet {
            eprint!("{}", totals(report));
        }
    }
}

/// In the words of tcpdump, whose users look for them.
pub(super) fn totals(r: &RecordReport) -> String {
    let line = |n: u64, what: &str| format!("{n} packet{} {what}\n", if n == 1 { "" } else { "s" });
    let mut text = line(r.recorded, "captured") + &line(r.counts.received, "received by filter");
    text += &line(r.counts.dropped_ring, "dropped by kernel");
    if r.counts.filtered > 0 {
        text += &line(r.counts.filtered, "kept out by the filter");
    }
    if r.dropped_limit > 0 {
        text += &line(r.dropped_limit, "dropped for want of disk");
    }
    text
}
