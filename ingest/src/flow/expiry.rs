//! When to look at a flow again: a wheel of one-second buckets on packet time.
//!
//! The one fact to know: a packet never touches the wheel. A flow sits in the bucket of the deadline it had when it was
//! put there; when that bucket comes due its owner looks at the flow's real deadline and either ends it or puts it
//! back. So a flow costs one look per time-out, however many packets it has.
//!
//! ```text
//!   cursor (oldest bucket not yet emptied)      now                       now + HORIZON
//!      │                                         │                              │
//!   ───┼──┬──┬──┬──┬──┬──┬──┬──┬──┬──┬──┬──┬──┬──┼──┬──┬──┬──┬──┬──┬──┬──┬──┬──┼───
//!      │▓▓│▓▓│▓▓│  due: popped one at a time     │  │▓▓│▓▓│  waiting            │
//! ```
//!
//! When time jumps by more than the horizon, everything in the wheel has come due: the wheel then skips the rest of the
//! jump. The wheel knows slots, not flows.

/// Nanoseconds per bucket. Ends are noticed up to this late, which shows in no row: a packet checks its flow's exact
/// deadline itself.
const TICK_NS: i64 = 1_000_000_000;

/// Seconds that the wheel sees ahead; a flow due later is looked at once per horizon.
const HORIZON: i64 = 1024;

/// Twice the horizon: the cursor may lag by one while flows are put one ahead, without meeting.
const BUCKETS: usize = 2048;

/// No slot.
const NONE: u32 = u32::MAX;

/// Slots by the time they should be looked at.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Vec<u32>,
    links: Vec<Link>,
    cursor: i64,
    now: i64,
    /// Seconds skipped by jumps, which `cursor` and `now` do not count.
    skipped: i64,
    len: usize,
}

/// A slot's neighbours in its bucket, a doubly linked list: flows leave from the middle.
#[derive(Debug, Clone, Copy)]
struct Link {
    previous: u32,
    next: u32,
    bucket: u32,
}

const UNLINKED: Link = Link { previous: NONE, next: NONE, bucket: NONE };

impl Wheel {
    /// An empty wheel. Time begins with the first [`advance`](Self::advance).
    pub(crate) fn new() -> Wheel {
        Wheel { heads: vec![NONE; BUCKETS], links: Vec::new(), cursor: 0, now: 0, skipped: i64::MIN, len: 0 }
    }

    /// Sets the time; it never goes back. [`pop_due`](Self::pop_due) must have been emptied since the last call.
    #[inline]
    pub(crate) fn advance(&mut self, now_ns: i64) {
        let ahead = now_ns.div_euclid(TICK_NS).saturating_sub(self.skipped).saturating_sub(self.now);
        let step = ahead.clamp(0, HORIZON);
        self.now += step;
        if ahead > step {
            self.skipped = now_ns.div_euclid(TICK_NS) - self.now;
        }
    }

    /// Whether [`pop_due`](Self::pop_due) has work to do.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.cursor < self.now
    }

    /// Takes out a slot whose time may have come. The owner puts it back or ends its flow.
    pub(crate) fn pop_due(&mut self) -> Option<u32> {
        if self.len == 0 {
            self.cursor = self.now;
        }
        while self.cursor < self.now {
            if let Some(slot) = self.pop_bucket(self.cursor) {
                return Some(slot);
            }
            self.cursor += 1;
        }
        None
    }

    /// Takes out one of the slots whose bucket comes first, to make room. `deadline_ns` tells a slot's real deadline:
    /// when its place is a later bucket it is put there, and the next one is looked at.
    pub(crate) fn pop_earliest(&mut self, deadline_ns: impl Fn(u32) -> i64) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        for tick in self.cursor..=self.now + HORIZON {
            while let Some(slot) = self.pop_bucket(tick) {
                let deadline_ns = deadline_ns(slot);
                if self.tick_of(deadline_ns) <= tick {
                    return Some(slot);
                }
                self.schedule(slot, deadline_ns);
            }
        }
        None
    }

    /// Puts a slot into the bucket of its deadline, moving it if it is in another.
    pub(crate) fn schedule(&mut self, slot: u32, deadline_ns: i64) {
        self.cancel(slot);
        let bucket = bucket_of(self.tick_of(deadline_ns));
        let at = slot as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, UNLINKED);
        }
        let Some(head) = self.heads.get_mut(bucket as usize) else { return };
        let next = std::mem::replace(head, slot);
        if let Some(link) = self.links.get_mut(next as usize) {
            link.previous = slot;
        }
        if let Some(link) = self.links.get_mut(at) {
            *link = Link { previous: NONE, next, bucket };
        }
        self.len += 1;
    }

    /// Takes a slot out; nothing happens when it is not in.
    pub(crate) fn cancel(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let Link { previous, next, bucket } = std::mem::replace(link, UNLINKED);
        if bucket == NONE {
            return;
        }
        match self.links.get_mut(previous as usize) {
            Some(link) => link.next = next,
            None => {
                if let Some(head) = self.heads.get_mut(bucket as usize) {
                    *head = next;
                }
            }
        }
        if let Some(link) = self.links.get_mut(next as usize) {
            link.previous = previous;
        }
        self.len -= 1;
    }

    /// Bytes of memory held.
    pub(crate) fn size_bytes(&self) -> usize {
        self.heads.capacity() * size_of::<u32>() + self.links.capacity() * size_of::<Link>()
    }

    fn tick_of(&self, deadline_ns: i64) -> i64 {
        deadline_ns.div_euclid(TICK_NS).saturating_sub(self.skipped).clamp(self.now, self.now + HORIZON - 1)
    }

    fn pop_bucket(&mut self, tick: i64) -> Option<u32> {
        let slot = *self.heads.get(bucket_of(tick) as usize)?;
        if slot == NONE {
            return None;
        }
        self.cancel(slot);
        Some(slot)
    }
}

fn bucket_of(tick: i64) -> u32 {
    u32::try_from(tick.rem_euclid(HORIZON * 2)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = TICK_NS;

    fn drain(wheel: &mut Wheel) -> Vec<u32> {
        let mut slots: Vec<u32> = std::iter::from_fn(|| wheel.pop_due()).collect();
        slots.sort_unstable();
        slots
    }

    #[test]
    fn slots_come_due_in_the_second_after_their_deadline() {
        let mut wheel = Wheel::new();
        wheel.advance(100 * S);
        wheel.schedule(0, 110 * S);
        wheel.schedule(1, 110 * S + 5);
        wheel.schedule(2, 111 * S);
        wheel.advance(110 * S + 999);
        assert!(drain(&mut wheel).is_empty());
        wheel.advance(111 * S);
        assert_eq!(drain(&mut wheel), [0, 1]);
        wheel.advance(112 * S);
        assert_eq!(drain(&mut wheel), [2]);
    }

    #[test]
    fn a_jump_of_years_finds_everything_once() {
        let mut wheel = Wheel::new();
        wheel.advance(0);
        for slot in 0..5000 {
            wheel.schedule(slot, i64::from(slot) * S);
        }
        wheel.advance(i64::MAX);
        assert_eq!(drain(&mut wheel), (0..5000).collect::<Vec<_>>());
        assert_eq!(wheel.len, 0);
    }

    #[test]
    fn a_slot_put_back_while_others_are_due_is_not_popped_again() {
        let mut wheel = Wheel::new();
        wheel.advance(0);
        wheel.schedule(0, S);
        wheel.schedule(1, S);
        wheel.advance(10 * HORIZON * S);
        let first = wheel.pop_due().unwrap();
        wheel.schedule(first, i64::MAX);
        assert_eq!(drain(&mut wheel).len(), 1);
    }

    #[test]
    fn a_slot_leaves_from_anywhere_in_its_bucket() {
        for leaves in 0..3 {
            let mut wheel = Wheel::new();
            wheel.advance(0);
            (0..3).for_each(|slot| wheel.schedule(slot, 5 * S));
            wheel.cancel(leaves);
            wheel.cancel(leaves);
            wheel.advance(6 * S);
            assert_eq!(drain(&mut wheel), (0..3).filter(|s| *s != leaves).collect::<Vec<_>>());
        }
    }

    #[test]
    fn room_is_made_from_the_earliest_bucket() {
        let mut wheel = Wheel::new();
        wheel.advance(-50 * S);
        let deadlines = [-20 * S, -30 * S, i64::MAX];
        (0..3).for_each(|slot| wheel.schedule(slot, -40 * S));
        let deadline = |slot: u32| deadlines[slot as usize];
        let order: Vec<u32> = std::iter::from_fn(|| wheel.pop_earliest(deadline)).collect();
        assert_eq!(order, [1, 0, 2]);
    }
}
