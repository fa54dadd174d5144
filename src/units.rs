//! Sizes and durations as people write them on a command line, and counts as they read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::HumanCount;

/// `1 packet`, `17,275 packets`: a number and what it counts, whose plural takes an s.
pub(crate) fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(n), if n == 1 { "" } else { "s" })
}

/// The wall clock, ns since the epoch.
pub(crate) fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// Bytes: `1GiB`, `512M`, `64kb`, `1000000`. `k`, `M`, `G` and `T` are powers of 1024, as with dd and JVMs.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1u64 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(format!("\"{unit}\" is no unit of size; try 512MiB or 2GiB")),
    };
    let number: u64 = number.parse().map_err(|_| "a size is a whole number with a unit, such as 2GiB".to_owned())?;
    let bytes = number.checked_mul(scale).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| "this is more than the machine can address".to_owned())
}

/// A time span: `30s`, `5m`, `2h`, `7d`, `500ms`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let unit_ms = match unit {
        "ms" => 1u64,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("\"{unit}\" is no unit of time; try 30s, 5m or 500ms")),
    };
    let number: u64 = number.parse().map_err(|_| "a time is a whole number with a unit, such as 30s".to_owned())?;
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(|| "this is too long".to_owned())
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!((count(1, "packet"), count(17_275, "packet")), ("1 packet".into(), "17,275 packets".into()));
    }

    #[test]
    fn sizes_take_the_usual_units() {
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("64 kb"), Ok(64 << 10));
        assert_eq!(parse_size("1000"), Ok(1000));
        assert!(parse_size("1.5GiB").is_err() && parse_size("GiB").is_err() && parse_size("99999999999T").is_err());
    }

    #[test]
    fn durations_take_the_usual_units() {
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        assert!(parse_duration("5 parsecs").is_err() && parse_duration("").is_err() && parse_duration("-1s").is_err());
    }
}
