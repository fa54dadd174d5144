//! `wiretape verify`: reads every byte of the database and says whether it is as it was written.

use std::io::Write;

use indicatif::HumanBytes;
use wiretape_engine::verify::verify;
use wiretape_ingest::TABLES;

use super::database;
use crate::{End, Failure, cli::Global, output::Stdout, units::count};

/// Check every byte of the database
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Checks the checksum of each component, that every packet and row can be decoded, and that packets,
rows and indexes agree. What is wrong is printed as file: place: rule, and makes the exit code 1.

  wiretape verify
  wiretape verify --db /srv/wiretape")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _: &Args) -> Result<End, Failure> {
    let dir = global.db_dir()?;
    let report = verify(&dir, TABLES).map_err(|e| database::explain(&dir, e.into()))?;
    let mut out = Stdout::new();
    for finding in &report.findings {
        writeln!(out, "{}: {}", finding.path.display(), finding.what)?;
    }
    let read = format!(
        "{}, {}, {} read",
        count(report.segments as u64, "segment"),
        count(report.components as u64, "component"),
        HumanBytes(report.bytes),
    );
    match report.findings.len() {
        0 => writeln!(out, "ok: {read}")?,
        n => writeln!(out, "damaged: {} in {read}", count(n as u64, "finding"))?,
    }
    out.flush()?;
    Ok(if report.findings.is_empty() { End::Done } else { End::Incomplete })
}
