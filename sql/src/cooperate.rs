//! Joins that can be cancelled.
//!
//! DataFusion makes the leaves of a plan yield to the runtime now and then. A join can turn a few input rows into billions
//! of output rows without going back to its leaves, so it would hold its thread until it is done, deaf to a cancel
//! request, a time limit and everybody else's queries. This rule makes the output of every join yield as well.

use std::sync::Arc;

use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    config::ConfigOptions,
    error::Result,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        coop::CooperativeExec,
        joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec},
    },
};

/// Wraps every join so that it yields.
#[derive(Debug)]
pub(crate) struct CooperativeJoins;

impl PhysicalOptimizerRule for CooperativeJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let wrap = |node: Arc<dyn ExecutionPlan>| {
            Ok(match is_join(node.as_ref()) {
                true => Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>),
                false => Transformed::no(node),
            })
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
