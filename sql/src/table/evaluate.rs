//! From filters to the rows of each segment.

use std::{collections::HashSet, fmt, sync::Arc};

use croaring::Bitmap;
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch, TimestampNanosecondArray,
        },
        buffer::BooleanBuffer,
        datatypes::{DataType, Field, Schema},
    },
    common::{Column, DFSchema, ScalarValue, pruning::PruningStatistics},
    error::{DataFusionError, Result},
    execution::context::ExecutionProps,
    logical_expr::{Expr, utils::conjunction},
    physical_expr::{PhysicalExpr, create_physical_expr},
    physical_optimizer::pruning::PruningPredicateBuilder,
};
use wiretape_engine::{
    Segment, TableDef, View,
    index::{Index, Selection},
};

use super::{frame_filter, predicate::Predicate};

/// Share of a table's rows above which a row selection costs more than it saves: reading all rows and filtering them is
/// then faster, as hits fall into nearly every page. Measured in `docs/benchmarks.md`.
const MAX_SELECTED_SHARE: f64 = 0.02;

/// What the filters of a scan come to.
#[derive(Debug)]
pub(super) struct Evaluation {
    /// Segments that may hold rows, with the rows where the index named them.
    pub(super) segments: Vec<SegmentRows>,
    /// Whether the filters given to the index need no second look.
    pub(super) exact: bool,
    /// Whether the filters of bytes are true of every row that the index named, whatever the bytes are. Only if `exact`.
    pub(super) sure: bool,
    pub(super) summary: Summary,
}

/// The rows of one segment that a scan must read.
#[derive(Debug, Clone)]
pub(super) struct SegmentRows {
    pub(super) segment: Arc<Segment>,
    /// None for all of them.
    pub(super) rows: Option<Arc<Bitmap>>,
}

/// What EXPLAIN shows of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    pub(super) table: &'static str,
    pub(super) segments_total: usize,
    pub(super) pruned_by_time: usize,
    pub(super) pruned_by_index: usize,
    pub(super) rows_total: u64,
    pub(super) rows_selected: u64,
    /// The filters answered by bitmaps, as text.
    pub(super) index_filters: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pruned = self.pruned_by_time + self.pruned_by_index;
        write!(
            f,
            "segments={}/{} ({} pruned by time, {} by index), rows={}/{}",
            self.segments_total - pruned,
            self.segments_total,
            self.pruned_by_time,
            self.pruned_by_index,
            self.rows_selected,
            self.rows_total
        )?;
        match self.index_filters.is_empty() {
            true => Ok(()),
            false => write!(f, ", index=[{}]", self.index_filters.join(" AND ")),
        }
    }
}

/// Evaluates `filters` over the segments of `view`. Without `use_index` only time prunes.
pub(super) fn evaluate(view: &View, table: &'static TableDef, filters: &[Expr], use_index: bool) -> Result<Evaluation> {
    let with_rows: Vec<&Arc<Segment>> = view.segments().iter().filter(|s| s.rows(table.name) > 0).collect();
    let keep = in_time(&with_rows, table, filters)?;
    let mut summary = Summary {
        table: table.name,
        segments_total: with_rows.len(),
        pruned_by_time: keep.iter().filter(|k| !**k).count(),
        rows_total: with_rows.iter().map(|s| s.rows(table.name)).sum(),
        ..Summary::default()
    };
    let segments = with_rows.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(s, _)| s);
    let mut predicate = None;
    let around = |f: &Expr| match frame_filter::is_in(f) {
        true => Predicate::around(f, table),
        false => Predicate::of(f, table),
    };
    for (expr, p) in filters.iter().filter_map(|f| Some((f, around(f)?))).filter(|_| use_index) {
        summary.index_filters.push(expr.to_string());
        predicate = Some(match predicate {
            None => p,
            Some(before) => Predicate::and(before, p),
        });
    }
    let Some(predicate) = predicate else {
        let segments: Vec<_> = segments.map(|s| SegmentRows { segment: Arc::clone(s), rows: None }).collect();
        summary.rows_selected = segments.iter().map(|s| s.segment.rows(table.name)).sum();
        return Ok(Evaluation { segments, exact: false, sure: false, summary });
    };
    let must = filters.iter().filter(|f| frame_filter::is_in(f)).map(|f| Predicate::within(f, table));
    let must = must.reduce(Predicate::and);
    let mut sure = must.is_some();
    let mut selected = Vec::new();
    for segment in segments {
        match select(segment, table, &predicate)? {
            Some(found) if found.count == 0 => summary.pruned_by_index += 1,
            found => {
                sure = sure && surely(&found, table, must.as_ref())?;
                selected.push((segment, found));
            }
        }
    }
    let evaluation = finish(table, selected, summary)?;
    Ok(Evaluation { sure: sure && evaluation.exact, ..evaluation })
}

/// Whether `must` holds for every row found.
fn surely(found: &Option<Found>, table: &'static TableDef, must: Option<&Predicate>) -> Result<bool> {
    let (Some(Found { index, selection, count }), Some(must)) = (found, must) else { return Ok(false) };
    let held = select_in(index, table, must, selection)?;
    Ok(index.count(&held).map_err(external)? == *count)
}

/// Rows of one segment where a predicate is true.
struct Found {
    index: Arc<Index>,
    selection: Selection,
    count: u64,
}

/// Turns selections into rows, unless they are so dense that reading everything is cheaper.
fn finish(table: &TableDef, selected: Vec<(&Arc<Segment>, Option<Found>)>, mut summary: Summary) -> Result<Evaluation> {
    let rows_of = |(s, f): &(&Arc<Segment>, Option<Found>)| f.as_ref().map_or(s.rows(table.name), |f| f.count);
    summary.rows_selected = selected.iter().map(rows_of).sum();
    #[expect(clippy::cast_precision_loss, reason = "a share, compared with a rough threshold")]
    let share = summary.rows_selected as f64 / summary.rows_total.max(1) as f64;
    let indexed = selected.iter().all(|(_, found)| found.is_some());
    let exact = indexed && share <= MAX_SELECTED_SHARE;
    let segments = selected
        .into_iter()
        .map(|(segment, found)| {
            let rows = match found.filter(|_| exact) {
                Some(found) => Some(Arc::new(found.index.rows_of(&found.selection).map_err(external)?)),
                None => None,
            };
            Ok(SegmentRows { segment: Arc::clone(segment), rows })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Evaluation { segments, exact, sure: false, summary })
}

/// The segment's rows where `predicate` is true; None where it has no index.
fn select(segment: &Segment, table: &'static TableDef, predicate: &Predicate) -> Result<Option<Found>> {
    let Some(index) = segment.index(table.name).map_err(external)? else { return Ok(None) };
    let selection = select_in(&index, table, predicate, &index.all())?;
    let count = index.count(&selection).map_err(external)?;
    Ok(Some(Found { index, selection, count }))
}

/// The rows of `within` where `predicate` is true.
fn select_in(index: &Index, table: &'static TableDef, predicate: &Predicate, within: &Selection) -> Result<Selection> {
    match predicate {
        Predicate::And(a, b) => {
            // What is likely to leave few rows is asked first, and the other side of those only: of none, where a value is absent.
            let (first, then) = if b.rank() < a.rank() { (b, a) } else { (a, b) };
            let left = select_in(index, table, first, within)?;
            if left.is_none() { Ok(left) } else { select_in(index, table, then, &left) }
        }
        Predicate::Or(a, b) => {
            let (a, b) = (select_in(index, table, a, within)?, select_in(index, table, b, within)?);
            index.or(a, b).map_err(external)
        }
        Predicate::Constant(true) => Ok(within.clone()),
        Predicate::Constant(false) => Ok(index.none()),
        Predicate::Leaf { column, expr } => match index.values(column).map_err(external)? {
            Some(values) => {
                let mask = true_values(table, column, expr, values)?;
                index.select_within(column, &mask, within).map_err(external)
            }
            // Written before the column existed: every row reads NULL.
            None => {
                let null = datafusion::arrow::array::new_null_array(&value_type(table, column), 1);
                let all = true_values(table, column, expr, null)?.value(0);
                Ok(if all { within.clone() } else { index.none() })
            }
        },
    }
}

fn value_type(table: &TableDef, column: &str) -> DataType {
    match table.column(column).map(|(_, def)| def.kind.data_type()) {
        Some(DataType::Dictionary(_, value)) => *value,
        Some(other) => other,
        None => DataType::Null,
    }
}

/// For which of a column's distinct values `expr` is true; false and NULL are not.
fn true_values(table: &TableDef, column: &str, expr: &Expr, values: ArrayRef) -> Result<BooleanBuffer> {
    let data_type = table
        .column(column)
        .map(|(_, def)| def.kind.data_type())
        .ok_or_else(|| DataFusionError::Internal(format!("{} has no column {column}", table.name)))?;
    let values = match data_type {
        DataType::Dictionary(..) => as_dictionary(values)?,
        _ => values,
    };
    let schema = Arc::new(Schema::new(vec![Field::new(column, data_type, true)]));
    let physical = physical(&unqualified(expr)?, &schema)?;
    let rows = values.len();
    let batch = RecordBatch::try_new(schema, vec![values])?;
    let result = physical.evaluate(&batch)?.into_array(rows)?;
    let result: &BooleanArray = result
        .as_boolean_opt()
        .ok_or_else(|| DataFusionError::Internal(format!("filter {expr} is not a truth value")))?;
    Ok(match result.nulls() {
        Some(nulls) => result.values() & nulls.inner(),
        None => result.values().clone(),
    })
}

fn as_dictionary(values: ArrayRef) -> Result<ArrayRef> {
    let n = i32::try_from(values.len()).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let keys = Int32Array::from_iter((0..n).map(|i| values.is_valid(usize::try_from(i).unwrap_or(0)).then_some(i)));
    Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
}

/// Filters may name the table (`packets.src_ip`, `p.src_ip`); the batch of values does not.
pub(super) fn unqualified(expr: &Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    expr.clone()
        .transform(|e| {
            Ok(match e {
                Expr::Column(c) if c.relation.is_some() => {
                    Transformed::yes(Expr::Column(Column::new_unqualified(c.name)))
                }
                other => Transformed::no(other),
            })
        })
        .map(|t| t.data)
}

pub(super) fn physical(expr: &Expr, schema: &Arc<Schema>) -> Result<Arc<dyn PhysicalExpr>> {
    let df_schema = DFSchema::try_from(Arc::clone(schema))?;
    create_physical_expr(expr, &df_schema, &ExecutionProps::new(), &Default::default())
}

/// Which segments' time range can satisfy the filters.
fn in_time(segments: &[&Arc<Segment>], table: &'static TableDef, filters: &[Expr]) -> Result<Vec<bool>> {
    let time_columns: Vec<&str> = table.columns.first().map(|c| c.name).into_iter().collect();
    let on_time = filters.iter().filter(|f| {
        let columns = f.column_refs();
        !columns.is_empty() && columns.iter().all(|c| time_columns.contains(&c.name.as_str()))
    });
    let Some(filter) = conjunction(on_time.map(unqualified).collect::<Result<Vec<_>>>()?) else {
        return Ok(vec![true; segments.len()]);
    };
    let schema = table.schema();
    let pruning =
        PruningPredicateBuilder::new().with_file_schema(Arc::clone(&schema)).try_build(physical(&filter, &schema)?)?;
    pruning.prune(&TimeRanges { segments, table })
}

/// Smallest and largest time of each segment, as DataFusion's pruning wants them.
struct TimeRanges<'a> {
    segments: &'a [&'a Arc<Segment>],
    table: &'static TableDef,
}

impl TimeRanges<'_> {
    fn bounds(&self, column: &Column, bound: impl Fn((i64, i64)) -> i64) -> Option<ArrayRef> {
        let time = self.table.columns.first()?;
        (time.name == column.name).then(|| {
            let values: TimestampNanosecondArray =
                self.segments.iter().map(|s| s.time_range(self.table.name).map(&bound)).collect();
            Arc::new(values.with_timezone("UTC")) as ArrayRef
        })
    }
}

impl PruningStatistics for TimeRanges<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |(min, _)| min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |(_, max)| max)
    }

    fn num_containers(&self) -> usize {
        self.segments.len()
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

pub(super) fn external(e: wiretape_engine::Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}
