//! A partial aggregation whose text keys are numbers while it works.

use std::{fmt, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::tree_node::TreeNodeRecursion,
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, TaskContext, memory_pool::MemoryConsumer},
    physical_expr::expressions::Column,
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
        ReplaceChildrenOptions,
        aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy},
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    coder::with_numbers,
    feed::{Feed, FeedExec},
    text_keys,
};

/// Runs a partial [`AggregateExec`] by numbers. It gives what that would, in other portions.
#[derive(Debug)]
pub(super) struct CodedAggregateExec {
    /// What it stands for.
    plain: AggregateExec,
    /// The places of text keys among the group keys.
    keys: Vec<usize>,
    /// The places of their columns in the input.
    columns: Vec<usize>,
    max_texts: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl CodedAggregateExec {
    /// What gives the same as `plain`, which is partial, and remembers `max_texts` texts a partition.
    pub(super) fn try_new(plain: &AggregateExec, max_texts: usize) -> Result<CodedAggregateExec> {
        if *plain.mode() != AggregateMode::Partial {
            return Err(DataFusionError::Internal("only partial aggregations group by numbers".to_owned()));
        }
        let (keys, columns) = text_keys(plain).into_iter().unzip();
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(CodedAggregateExec { plain: plain.clone(), keys, columns, max_texts, metrics })
    }

    /// The aggregation by numbers over `feed`.
    fn by_numbers(&self, feed: &Arc<Feed>) -> Result<AggregateExec> {
        let schema = with_numbers(&self.plain.input().schema(), self.columns.iter().copied());
        let first = self.plain.input().schema().fields().len();
        let mut exprs = self.plain.group_expr().expr().to_vec();
        for (nth, key) in self.keys.iter().enumerate() {
            if let Some((expr, _)) = exprs.get_mut(*key) {
                *expr = Arc::new(Column::new(schema.field(first + nth).name(), first + nth));
            }
        }
        let (functions, filters) = (self.plain.aggr_expr().to_vec(), self.plain.filter_expr().to_vec());
        let input = Arc::new(FeedExec::new(Arc::clone(feed), Arc::clone(&schema)));
        let groups = PhysicalGroupBy::new_single(exprs);
        AggregateExec::try_new(AggregateMode::Partial, groups, functions, filters, input, schema)
    }
}

impl DisplayAs for CodedAggregateExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coded")?;
        self.plain.fmt_as(t, f)
    }
}

impl ExecutionPlan for CodedAggregateExec {
    fn name(&self) -> &'static str {
        "CodedAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.plain.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.plain.children()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let plain = (Arc::new(self.plain.clone()) as Arc<dyn ExecutionPlan>)
            .replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?;
        match plain.downcast_ref::<AggregateExec>() {
            Some(plain) => Ok(Arc::new(CodedAggregateExec::try_new(plain, self.max_texts)?)),
            None => Err(DataFusionError::Internal("an aggregation with other children is none".to_owned())),
        }
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.plain.apply_expressions(f)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.plain.input().execute(partition, Arc::clone(&context))?;
        let consumer = MemoryConsumer::new(format!("CodedAggregateExec[{partition}]"));
        let reservation = consumer.register(context.memory_pool());
        let feed = Arc::new(Feed::new(input, self.columns.clone(), reservation, self.max_texts));
        let groups = Groups {
            feed: Arc::clone(&feed),
            keys: self.keys.clone(),
            schema: self.plain.schema(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        // One aggregation after the other, each until the coder is full.
        let runs = stream::try_unfold(self.by_numbers(&feed)?, move |aggregation| {
            let (feed, context) = (Arc::clone(&feed), Arc::clone(&context));
            async move {
                if !feed.begin() {
                    return Ok(None);
                }
                let run = aggregation.execute(partition, context)?;
                Ok::<_, DataFusionError>(Some((run, aggregation)))
            }
        });
        let schema = Arc::clone(&groups.schema);
        let texts = runs.try_flatten().map(move |batch| groups.with_texts(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, texts)))
    }
}

/// Puts texts back on the groups of one partition.
struct Groups {
    feed: Arc<Feed>,
    keys: Vec<usize>,
    schema: SchemaRef,
    metrics: BaselineMetrics,
}

impl Groups {
    fn with_texts(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        for key in &self.keys {
            if let Some(column) = columns.get_mut(*key) {
                *column = self.feed.decode(column)?;
            }
        }
        self.metrics.record_output(batch.num_rows());
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}
