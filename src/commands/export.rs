//! `wiretape export`: packets as a capture file, or as Parquet for notebooks. It is `COPY` with the SQL written for the
//! user, so that both give the same packets in the same order.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wiretape_sql::{Outcome, SqlError};

use super::{database, results};
use crate::{End, Failure, cli::Global, units::count};

/// Give exact packets back as a capture file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
  wiretape export --where \"src_ip = '10.20.1.47' and dst_port = 443\" -w upload.pcap
  wiretape export --where \"flow_id = 4294967297\" -w - | wireshark -k -i -
  wiretape export --bpf \"host 10.20.1.47 and tcp port 443\" -w upload.pcap
  wiretape export --format parquet -o packets/   for notebooks, in date=/hour= folders

The predicate is SQL over the columns of the table packets. Packets come in time order, with
nanoseconds and original lengths. pcap holds one link type; pcapng any.")]
pub(crate) struct Args {
    /// Which packets: an SQL predicate [default: all]
    #[arg(long = "where", value_name = "PREDICATE")]
    predicate: Option<String>,
    /// Which packets: a filter as tcpdump takes it; with --where, those that both select
    #[arg(long, value_name = "FILTER")]
    bpf: Option<String>,
    /// The capture file to write; - is standard output
    #[arg(long, short, value_name = "FILE", required_unless_present = "out_dir", conflicts_with = "out_dir")]
    write: Option<PathBuf>,
    /// What to write [default: by the file's ending, else pcap]
    #[arg(long, value_enum)]
    format: Option<ExportFormat>,
    /// The folder for Parquet files
    #[arg(long = "output", short = 'o', value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

/// What an export can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ExportFormat {
    /// A capture file of one link type
    Pcap,
    /// A capture file with any number of interfaces
    Pcapng,
    /// The columns of packets, partitioned by date and hour
    Parquet,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<End, Failure> {
    let copy = statement(args)?;
    let database = database::open(&global.db_dir()?, global, database::anywhere())?;
    let session = database.session();
    database::run(global, async {
        let outcome = session.query(&copy.text).await.map_err(|e| copy.explain(e))?;
        match outcome {
            Outcome::Copied { rows, path } if !global.quiet => {
                let what = if copy.format == ExportFormat::Parquet { "row" } else { "packet" };
                eprintln!("{} written to {}", count(rows, what), path.display());
            }
            Outcome::CopyOut(out) => results::copy_out(out).await?,
            Outcome::Copied { .. } | Outcome::Rows(_) | Outcome::Set => {}
        }
        Ok(End::Done)
    })
}

/// A `COPY`, and where in it the user's predicates are.
#[derive(Debug)]
struct Copy {
    text: String,
    format: ExportFormat,
    parts: Vec<Part>,
}

/// What the user wrote, and how many characters of the `COPY` stand before it.
#[derive(Debug)]
struct Part {
    text: String,
    at: usize,
}

impl Copy {
    /// Errors point into what the user wrote, not into what was written around it.
    fn explain(&self, mut error: SqlError) -> Failure {
        let inside = |part: &Part| {
            let len = part.text.chars().count();
            error.position.and_then(|p| p.checked_sub(part.at)).filter(|p| (1..=len + 1).contains(p))
        };
        let found = self.parts.iter().find_map(|part| Some((part, inside(part)?)));
        error.position = found.map(|(_, position)| position);
        Failure::in_sql(error, found.map_or("", |(part, _)| part.text.as_str()), 0)
    }
}

/// Writes the condition that the arguments make, after a `select … from packets`.
fn push_condition(args: &Args, text: &mut String) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut before = " where ";
    // On a line of its own ends a predicate, should it end in a comment.
    let predicate = args.predicate.as_ref().filter(|p| !p.is_empty()).map(|p| ("(", p.clone(), "\n)"));
    let filter = args.bpf.as_ref().map(|filter| ("bpf('", filter.replace('\'', "''"), "')"));
    for (open, written, close) in predicate.into_iter().chain(filter) {
        text.push_str(before);
        text.push_str(open);
        parts.push(Part { at: text.chars().count(), text: written.clone() });
        text.push_str(&written);
        text.push_str(close);
        before = " and ";
    }
    parts
}

fn statement(args: &Args) -> Result<Copy, Failure> {
    let format = format(args)?;
    let columns = match format {
        ExportFormat::Pcap | ExportFormat::Pcapng => "packet_id",
        // Two digits, so that folders sort like hours.
        ExportFormat::Parquet => {
            "*, cast(cast(ts as date) as text) as date, lpad(cast(extract(hour from ts) as text), 2, '0') as hour"
        }
    };
    let mut text = format!("copy (select {columns} from packets");
    let parts = push_condition(args, &mut text);
    text.push_str(") to ");
    match (&args.out_dir, &args.write) {
        (Some(dir), _) => {
            text.push_str(&format!("{} stored as parquet partitioned by (date, hour)", quoted_dir(dir)?));
        }
        (None, Some(file)) if file.as_os_str() != "-" => {
            text.push_str(&format!("{} (format {})", quoted(file)?, name(format)));
        }
        _ => text.push_str(&format!("stdout (format {})", name(format))),
    }
    Ok(Copy { text, format, parts })
}

fn name(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Pcap => "pcap",
        ExportFormat::Pcapng => "pcapng",
        ExportFormat::Parquet => "parquet",
    }
}

fn format(args: &Args) -> Result<ExportFormat, Failure> {
    let ending = args.write.as_ref().and_then(|p| p.extension()).is_some_and(|e| e.eq_ignore_ascii_case("pcapng"));
    let by_name = if ending { ExportFormat::Pcapng } else { ExportFormat::Pcap };
    match (args.format, &args.out_dir) {
        (None | Some(ExportFormat::Parquet), Some(_)) => Ok(ExportFormat::Parquet),
        (Some(_), Some(_)) => {
            Err(Failure::new("-o is the folder for Parquet files").hint("name a capture file with -w"))
        }
        (Some(ExportFormat::Parquet), None) => {
            Err(Failure::new("Parquet files need a folder").hint("name one with -o DIR"))
        }
        (Some(format), None) => Ok(format),
        (None, None) => Ok(by_name),
    }
}

/// The absolute path as an SQL literal: the folder must exist, the file need not.
fn quoted(file: &Path) -> Result<String, Failure> {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let explain = |e: std::io::Error| Failure::new(format!("{}: {e}", parent.display()));
    let path = parent.canonicalize().map_err(explain)?.join(file.file_name().unwrap_or_default());
    let text = path.to_str().ok_or_else(|| Failure::new(format!("{}: the name is not UTF-8", path.display())))?;
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// As [`quoted`], for a folder, which is made if it is not there.
fn quoted_dir(dir: &Path) -> Result<String, Failure> {
    fs::create_dir_all(dir).map_err(|e| Failure::new(format!("{}: {e}", dir.display())))?;
    let literal = quoted(&dir.canonicalize()?)?;
    Ok(format!("{}/'", literal.trim_end_matches('\'')))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn copy(line: &[&str]) -> Result<Copy, Failure> {
        statement(&Line::try_parse_from([&["export"], line].concat()).unwrap().args)
    }

    #[test]
    fn the_ending_decides_unless_the_format_is_given() {
        let text = copy(&["--where", "dst_port = 53", "-w", "/tmp/it's.pcapng"]).unwrap().text;
        let tmp = Path::new("/tmp").canonicalize().unwrap();
        let expected = "copy (select packet_id from packets where (dst_port = 53\n)) to";
        assert_eq!(text, format!("{expected} '{}/it''s.pcapng' (format pcapng)", tmp.display()));
        assert_eq!(copy(&["-w", "-"]).unwrap().text, "copy (select packet_id from packets) to stdout (format pcap)");
        assert!(copy(&["-w", "-", "--format", "pcapng"]).unwrap().text.ends_with("stdout (format pcapng)"));
    }

    #[test]
    fn parquet_needs_a_folder_and_captures_a_file() {
        assert!(copy(&["-w", "x.parquet", "--format", "parquet"]).is_err());
        assert!(copy(&["-o", "x", "--format", "pcap"]).is_err());
    }

    #[test]
    fn errors_point_into_the_predicate() {
        let copy = copy(&["--where", "dst_prt = 53", "-w", "-"]).unwrap();
        let at = copy.text.find("dst_prt").unwrap() + 1;
        let shown = copy.explain(SqlError::new("42703", "column \"dst_prt\" does not exist").at(Some(at))).to_string();
        assert_eq!(shown, "error: column \"dst_prt\" does not exist\n  dst_prt = 53\n  ^");
    }
}
