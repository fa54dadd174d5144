//! Rows as they come, key by key, made a bitmap.

use croaring::Bitmap;

/// A set of rows being gathered. Rows of different keys interleave, so they come in no order.
#[derive(Debug)]
pub(super) enum Gathered {
    /// Few rows, to be sorted.
    Few(Vec<u32>),
    /// Many rows: a bit for each row of the segment, which costs 1/8 byte a row and no sorting.
    Many(Vec<u64>),
}

/// Rows of the segment for each one expected above which sorting is cheaper than going through all bits.
const SPARSE: u64 = 64;

impl Gathered {
    /// No row of `rows` yet, of which about `expected` are to come.
    pub(super) fn new(rows: u32, expected: u64) -> Gathered {
        match expected.saturating_mul(SPARSE) < u64::from(rows) {
            true => Gathered::Few(Vec::with_capacity(usize::try_from(expected).unwrap_or_default())),
            false => Gathered::Many(vec![0; (rows as usize).div_ceil(64)]),
        }
    }

    /// Takes a row, which may have come before. Rows that the segment does not have are left out.
    pub(super) fn add(&mut self, row: u32) {
        match self {
            Gathered::Few(rows) => rows.push(row),
            Gathered::Many(words) => {
                if let Some(word) = words.get_mut(row as usize / 64) {
                    *word |= 1 << (row % 64);
                }
            }
        }
    }

    /// All of them.
    pub(super) fn into_bitmap(self) -> Bitmap {
        match self {
            Gathered::Few(mut rows) => {
                rows.sort_unstable();
                Bitmap::of(&rows)
            }
            Gathered::Many(words) => bitmap_of_words(&words),
        }
    }
}

/// The positions of set bits.
fn bitmap_of_words(words: &[u64]) -> Bitmap {
    let mut rows = Vec::with_capacity(words.iter().map(|w| w.count_ones() as usize).sum());
    for (&word, base) in words.iter().zip((0u32..).step_by(64)) {
        let mut left = word;
        while left != 0 {
            rows.push(base + left.trailing_zeros());
            left &= left - 1;
        }
    }
    Bitmap::of(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that both ways of gathering give the same set.
    #[test]
    fn few_and_many_are_the_same() {
        let rows = [999, 3, 64, 3, 63, 0, 500];
        let [few, many] = [1, 900].map(|expected| {
            let mut gathered = Gathered::new(1000, expected);
            rows.into_iter().for_each(|row| gathered.add(row));
            (matches!(gathered, Gathered::Few(_)), gathered.into_bitmap())
        });
        assert_eq!((few.0, many.0), (true, false));
        assert_eq!(few.1, Bitmap::of(&rows));
        assert_eq!(few.1, many.1);
    }
}
