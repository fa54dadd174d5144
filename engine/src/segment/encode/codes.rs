//! From values to codes: the place of each among the distinct values, in the order in which they first appear. Codes of
//! early pages are small then, and so is the bit width they need.

use hashbrown::HashMap;

use super::gather::Gathered;

/// Slots of the table at most (4 MiB). Values whose range is within it are looked up by a load; others by a hash.
const TABLE_SLOTS: usize = 1 << 20;

/// Slots for each value at most: clearing them must not cost more than hashing the values.
const SLOTS_PER_VALUE: usize = 8;

/// A slot whose value has no code yet.
const NONE: u32 = u32::MAX;

/// Gives codes. What it holds is of the column that was last given some.
#[derive(Default)]
pub(super) struct Coder {
    /// The code of each value.
    pub(super) codes: Vec<u32>,
    /// The value of each code.
    pub(super) distinct: Vec<i64>,
    /// Codes by the distance from the smallest value.
    table: Vec<u32>,
}

impl Coder {
    /// Gives every value its code. False, and codes of no use, when there are more than `limit` distinct values.
    pub(super) fn assign(&mut self, column: &Gathered, limit: usize) -> bool {
        self.distinct.clear();
        self.codes.clear();
        self.codes.reserve(column.values.len());
        let Some((min, max)) = column.bounds() else { return true };
        let slots = TABLE_SLOTS.min(column.values.len() * SLOTS_PER_VALUE);
        match usize::try_from(max.abs_diff(min)) {
            Ok(range) if range < slots => self.by_table(&column.values, min, range, limit),
            _ => self.by_hash(&column.values, limit),
        }
    }

    fn by_table(&mut self, values: &[i64], min: i64, range: usize, limit: usize) -> bool {
        let slot = |value: i64| usize::try_from(value.abs_diff(min)).unwrap_or(usize::MAX);
        self.table.clear();
        self.table.resize(range + 1, NONE);
        let mut next = 0;
        for &value in values {
            let Some(code) = self.table.get_mut(slot(value)) else { return false };
            if *code == NONE {
                if self.distinct.len() == limit {
                    return false;
                }
                self.distinct.push(value);
                *code = next;
                next += 1;
            }
            self.codes.push(*code);
        }
        true
    }

    /// The hash is seeded: values come from the wire, and could be chosen to collide.
    fn by_hash(&mut self, values: &[i64], limit: usize) -> bool {
        let mut map: HashMap<i64, u32> = HashMap::new();
        let mut next = 0;
        let mut last = None;
        for &value in values {
            let code = match last {
                Some((same, code)) if same == value => code,
                _ => *map.entry(value).or_insert_with(|| {
                    self.distinct.push(value);
                    next += 1;
                    next - 1
                }),
            };
            if self.distinct.len() > limit {
                return false;
            }
            last = Some((value, code));
            self.codes.push(code);
        }
        true
    }

    /// Gives each code the one that `of` names instead.
    pub(super) fn rename(&mut self, of: &[u32]) {
        for code in &mut self.codes {
            *code = usize::try_from(*code).ok().and_then(|c| of.get(c)).copied().unwrap_or(NONE);
        }
    }
}
