//! Frame headers (RFC 6455 section 5.2).
//!
//! ```text
//! FIN RSV1-3 opcode │ MASK length │ length of 2 or 8 bytes, if 126 or 127 │ masking key of 4 bytes, if MASK
//! ```

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of it.
    pub(super) len: usize,
    /// The message ends with this frame.
    pub(super) fin: bool,
    /// The first reserved bit: the message is compressed (RFC 7692 section 6).
    pub(super) compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) key: Option<[u8; 4]>,
    /// Bytes of payload.
    pub(super) payload: u64,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// What some bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Header(Header),
    /// Too few bytes to tell.
    Unknown,
    /// No frame.
    Garbage,
}

/// Bytes of a header at most.
pub(super) const MAX_HEADER_BYTES: usize = 14;

impl Opcode {
    fn of(number: u8) -> Option<Opcode> {
        Some(match number {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Opcode::Continuation => "continuation",
            Opcode::Text => "text",
            Opcode::Binary => "binary",
            Opcode::Close => "close",
            Opcode::Ping => "ping",
            Opcode::Pong => "pong",
        }
    }

    pub(super) fn begins_message(self) -> bool {
        matches!(self, Opcode::Text | Opcode::Binary)
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// Reads a header.
pub(super) fn header(bytes: &[u8]) -> Begin {
    let Some((first, rest)) = bytes.split_first() else { return Begin::Unknown };
    let Some(opcode) = Opcode::of(first & 0xf).filter(|_| first & 0x30 == 0) else { return Begin::Garbage };
    let Some((second, rest)) = rest.split_first() else { return Begin::Unknown };
    let (payload, rest) = match (second & 0x7f, rest) {
        (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
        (127, [a, b, c, d, e, f, g, h, rest @ ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), rest),
        (126 | 127, _) => return Begin::Unknown,
        (short, rest) => (u64::from(short), rest),
    };
    let (key, rest) = match (second & 0x80 != 0, rest) {
        (true, [a, b, c, d, rest @ ..]) => (Some([*a, *b, *c, *d]), rest),
        (true, _) => return Begin::Unknown,
        (false, rest) => (None, rest),
    };
    let fin = first & 0x80 != 0;
    if opcode.is_control() && (!fin || payload > 125) || payload > i64::MAX as u64 {
        return Begin::Garbage;
    }
    Begin::Header(Header { len: bytes.len() - rest.len(), fin, compressed: first & 0x40 != 0, opcode, key, payload })
}

/// Whether these bytes are frames from their first one on, as far as they go: asked where they could be the middle of one.
pub(super) fn begins_here(mut bytes: &[u8], is_client: bool) -> bool {
    let mut whole = 0;
    while !bytes.is_empty() {
        let Begin::Header(header) = header(bytes) else { return whole > 0 && bytes.len() < MAX_HEADER_BYTES };
        let shortest = match header.len - header.key.map_or(0, |_| 4) {
            2 => true,
            4 => header.payload > 125,
            _ => header.payload > 0xffff,
        };
        if !shortest || header.key.is_some() != is_client {
            return false;
        }
        let len = usize::try_from(header.payload).unwrap_or(usize::MAX).saturating_add(header.len);
        whole += 1;
        bytes = bytes.get(len..).unwrap_or_default();
    }
    whole > 0
}

/// Undoes the masking of payload bytes, the first of which is number `offset` of its frame (section 5.3).
pub(super) fn unmask(bytes: &[u8], key: [u8; 4], offset: u64) -> Vec<u8> {
    let skipped = usize::from(offset.to_le_bytes()[0] & 3);
    bytes.iter().zip(key.iter().cycle().skip(skipped)).map(|(byte, key)| byte ^ key).collect()
}
