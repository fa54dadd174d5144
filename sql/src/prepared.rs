//! A statement that is planned but not run, and what comes of running it.

use std::{path::PathBuf, sync::Arc};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    execution::{SendableRecordBatchStream, SessionState},
    logical_expr::{Expr, LogicalPlan},
};
use wiretape_engine::View;

use crate::{CopyOut, CopyPlan, SqlError, Statement, catalog::Source, copy::Capture, filters, names::OutputNames};

/// A planned statement. It may be run any number of times, each time over the newest version of the database.
#[derive(Debug)]
pub enum Prepared {
    /// `SELECT`, `WITH`, `VALUES`, `EXPLAIN`.
    Query(QueryPlan),
    /// `COPY … TO`.
    Copy(CopyPlan),
    /// `SET` of a setting that this crate knows.
    Set(SetPlan),
}

/// A planned query, with the version of the database that it was planned over.
#[derive(Debug)]
pub struct QueryPlan {
    pub(crate) statement: Statement,
    pub(crate) plan: LogicalPlan,
    pub(crate) state: SessionState,
    pub(crate) view: Arc<View>,
    pub(crate) source: Source,
    /// The names its rows have for the client, by their places in `plan`.
    pub(crate) names: OutputNames,
    pub(crate) schema: SchemaRef,
    /// Whether the query was cut down to its `packet_id`, for a capture file.
    pub(crate) packet_ids: Option<Capture>,
    /// The calls of filter functions in its text, and what stands in their places.
    pub(crate) expanded: Vec<(String, Expr)>,
}

/// A setting and its new value.
#[derive(Debug)]
pub struct SetPlan {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What a statement gave.
pub enum Outcome {
    /// Rows, as they come. Dropping the stream ends the work.
    Rows(SendableRecordBatchStream),
    /// Data for the client of `COPY … TO STDOUT`. Dropping it ends the work.
    CopyOut(CopyOut),
    /// A file was written.
    Copied {
        /// Rows written; packets for a capture file.
        rows: u64,
        /// Where.
        path: PathBuf,
    },
    /// A setting was changed.
    Set,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Rows(stream) => f.debug_tuple("Rows").field(&stream.schema()).finish(),
            Outcome::CopyOut(out) => f.debug_tuple("CopyOut").field(out).finish(),
            Outcome::Copied { rows, path } => f.debug_struct("Copied").field("rows", rows).field("path", path).finish(),
            Outcome::Set => f.write_str("Set"),
        }
    }
}

impl Prepared {
    /// The columns of the rows that running gives, named as PostgreSQL names them, so that a name may come twice; empty
    /// for statements that give none.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Prepared::Query(query) => Arc::clone(&query.schema),
            Prepared::Copy(_) | Prepared::Set(_) => Arc::new(Schema::empty()),
        }
    }

    /// What the user should know of it: that a filter was read as KFL v1, for example.
    pub fn notices(&self) -> Vec<String> {
        match self {
            Prepared::Query(query) => query.source.planning.notices(),
            Prepared::Copy(copy) => copy.notices(),
            Prepared::Set(_) => Vec::new(),
        }
    }

    /// Types of `$1`, `$2`, … in order; `None` where the text does not tell.
    pub fn parameter_types(&self) -> Result<Vec<Option<DataType>>, SqlError> {
        match self {
            Prepared::Query(query) => parameter_types(&query.plan),
            Prepared::Copy(_) | Prepared::Set(_) => Ok(Vec::new()),
        }
    }
}

/// The largest `$n` accepted, as in PostgreSQL: the protocol counts parameters in 16 bits.
const MAX_PARAMETERS: usize = 65535;

fn parameter_types(plan: &LogicalPlan) -> Result<Vec<Option<DataType>>, SqlError> {
    let mut types: Vec<Option<DataType>> = Vec::new();
    for (name, data_type) in plan.get_parameter_types()? {
        let Some(number) = parameter_number(&name) else {
            return Err(SqlError::new("42P02", format!("there is no parameter {name}")));
        };
        if number > MAX_PARAMETERS {
            return Err(SqlError::new("54023", format!("parameter {name} is over the limit of {MAX_PARAMETERS}")));
        }
        if types.len() < number {
            types.resize(number, None);
        }
        if let Some(slot) = types.get_mut(number - 1) {
            *slot = data_type;
        }
    }
    for number in filters::parameters(plan)? {
        if let Some(slot @ None) = types.get_mut(number - 1) {
            *slot = Some(DataType::Utf8);
        }
    }
    for number in counting_parameters(plan)? {
        if let Some(slot @ None) = types.get_mut(number - 1) {
            *slot = Some(DataType::Int64);
        }
    }
    Ok(types)
}

/// The number in `$1`, from 1.
pub(crate) fn parameter_number(id: &str) -> Option<usize> {
    id.strip_prefix('$').and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0)
}

/// Parameters that stand alone as a `LIMIT` or `OFFSET`: the planner gives them no type, but they count rows.
fn counting_parameters(plan: &LogicalPlan) -> Result<Vec<usize>, SqlError> {
    let mut numbers = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for expr in [&limit.skip, &limit.fetch].into_iter().flatten() {
                expr.apply(|e| {
                    if let Expr::Placeholder(p) = e {
                        numbers.extend(parameter_number(&p.id));
                    }
                    Ok(TreeNodeRecursion::Continue)
                })?;
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(numbers)
}
