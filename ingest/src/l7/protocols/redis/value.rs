//! RESP values (versions 2 and 3): finding the end of one in a stream, and reading what was kept of it.

use crate::l7::{
    cursor::Cursor,
    json,
    stamp::{Span, Stamp},
    text::lossy,
};

/// Bytes of a value that are kept: the largest text a row holds of it, and what frames it.
pub(super) const KEPT_BYTES: usize = 64 << 10;

/// Arrays in arrays at most. Replies of servers nest a handful deep; those of scripts may nest deeper, and are passed over.
const MAX_DEPTH: usize = 32;

/// Digits of a length or count at most: those of the largest there is.
const MAX_DIGITS: u32 = 19;

/// A value that has ended.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) span: Span,
    pub(super) len: u64,
    /// Its first bytes, at most [`KEPT_BYTES`].
    pub(super) kept: Vec<u8>,
}

/// Finds the end of values. Nothing is read twice and little is kept, however long they are.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Values still to come: of the array that is open, and of those around it. Empty between two values.
    open: Vec<u64>,
    within: Within,
    kept: Vec<u8>,
    len: u64,
    span: Option<Span>,
}

/// What the next byte belongs to.
#[derive(Debug, Default, Clone, Copy)]
enum Within {
    /// It says what comes.
    #[default]
    Start,
    /// The count or length of a value of this type.
    Number { kind: u8, digits: u32, value: u64, null: bool },
    /// The line break behind it.
    NumberEnd { kind: u8, value: u64, null: bool },
    /// A line without a length.
    Line,
    /// A string of so many bytes, its line break with it.
    Bytes(u64),
}

/// What became of some bytes.
#[derive(Debug)]
pub(super) enum Scanned {
    /// All are read, and the value goes on.
    More,
    /// It has ended after so many of them.
    Whole(usize, Value),
    /// This is no value.
    Garbage,
}

impl Scan {
    /// Reads on.
    pub(super) fn push(&mut self, at: Stamp, bytes: &[u8]) -> Scanned {
        let mut cursor = Cursor::new(bytes);
        while !cursor.rest().is_empty() {
            if self.step(&mut cursor).is_none() {
                self.reset();
                return Scanned::Garbage;
            }
            if self.open.is_empty() {
                break;
            }
        }
        let read = bytes.len() - cursor.rest().len();
        let room = KEPT_BYTES.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..read.min(room)).unwrap_or_default());
        self.len += read as u64;
        let span = self.span.map_or(Span::at(at), |span| span.until(at));
        self.span = Some(span);
        if !self.open.is_empty() {
            return Scanned::More;
        }
        let value = Value { span, len: self.len, kept: std::mem::take(&mut self.kept) };
        self.reset();
        Scanned::Whole(read, value)
    }

    /// Passes over bytes that are missing. Only those of a long string whose beginning is kept are not needed.
    pub(super) fn pass(&mut self, missing: u64) -> bool {
        match &mut self.within {
            Within::Bytes(left) if *left > missing && self.kept.len() >= KEPT_BYTES => {
                *left -= missing;
                self.len += missing;
                true
            }
            _ => false,
        }
    }

    /// Forgets what has begun.
    pub(super) fn reset(&mut self) {
        *self = Scan { open: std::mem::take(&mut self.open), ..Scan::default() };
        self.open.clear();
    }

    /// Whether no value has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.span.is_none()
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.kept.capacity() + self.open.capacity() * size_of::<u64>()
    }

    /// Reads a byte, or the rest of a line or string.
    fn step(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        match self.within {
            Within::Start => {
                let kind = cursor.u8()?;
                if self.open.is_empty() {
                    self.open.push(1);
                }
                self.within = match kind {
                    b'$' | b'*' | b'%' | b'~' | b'>' | b'|' | b'=' | b'!' => {
                        Within::Number { kind, digits: 0, value: 0, null: false }
                    }
                    b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => Within::Line,
                    // A command as one types it.
                    _ if self.open == [1] && kind.is_ascii_alphabetic() => Within::Line,
                    _ => return None,
                };
            }
            Within::Number { kind, digits, value, null } => {
                self.within = match cursor.u8()? {
                    byte @ b'0'..=b'9' if digits < MAX_DIGITS => {
                        let value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
                        Within::Number { kind, digits: digits + 1, value, null }
                    }
                    b'-' if digits == 0 && !null => Within::Number { kind, digits, value, null: true },
                    b'\r' if digits > 0 => Within::NumberEnd { kind, value, null },
                    _ => return None,
                };
            }
            Within::NumberEnd { kind, value, null } => {
                if cursor.u8()? != b'\n' {
                    return None;
                }
                self.within = Within::Start;
                match kind {
                    _ if null => self.close(),
                    b'$' | b'=' | b'!' => self.within = Within::Bytes(value.checked_add(2)?),
                    b'%' => self.open(value.checked_mul(2)?)?,
                    // Attributes come before the value they belong to, and are none themselves (RESP3).
                    b'|' => self.open(value.checked_mul(2)?.checked_add(1)?)?,
                    _ => self.open(value)?,
                }
            }
            Within::Line => {
                let end = cursor.rest().iter().position(|byte| *byte == b'\n');
                cursor.take_some(end.map_or(usize::MAX, |end| end + 1));
                if end.is_some() {
                    self.within = Within::Start;
                    self.close();
                }
            }
            Within::Bytes(left) => {
                let taken = cursor.take_some(usize::try_from(left).unwrap_or(usize::MAX)).len() as u64;
                self.within = Within::Bytes(left - taken);
                if left == taken {
                    self.within = Within::Start;
                    self.close();
                }
            }
        }
        Some(())
    }

    /// So many values follow, as one.
    fn open(&mut self, count: u64) -> Option<()> {
        if count == 0 {
            self.close();
        } else if self.open.len() < MAX_DEPTH {
            self.open.push(count);
        } else {
            return None;
        }
        Some(())
    }

    /// A value has ended, and the arrays whose last one it was.
    fn close(&mut self) {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
    }
}

/// One part of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// So many values follow, of an array or something like it.
    Many(u8, u64),
    /// A single one of this type.
    One(u8, &'a [u8]),
    /// None.
    Null,
}

/// The parts of what was kept of a value.
#[derive(Debug, Clone)]
pub(super) struct Parts<'a>(Cursor<'a>);

impl<'a> Parts<'a> {
    pub(super) fn of(kept: &'a [u8]) -> Parts<'a> {
        Parts(Cursor::new(kept))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let kind = self.0.u8()?;
        let end = self.0.rest().iter().position(|byte| *byte == b'\n').unwrap_or(self.0.rest().len());
        let line = self.0.take_some(end);
        self.0.take_some(1);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let number = || str::from_utf8(line).ok().and_then(|digits| digits.parse::<i64>().ok());
        Some(match kind {
            b'_' => Part::Null,
            b'$' | b'=' | b'!' | b'*' | b'%' | b'~' | b'>' | b'|' => match (kind, number().map(u64::try_from)?) {
                (_, Err(_)) => Part::Null,
                (b'$' | b'=' | b'!', Ok(len)) => {
                    let bytes = self.0.take_some(usize::try_from(len).unwrap_or(usize::MAX));
                    self.0.take_some(2);
                    Part::One(kind, if kind == b'=' { bytes.get(4..).unwrap_or_default() } else { bytes })
                }
                (b'%', Ok(count)) => Part::Many(kind, count.saturating_mul(2)),
                (b'|', Ok(count)) => Part::Many(kind, count.saturating_mul(2).saturating_add(1)),
                (_, Ok(count)) => Part::Many(kind, count),
            },
            _ => Part::One(kind, line),
        })
    }
}

/// The name of a type, as the specification has it.
pub(super) fn type_name(part: Part<'_>) -> &'static str {
    match part {
        Part::Null => "null",
        Part::One(kind, _) | Part::Many(kind, _) => match kind {
            b'+' => "simple_string",
            b'-' | b'!' => "error",
            b':' => "integer",
            b'$' => "bulk_string",
            b'#' => "boolean",
            b',' => "double",
            b'(' => "big_number",
            b'=' => "verbatim_string",
            b'%' => "map",
            b'~' => "set",
            b'>' => "push",
            b'|' => "attribute",
            _ => "array",
        },
    }
}

/// A value as text, at most about `limit` bytes: one that is single as it is, others as JSON.
pub(super) fn shown(kept: &[u8], limit: usize) -> Option<String> {
    let mut parts = Parts::of(kept);
    match parts.clone().next()? {
        Part::One(_, bytes) => Some(lossy(bytes, limit)),
        Part::Null => None,
        Part::Many(..) => {
            let mut json = String::new();
            push(&mut parts, &mut json, limit, MAX_DEPTH);
            Some(json)
        }
    }
}

/// Appends the next value as JSON, arrays up to `depth` deep.
fn push(parts: &mut Parts<'_>, json: &mut String, limit: usize, depth: usize) {
    let room = limit.saturating_sub(json.len());
    match parts.next() {
        None | Some(Part::Null) => json.push_str("null"),
        Some(Part::One(b':' | b',' | b'(', digits)) if digits.iter().all(|b| b.is_ascii_digit() || *b == b'-') => {
            json.push_str(&lossy(digits, room));
        }
        Some(Part::One(b'#', line)) => json.push_str(if line == b"t" { "true" } else { "false" }),
        Some(Part::One(_, bytes)) => json::push_string(json, &lossy(bytes, room)),
        Some(Part::Many(kind, count)) => {
            let is_map = kind == b'%';
            json.push(if is_map { '{' } else { '[' });
            for n in 0..count {
                if depth == 0 || json.len() >= limit || parts.0.rest().is_empty() {
                    break;
                }
                if n > 0 {
                    json.push(if is_map && n % 2 == 1 { ':' } else { ',' });
                }
                push(parts, json, limit, depth - 1);
            }
            json.push(if is_map { '}' } else { ']' });
        }
    }
}
