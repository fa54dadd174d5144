//! Floating-point and decimal numbers in PostgreSQL's text and binary forms.

use bytes::{BufMut, BytesMut};

/// Decimal exponents up to which PostgreSQL writes a float without `e` (`%.15g` and `%.6g` of old).
const MAX_PLAIN_EXPONENT_F64: i32 = 15;
const MAX_PLAIN_EXPONENT_F32: i32 = 6;

/// The shortest text that reads back as the same `float8`.
pub(super) fn write_f64(value: f64, out: &mut BytesMut) {
    if !write_special(value, out) {
        write_scientific(&format!("{value:e}"), MAX_PLAIN_EXPONENT_F64, out);
    }
}

/// The shortest text that reads back as the same `float4`.
pub(super) fn write_f32(value: f32, out: &mut BytesMut) {
    if !write_special(f64::from(value), out) {
        write_scientific(&format!("{value:e}"), MAX_PLAIN_EXPONENT_F32, out);
    }
}

fn write_special(value: f64, out: &mut BytesMut) -> bool {
    let word: &[u8] = if value.is_nan() {
        b"NaN"
    } else if value == f64::INFINITY {
        b"Infinity"
    } else if value == f64::NEG_INFINITY {
        b"-Infinity"
    } else {
        return false;
    };
    out.put_slice(word);
    true
}

/// Lays out `d.ddde±x` as PostgreSQL does: plain for exponents from -4 up to `limit`, scientific beyond.
fn write_scientific(shortest: &str, limit: i32, out: &mut BytesMut) {
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if unsigned.len() < mantissa.len() {
        out.put_u8(b'-');
    }
    let digits: String = unsigned.chars().filter(char::is_ascii_digit).collect();
    if exponent < -4 || exponent >= limit {
        out.put_slice(unsigned.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        out.put_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
    } else if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        out.put_slice(format!("0.{zeros}{digits}").as_bytes());
    } else {
        let whole = usize::try_from(exponent + 1).unwrap_or(1);
        match digits.split_at_checked(whole) {
            Some((head, "")) => out.put_slice(head.as_bytes()),
            Some((head, tail)) => out.put_slice(format!("{head}.{tail}").as_bytes()),
            None => out.put_slice(format!("{digits:0<whole$}").as_bytes()),
        }
    }
}

/// The binary form of `numeric`, from decimal text such as `-12.340`: base-10000 digits, the weight of the first, sign
/// and number of decimal digits after the point (`numeric_send` in PostgreSQL).
pub(super) fn write_numeric_binary(text: &str, out: &mut BytesMut) {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (0x4000_u16, rest),
        None => (0, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let whole = whole.trim_start_matches('0');
    let groups = |digits: &str| -> Vec<i16> {
        digits.as_bytes().chunks(4).map(|c| c.iter().fold(0, |n, d| n * 10 + i16::from(d - b'0'))).collect()
    };
    let padded_whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let padded_fraction = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let whole_groups = groups(&padded_whole);
    let mut weight = i16::try_from(whole_groups.len()).unwrap_or(i16::MAX) - 1;
    let mut all: Vec<i16> = whole_groups;
    all.extend(groups(&padded_fraction));
    let leading = all.iter().take_while(|group| **group == 0).count();
    all.drain(..leading);
    weight = weight.saturating_sub(i16::try_from(leading).unwrap_or(i16::MAX));
    while all.last() == Some(&0) {
        all.pop();
    }
    if all.is_empty() {
        weight = 0;
    }
    out.put_i16(i16::try_from(all.len()).unwrap_or(i16::MAX));
    out.put_i16(weight);
    out.put_u16(if all.is_empty() { 0 } else { sign });
    out.put_i16(i16::try_from(fraction.len()).unwrap_or(i16::MAX));
    for group in all {
        out.put_i16(group);
    }
}

/// Decimal text of a binary `numeric`; `None` when it is malformed or not a number (NaN, infinity).
pub(crate) fn read_numeric_binary(bytes: &[u8]) -> Option<String> {
    let (words, _) = bytes.as_chunks::<2>();
    let mut words = words.iter().map(|word| u16::from_be_bytes(*word));
    let (count, weight, sign, scale) = (words.next()?, words.next()?.cast_signed(), words.next()?, words.next()?);
    let groups: Vec<u16> = words.collect();
    if groups.len() != usize::from(count) || sign & 0x8000 != 0 || groups.iter().any(|group| *group > 9999) {
        return None;
    }
    let group_at = |index: i32| usize::try_from(index).ok().and_then(|i| groups.get(i)).copied().unwrap_or(0);
    let mut whole: String = (0..=i32::from(weight)).map(|index| format!("{:04}", group_at(index))).collect();
    if whole.is_empty() {
        whole.push('0');
    }
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let first = i32::from(weight) + 1;
    let count = i32::from(scale).div_euclid(4) + 1;
    let fraction: String = (first..first + count).map(|index| format!("{:04}", group_at(index))).collect();
    let fraction = fraction.get(..usize::from(scale))?;
    let sign = if sign == 0x4000 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut out = BytesMut::new();
        write_f64(value, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn floats_switch_to_scientific_where_postgresql_does() {
        assert_eq!(float(1.5), "1.5");
        assert_eq!(float(-0.0), "-0");
        assert_eq!(float(100_000.0), "100000");
        assert_eq!(float(123_456_789_012_345.0), "123456789012345");
        assert_eq!(float(1e15), "1e+15");
        assert_eq!(float(0.0001), "0.0001");
        assert_eq!(float(0.00001234), "1.234e-05");
        assert_eq!(float(f64::NEG_INFINITY), "-Infinity");
    }

    #[test]
    fn numerics_read_back_as_written() {
        for text in ["0", "1", "-12.340", "10000", "123456789.0001", "0.00001", "99999999999999999999.5", "0.00"] {
            let mut out = BytesMut::new();
            write_numeric_binary(text, &mut out);
            assert_eq!(read_numeric_binary(&out).as_deref(), Some(text));
        }
        assert_eq!(read_numeric_binary(&[0, 1]), None);
    }
}
