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
pub(crate) struct GroupByCode {
    /// Texts that a partition remembers.
    max_texts: usize,
}

impl Default for GroupByCode {
    fn default() -> GroupByCode {
        GroupByCode { max_texts: coder::MAX_TEXTS }
    }
}

impl PhysicalOptimizerRule for GroupByCode {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let code = |node: Arc<dyn ExecutionPlan>| {
            let aggregate = node.downcast_ref::<AggregateExec>();
            let coded = aggregate.map(|aggregate| coded(aggregate, self.max_texts)).transpose()?.flatten();
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
fn coded(aggregate: &AggregateExec, max_texts: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let plain = aggregate.group_expr().is_single()
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && aggregate.limit_options().is_none()
        && aggregate.aggr_expr().iter().all(|function| function.order_bys().is_empty());
    if !plain || text_keys(aggregate).is_empty() {
        return Ok(None);
    }
    match aggregate.mode() {
        AggregateMode::Partial => Ok(Some(Arc::new(CodedAggregateExec::try_new(aggregate, max_texts)?))),
        AggregateMode::Single if aggregate.input().output_partitioning().partition_count() == 1 => {
            in_two_steps(aggregate, max_texts)
        }
        _ => Ok(None),
    }
}

/// An aggregation of one step as a partial one and a final one.
fn in_two_steps(aggregate: &AggregateExec, max_texts: usize) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let step = |mode, groups, input: Arc<dyn ExecutionPlan>| {
        let (functions, filters) = (aggregate.aggr_expr().to_vec(), aggregate.filter_expr().to_vec());
        AggregateExec::try_new(mode, groups, functions, filters, input, aggregate.input_schema())
    };
    let groups = aggregate.group_expr();
    let partial = step(AggregateMode::Partial, groups.clone(), Arc::clone(aggregate.input()))?;
    let partial = Arc::new(CodedAggregateExec::try_new(&partial, max_texts)?);
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

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray},
        datatypes::{Field, Int32Type},
        util::pretty::pretty_format_batches,
    };
    use datafusion::{
        catalog::MemTable,
        execution::SessionStateBuilder,
        physical_plan::{collect, displayable},
        prelude::{SessionConfig, SessionContext},
    };

    use super::*;

    /// Two partitions of three batches, each with a dictionary of its own order, NULL keys and NULL values among them.
    fn table() -> MemTable {
        let batch = |from: i64| {
            let text = |n: i64| (n % 5 != 0).then(|| format!("host {}", n * 7 % 13));
            let host: DictionaryArray<Int32Type> =
                (from..from + 50).map(text).collect::<Vec<_>>().iter().map(Option::as_deref).collect();
            let values: ArrayRef = Arc::new(StringArray::from(vec![Some("tcp"), None, Some("udp"), Some("tcp")]));
            let keys = (from..from + 50).map(|n| (n % 11 != 0).then_some(i32::try_from(n % 4).unwrap())).collect();
            let proto = DictionaryArray::<Int32Type>::try_new(keys, values).unwrap();
            let n = Int64Array::from_iter_values(from..from + 50);
            let schema = ["host", "proto"].map(|name| Field::new(name, text_type(), true)).into_iter();
            let schema = Schema::new(schema.chain([Field::new("n", DataType::Int64, false)]).collect::<Vec<_>>());
            RecordBatch::try_new(Arc::new(schema), vec![Arc::new(host), Arc::new(proto), Arc::new(n)]).unwrap()
        };
        let parts = vec![vec![batch(0), batch(50), batch(100)], vec![batch(150), batch(200), batch(250)]];
        MemTable::try_new(parts[0][0].schema(), parts).unwrap()
    }

    /// The answer, and how often the plan groups by numbers.
    async fn answer(sql: &str, threads: usize, rule: Option<GroupByCode>) -> (String, usize) {
        let state = SessionStateBuilder::new()
            .with_config(SessionConfig::new().with_target_partitions(threads).with_batch_size(64))
            .with_default_features();
        let state = match rule {
            Some(rule) => state.with_physical_optimizer_rule(Arc::new(rule)),
            None => state,
        };
        let context = SessionContext::new_with_state(state.build());
        context.register_table("t", Arc::new(table())).unwrap();
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let shown = displayable(plan.as_ref()).indent(false).to_string();
        let rows = collect(plan, context.task_ctx()).await.unwrap();
        (pretty_format_batches(&rows).unwrap().to_string(), shown.matches("CodedAggregateExec").count())
    }

    /// Proves that answers are those of plain grouping: with one key and more, both kinds of NULL, other uses of the same
    /// column, one partition and two, and when the coder forgets all texts after each batch.
    #[tokio::test]
    async fn groups_are_the_same_by_number_and_by_text() {
        let queries = [
            "select host, count(*), sum(n) from t group by host order by 1",
            "select host, proto, count(*), max(n) from t group by 1, 2 order by 1, 2",
            "select n % 3 as m, proto, count(host), min(host) from t group by 1, 2 order by 1, 2",
            "select proto, count(*) filter (where host = 'host 3'), avg(n) from t group by proto order by 1",
            "select distinct host, proto from t order by 1, 2",
            "select proto, count(distinct host) from t group by proto order by 1",
        ];
        for sql in queries {
            for threads in [1, 2] {
                let (plain, _) = answer(sql, threads, None).await;
                for max_texts in [0, 4, coder::MAX_TEXTS] {
                    let (coded, nodes) = answer(sql, threads, Some(GroupByCode { max_texts })).await;
                    assert!(nodes > 0, "{sql}");
                    assert_eq!(coded, plain, "{sql} with {threads} threads and {max_texts} texts");
                }
            }
        }
    }

    /// Proves that what depends on the order of rows, and what groups by no text, is left alone.
    #[tokio::test]
    async fn other_aggregations_are_left_alone() {
        for sql in ["select n % 2, count(*) from t group by 1", "select first_value(n order by n) from t group by host"]
        {
            assert_eq!(answer(sql, 2, Some(GroupByCode::default())).await.1, 0, "{sql}");
        }
    }
}
