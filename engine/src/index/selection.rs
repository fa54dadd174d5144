//! What a predicate selects in one segment: everything, some keys, or some rows.

use croaring::Bitmap;

/// A set of rows of one segment's table, in the form that is cheapest to combine. Made and combined by
/// [`Index`](super::Index); only meaningful with the index that made it.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// Every row.
    All,
    /// The rows of these virtual keys: `2 * key` for the rows that go the way of the key's first row, `2 * key + 1` for
    /// those that go the other way. Each has at least one row, and no row has two.
    Keys(Bitmap),
    /// These row numbers.
    Rows(Bitmap),
}

impl Selection {
    /// No row.
    pub fn none() -> Selection {
        Selection::Rows(Bitmap::new())
    }

    /// Whether no row is selected, so that the segment can be skipped. Exact but for [`Selection::All`] of an empty table.
    pub fn is_none(&self) -> bool {
        match self {
            Selection::All => false,
            Selection::Keys(bitmap) | Selection::Rows(bitmap) => bitmap.is_empty(),
        }
    }

    /// Whether every row is known to be selected, so that no row selection is needed.
    pub fn is_all(&self) -> bool {
        matches!(self, Selection::All)
    }
}
