//! Selected rows as Parquet's reader takes them: runs to skip and runs to read, and the data pages that hold them.

use std::ops::Range;

use croaring::Bitmap;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use wiretape_engine::segment::PAGE_ROWS;

/// The rows of `rows` within `range`, from its start.
pub(super) fn within(rows: &Bitmap, range: Range<u32>) -> impl Iterator<Item = usize> {
    let mut iter = rows.iter();
    iter.reset_at_or_after(range.start);
    iter.take_while(move |row| *row < range.end).map(move |row| (row - range.start) as usize)
}

/// Data pages that hold rows of `rows` within `range`. Pages never cross row groups, whose size is a multiple of a page's.
pub(super) fn pages_of(rows: &Bitmap, range: Range<u32>) -> usize {
    let mut iter = rows.iter();
    iter.reset_at_or_after(range.start);
    let page_rows = u32::try_from(PAGE_ROWS).unwrap_or(u32::MAX);
    let mut pages = 0;
    while let Some(row) = iter.next().filter(|row| *row < range.end) {
        pages += 1;
        match (row / page_rows).checked_add(1).and_then(|p| p.checked_mul(page_rows)) {
            Some(next_page) => iter.reset_at_or_after(next_page),
            None => break,
        }
    }
    pages
}

/// `rows`, which rise, of `total` as runs to skip and runs to read.
pub(super) fn selection(rows: impl Iterator<Item = usize>, total: usize) -> RowSelection {
    let mut selectors = Vec::new();
    let mut done = 0;
    let mut run = 0..0;
    for row in rows {
        if row != run.end {
            push_run(&mut selectors, &mut done, &run);
            run = row..row;
        }
        run.end = row + 1;
    }
    push_run(&mut selectors, &mut done, &run);
    if total > done {
        selectors.push(RowSelector::skip(total - done));
    }
    selectors.into()
}

fn push_run(selectors: &mut Vec<RowSelector>, done: &mut usize, run: &Range<usize>) {
    if run.is_empty() {
        return;
    }
    if run.start > *done {
        selectors.push(RowSelector::skip(run.start - *done));
    }
    selectors.push(RowSelector::select(run.len()));
    *done = run.end;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that runs begin and end where the rows do, and that neither edge of a range leaks.
    #[test]
    fn rows_become_runs() {
        let rows = Bitmap::of(&[0, 1, 5, 4095, 4096, 4097, 9000]);
        let runs = |range: Range<u32>, total| Vec::from(selection(within(&rows, range), total));
        let (skip, select) = (RowSelector::skip, RowSelector::select);
        assert_eq!(runs(0..10, 10), [select(2), skip(3), select(1), skip(4)]);
        assert_eq!(runs(4096..8192, 4096), [select(2), skip(4094)]);
        assert_eq!(runs(5000..8192, 3192), [skip(3192)]);
        assert_eq!([pages_of(&rows, 0..10_000), pages_of(&rows, 1..4096), pages_of(&rows, 4098..9000)], [3, 1, 0]);
    }
}
