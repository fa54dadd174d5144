//! Protocol Buffers without their schema: a message as JSON-like text, its fields by their numbers.
//!
//! The wire does not say what a field is. Numbers are shown unsigned; eight and four bytes as a floating-point number where
//! that is one of common size, else as a whole number; bytes as text where all of them can be printed, else as a message where
//! they are one, else as base64. A field that comes several times is a list.

use std::{collections::BTreeMap, fmt::Write};

use base64::{Engine, engine::general_purpose::STANDARD};

/// Messages within messages that are shown; what is deeper is base64. Real ones have half of it.
const MAX_DEPTH: usize = 16;

/// Sizes of floating-point numbers that are common: whole numbers and times seen as one are far outside.
const COMMON: std::ops::Range<f64> = 1e-9..1e15;

/// The fields of a message, shown, by their numbers.
type Fields = BTreeMap<u32, Vec<String>>;

/// A message as text, and whether it is one: what is none is shown as text or base64. Of one that is `cut` what there is.
pub(super) fn show(bytes: &[u8], cut: bool) -> String {
    match message(bytes, MAX_DEPTH) {
        (fields, true) => object(&fields),
        (fields, false) if cut && !fields.is_empty() => object(&fields),
        _ => text(bytes, |c| !c.is_control()).unwrap_or_else(|| quoted(&STANDARD.encode(bytes))),
    }
}

/// The fields that begin here, and whether there is nothing else.
fn message(mut bytes: &[u8], depth: usize) -> (Fields, bool) {
    let mut fields = Fields::new();
    while !bytes.is_empty() {
        let Some((number, value, rest)) = field(bytes, depth) else { return (fields, false) };
        fields.entry(number).or_default().push(value);
        bytes = rest;
    }
    (fields, true)
}

/// A field: its number, its value and what follows.
fn field(bytes: &[u8], depth: usize) -> Option<(u32, String, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number))?;
    match tag & 7 {
        0 => varint(rest).map(|(value, rest)| (number, value.to_string(), rest)),
        1 => {
            let (value, rest) = rest.split_first_chunk()?;
            Some((number, float(f64::from_le_bytes(*value), u64::from_le_bytes(*value)), rest))
        }
        2 => {
            let (len, rest) = varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
            Some((number, nested(value, depth), rest))
        }
        5 => {
            let (value, rest) = rest.split_first_chunk()?;
            Some((number, float(f32::from_le_bytes(*value).into(), u32::from_le_bytes(*value).into()), rest))
        }
        _ => None,
    }
}

/// A number in groups of seven bits, the lowest first.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (n, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(n + 1..)?));
        }
    }
    None
}

fn float(value: f64, bits: u64) -> String {
    if COMMON.contains(&value.abs()) { value.to_string() } else { bits.to_string() }
}

/// A field of bytes.
fn nested(bytes: &[u8], depth: usize) -> String {
    if let Some(text) = text(bytes, |c| !c.is_control()) {
        return text;
    }
    if let Some(depth) = depth.checked_sub(1)
        && let (fields, true) = message(bytes, depth)
    {
        return object(&fields);
    }
    let lines = text(bytes, |c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    lines.unwrap_or_else(|| quoted(&STANDARD.encode(bytes)))
}

fn text(bytes: &[u8], is_text: impl Fn(char) -> bool) -> Option<String> {
    std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_text)).map(quoted)
}

fn object(fields: &Fields) -> String {
    let mut text = String::from("{");
    for (n, (number, values)) in fields.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let _ = match values.as_slice() {
            [one] => write!(text, "{comma}\"{number}\":{one}"),
            many => write!(text, "{comma}\"{number}\":[{}]", many.join(",")),
        };
    }
    text.push('}');
    text
}

/// A JSON string (RFC 8259 section 7).
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Proves how each type of field is shown: numbers, floating-point numbers, text, messages, bytes, and lists of them.
    #[test]
    fn fields_are_shown_by_their_numbers() {
        for (bytes, shown) in [
            (&b""[..], "{}"),
            (b"\x08\x96\x01", r#"{"1":150}"#),
            (b"\x12\x07testing", r#"{"2":"testing"}"#),
            (b"\x1a\x03\x08\x96\x01", r#"{"3":{"1":150}}"#),
            (b"\x0a\x01a\x10\x05\x0a\x01b", r#"{"1":["a","b"],"2":5}"#),
            (b"\x09\0\0\0\0\0\0\xf8\x3f", r#"{"1":1.5}"#),
            (b"\x09\x15\xcd\x5b\x07\0\0\0\0", r#"{"1":123456789}"#),
            (b"\x0d\0\0\x20\x40", r#"{"1":2.5}"#),
            (b"\x0a\x03\xff\0\x01", r#"{"1":"/wAB"}"#),
            (b"\x0a\x05a\"\\\nb", r#"{"1":"a\"\\\nb"}"#),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", r#"{"1":18446744073709551615}"#),
            (b"plain text", r#""plain text""#),
            (b"\xff\xfe", r#""//4=""#),
        ] {
            assert_eq!(show(bytes, false), shown);
        }
        assert_eq!(show(b"\x08\x01\x12\x7fcut", true), r#"{"1":1}"#);
    }

    /// Proves that nesting is shown so far and no further, and that no bytes are too much: anything, and lengths that lie.
    #[test]
    fn hostile_messages_are_shown_somehow() {
        let mut deep = vec![8, 1];
        for _ in 0..40 {
            let len = u8::try_from(deep.len()).unwrap();
            deep = [&[0x0a, len][..], &deep].concat();
        }
        let shown = show(&deep, false);
        assert_eq!(shown.matches('{').count(), MAX_DEPTH + 1, "{shown}");
        assert_eq!(
            show(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", false),
            r#""Cv////////////fw==""#.replace("////////////", "//////////")
        );
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut: bool)| {
            let shown = show(&bytes, cut);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{}", shown);
        });
    }
}
