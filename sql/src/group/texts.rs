//! Distinct texts, numbered in the order in which they came.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};

/// Texts and their numbers, from 0.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: HashTable<i32>,
    hasher: DefaultHashBuilder,
    store: Store,
}

/// The texts one behind the other.
#[derive(Debug, Default)]
struct Store {
    bytes: String,
    /// Where each text ends; it begins where the one before ends.
    ends: Vec<usize>,
}

impl Store {
    fn get(&self, number: i32) -> Option<&str> {
        let number = usize::try_from(number).ok()?;
        let start = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start..*self.ends.get(number)?)
    }
}

impl Texts {
    /// The number of `text`, a new one if it was not seen before; `None` when there is no number left.
    pub(super) fn number(&mut self, text: &str) -> Option<i32> {
        let (store, hasher) = (&mut self.store, &self.hasher);
        let next = i32::try_from(store.ends.len()).ok()?;
        let hash_of = |number: &i32| hasher.hash_one(store.get(*number).unwrap_or_default());
        match self.numbers.entry(hasher.hash_one(text), |number| store.get(*number) == Some(text), hash_of) {
            Entry::Occupied(number) => Some(*number.get()),
            Entry::Vacant(slot) => {
                slot.insert(next);
                store.bytes.push_str(text);
                store.ends.push(store.bytes.len());
                Some(next)
            }
        }
    }

    /// The text of a number given before.
    pub(super) fn get(&self, number: i32) -> Option<&str> {
        self.store.get(number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.store.ends.len()
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.numbers.allocation_size() + self.store.bytes.capacity() + self.store.ends.capacity() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a text keeps its number and comes back from it, the empty one too, while the table grows.
    #[test]
    fn a_text_has_one_number() {
        let mut texts = Texts::default();
        let all: Vec<String> = std::iter::once(String::new()).chain((0..5000).map(|n| format!("é{n}"))).collect();
        let numbers: Vec<_> = all.iter().map(|text| texts.number(text).unwrap()).collect();
        assert_eq!(numbers, (0..5001).collect::<Vec<_>>());
        for (text, number) in all.iter().zip(numbers) {
            assert_eq!(texts.number(text), Some(number));
            assert_eq!(texts.get(number), Some(text.as_str()));
        }
        assert_eq!((texts.len(), texts.get(5001), texts.get(-1)), (5001, None, None));
    }
}
