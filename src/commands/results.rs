//! Statements of a text, run in order, and their results written where the user wants them.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::StreamExt;
use wiretape_pgwire_server::CopyEncoder;
use wiretape_sql::{CopyData, CopyFormat, CopyOut, Kind, Outcome, Prepared, Session, SqlError, Statement};

use crate::{
    Failure,
    output::{Format, Layout, PlanWriter, RowWriter, Stdout},
    units::count,
};

/// How results are written.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The format of rows.
    pub(super) format: Format,
    /// A file, or `None` for standard output.
    pub(super) file: Option<PathBuf>,
    /// Whether to keep silent about files that `COPY` wrote.
    pub(super) quiet: bool,
}

impl Target {
    /// Refuses what would disturb a terminal or overwrite one result with the next.
    fn check(&self, statements: &[Statement]) -> Result<(), Failure> {
        if self.file.is_none() && self.format.is_binary() && io::stdout().is_terminal() {
            return Err(
                Failure::new("Parquet is not for a terminal").hint("name a file with -o, or send it into a pipe")
            );
        }
        let results = statements.iter().filter(|s| matches!(s.kind(), Kind::Query | Kind::Explain)).count();
        if results > 1 && (self.file.is_some() || self.format.is_binary()) {
            return Err(Failure::new(format!("{results} results do not fit one file")).hint("give one query"));
        }
        Ok(())
    }

    fn open(&self) -> Result<(Box<dyn Write + Send>, Layout), Failure> {
        match &self.file {
            Some(path) => {
                let file = File::create(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
                Ok((Box::new(BufWriter::new(file)), Layout::Pipe))
            }
            None => Ok((Box::new(Stdout::new()), stdout_layout())),
        }
    }
}

/// Runs every statement of `sql` and writes what it gives.
pub(super) async fn run(session: &Session, sql: &str, target: &Target) -> Result<(), Failure> {
    let statements = session.parse(sql).map_err(|e| Failure::in_sql(e, sql, 0))?;
    if statements.is_empty() {
        return Err(Failure::new("there is no statement in this text"));
    }
    target.check(&statements)?;
    let mut first = true;
    for statement in &statements {
        let place = |e: SqlError| Failure::in_sql(e, sql, statement.offset);
        let prepared = session.plan(statement).await.map_err(place)?;
        let outcome = session.run(&prepared, Vec::new()).await.map_err(place)?;
        for notice in prepared.notices() {
            writeln!(io::stderr(), "note: {notice}")?;
        }
        match outcome {
            Outcome::Rows(_) if !std::mem::take(&mut first) && target.format == Format::Table => {
                writeln!(Stdout::new())?;
            }
            _ => {}
        }
        write(outcome, &prepared, statement.kind(), target).await?;
    }
    Ok(())
}

/// Time between two looks at what has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Writes the rows of each text's one statement as they come, for ever, as if they were of one: they have the same columns.
pub(super) async fn follow(session: &Session, texts: &[&str], target: &Target) -> Result<(), Failure> {
    if matches!(target.format, Format::Json | Format::Parquet) {
        return Err(Failure::new("this format ends only when all rows are there").hint("use --format ndjson or csv"));
    }
    let mut followed = Vec::new();
    for sql in texts {
        let statements = session.parse(sql).map_err(|e| Failure::in_sql(e, sql, 0))?;
        let [statement] = statements.as_slice() else {
            return Err(Failure::new(format!("{} statements cannot be followed at once", statements.len())));
        };
        let place = |e: SqlError| Failure::in_sql(e, sql, statement.offset);
        followed.push((session.follow(statement).await.map_err(place)?, sql, statement.offset));
    }
    let mut writer = None;
    loop {
        for (follow, sql, offset) in &mut followed {
            let news = session.news(follow).await.map_err(|e| Failure::in_sql(e, sql, *offset))?;
            for outcome in news {
                let Outcome::Rows(mut rows) = outcome else { continue };
                let writer = match &mut writer {
                    Some(writer) => writer,
                    none => {
                        let out = Box::new(Stdout::prompt());
                        none.insert(RowWriter::new(target.format, &rows.schema(), stdout_layout(), out)?)
                    }
                };
                while let Some(batch) = rows.next().await {
                    writer.write(&batch.map_err(SqlError::from)?)?;
                }
                writer.flush()?;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn write(outcome: Outcome, prepared: &Prepared, kind: Kind, target: &Target) -> Result<(), Failure> {
    match outcome {
        Outcome::Rows(mut rows) => {
            let (out, layout) = target.open()?;
            if kind == Kind::Explain && target.format == Format::Table {
                let mut plan = PlanWriter::new(out);
                while let Some(batch) = rows.next().await {
                    plan.write(&batch.map_err(SqlError::from)?)?;
                }
                return Ok(plan.finish()?);
            }
            let mut writer = RowWriter::new(target.format, &rows.schema(), layout, out)?;
            while let Some(batch) = rows.next().await {
                writer.write(&batch.map_err(SqlError::from)?)?;
            }
            Ok(writer.finish()?)
        }
        Outcome::CopyOut(copy) => copy_out(copy).await,
        Outcome::Copied { rows, path } => {
            if !target.quiet {
                eprintln!("{}", copied(prepared, rows, &path));
            }
            Ok(())
        }
        Outcome::Set => Ok(()),
    }
}

/// `COPY … TO STDOUT` is for standard output, as psql would write it, whatever the format of rows.
pub(super) async fn copy_out(copy: CopyOut) -> Result<(), Failure> {
    let mut out = Stdout::new();
    match copy.data {
        CopyData::Bytes(mut chunks) => {
            if io::stdout().is_terminal() {
                return Err(Failure::new("packets are not for a terminal").hint("send them into a file or a pipe"));
            }
            while let Some(chunk) = chunks.next().await {
                out.write_all(&chunk?)?;
            }
            Ok(out.flush()?)
        }
        CopyData::Batches(mut rows) => {
            let mut encoder = CopyEncoder::new(&copy.options);
            if copy.options.format == CopyFormat::Binary && io::stdout().is_terminal() {
                return Err(Failure::new("binary rows are not for a terminal").hint("send them into a file or a pipe"));
            }
            out.write_all(&encoder.start(&rows.schema()))?;
            while let Some(batch) = rows.next().await {
                out.write_all(&encoder.rows(&batch.map_err(SqlError::from)?)?)?;
            }
            out.write_all(&encoder.end())?;
            Ok(out.flush()?)
        }
    }
}

/// What `COPY … TO 'file'` did, in a sentence.
pub(super) fn copied(prepared: &Prepared, rows: u64, path: &Path) -> String {
    let packets = matches!(prepared, Prepared::Copy(plan)
        if matches!(plan.options().format, CopyFormat::Pcap | CopyFormat::Pcapng));
    let what = if packets { "packet" } else { "row" };
    format!("{} written to {}", count(rows, what), path.display())
}

fn stdout_layout() -> Layout {
    match terminal_size::terminal_size() {
        Some((width, _)) if io::stdout().is_terminal() => Layout::Terminal(usize::from(width.0)),
        _ => Layout::Pipe,
    }
}
