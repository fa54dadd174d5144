//! Exports for the command line and for programs that embed this: the same code as `COPY`, with paths that the caller
//! has vouched for.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use arrow::datatypes::DataType;
use datafusion::sql::{
    parser::{CopyToSource, CopyToStatement, Statement as DfStatement},
    sqlparser::ast::{Statement as SqlStatement, Value},
};

use crate::{
    Ast, CopyFormat, Kind, Prepared, Session, SqlError,
    copy::{self, Capture, Sink, Temporary},
    limit::Deadline,
};

/// Where exported packets go.
pub enum Destination {
    /// A file, which appears under its name when it is whole.
    File(PathBuf),
    /// Anything else: bytes go as they come.
    Writer(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Destination::File(path) => f.debug_tuple("File").field(path).finish(),
            Destination::Writer(_) => f.write_str("Writer"),
        }
    }
}

/// Writes the packets for which `predicate` (the text of a `WHERE`, on the columns of `packets`; all without one) is
/// true as a capture file, in time order, and gives their number. `format` is [`CopyFormat::Pcap`] or
/// [`CopyFormat::Pcapng`]. Positions of errors count in `predicate`. Dropping the future ends the work and leaves no
/// file.
pub async fn pcap(
    session: &Session,
    predicate: Option<&str>,
    format: CopyFormat,
    destination: Destination,
) -> Result<u64, SqlError> {
    const BEFORE: &str = "select packet_id from packets where ";
    let Some(capture) = Capture::of(format) else {
        return Err(SqlError::new("22023", format!("{} is no capture file", format.name())));
    };
    let text = predicate.map_or_else(|| "select packet_id from packets".to_owned(), |p| format!("{BEFORE}{p}"));
    let sink = match destination {
        Destination::File(path) => Sink::File(path),
        Destination::Writer(writer) => Sink::Writer(writer),
    };
    let work = async {
        let Prepared::Query(query) = plan_one(session, &text).await? else {
            return Err(SqlError::new("42601", "the predicate makes no query"));
        };
        copy::to_sink(session, &copy::only_packet_ids(query, capture)?, capture, sink).await
    };
    Deadline::bound(session.time_limit().map(Deadline::after), work).await.map_err(|e| shifted(e, BEFORE))
}

/// Writes the rows of `query` (all of `packets` for `select * from packets`) as Parquet below the folder `dir`, in Hive
/// partitions `date=YYYY-MM-DD/hour=HH` by its column `ts`, UTC, and gives their number. The partition columns are not
/// in the files; notebooks take them from the folders. `dir` must not exist or be empty; it appears when it is whole.
pub async fn parquet(session: &Session, query: &str, dir: &Path) -> Result<u64, SqlError> {
    const BEFORE: &str = "select rows_to_export.*, cast(ts as date) as date, \
        lpad(cast(date_part('hour', ts) as varchar), 2, '0') as hour from (";
    let schema = plan_one(session, query).await?.schema();
    if !schema.field_with_name("ts").is_ok_and(|f| matches!(f.data_type(), DataType::Timestamp(..))) {
        return Err(SqlError::new("42703", "the export needs a column \"ts\" of type timestamptz")
            .with_hint("Its day and hour name the folders."));
    }
    let text = format!("{BEFORE}{}\n) as rows_to_export", query.trim_end().trim_end_matches(';'));
    let mut statements = session.parse(&text).map_err(|e| shifted(e, BEFORE))?.into_iter();
    let Some(Ast::Sql(ast)) = statements.next().map(|s| s.ast) else {
        return Err(SqlError::new("42601", "there is no statement in this text"));
    };
    let DfStatement::Statement(statement) = *ast else { return Err(no_query()) };
    let SqlStatement::Query(source) = *statement else { return Err(no_query()) };
    let temporary = Temporary::beside(dir);
    let option = |key: &str, value: &str| (key.to_owned(), Value::SingleQuotedString(value.to_owned()));
    let copy = DfStatement::CopyTo(CopyToStatement {
        source: CopyToSource::Query(source),
        target: format!("{}/", temporary.path().display()),
        partitioned_by: vec!["date".to_owned(), "hour".to_owned()],
        stored_as: Some("PARQUET".to_owned()),
        options: vec![
            option("format.compression", "zstd(3)"),
            option("format.writer_version", "2.0"),
            option("format.dictionary_enabled::ts", "false"),
            option("format.encoding::ts", "delta_binary_packed"),
        ],
    });
    let deadline = session.time_limit().map(Deadline::after);
    let work = copy::run_datafusion_copy(session, copy, &text);
    let rows = Deadline::bound(deadline, work).await.map_err(|e| shifted(e, BEFORE))?;
    if rows == 0 {
        std::fs::create_dir_all(temporary.path()).map_err(wiretape_engine::Error::io(temporary.path()))?;
    }
    temporary.keep()?;
    Ok(rows)
}

async fn plan_one(session: &Session, text: &str) -> Result<Prepared, SqlError> {
    let mut statements = session.parse(text)?.into_iter();
    match (statements.next(), statements.next()) {
        (Some(statement), None) if statement.kind() == Kind::Query => session.plan(&statement).await,
        (Some(_), Some(second)) => {
            Err(SqlError::new("42601", "more than one statement where one is expected").at(Some(second.offset + 1)))
        }
        _ => Err(no_query()),
    }
}

fn no_query() -> SqlError {
    SqlError::new("42601", "a query is expected here")
}

/// Moves a position back by the text that was put before the caller's.
fn shifted(mut error: SqlError, before: &str) -> SqlError {
    let before = before.chars().count();
    error.position = error.position.and_then(|p| p.checked_sub(before)).filter(|p| *p > 0);
    error
}
