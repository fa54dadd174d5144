//! `COPY … TO`: rows or packets to a file, or to the client.
//!
//! ```text
//!  COPY (query) TO 'x.parquet' | 'x.csv' | 'x.json'      DataFusion's writers            ┐ to a temporary name,
//!  COPY (query) TO 'x.pcap' | 'x.pcapng'                 packet_id ─► raw log ─► file    ┘ renamed when whole
//!  COPY (query) TO STDOUT (FORMAT text | csv | binary)   batches; the client's side encodes them
//!  COPY (query) TO STDOUT (FORMAT pcap | pcapng)         bytes
//! ```

mod file;
mod options;
mod order;
mod parse;
mod pcap;

use std::{path::PathBuf, pin::Pin};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::{
    execution::SendableRecordBatchStream,
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{ObjectName, Query, Statement as SqlStatement},
    },
};
use futures::Stream;

pub(crate) use file::{Temporary, run as run_datafusion_copy};
pub use options::{CopyFormat, CopyOptions};
pub(crate) use parse::{is_copy, parse};
pub(crate) use pcap::{Capture, Sink, only_packet_ids, to_sink};

use crate::{
    Ast, Outcome, QueryPlan, Session, SqlError, Statement,
    limit::{self, Deadline},
};

/// A parsed `COPY … TO`.
#[derive(Debug, Clone)]
pub struct CopyStatement {
    /// What is copied.
    pub source: CopySource,
    /// Where it goes.
    pub target: CopyTarget,
    /// How it is written.
    pub options: CopyOptions,
    /// Columns that become folders (`PARTITIONED BY`); files of rows only.
    pub partitioned_by: Vec<String>,
    /// DataFusion's own options of the file's writer, as given.
    pub file_options: Vec<(String, String)>,
}

/// What `COPY` copies.
#[derive(Debug, Clone)]
pub enum CopySource {
    /// `COPY (query) TO …`.
    Query(Box<Query>),
    /// `COPY table (columns) TO …`.
    Table {
        /// The table.
        name: ObjectName,
        /// Its columns to copy; empty for all.
        columns: Vec<String>,
    },
}

/// Where `COPY` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyTarget {
    /// To the client.
    Stdout,
    /// To a file of this machine.
    File(String),
}

/// A planned `COPY … TO`.
#[derive(Debug)]
pub struct CopyPlan {
    pub(crate) copy: CopyStatement,
    pub(crate) query: QueryPlan,
    /// Where a file will be; `None` for the client.
    pub(crate) path: Option<PathBuf>,
}

impl CopyPlan {
    /// What the user should know of its query.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.query.source.planning.notices()
    }

    /// The format and its options.
    pub fn options(&self) -> &CopyOptions {
        &self.copy.options
    }

    /// Where it goes.
    pub fn target(&self) -> &CopyTarget {
        &self.copy.target
    }

    /// The columns copied; for a capture file, those of the query that names the packets.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.query.schema)
    }
}

/// Data for the client.
#[derive(Debug)]
pub struct CopyOut {
    /// Format and options.
    pub options: CopyOptions,
    /// The data.
    pub data: CopyData,
}

/// Rows to encode, or bytes to pass on.
pub enum CopyData {
    /// Text, CSV and binary: the receiver encodes.
    Batches(SendableRecordBatchStream),
    /// Capture files: whole chunks of the file, in order.
    Bytes(Pin<Box<dyn Stream<Item = Result<Bytes, SqlError>> + Send>>),
}

impl std::fmt::Debug for CopyData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CopyData::Batches(_) => "Batches",
            CopyData::Bytes(_) => "Bytes",
        })
    }
}

/// Plans a copy: the query, that it has what the format needs, and that the file may be written.
pub(crate) async fn plan(session: &Session, st: &Statement, copy: &CopyStatement) -> Result<CopyPlan, SqlError> {
    let path = match &copy.target {
        CopyTarget::Stdout => None,
        CopyTarget::File(name) => {
            Some(file::resolve(session.database().config().export_dir.as_deref(), name, copy.options.format)?)
        }
    };
    let ast = query_of(&copy.source)?;
    let statement = Statement { ast: Ast::Sql(Box::new(ast.clone())), text: st.text.clone(), offset: st.offset };
    let mut query = session.plan_query(&statement, &ast).await?;
    if let Some(capture) = Capture::of(copy.options.format) {
        query = pcap::only_packet_ids(query, capture)?;
    }
    Ok(CopyPlan { copy: copy.clone(), query, path })
}

/// Runs a copy until the file is whole, or until the first rows are there for the client.
pub(crate) async fn run(session: &Session, plan: &CopyPlan, deadline: Option<Deadline>) -> Result<Outcome, SqlError> {
    let capture = Capture::of(plan.copy.options.format);
    match (&plan.path, capture) {
        (Some(path), Some(capture)) => {
            let rows = pcap::to_sink(session, &plan.query, capture, Sink::File(path.clone())).await?;
            Ok(Outcome::Copied { rows, path: path.clone() })
        }
        (Some(path), None) => {
            let rows = file::write(session, plan, path).await?;
            Ok(Outcome::Copied { rows, path: path.clone() })
        }
        (None, Some(capture)) => {
            let bytes = pcap::to_stream(session, &plan.query, capture, deadline).await?;
            Ok(Outcome::CopyOut(CopyOut { options: plan.copy.options.clone(), data: CopyData::Bytes(bytes) }))
        }
        (None, None) => {
            let rows = session.run_query(&plan.query, Vec::new()).await?;
            let data = CopyData::Batches(limit::bounded(rows, deadline));
            Ok(Outcome::CopyOut(CopyOut { options: plan.copy.options.clone(), data }))
        }
    }
}

/// The query that gives the rows to copy.
fn query_of(source: &CopySource) -> Result<DfStatement, SqlError> {
    let text = match source {
        CopySource::Query(query) => {
            return Ok(DfStatement::Statement(Box::new(SqlStatement::Query(query.clone()))));
        }
        CopySource::Table { name, columns } if columns.is_empty() => format!("select * from {name}"),
        CopySource::Table { name, columns } => format!("select {} from {name}", columns.join(", ")),
    };
    let mut statements = crate::statement::parse(&text)?.into_iter();
    match statements.next().map(|s| s.ast) {
        Some(Ast::Sql(ast)) => Ok(*ast),
        _ => Err(SqlError::new("XX000", "a table's name and columns make no query")),
    }
}
