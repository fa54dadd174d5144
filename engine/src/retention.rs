//! What may be forgotten: a pure function of what there is, the policy and the time.
//!
//! There are two tiers. The exact packets take most of the space and are often wanted for days; the rows made from them
//! take a tenth and are wanted for months. Each tier has its own age, the packets their own budget, and all of it one
//! budget together. What is oldest goes first, always, so that what is left is one unbroken stretch of time per tier.

use serde::{Deserialize, Serialize};

/// What a database may keep. None is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Age in ns of the newest row of a segment, from which the whole segment goes.
    pub max_age_ns: Option<i64>,
    /// Age in ns from which its exact packets go.
    pub raw_max_age_ns: Option<i64>,
    /// Bytes of all segments, sealed and open.
    pub max_bytes: Option<u64>,
    /// Bytes of exact packets, sealed and open.
    pub raw_max_bytes: Option<u64>,
}

impl Policy {
    /// The smaller of the two budgets.
    pub fn budget_bytes(&self) -> Option<u64> {
        [self.max_bytes, self.raw_max_bytes].into_iter().flatten().min()
    }

    /// The same on a disk with room for `bytes`: a budget is never more. Where nothing may be dropped, there is no budget.
    pub fn within(self, bytes: u64) -> Policy {
        match self.is_unlimited() {
            true => self,
            false => Policy { max_bytes: Some(self.max_bytes.map_or(bytes, |max| max.min(bytes))), ..self },
        }
    }

    /// Whether nothing may ever be dropped.
    pub fn is_unlimited(&self) -> bool {
        *self == Policy::default()
    }
}

/// What retention looks at of a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The segment's id.
    pub id: u32,
    /// Time of its newest row, ns since the epoch.
    pub newest_ns: i64,
    /// Its raw component and its size in bytes, while it has one.
    pub raw: Option<(String, u64)>,
    /// Bytes of its other components.
    pub rows_bytes: u64,
}

/// What goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expired {
    /// The whole segment.
    Segment {
        /// Its id.
        id: u32,
    },
    /// One component of it.
    Component {
        /// Its segment.
        id: u32,
        /// Its file.
        file: String,
        /// Its size.
        size_bytes: u64,
    },
}

/// What of `segments` (ascending by id) expires at `now_ns`. `open_bytes` are in logs that are not sealed: they count, and
/// stay.
pub fn select(segments: &[Facts], open_bytes: u64, policy: &Policy, now_ns: i64) -> Vec<Expired> {
    let older = |s: &Facts, age: Option<i64>| age.is_some_and(|age| now_ns.saturating_sub(s.newest_ns) > age);
    let over = |left: u64, budget: Option<u64>| budget.is_some_and(|budget| left > budget);
    let mut raw_left = segments.iter().map(raw_bytes).sum::<u64>().saturating_add(open_bytes);
    let mut keeps_raw = Vec::with_capacity(segments.len());
    for s in segments {
        let goes =
            older(s, policy.max_age_ns) || older(s, policy.raw_max_age_ns) || over(raw_left, policy.raw_max_bytes);
        if goes {
            raw_left -= raw_bytes(s);
        }
        keeps_raw.push(!goes);
    }
    let mut left = segments.iter().map(|s| s.rows_bytes).sum::<u64>().saturating_add(raw_left);
    let mut expired = Vec::new();
    for (s, keeps_raw) in segments.iter().zip(keeps_raw) {
        if older(s, policy.max_age_ns) || over(left, policy.max_bytes) {
            left -= s.rows_bytes + if keeps_raw { raw_bytes(s) } else { 0 };
            expired.push(Expired::Segment { id: s.id });
        } else if let (false, Some((file, size_bytes))) = (keeps_raw, &s.raw) {
            expired.push(Expired::Component { id: s.id, file: file.clone(), size_bytes: *size_bytes });
        }
    }
    expired
}

fn raw_bytes(s: &Facts) -> u64 {
    s.raw.as_ref().map_or(0, |(_, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    /// Ten segments of an hour each, 90 bytes of packets and 10 of rows.
    fn ten() -> Vec<Facts> {
        let facts = |id: u32| Facts {
            id,
            newest_ns: i64::from(id) * HOUR,
            raw: Some(("raw.pcapng.zst".to_owned(), 90)),
            rows_bytes: 10,
        };
        (1..=10).map(facts).collect()
    }

    fn segments(expired: &[Expired]) -> Vec<u32> {
        expired.iter().filter_map(|e| if let Expired::Segment { id } = e { Some(*id) } else { None }).collect()
    }

    fn raws(expired: &[Expired]) -> Vec<u32> {
        expired.iter().filter_map(|e| if let Expired::Component { id, .. } = e { Some(*id) } else { None }).collect()
    }

    #[test]
    fn without_a_policy_nothing_goes() {
        assert_eq!(select(&ten(), u64::MAX, &Policy::default(), i64::MAX), []);
    }

    /// Proves that a budget is no more than the disk has, that a policy of ages only gets one, and that a policy that
    /// drops nothing stays so.
    #[test]
    fn a_budget_is_within_the_disk() {
        let budget = |max_bytes| Policy { max_bytes, max_age_ns: Some(HOUR), ..Policy::default() };
        assert_eq!(budget(Some(500)).within(300), budget(Some(300)));
        assert_eq!(budget(Some(500)).within(700), budget(Some(500)));
        assert_eq!(budget(None).within(700), budget(Some(700)));
        assert_eq!(Policy::default().within(0), Policy::default());
    }

    #[test]
    fn age_counts_from_the_newest_row_and_each_tier_has_its_own() {
        let policy = Policy { max_age_ns: Some(7 * HOUR), raw_max_age_ns: Some(2 * HOUR), ..Policy::default() };
        let expired = select(&ten(), 0, &policy, 10 * HOUR);
        assert_eq!((segments(&expired), raws(&expired)), (vec![1, 2], vec![3, 4, 5, 6, 7]));
    }

    #[test]
    fn budgets_drop_the_oldest_until_the_rest_fits_open_logs_included() {
        let policy = Policy { max_bytes: Some(500), ..Policy::default() };
        assert_eq!(segments(&select(&ten(), 0, &policy, 0)), [1, 2, 3, 4, 5]);
        assert_eq!(segments(&select(&ten(), 1, &policy, 0)), [1, 2, 3, 4, 5, 6], "one byte over");
        assert_eq!(segments(&select(&ten(), 10_000, &policy, 0)).len(), 10, "what is open stays, whatever it takes");
    }

    #[test]
    fn packets_go_before_rows_when_they_have_a_budget_of_their_own() {
        let policy = Policy { raw_max_bytes: Some(270), max_bytes: Some(370), ..Policy::default() };
        let expired = select(&ten(), 0, &policy, 0);
        assert_eq!((segments(&expired), raws(&expired)), (vec![], vec![1, 2, 3, 4, 5, 6, 7]));
        let expired = select(&ten(), 0, &Policy { max_bytes: Some(350), ..policy }, 0);
        assert_eq!((segments(&expired), raws(&expired)), (vec![1, 2], vec![3, 4, 5, 6, 7]));
    }
}
