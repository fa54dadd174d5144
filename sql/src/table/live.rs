//! Rows of open segments: what a recorder has taken in and not sealed. They have no index, so every row is read and the
//! filters are applied to each.

use std::{collections::BTreeSet, fmt, sync::Arc};

use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::Session,
    common::{
        DFSchema,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    execution::TaskContext,
    logical_expr::{Expr, utils::conjunction},
    physical_expr::{EquivalenceProperties, expressions::Column},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
        SendableRecordBatchStream,
        execution_plan::{Boundedness, EmissionType},
        filter::FilterExec,
        projection::ProjectionExec,
        stream::RecordBatchReceiverStream,
        union::UnionExec,
    },
};
use wiretape_engine::{TableDef, View, live::LiveSegment};

use super::evaluate::external;

/// Batches read ahead of the consumer.
const READ_AHEAD: usize = 2;

/// `sealed`, and the rows of the open segments that pass `filters`. Both give the columns at `projection`.
pub(super) fn with_open_segments(
    sealed: Arc<dyn ExecutionPlan>,
    view: &View,
    table: &'static TableDef,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
) -> Result<Arc<dyn ExecutionPlan>> {
    let open: Vec<_> = view.live().iter().filter(|s| s.rows(table.name) > 0).cloned().collect();
    if open.is_empty() {
        return Ok(sealed);
    }
    let schema = table.schema();
    let wanted = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
    let filtered = filters.iter().flat_map(|f| f.column_refs()).filter_map(|c| schema.index_of(&c.name).ok());
    let columns: Vec<usize> = wanted.iter().copied().chain(filtered).collect::<BTreeSet<_>>().into_iter().collect();
    let read_schema = Arc::new(schema.project(&columns)?);
    let mut plan: Arc<dyn ExecutionPlan> =
        Arc::new(OpenSegmentsExec::new(open, table, columns.clone(), Arc::clone(&read_schema)));
    if let Some(filter) = conjunction(filters.iter().map(unqualified)) {
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(read_schema.as_ref().clone())?)?;
        plan = Arc::new(FilterExec::try_new(filter, plan)?);
    }
    let columns = wanted.iter().map(|at| {
        let name = schema.field(*at).name();
        let place = columns.binary_search(at).unwrap_or_default();
        (Arc::new(Column::new(name, place)) as Arc<dyn PhysicalExpr>, name.clone())
    });
    let plan = ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?;
    UnionExec::try_new(vec![sealed, Arc::new(plan)])
}

/// The expression with columns named alone: the table may go by any alias in the statement.
fn unqualified(filter: &Expr) -> Expr {
    let bare = filter.clone().transform(|e| {
        Ok(match e {
            Expr::Column(c) => Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(c.name))),
            other => Transformed::no(other),
        })
    });
    bare.map_or_else(|_| filter.clone(), |t| t.data)
}

#[derive(Debug)]
struct OpenSegmentsExec {
    segments: Vec<Arc<LiveSegment>>,
    table: &'static TableDef,
    columns: Arc<[usize]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl OpenSegmentsExec {
    fn new(
        segments: Vec<Arc<LiveSegment>>,
        table: &'static TableDef,
        columns: Vec<usize>,
        schema: SchemaRef,
    ) -> OpenSegmentsExec {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(segments.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        OpenSegmentsExec { segments, table, columns: columns.into(), schema, properties }
    }
}

impl DisplayAs for OpenSegmentsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.segments.iter().map(|s| s.rows(self.table.name)).sum();
        write!(f, "OpenSegmentsExec: table={}, segments={}, rows={rows}", self.table.name, self.segments.len())
    }
}

impl ExecutionPlan for OpenSegmentsExec {
    fn name(&self) -> &'static str {
        "OpenSegmentsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), READ_AHEAD);
        let (tx, columns, table) = (stream.tx(), Arc::clone(&self.columns), self.table);
        if let Some(segment) = self.segments.get(partition).cloned() {
            stream.spawn_blocking(move || {
                for batch in segment.read(table, &columns) {
                    if tx.blocking_send(batch.map_err(external)).is_err() {
                        break; // nobody wants the rest
                    }
                }
                Ok(())
            });
        }
        Ok(stream.build())
    }
}
