//! memcached's binary protocol: a header of 24 bytes, extras, key, value.

use std::borrow::Cow;

use super::{Answer, Said};
use crate::{
    flow::Way,
    l7::{
        call::Half,
        cursor::Cursor,
        framed::{Frame, Message},
        text,
    },
};

/// Bytes of the header.
const HEADER_BYTES: usize = 24;

/// Bytes of a body at most: what servers can be told to take (`-I`), and more than enough to tell a header from noise.
const MAX_BODY_BYTES: u32 = 1 << 30;

pub(super) enum Read {
    Request(u32, Said),
    Response(u32, Half, Answer),
}

struct Header {
    is_response: bool,
    opcode: u8,
    key_len: u16,
    extras_len: u8,
    status: u16,
    body_len: u32,
    opaque: u32,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Option<Header> {
        let [magic, opcode] = cursor.array()?;
        let (key_len, extras_len, data_type, status) = (cursor.u16()?, cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let (body_len, opaque, _cas) = (cursor.u32()?, cursor.u32()?, cursor.u64()?);
        let fits = u32::from(key_len) + u32::from(extras_len) <= body_len && body_len <= MAX_BODY_BYTES;
        let sane = matches!(magic, 0x80 | 0x81) && data_type == 0 && key_len <= 250 && extras_len <= 20;
        (fits && sane).then_some(Header {
            is_response: magic == 0x81,
            opcode,
            key_len,
            extras_len,
            status,
            body_len,
            opaque,
        })
    }
}

/// Whether a message may begin here.
pub(super) fn is_message(p: &[u8]) -> bool {
    Header::read(&mut Cursor::new(p)).is_some()
}

pub(super) fn frame(head: &[u8]) -> Frame {
    match Header::read(&mut Cursor::new(head)) {
        Some(header) => Frame::Is(HEADER_BYTES as u64 + u64::from(header.body_len)),
        None if head.len() < HEADER_BYTES => Frame::Unknown,
        None => Frame::Garbage,
    }
}

pub(super) fn read(way: Way, message: &Message<'_>, limit: usize) -> Option<Read> {
    let mut cursor = Cursor::new(message.bytes);
    let header = Header::read(&mut cursor)?;
    let half = Half { span: message.span, bytes: message.len };
    let mut extras = Cursor::new(cursor.take(usize::from(header.extras_len))?);
    let key = cursor.take(usize::from(header.key_len))?;
    let value = cursor.rest();
    let len = i64::from(header.body_len) - i64::from(header.key_len) - i64::from(header.extras_len);
    let shown = || text::text_or_hex(value.get(..limit).unwrap_or(value), limit);
    if header.is_response {
        let found = is_get(header.opcode) && header.status == 0;
        let answer = Answer {
            // Statistics end with one that has no name.
            is_partial: header.opcode == 0x10 && !key.is_empty(),
            status: status_name(header.status).into_owned(),
            value: found.then(|| (extras.u32(), len, shown())),
        };
        return Some(Read::Response(header.opaque, half, answer));
    }
    let mut said = Said::new(way, half, "binary", command_name(header.opcode).into_owned());
    said.asks_for_values = is_get(header.opcode);
    said.is_quiet = matches!(header.opcode, 0x09 | 0x0d | 0x11..=0x1a | 0x1e | 0x24);
    if !key.is_empty() {
        said.keys.push(text::text_or_hex(key, 250));
    }
    match header.opcode {
        // Set, add, replace and their quiet forms.
        0x01..=0x03 | 0x11..=0x13 => {
            said.flags = extras.u32();
            said.expiry = extras.u32().map(i64::from);
            (said.value_bytes, said.value) = (Some(len), Some(shown()));
        }
        0x0e | 0x0f | 0x19 | 0x1a => (said.value_bytes, said.value) = (Some(len), Some(shown())),
        0x1c..=0x1e => said.expiry = extras.u32().map(i64::from),
        _ => {}
    }
    Some(Read::Request(header.opaque, said))
}

fn is_get(opcode: u8) -> bool {
    matches!(opcode, 0x00 | 0x09 | 0x0c | 0x0d | 0x1d | 0x1e | 0x23 | 0x24)
}

fn command_name(opcode: u8) -> Cow<'static, str> {
    const NAMES: [&str; 37] = [
        "get",
        "set",
        "add",
        "replace",
        "delete",
        "increment",
        "decrement",
        "quit",
        "flush",
        "getq",
        "noop",
        "version",
        "getk",
        "getkq",
        "append",
        "prepend",
        "stat",
        "setq",
        "addq",
        "replaceq",
        "deleteq",
        "incrementq",
        "decrementq",
        "quitq",
        "flushq",
        "appendq",
        "prependq",
        "verbosity",
        "touch",
        "gat",
        "gatq",
        "",
        "sasl_list",
        "sasl_auth",
        "sasl_step",
        "gatk",
        "gatkq",
    ];
    match NAMES.get(usize::from(opcode)).filter(|name| !name.is_empty()) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("opcode {opcode}")),
    }
}

fn status_name(status: u16) -> Cow<'static, str> {
    Cow::Borrowed(match status {
        0x00 => "No error",
        0x01 => "Key not found",
        0x02 => "Key exists",
        0x03 => "Value too large",
        0x04 => "Invalid arguments",
        0x05 => "Item not stored",
        0x06 => "Non-numeric value",
        0x20 => "Authentication error",
        0x21 => "Authentication continue",
        0x81 => "Unknown command",
        0x82 => "Out of memory",
        0x83 => "Not supported",
        0x84 => "Internal error",
        0x85 => "Busy",
        0x86 => "Temporary failure",
        other => return Cow::Owned(other.to_string()),
    })
}
