//! A scan of Parquet components: a DataFusion file scan whose files carry the rows that the index chose, and which says
//! in EXPLAIN what was left out.

use std::{any::Any, fmt, path::Path, sync::Arc};

use datafusion::{
    arrow::datatypes::SchemaRef,
    catalog::Session,
    common::{Statistics, stats::Precision, tree_node::TreeNodeRecursion},
    config::{ConfigOptions, TableParquetOptions},
    datasource::{
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::{DataSource, DataSourceExec, OpenArgs},
    },
    error::Result,
    execution::TaskContext,
    physical_expr::{EquivalenceProperties, LexOrdering, PhysicalSortExpr, projection::ProjectionExprs},
    physical_plan::{
        DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, SendableRecordBatchStream,
        SortOrderPushdownResult,
        execution_plan::SchedulingType,
        filter_pushdown::{FilterPushdownPropagation, PushedDown},
        metrics::ExecutionPlanMetricsSet,
    },
};
use datafusion_datasource_parquet::{CachedParquetFileReaderFactory, ParquetRowSelection};
use wiretape_engine::{TableDef, segment::PAGE_ROWS};

use super::{
    causes::{self, Taken},
    evaluate::{Evaluation, SegmentRows, Summary},
    selected::{pages_of, selection, within},
};

/// Plans the scan of `evaluation`'s rows. `unfiltered` says that every row of every segment is wanted.
pub(super) fn plan(
    evaluation: &Evaluation,
    table: &TableDef,
    schema: &SchemaRef,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    unfiltered: bool,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let url = ObjectStoreUrl::local_filesystem();
    let runtime = state.runtime_env();
    let cache = runtime.cache_manager.get_file_metadata_cache();
    let reader = CachedParquetFileReaderFactory::new(runtime.object_store(&url)?, cache);
    let options =
        TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..Default::default() };
    let source = ParquetSource::new(Arc::clone(schema))
        .with_table_parquet_options(options)
        .with_parquet_file_reader_factory(Arc::new(reader));
    let mut config = FileScanConfigBuilder::new(url, Arc::new(source)).with_limit(limit);
    let mut pages = Pages::default();
    for group in groups(evaluation, table, state.config().target_partitions(), &mut pages)? {
        config = config.with_file_group(group);
    }
    if unfiltered {
        let rows = usize::try_from(evaluation.summary.rows_total).unwrap_or(usize::MAX);
        config = config.with_statistics(Statistics::new_unknown(schema).with_num_rows(Precision::Exact(rows)));
    }
    let config = config.with_projection_indices(projection.cloned())?.build();
    let source = SegmentSource {
        inner: Arc::new(config),
        explain: Arc::new(Explain { table: table.name.to_owned(), summary: evaluation.summary.clone(), pages }),
        taken: Arc::new([]),
    };
    Ok(Arc::new(DataSourceExec::new(Arc::new(source))))
}

/// Pages of one column, of all segments scanned.
#[derive(Debug, Default)]
struct Pages {
    selected: usize,
    total: usize,
}

/// The segments' files, dealt to as many groups as may run at once.
fn groups(evaluation: &Evaluation, table: &TableDef, partitions: usize, pages: &mut Pages) -> Result<Vec<FileGroup>> {
    let mut files = Vec::new();
    for s in &evaluation.segments {
        let Some(component) = s.segment.parquet(table.name) else { continue };
        let path = std::path::absolute(s.segment.dir().join(&component.file))?;
        files.push(file(&path, component.size_bytes, s, s.segment.rows(table.name), pages)?);
    }
    let count = partitions.clamp(1, files.len().max(1));
    let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new(); count];
    // Neighbours in time go to the same group: a group's output is then in time order where the capture is.
    let per_group = files.len().div_ceil(count).max(1);
    for (at, file) in files.into_iter().enumerate() {
        if let Some(group) = groups.get_mut(at / per_group) {
            group.push(file);
        }
    }
    Ok(groups.into_iter().filter(|g| !g.is_empty()).map(FileGroup::new).collect())
}

fn file(path: &Path, size: u64, s: &SegmentRows, rows: u64, pages: &mut Pages) -> Result<PartitionedFile> {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let total = rows.div_ceil(PAGE_ROWS);
    pages.total += total;
    let location = object_store::path::Path::from_absolute_path(path)
        .map_err(|e| datafusion::error::DataFusionError::External(Box::new(e)))?;
    let mut file = PartitionedFile::new(String::new(), size);
    file.object_meta.location = location;
    let Some(selected) = &s.rows else {
        pages.selected += total;
        return Ok(file);
    };
    let all = 0..u32::try_from(rows).unwrap_or(u32::MAX);
    pages.selected += pages_of(selected, all.clone());
    Ok(file.with_extension(ParquetRowSelection::new(selection(within(selected, all), rows))))
}

/// What EXPLAIN shows before the file scan's own line.
#[derive(Debug)]
struct Explain {
    table: String,
    summary: Summary,
    pages: Pages,
}

/// A file scan that also says what the index left out, and what a filter failed of. Everything else is the file scan's.
#[derive(Debug, Clone)]
pub(super) struct SegmentSource {
    inner: Arc<dyn DataSource>,
    explain: Arc<Explain>,
    /// The filters it took over.
    taken: Arc<[Taken]>,
}

impl SegmentSource {
    /// What the index left out; pages of a column that are read, and all.
    pub(super) fn shown(&self) -> (&Summary, (usize, usize)) {
        let Explain { summary, pages, .. } = &*self.explain;
        (summary, (pages.selected, pages.total))
    }

    fn around(&self, inner: Arc<dyn DataSource>) -> Arc<dyn DataSource> {
        Arc::new(SegmentSource { inner, explain: Arc::clone(&self.explain), taken: Arc::clone(&self.taken) })
    }
}

impl DataSource for SegmentSource {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.inner.open(partition, Arc::clone(&context))?;
        Ok(causes::restored(rows, &self.taken, &context))
    }

    fn open_with_args(&self, args: OpenArgs) -> Result<SendableRecordBatchStream> {
        let context = Arc::clone(&args.context);
        Ok(causes::restored(self.inner.open_with_args(args)?, &self.taken, &context))
    }

    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explain { table, summary, pages } = &*self.explain;
        write!(f, "table={table}, {summary}, pages={}/{}, ", pages.selected, pages.total)?;
        self.inner.fmt_as(t, f)
    }

    fn repartitioned(
        &self,
        target_partitions: usize,
        repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        let inner = self.inner.repartitioned(target_partitions, repartition_file_min_size, output_ordering)?;
        Ok(inner.map(|inner| self.around(inner)))
    }

    fn output_partitioning(&self) -> Partitioning {
        self.inner.output_partitioning()
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        self.inner.eq_properties()
    }

    fn scheduling_type(&self) -> SchedulingType {
        self.inner.scheduling_type()
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        self.inner.partition_statistics(partition)
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        self.inner.with_fetch(limit).map(|inner| self.around(inner))
    }

    fn fetch(&self) -> Option<usize> {
        self.inner.fetch()
    }

    fn metrics(&self) -> ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        let inner = self.inner.try_swapping_with_projection(projection)?;
        Ok(inner.map(|inner| self.around(inner)))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn DataSource>>> {
        let pushed = self.inner.try_pushdown_filters(filters.clone(), config)?;
        let answers = filters.into_iter().zip(&pushed.filters);
        let taken = answers.filter(|(_, answer)| matches!(answer, PushedDown::Yes)).map(|(filter, _)| filter).collect();
        let taken = Taken { source: Arc::clone(&self.inner), filters: taken };
        let taken = self.taken.iter().cloned().chain([taken]).filter(|taken| !taken.filters.is_empty()).collect();
        let source = |inner| -> Arc<dyn DataSource> {
            Arc::new(SegmentSource { inner, explain: Arc::clone(&self.explain), taken })
        };
        Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node: pushed.updated_node.map(source) })
    }

    fn try_pushdown_sort(&self, order: &[PhysicalSortExpr]) -> Result<SortOrderPushdownResult<Arc<dyn DataSource>>> {
        Ok(match self.inner.try_pushdown_sort(order)? {
            SortOrderPushdownResult::Exact { inner } => SortOrderPushdownResult::Exact { inner: self.around(inner) },
            SortOrderPushdownResult::Inexact { inner } => {
                SortOrderPushdownResult::Inexact { inner: self.around(inner) }
            }
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn with_preserve_order(&self, preserve_order: bool) -> Option<Arc<dyn DataSource>> {
        self.inner.with_preserve_order(preserve_order).map(|inner| self.around(inner))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn with_new_state(&self, state: Arc<dyn Any + Send + Sync>) -> Option<Arc<dyn DataSource>> {
        self.inner.with_new_state(state).map(|inner| self.around(inner))
    }

    fn create_sibling_state(&self, config: &ConfigOptions) -> Option<Arc<dyn Any + Send + Sync>> {
        self.inner.create_sibling_state(config)
    }
}
