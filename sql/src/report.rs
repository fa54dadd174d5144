//! What a query did: it is run to its end, and its rows are counted instead of given.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    logical_expr::{Expr, LogicalPlan, utils::split_conjunction},
};
use futures::TryStreamExt;

use crate::{
    Prepared, Session, SqlError,
    limit::{self, Deadline},
    table::{Scan, frame_filter, scans},
};

/// What a query did.
#[derive(Debug, Clone)]
pub struct Report {
    /// Rows it gave.
    pub rows: u64,
    /// From its text to its last row.
    pub elapsed: Duration,
    /// The filters in languages of their own, in the order of the text.
    pub filters: Vec<Understood>,
    /// What was read of each table.
    pub scans: Vec<Scan>,
    /// The filters over bytes of packets.
    pub bytes: Vec<Bytes>,
}

/// A filter over bytes of packets, and what columns said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// The filter.
    pub filter: String,
    /// The condition on columns under which a packet surely matches, as SQL.
    pub must: String,
    /// The condition on columns under which it surely does not, as SQL.
    pub must_not: String,
    /// Packets that were left to their bytes.
    pub packets: u64,
}

/// A filter, and what it was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Understood {
    /// The call, such as `bpf('tcp port 443')`.
    pub call: String,
    /// The conditions that stand in its place, as SQL; all must hold.
    pub conditions: Vec<String>,
}

impl Session {
    /// Plans and runs a text that is one query, and tells what was understood and read.
    ///
    /// # Errors
    /// As planning and running it; and for a statement that is no query.
    pub async fn report(&self, sql: &str) -> Result<Report, SqlError> {
        let begun = Instant::now();
        let mut statements = self.parse(sql)?.into_iter();
        let (Some(statement), None) = (statements.next(), statements.next()) else {
            return Err(SqlError::new("42601", "one statement is expected here"));
        };
        let Prepared::Query(query) = self.plan(&statement).await? else {
            return Err(SqlError::new("0A000", "only a query can be reported on"));
        };
        let deadline = self.time_limit().map(Deadline::after);
        let work = async {
            let begun = self.begin(&query, Vec::new()).await?;
            let count = |rows: u64, batch: RecordBatch| async move {
                Ok(rows.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX)))
            };
            let rows = limit::bounded(begun.rows, deadline).try_fold(0, count).await?;
            Ok((rows, begun.physical, begun.logical))
        };
        let (rows, physical, logical) = Deadline::bound(deadline, work).await?;
        let filters = query.expanded.iter().map(|(call, expr)| understood(call, expr)).collect();
        Ok(Report { rows, elapsed: begun.elapsed(), filters, scans: scans::of(&physical), bytes: asked(&logical)? })
    }
}

fn understood(call: &str, expr: &Expr) -> Understood {
    let conditions = split_conjunction(expr).into_iter().map(Expr::to_string).collect();
    Understood { call: call.to_owned(), conditions }
}

/// The filters of bytes in `plan`, each once.
fn asked(plan: &LogicalPlan) -> Result<Vec<Bytes>, SqlError> {
    let mut all: Vec<Bytes> = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Some((question, packets)) = frame_filter::asked(e) {
                    let (must, must_not) = (question.must.to_string(), question.must_not.to_string());
                    let bytes = Bytes { filter: question.text.clone(), must, must_not, packets };
                    if !all.contains(&bytes) {
                        all.push(bytes);
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(all)
}
