//! `wiretape replay`: the rows of sealed segments made anew from their packets.

use std::{path::PathBuf, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use wiretape_engine::manifest::Manifest;
use wiretape_ingest::{
    pipeline::PipelineConfig,
    replay::{ReplayConfig, replay_segments},
};

use super::{database, import};
use crate::{End, Failure, cli::Global, interrupt, units::count};

/// Time that statements under way have to read the files of before.
const GRACE: Duration = Duration::from_secs(2);

/// Make rows anew from the packets, as this version reads them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
For packets that are in already: after an update that reads more, or when the secrets of TLS come
later. Packets stay as they are, and so do packet_id and flow_id (a flow whose first packets were
dropped gets a new flow_id). Who asks meanwhile sees the rows of before, and then the new ones.
Segments whose packets were dropped keep their rows.

  wiretape replay
  wiretape replay --keylog keys.log              what was said inside TLS, too
  wiretape replay 41 42                          two segments; system.segments lists them")]
pub(crate) struct Args {
    /// Segments to make anew [default: all]
    #[arg(value_name = "SEGMENT")]
    segments: Vec<u32>,
    /// Open TLS with the secrets in this file, written by SSLKEYLOGFILE; they are kept with the packets
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
    /// Do not read application protocols: packets and flows only
    #[arg(long)]
    no_l7: bool,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let keylog = args.keylog.as_deref().map(|path| import::keylog(path, global.quiet)).transpose()?;
    let dir = global.db_dir()?;
    // A folder that holds no database is not made into one.
    Manifest::read(&dir).map_err(|e| database::explain(&dir, e.into()))?;
    let mut writer = import::open_writer(&dir)?;
    let mut config = ReplayConfig {
        pipeline: PipelineConfig::default(),
        keylog: keylog.unwrap_or_default(),
        workers: global.threads(),
    };
    if args.no_l7 {
        config.pipeline.l7 = None;
    }
    let bar = bar(global.quiet);
    let mut progress = |read, all| {
        bar.set_length(all);
        bar.set_position(read);
    };
    let report = replay_segments(&mut writer, &args.segments, &config, &mut progress, interrupt::flag());
    bar.finish_and_clear();
    let report = report?;
    if !global.quiet {
        let (packets, all) = (count(report.packets, "packet"), count(report.changed + report.unchanged, "segment"));
        eprintln!("{packets} in {all} read: {} changed, {} as before", report.changed, report.unchanged);
        if report.without_packets > 0 {
            eprintln!("note: {} kept as before: the packets are gone", count(report.without_packets, "segment"));
        }
    }
    if report.changed > 0 {
        std::thread::sleep(GRACE);
        writer.sweep()?;
    }
    if report.stopped {
        eprintln!("stopped: what was being read is as before");
        return Ok(End::Interrupted);
    }
    Ok(End::Done)
}

/// Progress on standard error, when that is a terminal.
fn bar(quiet: bool) -> ProgressBar {
    const STYLE: &str = "{wide_bar} {human_pos}/{human_len} packets, {eta} left";
    let bar = ProgressBar::no_length();
    bar.set_draw_target(if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() });
    bar.set_style(ProgressStyle::with_template(STYLE).expect("the template is well-formed"));
    bar
}
