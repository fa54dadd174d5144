//! Dates, times and intervals as PostgreSQL writes them with `DateStyle = ISO` and `IntervalStyle = postgres`: at most
//! six fractional digits, trailing zeros dropped. Always UTC: the session's `TimeZone` does not shift what is written,
//! the offset in the text says so.

use bytes::{BufMut, BytesMut};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// From 1970-01-01 to 2000-01-01, PostgreSQL's epoch.
const DAYS_TO_PG_EPOCH: i32 = 10_957;
const MICROS_TO_PG_EPOCH: i64 = DAYS_TO_PG_EPOCH as i64 * MICROS_PER_DAY;

/// Days since 2000-01-01, the binary form of `date`.
pub(super) fn pg_days(unix_days: i32) -> i32 {
    unix_days.saturating_sub(DAYS_TO_PG_EPOCH)
}

/// Microseconds since 2000-01-01, the binary form of `timestamp` and `timestamptz`.
pub(super) fn pg_micros(unix_micros: i64) -> i64 {
    unix_micros.saturating_sub(MICROS_TO_PG_EPOCH)
}

/// Microseconds since 1970-01-01 of a binary `timestamp` or `timestamptz`.
pub(crate) fn unix_micros(pg_micros: i64) -> i64 {
    pg_micros.saturating_add(MICROS_TO_PG_EPOCH)
}

/// Days since 1970-01-01 of a binary `date`.
pub(crate) fn unix_days(pg_days: i32) -> i32 {
    pg_days.saturating_add(DAYS_TO_PG_EPOCH)
}

/// `2026-11-21`, or `0044-03-15 BC` before year 1.
pub(super) fn write_date(unix_days: i64, out: &mut BytesMut) {
    let before_christ = write_day(unix_days, out);
    if before_christ {
        out.put_slice(b" BC");
    }
}

/// `18:00:00.123456`.
pub(super) fn write_time(micros: i64, out: &mut BytesMut) {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    put_padded(seconds / 3600, 2, out);
    out.put_u8(b':');
    put_padded(seconds / 60 % 60, 2, out);
    out.put_u8(b':');
    put_padded(seconds % 60, 2, out);
    put_fraction(micros.rem_euclid(MICROS_PER_SECOND), out);
}

/// `2026-11-21 18:00:00.123456+00`; without the offset when `zoned` is false.
pub(super) fn write_timestamp(unix_micros: i64, zoned: bool, out: &mut BytesMut) {
    let before_christ = write_day(unix_micros.div_euclid(MICROS_PER_DAY), out);
    out.put_u8(b' ');
    write_time(unix_micros.rem_euclid(MICROS_PER_DAY), out);
    if zoned {
        out.put_slice(b"+00");
    }
    if before_christ {
        out.put_slice(b" BC");
    }
}

/// `1 year 2 mons -3 days 04:05:06.789`.
pub(super) fn write_interval(months: i32, days: i32, micros: i64, out: &mut BytesMut) {
    let start = out.len();
    let mut negative_before = false;
    for (value, one, many) in [(months / 12, "year", "years"), (months % 12, "mon", "mons"), (days, "day", "days")] {
        if value == 0 {
            continue;
        }
        if out.len() > start {
            out.put_u8(b' ');
        }
        // PostgreSQL marks a positive part that follows a negative one.
        let sign = if negative_before && value > 0 { "+" } else { "" };
        let unit = if value == 1 { one } else { many };
        out.put_slice(format!("{sign}{value} {unit}").as_bytes());
        negative_before = value < 0;
    }
    if micros == 0 && out.len() > start {
        return;
    }
    if out.len() > start {
        out.put_u8(b' ');
    }
    if micros < 0 {
        out.put_u8(b'-');
    } else if negative_before {
        out.put_u8(b'+');
    }
    write_time(micros.checked_abs().unwrap_or(i64::MAX), out);
}

/// Writes year-month-day and tells whether the year lies before Christ.
fn write_day(unix_days: i64, out: &mut BytesMut) -> bool {
    let (year, month, day) = civil(unix_days);
    let before_christ = year <= 0;
    put_padded(if before_christ { 1 - year } else { year }, 4, out);
    out.put_u8(b'-');
    put_padded(month, 2, out);
    out.put_u8(b'-');
    put_padded(day, 2, out);
    before_christ
}

/// Year, month and day of a day number, in the proleptic Gregorian calendar (years counted in eras of 400 from March).
fn civil(unix_days: i64) -> (i64, i64, i64) {
    let days = unix_days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn put_fraction(micros: i64, out: &mut BytesMut) {
    if micros == 0 {
        return;
    }
    let (mut value, mut width) = (micros, 6);
    while value % 10 == 0 {
        value /= 10;
        width -= 1;
    }
    out.put_u8(b'.');
    put_padded(value, width, out);
}

/// Writes a non-negative number with at least `width` digits.
fn put_padded(value: i64, width: usize, out: &mut BytesMut) {
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        if rest == 0 && used >= width {
            break;
        }
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
    }
    let (_, tail) = digits.split_at(digits.len() - used);
    out.put_slice(tail);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn timestamps_carry_at_most_six_digits_without_trailing_zeros() {
        assert_eq!(text(|o| write_timestamp(1_795_284_000_123_456, true, o)), "2026-11-21 18:00:00.123456+00");
        assert_eq!(text(|o| write_timestamp(1_795_284_000_120_000, true, o)), "2026-11-21 18:00:00.12+00");
        assert_eq!(text(|o| write_timestamp(1_795_284_000_000_000, false, o)), "2026-11-21 18:00:00");
        assert_eq!(text(|o| write_timestamp(-1, true, o)), "1969-12-31 23:59:59.999999+00");
    }

    #[test]
    fn dates_before_year_one_say_so() {
        assert_eq!(text(|o| write_date(0, o)), "1970-01-01");
        assert_eq!(text(|o| write_date(-719_162, o)), "0001-01-01");
        assert_eq!(text(|o| write_date(-719_163, o)), "0001-12-31 BC");
        assert_eq!(text(|o| write_date(11_016, o)), "2000-02-29");
    }

    #[test]
    fn intervals_read_as_postgresql_writes_them() {
        assert_eq!(text(|o| write_interval(14, 3, 14_706_789_000, o)), "1 year 2 mons 3 days 04:05:06.789");
        assert_eq!(text(|o| write_interval(0, 0, 0, o)), "00:00:00");
        assert_eq!(text(|o| write_interval(0, -1, 1_000_000, o)), "-1 days +00:00:01");
        assert_eq!(text(|o| write_interval(1, 0, 0, o)), "1 mon");
        assert_eq!(text(|o| write_interval(0, 0, -1_500_000, o)), "-00:00:01.5");
    }

    #[test]
    fn the_epochs_are_thirty_years_apart() {
        assert_eq!(pg_micros(unix_micros(42)), 42);
        assert_eq!(pg_days(DAYS_TO_PG_EPOCH), 0);
        assert_eq!(unix_days(1), 10_958);
    }
}
