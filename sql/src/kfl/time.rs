//! Times: RFC 3339 and spans such as `1h5m10s` as text and back, time zones, and what can be read off them.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, SecondsFormat, Timelike};
use chrono_tz::Tz;

use super::typed::TimePart;

const NS_PER_S: i64 = 1_000_000_000;

/// Units of spans of time, in ns.
const UNITS: &[(&str, i64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", NS_PER_S),
    ("m", 60 * NS_PER_S),
    ("h", 3600 * NS_PER_S),
];

/// Reads a time of RFC 3339 as ns since 1970. `None` if it is none, or lies outside 1677 to 2262.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()
}

/// A time in RFC 3339, UTC, with as many digits of the second as it needs.
pub fn format_timestamp(ns: i64) -> String {
    let time = DateTime::from_timestamp_nanos(ns);
    if time.nanosecond() == 0 {
        return time.to_rfc3339_opts(SecondsFormat::Secs, true);
    }
    let text = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
    format!("{}Z", text.trim_end_matches(['0', 'Z']))
}

/// Reads a span of time in Go's notation: decimal numbers with their units, `1h5m10s`, `-1.5ms`. In ns; `None` if it is
/// none, or longer than 292 years.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, behind) = rest.split_at_checked(number_length)?;
        let unit_length = behind.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(unit_length)?;
        let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *unit_ns)?)?;
        rest = behind;
    }
    i64::try_from(if is_negative { -total } else { total }).ok()
}

/// A decimal number of units, in ns; what is less than one is cut.
fn scaled(number: &str, unit_ns: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
    // Finer than this no digit adds a nanosecond to an hour.
    let digits: Vec<u8> = fraction.bytes().take(18).collect();
    let part = digits.iter().fold(0i128, |part, digit| part * 10 + i128::from(digit - b'0'));
    let places = 10i128.pow(u32::try_from(digits.len()).ok()?);
    whole.checked_mul(unit_ns.into())?.checked_add(part * i128::from(unit_ns) / places)
}

/// A span of time in seconds: `3600s`, `-0.5s`.
pub fn format_duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let (seconds, rest) = (ns.unsigned_abs() / 1_000_000_000, ns.unsigned_abs() % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let text = format!("{sign}{seconds}.{rest:09}");
    format!("{}s", text.trim_end_matches('0'))
}

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// So far east of UTC.
    Fixed(FixedOffset),
    /// One of the IANA database.
    Named(Tz),
}

impl Zone {
    /// UTC.
    pub const UTC: Zone = Zone::Named(Tz::UTC);

    /// Reads `Europe/Berlin`, `UTC`, `+02:00`, `-02:30` or `02:00`. `None` if it is no zone.
    pub fn parse(text: &str) -> Option<Zone> {
        let (is_west, clock) = match text.strip_prefix('-') {
            Some(clock) => (true, clock),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if clock.starts_with(|first: char| first.is_ascii_digit()) {
            let (hours, minutes) = clock.split_once(':')?;
            let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<i32>().ok()).flatten();
            let (hours, minutes) = (two(hours)?, two(minutes).filter(|minutes| *minutes < 60)?);
            let seconds = (hours * 60 + minutes) * 60;
            return FixedOffset::east_opt(if is_west { -seconds } else { seconds }).map(Zone::Fixed);
        }
        text.parse().ok().map(Zone::Named)
    }

    /// What a clock there shows.
    fn local(self, ns: i64) -> NaiveDateTime {
        let utc = DateTime::from_timestamp_nanos(ns);
        match self {
            Zone::Fixed(offset) => utc.with_timezone(&offset).naive_local(),
            Zone::Named(zone) => utc.with_timezone(&zone).naive_local(),
        }
    }
}

/// A part of a time, as a clock in the zone shows it.
pub fn timestamp_part(ns: i64, part: TimePart, zone: Zone) -> i64 {
    let local = zone.local(ns);
    match part {
        TimePart::FullYear => local.year().into(),
        TimePart::Month => local.month0().into(),
        TimePart::Date => local.day().into(),
        TimePart::DayOfMonth => local.day0().into(),
        TimePart::DayOfWeek => local.weekday().num_days_from_sunday().into(),
        TimePart::DayOfYear => local.ordinal0().into(),
        TimePart::Hours => local.hour().into(),
        TimePart::Minutes => local.minute().into(),
        TimePart::Seconds => local.second().into(),
        TimePart::Milliseconds => (local.nanosecond() / 1_000_000 % 1000).into(),
    }
}

/// A span of time in whole hours, minutes or seconds, or the milliseconds within its second. `None` for other parts.
pub fn duration_part(ns: i64, part: TimePart) -> Option<i64> {
    match part {
        TimePart::Hours => Some(ns / (3600 * NS_PER_S)),
        TimePart::Minutes => Some(ns / (60 * NS_PER_S)),
        TimePart::Seconds => Some(ns / NS_PER_S),
        TimePart::Milliseconds => Some(ns / 1_000_000 % 1000),
        _ => None,
    }
}
