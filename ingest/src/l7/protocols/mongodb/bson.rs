//! BSON (bsonspec.org, version 1.1): walking over documents that may be cut short. The crate that reads it wants whole documents
//! and builds types for every value; a few names are all that is looked for here.

use std::fmt::Write;

use crate::l7::{cursor::Cursor, json, text::lossy};

/// Documents in documents at most that are shown. Servers allow 100; what is deeper is left out.
const MAX_DEPTH: usize = 20;

/// A value: its type and bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a> {
    kind: u8,
    bytes: &'a [u8],
}

/// The elements of a document, up to where it ends or is cut.
#[derive(Debug, Clone)]
pub(super) struct Elements<'a>(Cursor<'a>);

/// The next document of several, or what there is of it.
pub(super) fn document<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = cursor.clone().array().map(u32::from_le_bytes)?;
    if len < 5 {
        return None;
    }
    Some(cursor.take_some(len as usize))
}

/// The elements of a document.
pub(super) fn elements(document: &[u8]) -> Elements<'_> {
    Elements(Cursor::new(document.get(4..).unwrap_or_default()))
}

impl<'a> Iterator for Elements<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.0.u8().filter(|kind| *kind != 0)?;
        let name = self.0.until_zero();
        let start = self.0.rest();
        let text_len = |at: usize| {
            let len = start.get(at..).and_then(|rest| rest.first_chunk());
            len.map(|len| u32::from_le_bytes(*len) as usize)
        };
        let len = match kind {
            1 | 9 | 17 | 18 => 8,
            2 | 13 | 14 => text_len(0)?.checked_add(4)?,
            3 | 4 | 15 => text_len(0).filter(|len| *len >= 5)?,
            5 => text_len(0)?.checked_add(5)?,
            6 | 10 | 0x7f | 0xff => 0,
            7 => 12,
            8 => 1,
            11 => {
                let mut cursor = Cursor::new(start);
                cursor.until_zero();
                cursor.until_zero();
                start.len() - cursor.rest().len()
            }
            12 => text_len(0)?.checked_add(16)?,
            16 => 4,
            19 => 16,
            _ => return None,
        };
        Some((name, Value { kind, bytes: self.0.take_some(len) }))
    }
}

impl<'a> Value<'a> {
    /// A text.
    pub(super) fn text(self, limit: usize) -> Option<String> {
        let bytes = self.bytes.get(4..).filter(|_| matches!(self.kind, 2 | 13 | 14))?;
        Some(lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes), limit))
    }

    /// A document or array.
    pub(super) fn document(self) -> Option<&'a [u8]> {
        matches!(self.kind, 3 | 4).then_some(self.bytes)
    }

    /// A number, whole.
    pub(super) fn number(self) -> Option<i64> {
        match self.kind {
            1 => {
                let float = f64::from_le_bytes(*self.bytes.first_chunk()?);
                // Whole numbers are exact up to 2^53, more than anything that is counted.
                #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest number there is")]
                float.is_finite().then_some(float as i64)
            }
            8 => self.bytes.first().map(|byte| i64::from(*byte)),
            16 => self.bytes.first_chunk().map(|n| i64::from(i32::from_le_bytes(*n))),
            18 | 9 => self.bytes.first_chunk().map(|n| i64::from_le_bytes(*n)),
            _ => None,
        }
    }

    fn push(self, to: &mut String, limit: usize, depth: usize) {
        let room = limit.saturating_sub(to.len());
        // Writing to a string cannot fail.
        let _ = match self.kind {
            2 | 13 | 14 => {
                json::push_string(to, &self.text(room).unwrap_or_default());
                Ok(())
            }
            3 | 4 => {
                push(to, self.bytes, self.kind == 4, limit, depth);
                Ok(())
            }
            1 => {
                let float = self.bytes.first_chunk().map_or(0.0, |n| f64::from_le_bytes(*n));
                if float.is_finite() { write!(to, "{float}") } else { write!(to, "\"{float}\"") }
            }
            8 => write!(to, "{}", self.bytes.first() == Some(&1)),
            16 | 18 => write!(to, "{}", self.number().unwrap_or(0)),
            9 => write!(to, "{{\"$date\":{}}}", self.number().unwrap_or(0)),
            7 => {
                to.push_str("{\"$oid\":\"");
                self.bytes.iter().try_for_each(|byte| write!(to, "{byte:02x}")).and_then(|()| write!(to, "\"}}"))
            }
            5 => write!(to, "{{\"$binary\":{}}}", self.bytes.len().saturating_sub(5)),
            17 => write!(to, "{{\"$timestamp\":{}}}", self.bytes.first_chunk().map_or(0, |n| u64::from_le_bytes(*n))),
            6 | 10 => write!(to, "null"),
            kind => write!(to, "{{\"$type\":{kind}}}"),
        };
    }
}

/// A document as JSON, at most about `limit` bytes of it. Values that JSON does not have are written as in Extended JSON, but dates
/// as milliseconds, and of binary values the length alone.
pub(super) fn shown(document: &[u8], limit: usize) -> String {
    let mut to = String::new();
    push(&mut to, document, false, limit, MAX_DEPTH);
    to
}

/// Appends a document or array, others in it `depth` deep.
pub(super) fn push(to: &mut String, document: &[u8], is_array: bool, limit: usize, depth: usize) {
    to.push(if is_array { '[' } else { '{' });
    if depth > 0 {
        for (n, (name, value)) in elements(document).enumerate() {
            if to.len() >= limit {
                break;
            }
            if n > 0 {
                to.push(',');
            }
            if !is_array {
                json::push_string(to, &lossy(name, limit.saturating_sub(to.len())));
                to.push(':');
            }
            value.push(to, limit, depth - 1);
        }
    }
    to.push(if is_array { ']' } else { '}' });
}
