//! Header sections: the blocks of HEADERS, PUSH_PROMISE and the CONTINUATION frames behind them, and the fields they say.

use super::{
    super::fields::Fields,
    HEAD_BYTES,
    frame::{self, Head, flags, kind},
    hpack::{Decoder, UNKNOWN},
};
use crate::l7::stamp::Span;

/// Bytes of a block that are collected: what servers accept is far below. What is longer is given up.
const MAX_BLOCK_BYTES: usize = 256 << 10;

/// Bytes of fields that are kept of a section: a byte of a block may stand for thousands.
const MAX_SECTION_BYTES: usize = 64 << 10;

/// What a block opens, or goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    /// A request, a response or trailers; `end` if its stream ends with it.
    Stream { id: u32, end: bool },
    /// A request that a server makes up, to answer it before it is asked.
    Promise { id: u32 },
}

/// The block on its way in one direction, and the decoder of its header blocks.
#[derive(Debug, Default)]
pub(super) struct Block {
    decoder: Decoder,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    opens: Opens,
    /// The stream whose CONTINUATION frames belong to it.
    stream: u32,
    bytes: Vec<u8>,
    span: Span,
    frame_bytes: u64,
}

/// A header section.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) status: Option<u16>,
    scheme: Option<String>,
    /// Without pseudo-header fields.
    pub(super) fields: Fields,
    /// All fields, one a line.
    pub(super) head: String,
    pub(super) span: Span,
    /// Bytes of its frames.
    pub(super) frame_bytes: u64,
    /// Bytes of its block.
    pub(super) block_bytes: u64,
    pub(super) malformed: bool,
}

/// What a section is by what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
    Trailers,
    /// It refers to what was said before the capture.
    Unknown,
}

impl Block {
    /// All blocks of the direction will be seen.
    pub(super) fn begin(&mut self) {
        *self = Block::default();
    }

    /// Blocks are missing.
    pub(super) fn lose(&mut self) {
        self.open = None;
        self.decoder.lose();
    }

    /// Takes in a frame of these kinds. Returns the section, when it is whole, and what it opens.
    pub(super) fn frame(&mut self, head: Head, payload: &[u8], span: Span) -> Option<(Opens, Section)> {
        let frame_bytes = (HEAD_BYTES + payload.len()) as u64;
        if head.kind == kind::CONTINUATION {
            let open = self.open.as_mut().filter(|open| open.stream == head.stream)?;
            open.bytes.extend_from_slice(payload);
            open.span.last = span.last;
            open.frame_bytes += frame_bytes;
        } else {
            if self.open.is_some() {
                // It never ended, so what it put into the table is not known.
                self.lose();
            }
            let Some(content) = frame::content(head, payload) else {
                self.lose();
                return None;
            };
            let (opens, block) = if head.kind == kind::HEADERS {
                (Opens::Stream { id: head.stream, end: head.has(flags::END_STREAM) }, content)
            } else {
                let (promised, block) = content.split_first_chunk::<4>()?;
                (Opens::Promise { id: u32::from_be_bytes(*promised) & 0x7fff_ffff }, block)
            };
            self.open = Some(Open { opens, stream: head.stream, bytes: block.to_vec(), span, frame_bytes });
        }
        let open = self.open.take()?;
        if open.bytes.len() > MAX_BLOCK_BYTES {
            self.lose();
            return None;
        }
        if !head.has(flags::END_HEADERS) {
            self.open = Some(open);
            return None;
        }
        Some((open.opens, Section::read(&open, &mut self.decoder)))
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.decoder.size_bytes() + self.open.as_ref().map_or(0, |open| open.bytes.capacity())
    }
}

impl Section {
    fn read(open: &Open, decoder: &mut Decoder) -> Section {
        let mut section = Section {
            method: None,
            path: None,
            authority: None,
            status: None,
            scheme: None,
            fields: Fields::default(),
            head: String::new(),
            span: open.span,
            frame_bytes: open.frame_bytes,
            block_bytes: open.bytes.len() as u64,
            malformed: false,
        };
        let read = decoder.block(&open.bytes, &mut |name, value| section.push(name, value));
        section.malformed = read.is_err();
        section
    }

    fn push(&mut self, name: &str, value: &str) {
        if self.head.len() + name.len() + value.len() > MAX_SECTION_BYTES {
            return;
        }
        for text in [name, ": ", value, "\n"] {
            self.head.push_str(text);
        }
        let text = || Some(value.to_owned());
        match name {
            ":method" => self.method = text(),
            ":path" => self.path = text(),
            ":authority" => self.authority = text(),
            ":scheme" => self.scheme = text(),
            ":status" => self.status = value.parse().ok(),
            _ => self.fields.push(name, value),
        }
    }

    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        let asks = [&self.method, &self.path, &self.authority, &self.scheme].iter().any(|text| text.is_some());
        match self.status {
            Some(_) => Kind::Response,
            None if asks => Kind::Request,
            None if self.fields.get(UNKNOWN).is_some() => Kind::Unknown,
            None => Kind::Trailers,
        }
    }
}
