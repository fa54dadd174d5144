//! Wall-clock time for what the kernel stamps.
//!
//! The kernel program stamps with time since boot, a packet socket with the wall clock of that moment. Both come out on one
//! time line that agrees with the wall clock and never runs backwards: when the clock is set forward the line follows at once, and
//! when it is set back the line runs at half speed until the clock has caught up. It does not know leap seconds; the kernel's
//! clock does not either.

use crate::syscalls::{boot_ns, wall_ns};

/// How often the offset between the two clocks is read again.
const REFRESH_NS: i64 = 1_000_000_000;

/// Two clocks and the time line served from them.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Wall clock minus time since boot, as last read.
    kernel: i64,
    /// The offset in use: `kernel`, or still above it after the clock was set back.
    served: i64,
    read_at: i64,
}

impl Clock {
    /// Reads both clocks.
    pub(crate) fn new() -> Self {
        let boot = boot_ns();
        let offset = wall_ns() - boot;
        Self { kernel: offset, served: offset, read_at: boot }
    }

    /// Reads the clocks again when the last reading is a second old. Called between frames, not for each.
    pub(crate) fn refresh(&mut self) {
        let boot = boot_ns();
        if boot - self.read_at >= REFRESH_NS {
            self.follow(boot, wall_ns() - boot);
        }
    }

    fn follow(&mut self, boot: i64, offset: i64) {
        let passed = boot - self.read_at;
        self.kernel = offset;
        self.served = offset.max(self.served.saturating_sub(passed / 2));
        self.read_at = boot;
    }

    /// The wall clock now, on the served line.
    pub(crate) fn now(&self) -> i64 {
        boot_ns().saturating_add(self.served)
    }

    /// A stamp in time since boot.
    pub(crate) fn stamp_of_boot(&self, boot_ns: u64) -> i64 {
        i64::try_from(boot_ns).unwrap_or(i64::MAX).saturating_add(self.served)
    }

    /// A stamp of the kernel's wall clock. `latest` is [`Self::now`] of after the stamp was made: a stamp older than a step of the
    /// clock would land in the future otherwise and hold up all that follow.
    pub(crate) fn stamp_of_wall(&self, wall_ns: i64, latest: i64) -> i64 {
        wall_ns.saturating_sub(self.kernel).saturating_add(self.served).min(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_clock_set_forward_is_followed_at_once() {
        let mut clock = Clock { kernel: 100, served: 100, read_at: 0 };
        clock.follow(SECOND, 100 + 3600 * SECOND);
        assert_eq!(clock.stamp_of_boot(SECOND.unsigned_abs()), 100 + 3601 * SECOND);
    }

    #[test]
    fn a_clock_set_back_slows_the_line_and_never_turns_it() {
        let mut clock = Clock { kernel: 0, served: 0, read_at: 0 };
        let mut last = i64::MIN;
        for second in 1..=10 {
            let boot = second * SECOND;
            clock.follow(boot, -4 * SECOND); // four seconds back: caught up after eight
            let at = clock.stamp_of_boot(boot.unsigned_abs());
            assert!(at > last, "second {second}: {at} after {last}");
            // Both kinds of stamp stay on one line.
            assert_eq!(clock.stamp_of_wall(boot - 4 * SECOND, i64::MAX), at);
            last = at;
        }
        assert_eq!(last, 6 * SECOND, "the line agrees with the clock again");
    }

    #[test]
    fn a_stamp_from_before_the_step_is_not_in_the_future() {
        let clock = Clock { kernel: -4 * SECOND, served: 0, read_at: 0 };
        assert_eq!(clock.stamp_of_wall(5 * SECOND, 5 * SECOND + 1), 5 * SECOND + 1);
    }

    #[test]
    fn the_line_starts_at_the_wall_clock() {
        let clock = Clock::new();
        assert!((wall_ns() - clock.now()).abs() < SECOND / 10);
    }
}
