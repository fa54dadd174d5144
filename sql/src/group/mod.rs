//! Grouping by text at the price of grouping by numbers.
//!
//! Text columns come from the store as dictionaries, which DataFusion's aggregation takes apart: it makes bytes of every
//! row's text and hashes them. This rule gives every partial aggregation that groups by such columns small numbers in
//! their place, one for each text, and puts the texts back on the few rows that it gives:
//!
//! ```text
//!  rows ─► coder: text ─► number, by the dictionary ─► partial aggregation by numbers ─► number ─► text ─► final aggregation
//! ```
//!
//! A number means something within one partition only, and only until the coder forgets ([`coder::MAX_TEXTS`]): all
//! groups so far are then given, as states that the final aggregation merges, and counting begins anew. So memory stays
//! bounded whatever is grouped by, and spilling is left to the final aggregation as before.

mod coder;
mod exec;
mod feed;
mod texts;

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    config::ConfigOptions,
    error::Result,
    physical_expr::expressions::Column,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan, ExecutionPlanProperties, InputOrderMode,
        aggregates::{AggregateExec, AggregateMode},
    },
};

use exec::CodedAggregateExec;

/// Makes partial aggregations group by numbers in place of texts.
#[derive(Debug)]
pub(crate) struct GroupByCode;

impl PhysicalOptimizerRule for GroupByCode {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let code = |node: Arc<dyn ExecutionPlan>| {
            let coded = node.downcast_ref::<AggregateExec>().map(coded).transpose()?.flatten();
            Ok(coded.map_or(Transformed::no(node), Transformed::yes))
        };
        plan.transform_up(code).map(|t| t.data)
    }

    fn name(&self) -> &'static str {
        "GroupByCode"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What to run in place of `aggregate`; `None` where it groups by no text, or does more than group.
fn coded(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let plain = aggregate.group_expr().is_single()
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && aggregate.limit_options().is_none()
        && aggregate.aggr_expr().iter().all(|function| function.order_bys().is_empty());
    if !plain || text_keys(aggregate).is_empty() {
        return Ok(None);
    }
    match aggregate.mode() {
        AggregateMode::Partial => Ok(Some(Arc::new(CodedAggregateExec::try_new(aggregate)?))),
        AggregateMode::Single if aggregate.input().output_partitioning().partition_count() == 1 => in_two_steps(aggregate),
        _ => Ok(None),
    }
}

/// An aggregation of one step as a partial one and a final one.
fn in_two_steps(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let step = |mode, groups, input: Arc<dyn ExecutionPlan>| {
        let (functions, filters) = (aggregate.aggr_expr().to_vec(), aggregate.filter_expr().to_vec());
        AggregateExec::try_new(mode, groups, functions, filters, input, aggregate.input_schema())
    };
    let groups = aggregate.group_expr();
    let partial = step(AggregateMode::Partial, groups.clone(), Arc::clone(aggregate.input()))?;
    let partial = Arc::new(CodedAggregateExec::try_new(&partial)?);
    let last = step(AggregateMode::Final, groups.as_final(), partial)?;
    Ok((last.schema() == aggregate.schema()).then(|| Arc::new(last) as Arc<dyn ExecutionPlan>))
}

/// The group keys of `aggregate` that are columns of text as the store gives it: their places among the keys, and in the
/// input.
fn text_keys(aggregate: &AggregateExec) -> Vec<(usize, usize)> {
    let input: &Schema = &aggregate.input().schema();
    let is_text = |at: usize| input.fields().get(at).is_some_and(|field| *field.data_type() == text_type());
    let keys = aggregate.group_expr().expr().iter().enumerate();
    keys.filter_map(|(key, (expr, _))| Some((key, expr.downcast_ref::<Column>()?.index())))
        .filter(|(_, column)| is_text(*column))
        .collect()
}

fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}
