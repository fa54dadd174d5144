//! Tells rows apart by their tuples: which rows have the same key, and which way round each of them is.
//!
//! Two tuples are one key if they are equal, or equal after all mirrored pairs swap places. The way round of a key is that
//! of its first row, so a reply differs from its request in one bit only.

use std::{cmp::Ordering, hash::BuildHasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::cells::Cells;

/// Rows read at a time: their tuples stay in the first-level cache.
const STRETCH_ROWS: usize = 256;

/// Distinct keys, in order of first row, and the key of each row.
#[derive(Debug)]
pub(super) struct Groups {
    /// Words of a tuple: the columns and the NULL bits.
    stride: usize,
    /// The tuples of the keys as their first rows have them.
    tuples: Vec<u64>,
    /// For each row twice its key, plus one if it is the other way round than the key's first row.
    pub(super) virtual_keys: Vec<u32>,
}

impl Groups {
    /// Groups `rows` rows by `columns`, of which the `pairs` (positions in `columns`) mirror each other. There are at most
    /// 2³¹ rows and 64 columns.
    pub(super) fn new(rows: usize, columns: &[&Cells<'_>], pairs: &[(usize, usize)]) -> Groups {
        let stride = columns.len() + 1;
        let mut groups = Groups { stride, tuples: Vec::new(), virtual_keys: Vec::with_capacity(rows) };
        let mut seen = Seen::default();
        let mut stretch = vec![0; STRETCH_ROWS * stride];
        for start in (0..rows).step_by(STRETCH_ROWS) {
            let end = rows.min(start + STRETCH_ROWS);
            stretch.fill(0);
            for (at, column) in columns.iter().enumerate() {
                column.fill(start..end, at, stride, &mut stretch);
            }
            for tuple in stretch.chunks_exact_mut(stride).take(end - start) {
                let virtual_key = seen.virtual_key(tuple, pairs, stride);
                groups.virtual_keys.push(virtual_key);
            }
        }
        groups.tuples = seen.tuples;
        for (tuple, &swapped) in groups.tuples.chunks_exact_mut(stride).zip(&seen.swapped) {
            if swapped {
                swap_pairs(tuple, pairs);
            }
        }
        groups
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.tuples.len() / self.stride
    }

    /// The cells of one column of every key; `None` is NULL.
    pub(super) fn column(&self, at: usize) -> impl Iterator<Item = Option<u64>> {
        self.tuples.chunks_exact(self.stride).map(
            move |tuple| {
                if is_null(tuple, at) { None } else { tuple.get(at).copied() }
            },
        )
    }
}

/// The keys met so far.
#[derive(Debug, Default)]
struct Seen {
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    /// Tuples of the keys, the smaller way round.
    tuples: Vec<u64>,
    /// Whether the key's first row is the larger way round.
    swapped: Vec<bool>,
    /// The key met last.
    last: u32,
}

impl Seen {
    #[inline]
    fn virtual_key(&mut self, tuple: &mut [u64], pairs: &[(usize, usize)], stride: usize) -> u32 {
        let swapped = is_larger_way_round(tuple, pairs);
        if swapped {
            swap_pairs(tuple, pairs);
        }
        let (hasher, tuples) = (&self.hasher, &mut self.tuples);
        let is_stored = |tuples: &[u64], key: u32| stored(tuples, key, stride) == tuple;
        // Packets come in runs: the key is often that of the packet before.
        let found = if is_stored(tuples, self.last) {
            Some(self.last)
        } else {
            let hash = hasher.hash_one(&*tuple);
            self.table.find(hash, |&key| is_stored(tuples, key)).copied()
        };
        if let Some(key) = found {
            self.last = key;
            let first_swapped = self.swapped.get(key as usize).copied().unwrap_or_default();
            return key * 2 + u32::from(swapped != first_swapped);
        }
        let key = u32::try_from(self.swapped.len()).expect("as many keys as rows at most, and rows are limited");
        tuples.extend_from_slice(tuple);
        self.swapped.push(swapped);
        self.table.insert_unique(hasher.hash_one(&*tuple), key, |&key| hasher.hash_one(stored(tuples, key, stride)));
        self.last = key;
        key * 2
    }
}

/// The tuple of a key; empty if there is no such key yet.
#[inline]
fn stored(tuples: &[u64], key: u32, stride: usize) -> &[u64] {
    let from = key as usize * stride;
    tuples.get(from..from.saturating_add(stride)).unwrap_or_default()
}

#[inline]
fn is_null(tuple: &[u64], at: usize) -> bool {
    tuple.last().is_some_and(|nulls| nulls >> at & 1 == 1)
}

/// Whether the first pair that differs has its larger cell first. NULL is larger than any value.
#[inline]
fn is_larger_way_round(tuple: &[u64], pairs: &[(usize, usize)]) -> bool {
    for &(a, b) in pairs {
        let cell = |at: usize| (is_null(tuple, at), tuple.get(at).copied().unwrap_or_default());
        match cell(a).cmp(&cell(b)) {
            Ordering::Less => return false,
            Ordering::Greater => return true,
            Ordering::Equal => {}
        }
    }
    false
}

#[inline]
fn swap_pairs(tuple: &mut [u64], pairs: &[(usize, usize)]) {
    for &(a, b) in pairs {
        if is_null(tuple, a) != is_null(tuple, b)
            && let Some(nulls) = tuple.last_mut()
        {
            *nulls ^= 1 << a | 1 << b;
        }
        tuple.swap(a, b);
    }
}
