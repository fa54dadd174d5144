//! HTTP/2 (RFC 9113): frames of both directions, header blocks, and what they say of streams.
//!
//! ```text
//! bytes ─► Side: frames ─► header blocks ─► HPACK ─► Section ─┐
//!                    └───► payload of DATA, as it comes ──────┴─► Streams: a row per stream
//! ```
//!
//! A payload of DATA is passed on piece by piece and never collected, so a hole within one costs the body what is missing and
//! nothing else. After any other hole frames are looked for at the beginning of packets, and fields said by reference to what
//! came before have a placeholder.

use crate::{
    flow::{Pair, Way},
    l7::{
        call::ErrorType,
        dissector::{Chunk, Dissector, End, Gap},
        inbox::Inbox,
        out::Out,
        protocol::{Over, Protocol},
    },
};

mod fields;
mod frame;
mod hpack;
mod huffman;
mod section;
mod stream;

use frame::{HEAD_BYTES, Head, PREFACE, flags, kind};
use section::{Block, Opens};
use stream::Streams;

use super::row::Request;

/// Payload of a frame that is collected before it is read; what is longer is passed over. Header blocks are cut into frames of
/// 16 KiB unless the other end allows for more (RFC 9113 section 6.5.2).
const MAX_FRAME_BYTES: usize = 64 << 10;

/// HTTP/2 with prior knowledge, or caught in the middle.
pub(crate) static HTTP2: Protocol = Protocol {
    name: "http2",
    over: Over::Tcp,
    probe: |_, bytes| frame::shows(bytes),
    dissect: Some(|| Box::new(Http2::default())),
    tables: &[],
};

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Http2 {
    sides: Pair<Side>,
    streams: Streams,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    inbox: Inbox,
    place: Place,
    block: Block,
}

/// Where in the stream of frames the next byte is.
#[derive(Debug, Default, Clone, Copy)]
enum Place {
    /// Nothing came yet.
    #[default]
    Start,
    /// A frame begins.
    Frame,
    /// The payload of a frame goes on that is not collected.
    Payload(Payload),
    /// Nobody knows.
    Lost,
}

/// What is left of a payload.
#[derive(Debug, Clone, Copy)]
struct Payload {
    /// The stream whose body it is of; `None` for what is passed over.
    stream: Option<u32>,
    left: usize,
    /// Bytes behind it that fill the frame.
    padding: usize,
    end_stream: bool,
}

impl Http2 {
    /// A connection that began as HTTP/1.1 (RFC 7540 section 3.2): stream 1 is what it was upgraded by.
    pub(super) fn upgraded(request: Request) -> Http2 {
        Http2 { sides: Pair::default(), streams: Streams::upgraded(request) }
    }

    fn lose(&mut self, way: Way, why: ErrorType, out: &mut Out<'_>) {
        let side = self.sides.of_mut(way);
        side.inbox.clear();
        side.place = Place::Lost;
        side.block.lose();
        self.streams.lose(way, why, out);
    }
}

impl Dissector for Http2 {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let side = self.sides.of_mut(chunk.way);
        if matches!(side.place, Place::Lost) {
            if !side.inbox.search(chunk.at, chunk.bytes, frame::begins) {
                return;
            }
            side.place = Place::Start;
        } else {
            side.inbox.push(chunk.at, chunk.bytes);
        }
        let mut next = Next::More;
        while matches!(next, Next::More) {
            next = side.step(chunk.way, &mut self.streams, out);
        }
        if matches!(next, Next::Lost) {
            self.lose(chunk.way, ErrorType::Malformed, out);
        }
    }

    fn gap(&mut self, gap: Gap, out: &mut Out<'_>) {
        let Http2 { sides, streams } = self;
        let side = sides.of_mut(gap.way);
        if let Place::Payload(payload) = &mut side.place
            && let Ok(missing) = usize::try_from(gap.bytes)
            && missing <= payload.left
        {
            payload.left -= missing;
            if let Some(stream) = payload.stream {
                streams.body_missing(gap.way, stream, gap.bytes);
            }
            // That may have been the rest of it.
            while matches!(side.step(gap.way, streams, out), Next::More) {}
            return;
        }
        self.lose(gap.way, ErrorType::Gap, out);
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.streams.end(end, out);
    }

    fn size_bytes(&self) -> usize {
        let side = |side: &Side| side.inbox.size_bytes() + side.block.size_bytes();
        side(&self.sides.out) + side(&self.sides.back) + self.streams.size_bytes()
    }
}

/// What to do after a step.
enum Next {
    More,
    /// Bytes have to come first.
    Wait,
    /// These are no frames.
    Lost,
}

impl Side {
    /// Reads what begins here: the preface, a frame, or a piece of a payload.
    fn step(&mut self, way: Way, streams: &mut Streams, out: &mut Out<'_>) -> Next {
        let unread = self.inbox.unread();
        match self.place {
            Place::Start if unread.is_empty() => return Next::Wait,
            Place::Start if unread.starts_with(PREFACE) => {
                self.inbox.read(PREFACE.len());
                self.block.begin();
                streams.client_is(way);
                self.place = Place::Frame;
                return Next::More;
            }
            Place::Start if PREFACE.starts_with(unread) => return Next::Wait,
            Place::Payload(payload) => return self.payload(payload, way, streams, out),
            Place::Start | Place::Frame | Place::Lost => {}
        }
        let Some(head) = Head::parse(unread) else { return Next::Wait };
        if !head.is_possible() {
            return Next::Lost;
        }
        if matches!(self.place, Place::Start) {
            // A server's settings are the first it says.
            if head.kind == kind::SETTINGS && !head.has(flags::ACK) {
                self.block.begin();
            } else {
                self.block.lose();
            }
            self.place = Place::Frame;
        }
        if head.kind == kind::DATA {
            return self.begin_data(head, way, streams);
        }
        if head.kind > kind::CONTINUATION || head.len > MAX_FRAME_BYTES {
            if matches!(head.kind, kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION) {
                self.block.lose();
            }
            self.inbox.read(HEAD_BYTES);
            self.place = Place::Payload(Payload { stream: None, left: head.len, padding: 0, end_stream: false });
            return Next::More;
        }
        let len = HEAD_BYTES + head.len;
        let (Some(frame), Some(span)) = (unread.get(..len), self.inbox.span(len)) else { return Next::Wait };
        let payload = frame.get(HEAD_BYTES..).unwrap_or_default();
        match head.kind {
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION => {
                if let Some((opens, section)) = self.block.frame(head, payload, span) {
                    match opens {
                        Opens::Stream { id, end } => streams.headers(way, id, section, end, out),
                        Opens::Promise { id } => streams.promise(way, id, section, out),
                    }
                }
            }
            kind::RST_STREAM => streams.reset(head.stream, out),
            // Streams that a GOAWAY says will not be answered end unanswered with the connection.
            _ => {}
        }
        self.inbox.read(len);
        Next::More
    }

    fn begin_data(&mut self, head: Head, way: Way, streams: &mut Streams) -> Next {
        let (mut skip, mut padding) = (HEAD_BYTES, 0);
        if head.has(flags::PADDED) {
            let Some(byte) = self.inbox.unread().get(HEAD_BYTES) else { return Next::Wait };
            skip += 1;
            padding = usize::from(*byte);
        }
        let Some(left) = (HEAD_BYTES + head.len).checked_sub(skip + padding) else { return Next::Lost };
        if let Some(span) = self.inbox.read(skip) {
            streams.data(way, head.stream, span.last, head.len);
        }
        let end_stream = head.has(flags::END_STREAM);
        self.place = Place::Payload(Payload { stream: Some(head.stream), left, padding, end_stream });
        Next::More
    }

    fn payload(&mut self, mut payload: Payload, way: Way, streams: &mut Streams, out: &mut Out<'_>) -> Next {
        let here = payload.left.min(self.inbox.unread().len());
        if let (Some(stream), Some(span)) = (payload.stream, self.inbox.span(here)) {
            let bytes = self.inbox.unread().get(..here).unwrap_or_default();
            streams.body(way, stream, span.last, bytes, out);
        }
        self.inbox.read(here);
        payload.left -= here;
        let fill = if payload.left == 0 { payload.padding.min(self.inbox.unread().len()) } else { 0 };
        self.inbox.read(fill);
        payload.padding -= fill;
        if payload.left + payload.padding > 0 {
            self.place = Place::Payload(payload);
            return Next::Wait;
        }
        self.place = Place::Frame;
        if let (Some(stream), true) = (payload.stream, payload.end_stream) {
            streams.ended(way, stream, out);
        }
        Next::More
    }
}

#[cfg(test)]
mod tests;
