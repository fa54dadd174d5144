//! Attribute-value pairs (RFC 6733 section 4).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::names::{self, Value};
use crate::l7::{cursor::Cursor, text};

/// AVPs kept of a message: far more than those in use have.
const MAX_AVPS: usize = 256;

/// Bytes of a value kept.
const MAX_VALUE_BYTES: usize = 1024;

/// Groups within groups that are opened. Those in use have five levels at most.
const MAX_DEPTH: usize = 8;

/// The AVPs of a message as text.
#[derive(Debug, Default)]
pub(super) struct Avps {
    /// Names and values; those of groups have the path of groups before their name.
    pub(super) all: Vec<(String, String)>,
    /// They do not fill their message or group as they should.
    pub(super) malformed: bool,
}

impl Avps {
    /// Reads AVPs; of a message that is not whole, those that are.
    pub(super) fn read(bytes: &[u8], whole: bool) -> Avps {
        let mut avps = Avps::default();
        avps.group(bytes, "", 0);
        avps.malformed &= whole;
        avps
    }

    /// The value of the first AVP of this name.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn group(&mut self, bytes: &[u8], path: &str, depth: usize) {
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_empty() && self.all.len() < MAX_AVPS {
            if self.one(&mut cursor, path, depth).is_none() {
                self.malformed = true;
                return;
            }
        }
    }

    fn one(&mut self, cursor: &mut Cursor<'_>, path: &str, depth: usize) -> Option<()> {
        let (code, flags, len) = (cursor.u32()?, cursor.u8()?, cursor.u24()? as usize);
        let vendor = if flags & 0x80 != 0 { cursor.u32()? } else { 0 };
        let header = if flags & 0x80 != 0 { 12 } else { 8 };
        let value = cursor.take(len.checked_sub(header)?)?;
        // The last one's padding may be missing.
        cursor.take_some(value.len().wrapping_neg() % 4);
        let (name, is) = names::avp(vendor, code);
        let name = match (name, vendor) {
            (Some(name), _) => format!("{path}{name}"),
            (None, 0) => format!("{path}AVP-{code}"),
            (None, vendor) => format!("{path}AVP-{vendor}-{code}"),
        };
        if is == Value::Group && depth < MAX_DEPTH {
            self.group(value, &format!("{name}."), depth + 1);
        } else {
            self.all.push((name, show(is, value)));
        }
        Some(())
    }
}

fn show(is: Value, value: &[u8]) -> String {
    let shown = match is {
        Value::Text => Some(text::lossy(value, MAX_VALUE_BYTES)),
        Value::Number => match value.len() {
            4 => Cursor::new(value).u32().map(|n| n.to_string()),
            _ => Cursor::new(value).u64().filter(|_| value.len() == 8).map(|n| n.to_string()),
        },
        Value::Address => match value {
            [0, 1, a, b, c, d] => Some(Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            [0, 2, octets @ ..] => <[u8; 16]>::try_from(octets).ok().map(|o| Ipv6Addr::from(o).to_string()),
            _ => None,
        },
        Value::Octets => Some(text::hex(value, MAX_VALUE_BYTES)),
        Value::Group | Value::Unknown => None,
    };
    shown.unwrap_or_else(|| text::text_or_hex(value, MAX_VALUE_BYTES))
}
