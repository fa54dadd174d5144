//! What a plan that has been run read of the store's tables.

use std::sync::Arc;

use datafusion::{datasource::source::DataSourceExec, physical_plan::ExecutionPlan};

use super::{
    evaluate::Summary, live::OpenSegmentsExec, pages_exec::PagesExec, rows_exec::RowsExec, scan::SegmentSource,
};

/// One scan of a table: what was left out, and what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The table's name.
    pub table: &'static str,
    /// By what its rows were found.
    pub by: ScanBy,
    /// Segments with rows of the table.
    pub segments: usize,
    /// Of those, left out because of their time range.
    pub pruned_by_time: usize,
    /// Of those, left out because the index finds nothing in them.
    pub pruned_by_index: usize,
    /// Rows of the table in all segments.
    pub rows: u64,
    /// Rows that could not be left out.
    pub rows_selected: u64,
    /// Pages of a column that hold these, and all pages of it.
    pub pages: Option<(usize, usize)>,
    /// The conditions that the index answered, as SQL.
    pub index: Vec<String>,
}

/// How a scan finds rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanBy {
    /// Their numbers come straight from bitmaps, and no column is read.
    Bitmaps,
    /// Only the pages are read that hold rows which bitmaps name.
    Pages,
    /// Columns are read, whole or the rows that bitmaps name.
    Columns,
    /// Rows of open segments, each looked at.
    OpenSegments,
}

/// The scans of a plan, in its order.
pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Vec<Scan> {
    let mut scans: Vec<Scan> = of_node(plan).into_iter().collect();
    scans.extend(plan.children().into_iter().flat_map(of));
    scans
}

fn of_node(plan: &Arc<dyn ExecutionPlan>) -> Option<Scan> {
    if let Some(rows) = plan.downcast_ref::<RowsExec>() {
        return Some(of_summary(rows.summary(), ScanBy::Bitmaps, None));
    }
    if let Some(pages) = plan.downcast_ref::<PagesExec>() {
        let (summary, read) = pages.shown();
        return Some(of_summary(summary, ScanBy::Pages, Some(read)));
    }
    if let Some(open) = plan.downcast_ref::<OpenSegmentsExec>() {
        let (table, segments, rows) = open.shown();
        return Some(Scan {
            table,
            by: ScanBy::OpenSegments,
            segments,
            pruned_by_time: 0,
            pruned_by_index: 0,
            rows,
            rows_selected: rows,
            pages: None,
            index: Vec::new(),
        });
    }
    let source = plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<SegmentSource>()?;
    let (summary, read) = source.shown();
    Some(of_summary(summary, ScanBy::Columns, Some(read)))
}

fn of_summary(summary: &Summary, by: ScanBy, pages: Option<(usize, usize)>) -> Scan {
    Scan {
        table: summary.table,
        by,
        segments: summary.segments_total,
        pruned_by_time: summary.pruned_by_time,
        pruned_by_index: summary.pruned_by_index,
        rows: summary.rows_total,
        rows_selected: summary.rows_selected,
        pages,
        index: summary.index_filters.clone(),
    }
}
