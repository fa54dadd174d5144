//! `wiretape import`: capture files into the database, one after the other.
//!
//! A file that cannot be read, or that is in already, does not keep the next from being imported; it is told, and the
//! exit code says that not all is in. What stops everything is a database that cannot be written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Instant,
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use wiretape_engine::{Writer, manifest::ImportState};
use wiretape_ingest::{
    import::{ImportConfig, ImportError, ImportReport, Progress, import_file, import_stream},
    keylog::KeyLog,
    source::{CaptureFile, SourceError},
};

use super::{
    captures::{Input, expand},
    stdin::Stoppable,
};
use crate::{
    End, Failure,
    cli::Global,
    interrupt,
    units::{self, count},
};

/// Import capture files into the database
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads pcap and pcapng, also compressed (.gz .zst .lz4), whatever the file is called.

  wiretape import monday.pcap tuesday.pcapng.gz
  wiretape import /var/captures                  every capture in a folder
  tcpdump -i eth0 -w - | wiretape import -       from another program
  wiretape import tls.pcap --keylog keys.log     what was said inside TLS, too

A file that is cut off or damaged makes the exit code 1; every whole packet before that is in.")]
pub(crate) struct Args {
    /// Capture files, folders, globs, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Import a file again that is already in
    #[arg(long)]
    again: bool,
    /// Do not read application protocols: packets and flows only
    #[arg(long)]
    no_l7: bool,
    /// Open TLS with the secrets in this file, written by SSLKEYLOGFILE; they are kept with the packets
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// A file that ends inside a packet is no reason for exit code 1
    #[arg(long)]
    allow_truncated: bool,
}

/// How one file went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileEnd {
    Whole,
    Damaged,
    Refused,
    Stopped,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let inputs = expand(&args.files)?;
    let keylog = args.keylog.as_deref().map(|path| keylog(path, global.quiet)).transpose()?.unwrap_or_default();
    let db_dir = global.db_dir()?;
    let mut writer = open_writer(&db_dir)?;
    let mut ends = Vec::new();
    let mut config = ImportConfig { again: args.again, keylog, ..config(global) };
    if args.no_l7 {
        config.pipeline.l7 = None;
    }
    for input in &inputs {
        let end = one(&mut writer, &db_dir, input, global, &config)?;
        ends.push(end);
        if end == FileEnd::Stopped {
            break;
        }
    }
    let bad = |end: &FileEnd| *end == FileEnd::Refused || (*end == FileEnd::Damaged && !args.allow_truncated);
    Ok(if ends.contains(&FileEnd::Stopped) {
        End::Interrupted
    } else if ends.iter().any(bad) {
        End::Incomplete
    } else {
        End::Done
    })
}

/// Imports one file that is known to be good, without a word: for the demo.
pub(super) fn quietly(db_dir: &Path, file: &Path, global: &Global) -> Result<ImportReport, Failure> {
    let mut writer = open_writer(db_dir)?;
    Ok(import_file(&mut writer, db_dir, file, &config(global), &mut |_| {}, interrupt::flag())?)
}

pub(super) fn open_writer(db_dir: &Path) -> Result<Writer, Failure> {
    std::fs::create_dir_all(db_dir).map_err(|e| Failure::new(format!("{}: {e}", db_dir.display())))?;
    Ok(wiretape_ingest::record::open_writer(db_dir, units::now_ns())?.0)
}

/// The usable lines of a key log, and a warning where there are others.
pub(super) fn keylog(path: &Path, quiet: bool) -> Result<Vec<u8>, Failure> {
    const HINT: &str = "let a program write one: SSLKEYLOGFILE=keys.log curl https://example.com";
    let (lines, read) = KeyLog::read_all(path).map_err(|e| Failure::from(e).hint(HINT))?;
    if let (Some((line, what)), false) = (read.first_wrong, quiet) {
        let (wrong, all) = (read.wrong, count(read.lines, "line"));
        eprintln!("warning: {}: {wrong} of {all} passed over; line {line} {what}", path.display());
    }
    Ok(lines)
}

pub(super) fn config(global: &Global) -> ImportConfig {
    ImportConfig {
        memory_limit_bytes: global.memory_limit,
        workers: global.threads(),
        now_ns: units::now_ns(),
        ..ImportConfig::default()
    }
}

fn one(
    writer: &mut Writer,
    db_dir: &Path,
    input: &Input,
    global: &Global,
    config: &ImportConfig,
) -> Result<FileEnd, Failure> {
    let bar = Bar::new(input, global.quiet);
    let began = Instant::now();
    let mut progress = |at: Progress| bar.at(at);
    let result = match input {
        Input::File(path) => import_file(writer, db_dir, path, config, &mut progress, interrupt::flag()),
        Input::Stdin => stdin()
            .map_err(ImportError::from)
            .and_then(|source| import_stream(writer, db_dir, source, config, &mut progress, interrupt::flag())),
    };
    bar.clear();
    match result {
        Ok(report) => Ok(tell(input, &report, began, global.quiet)),
        Err(ImportError::Store(e)) => Err(e.into()),
        Err(_) if interrupt::flag().load(Ordering::Relaxed) => {
            eprintln!("stopped: nothing of {} is in", name(input));
            Ok(FileEnd::Stopped)
        }
        Err(e) => {
            eprintln!("{}", Failure::from(e));
            Ok(FileEnd::Refused)
        }
    }
}

fn stdin() -> Result<CaptureFile, SourceError> {
    let input = Stoppable::new(io::stdin(), interrupt::flag());
    CaptureFile::from_reader("standard input".to_owned(), Box::new(input))
}

fn name(input: &Input) -> String {
    match input {
        Input::File(path) => path.display().to_string(),
        Input::Stdin => "standard input".to_owned(),
    }
}

fn tell(input: &Input, report: &ImportReport, began: Instant, quiet: bool) -> FileEnd {
    let name = name(input);
    let packets = count(report.packets, "packet");
    let segments = count(report.segments.len() as u64, "segment");
    if !quiet {
        let bytes = HumanBytes(report.captured_bytes);
        let seconds = began.elapsed().as_secs_f64();
        let resumed = match report.resumed_after {
            0 => String::new(),
            n => format!(", going on after {} of an earlier import", count(n, "packet")),
        };
        eprintln!("{name}: {packets}, {bytes} in {segments}, {seconds:.1} s{resumed}");
    }
    match &report.state {
        ImportState::Complete => FileEnd::Whole,
        ImportState::Damaged(what) => {
            eprintln!("warning: {what}");
            FileEnd::Damaged
        }
        ImportState::Interrupted => {
            let again = match input {
                Input::File(_) => "; importing it again goes on from there",
                Input::Stdin => "",
            };
            eprintln!("stopped: {packets} of {name} are in and sealed{again}");
            FileEnd::Stopped
        }
    }
}

/// Progress on standard error, when that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(input: &Input, quiet: bool) -> Bar {
        let bar = ProgressBar::no_length();
        bar.set_draw_target(if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
        bar.set_prefix(name(input));
        bar.set_style(style(UNKNOWN_LENGTH));
        Bar(bar)
    }

    fn at(&self, progress: Progress) {
        if let (Some(size), None) = (progress.size_bytes, self.0.length()) {
            self.0.set_length(size);
            self.0.set_style(style(KNOWN_LENGTH));
        }
        self.0.set_position(progress.bytes);
        let seconds = self.0.elapsed().as_secs();
        if let Some(rate) = progress.packets.checked_div(seconds) {
            self.0.set_message(format!("{} packets/s", HumanCount(rate)));
        }
    }

    fn clear(&self) {
        self.0.finish_and_clear();
    }
}

const KNOWN_LENGTH: &str = "{prefix} {wide_bar} {bytes}/{total_bytes} {msg} {eta} left";
const UNKNOWN_LENGTH: &str = "{prefix} {bytes} {msg}";

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("both templates are well-formed")
}
