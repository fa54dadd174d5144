//! Search filters as text (RFC 4515).

use super::ber;
use crate::l7::{cursor::Cursor, text};

/// Filters within filters. Those that people and programs write have a few levels.
const MAX_DEPTH: usize = 32;

/// Bytes of a filter's text.
const MAX_FILTER_BYTES: usize = 8 << 10;

/// The text of a filter; what cannot be read, or is too long or too deep, is cut or shown as `…`.
pub(super) fn show(tag: u8, content: &[u8]) -> String {
    let mut shown = String::new();
    write(tag, content, MAX_DEPTH, &mut shown);
    shown
}

fn write(tag: u8, content: &[u8], depth: usize, shown: &mut String) {
    if depth == 0 || shown.len() >= MAX_FILTER_BYTES {
        return shown.push('…');
    }
    let mut cursor = Cursor::new(content);
    shown.push('(');
    match tag {
        0xa0..=0xa2 => {
            shown.push(match tag {
                0xa0 => '&',
                0xa1 => '|',
                _ => '!',
            });
            while let Some((tag, content)) = ber::element(&mut cursor) {
                if shown.len() >= MAX_FILTER_BYTES {
                    break;
                }
                write(tag, content, depth - 1, shown);
            }
        }
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            let attribute = ber::expect(&mut cursor, ber::OCTETS).unwrap_or_default();
            let value = ber::expect(&mut cursor, ber::OCTETS).unwrap_or_default();
            let sign = match tag {
                0xa3 => "=",
                0xa5 => ">=",
                0xa6 => "<=",
                _ => "~=",
            };
            shown.push_str(&text::lossy(attribute, 256));
            shown.push_str(sign);
            escape(value, shown);
        }
        0xa4 => substrings(&mut cursor, shown),
        0x87 => {
            shown.push_str(&text::lossy(content, 256));
            shown.push_str("=*");
        }
        0xa9 => extensible(&mut cursor, shown),
        _ => shown.push('…'),
    }
    shown.push(')');
}

fn substrings(cursor: &mut Cursor<'_>, shown: &mut String) {
    shown.push_str(&text::lossy(ber::expect(cursor, ber::OCTETS).unwrap_or_default(), 256));
    shown.push('=');
    let mut parts = Cursor::new(ber::expect(cursor, ber::SEQUENCE).unwrap_or_default());
    let mut ends = false;
    while let Some((tag, part)) = ber::element(&mut parts) {
        if tag != 0x80 {
            shown.push('*');
        }
        escape(part, shown);
        ends = tag == 0x82;
    }
    if !ends {
        shown.push('*');
    }
}

fn extensible(cursor: &mut Cursor<'_>, shown: &mut String) {
    let rule = ber::expect(cursor, 0x81);
    shown.push_str(&text::lossy(ber::expect(cursor, 0x82).unwrap_or_default(), 256));
    let value = ber::expect(cursor, 0x83).unwrap_or_default();
    if ber::expect(cursor, 0x84).is_some_and(|dn| dn != [0]) {
        shown.push_str(":dn");
    }
    if let Some(rule) = rule {
        shown.push(':');
        shown.push_str(&text::lossy(rule, 256));
    }
    shown.push_str(":=");
    escape(value, shown);
}

/// RFC 4515 section 3: five characters, and what is no text, as a backslash and two digits.
fn escape(value: &[u8], shown: &mut String) {
    let value = value.get(..1024).unwrap_or(value);
    let is_text = std::str::from_utf8(value).is_ok();
    let mut plain: &[u8] = value;
    while let Some(at) =
        plain.iter().position(|b| matches!(b, b'(' | b')' | b'*' | b'\\' | 0) || !is_text && *b >= 0x80)
    {
        let (before, after) = plain.split_at(at);
        shown.push_str(&String::from_utf8_lossy(before));
        if let [special, rest @ ..] = after {
            shown.push('\\');
            shown.push_str(&text::hex(&[*special], 1));
            plain = rest;
        }
    }
    shown.push_str(&String::from_utf8_lossy(plain));
}
