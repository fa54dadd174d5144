//! From an interface's time units to nanoseconds, in integers throughout: exact where nanoseconds can say it, cut below, and
//! saturating at the ends of an `i64` (the years 1677 and 2262).

use crate::frame::Resolution;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// `if_tsresol` and `if_tsoffset` of an interface (draft-ietf-opsawg-pcapng section 4.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    unit: Unit,
    offset_ns: i128,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    /// A power of ten of at least a nanosecond: nanoseconds of one.
    Multiple(u32),
    /// A finer power of ten: how many make a nanosecond.
    Fraction(u128),
    /// 2 to the minus this, of a second.
    Binary(u8),
}

impl Default for Clock {
    /// Microseconds since the epoch, what holds when the options are absent.
    fn default() -> Self {
        Clock { unit: Unit::Multiple(1000), offset_ns: 0 }
    }
}

impl Clock {
    /// Takes `if_tsresol`: the negative exponent of 2 when the high bit is set, of 10 otherwise.
    pub(super) fn set_resolution(&mut self, value: u8) {
        let exponent = u32::from(value & 0x7f);
        self.unit = if value & 0x80 != 0 {
            Unit::Binary(value & 0x7f)
        } else if exponent <= 9 {
            Unit::Multiple(10u32.pow(9 - exponent))
        } else {
            // Past 10^38 no 64-bit count makes a nanosecond, and any divisor above 2^64 says so.
            Unit::Fraction(10u128.checked_pow(exponent - 9).unwrap_or(u128::MAX))
        };
    }

    /// Takes `if_tsoffset`.
    pub(super) fn set_offset_seconds(&mut self, seconds: i64) {
        self.offset_ns = i128::from(seconds) * NS_PER_SECOND.cast_signed();
    }

    /// Whether all times are whole microseconds.
    pub(super) fn resolution(&self) -> Resolution {
        match self.unit {
            Unit::Multiple(ns) if ns >= 1000 => Resolution::Micro,
            _ => Resolution::Nano,
        }
    }

    /// Nanoseconds since the epoch of a time stamp.
    #[inline]
    pub(super) fn ns(&self, ticks: u64) -> i64 {
        let ticks = u128::from(ticks);
        // At most 2^64 × 10^9, so 2^94.
        let ns = match self.unit {
            Unit::Multiple(ns) => ticks * u128::from(ns),
            Unit::Fraction(parts) => ticks / parts,
            Unit::Binary(shift) => (ticks * NS_PER_SECOND) >> shift,
        };
        let ns = ns.cast_signed() + self.offset_ns;
        i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(resolution: u8) -> Clock {
        let mut clock = Clock::default();
        clock.set_resolution(resolution);
        clock
    }

    #[test]
    fn powers_of_ten_are_exact_and_finer_ones_are_cut() {
        assert_eq!(Clock::default().ns(1_700_000_000_123_456), 1_700_000_000_123_456_000);
        assert_eq!(clock(0).ns(1_700_000_000), 1_700_000_000_000_000_000);
        assert_eq!(clock(3).ns(1_700_000_000_123), 1_700_000_000_123_000_000);
        assert_eq!(clock(9).ns(1_700_000_000_123_456_789), 1_700_000_000_123_456_789);
        assert_eq!(clock(12).ns(1_999_999), 1_999);
        assert_eq!(clock(28).ns(u64::MAX), 1);
        assert_eq!(clock(127).ns(u64::MAX), 0);
    }

    #[test]
    fn powers_of_two_are_exact_beyond_what_a_float_holds() {
        // Half a second past a large whole number of seconds, and one unit more.
        let seconds = 1_700_000_000u64;
        assert_eq!(clock(0x80 | 32).ns((seconds << 32) | (1 << 31)), 1_700_000_000_500_000_000);
        assert_eq!(clock(0x80 | 32).ns((seconds << 32) | 5), 1_700_000_000_000_000_001, "5 / 2^32 s = 1.16 ns");
        assert_eq!(clock(0x80).ns(7), 7_000_000_000);
        assert_eq!(clock(0xff).ns(u64::MAX), 0);
    }

    #[test]
    fn offsets_add_seconds_and_the_ends_saturate() {
        let mut c = clock(9);
        c.set_offset_seconds(-2);
        assert_eq!(c.ns(500), -1_999_999_500);
        c.set_offset_seconds(i64::MAX);
        assert_eq!(c.ns(u64::MAX), i64::MAX);
        c.set_offset_seconds(i64::MIN);
        assert_eq!(c.ns(0), i64::MIN);
        assert_eq!(clock(0).ns(u64::MAX), i64::MAX);
    }

    #[test]
    fn only_powers_of_ten_down_to_a_microsecond_are_micro() {
        for r in 0..=6 {
            assert_eq!(clock(r).resolution(), Resolution::Micro, "10^-{r}");
        }
        for r in [7, 9, 12, 127, 0x80, 0x80 | 20, 0xff] {
            assert_eq!(clock(r).resolution(), Resolution::Nano, "{r:#x}");
        }
    }
}
