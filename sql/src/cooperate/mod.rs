//! Joins that can be cancelled.
//!
//! DataFusion makes the leaves of a plan yield to the runtime now and then. A join can turn a few input rows into billions
//! of pairs without going back to its leaves, so it would hold its thread until it is done, deaf to a cancel request, a
//! time limit and everybody else's queries. This rule makes the output of every join yield, for pairs that are kept, and
//! feeds joins that drop pairs in portions ([`paced`]), for pairs that are not.

mod paced;

use std::sync::Arc;

use datafusion::{
    common::{
        JoinType,
        tree_node::{Transformed, TreeNode},
    },
    config::ConfigOptions,
    error::Result,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions,
        coop::CooperativeExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec},
    },
};

use paced::PacedExec;

/// Probe rows that a hash join takes at once at most. Keys differ in how many rows they meet, so that portions which were
/// quick say little of the next; a thousand rows still cost far more than being handed over.
const HASH_PROBE_ROWS: usize = 1024;

/// Makes every join yield.
#[derive(Debug)]
pub(crate) struct CooperativeJoins;

impl PhysicalOptimizerRule for CooperativeJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let wrap = |node: Arc<dyn ExecutionPlan>| {
            if !is_join(node.as_ref()) {
                return Ok(Transformed::no(node));
            }
            let node = match probe_rows(node.as_ref()) {
                Some(rows) => with_paced_probe(node, rows)?,
                None => node,
            };
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>))
        };
        plan.transform_up(wrap).map(|t| t.data)
    }

    fn name(&self) -> &'static str {
        "CooperativeJoins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn is_join(node: &dyn ExecutionPlan) -> bool {
    node.is::<CrossJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<HashJoinExec>()
        || node.is::<SortMergeJoinExec>()
}

/// How many probe rows a join that may drop pairs takes at once; `None` for a join whose every pair comes out.
fn probe_rows(node: &dyn ExecutionPlan) -> Option<usize> {
    if node.is::<NestedLoopJoinExec>() {
        return Some(usize::MAX);
    }
    let join = node.downcast_ref::<HashJoinExec>()?;
    let keeps_pairs = matches!(join.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
    (join.filter.is_some() || !keeps_pairs).then_some(HASH_PROBE_ROWS)
}

/// `join` with its second input, the probe side, handed over in portions.
fn with_paced_probe(join: Arc<dyn ExecutionPlan>, rows: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let mut inputs: Vec<Arc<dyn ExecutionPlan>> = join.children().into_iter().map(Arc::clone).collect();
    if let Some(probe) = inputs.get_mut(1) {
        *probe = Arc::new(PacedExec::new(Arc::clone(probe), rows));
    }
    join.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}
