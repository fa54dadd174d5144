//! A column's values without its NULLs, page by page.

use std::ops::Range;

use arrow::{
    array::{Array, ArrowPrimitiveType, PrimitiveArray},
    buffer::NullBuffer,
};

use crate::segment::PAGE_ROWS;

/// The rows of one data page.
pub(super) struct Page {
    /// How many, NULLs included.
    pub(super) rows: usize,
    /// Which of them are NULL; None when none is.
    pub(super) nulls: Option<NullBuffer>,
    /// Where its values are: one for each row that is not NULL, or a single one when they are all equal.
    pub(super) values: Range<usize>,
    /// The smallest and the largest of them; None when all rows are NULL.
    pub(super) bounds: Option<(i64, i64)>,
}

impl Page {
    /// How many of the rows are NULL.
    pub(super) fn null_count(&self) -> usize {
        self.nulls.as_ref().map_or(0, NullBuffer::null_count)
    }
}

/// What a column chunk holds, ready to be given codes.
#[derive(Default)]
pub(super) struct Gathered {
    /// The values of all pages, in order. Unsigned types are widened, so that they compare as numbers here.
    pub(super) values: Vec<i64>,
    /// The pages, in order.
    pub(super) pages: Vec<Page>,
}

impl Gathered {
    /// Takes the values of `array` in place of those from before.
    pub(super) fn fill<T: ArrowPrimitiveType<Native: Into<i64>>>(&mut self, array: &PrimitiveArray<T>) {
        self.values.clear();
        self.pages.clear();
        let mut from = 0;
        for values in array.values().chunks(PAGE_ROWS) {
            let nulls = array.nulls().map(|nulls| nulls.slice(from, values.len())).filter(|n| n.null_count() > 0);
            let start = self.values.len();
            self.take(values, nulls.as_ref());
            let taken = self.values.get(start..).unwrap_or_default();
            let bounds = bounds(taken.iter().copied());
            self.pages.push(Page { rows: values.len(), nulls, values: start..self.values.len(), bounds });
            from += values.len();
        }
    }

    /// The smallest and the largest value of all pages; None when all rows are NULL.
    pub(super) fn bounds(&self) -> Option<(i64, i64)> {
        let pages = self.pages.iter().filter_map(|page| page.bounds);
        pages.reduce(|(min, max), (low, high)| (min.min(low), max.max(high)))
    }

    /// How many rows are NULL.
    pub(super) fn null_count(&self) -> usize {
        self.pages.iter().map(Page::null_count).sum()
    }

    fn take<V: Copy + PartialEq + Into<i64>>(&mut self, values: &[V], nulls: Option<&NullBuffer>) {
        let start = self.values.len();
        let Some(nulls) = nulls else {
            let values = if all_equal(values) { values.get(..1).unwrap_or_default() } else { values };
            self.values.extend(values.iter().map(|&value| value.into()));
            return;
        };
        for (mut valid, values) in nulls.inner().bit_chunks().iter_padded().zip(values.chunks(64)) {
            if valid == u64::MAX {
                self.values.extend(values.iter().map(|&value| value.into()));
                continue;
            }
            while valid != 0 {
                self.values.extend(values.get(valid.trailing_zeros() as usize).map(|&value| value.into()));
                valid &= valid - 1;
            }
        }
        if all_equal(self.values.get(start..).unwrap_or_default()) {
            self.values.truncate(start + 1);
        }
    }
}

/// Whether each is equal to the next: compared as memory, so that pages of one value, which are many, cost next to
/// nothing.
fn all_equal<V: PartialEq>(values: &[V]) -> bool {
    match values {
        [] => true,
        [_, rest @ ..] => values.get(..rest.len()) == Some(rest),
    }
}

fn bounds(values: impl Iterator<Item = i64>) -> Option<(i64, i64)> {
    values.fold(None, |bounds, value| {
        let (min, max) = bounds.unwrap_or((value, value));
        Some((min.min(value), max.max(value)))
    })
}
