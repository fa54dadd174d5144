//! Streams (RFC 9113 section 5): a request and its response each, on their way to be a row.

use crate::{
    flow::Way,
    l7::{
        call::{ErrorType, Half},
        dissector::End,
        out::Out,
        stamp::Stamp,
        waiting::Waiting,
    },
};

use super::{
    super::{
        body::Body,
        grpc::{self, Count},
        row::{Exchange, Request, Response, Said, emit},
    },
    HEAD_BYTES,
    hpack::UNKNOWN,
    section::{Kind, Section},
};

/// The streams of a connection that are not rows yet.
#[derive(Debug, Default)]
pub(super) struct Streams {
    waiting: Waiting<u32, Box<Stream>>,
    /// Which way requests go, once it is known.
    client: Option<Way>,
    /// Whether anything of the client was seen.
    asks: bool,
    /// Whether it was said what the flow speaks.
    spoken: bool,
    /// Bytes of memory that streams hold.
    held: usize,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    request: Option<Request>,
    response: Option<Response>,
    asked: Progress,
    answered: Progress,
    malformed: bool,
}

/// How far one half is.
#[derive(Debug, Default)]
struct Progress {
    ended: bool,
    /// Bytes of the direction are missing or not understood: maybe some of this.
    lost: Option<ErrorType>,
    /// Messages so far, if it is of gRPC.
    messages: Option<Count>,
}

/// Why a stream becomes a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Whole,
    GivenUp,
    Reset,
}

impl Streams {
    /// The client sends this way.
    pub(super) fn client_is(&mut self, way: Way) {
        self.client.get_or_insert(way);
        self.asks |= self.client == Some(way);
    }

    /// The request of stream 1, which came before HTTP/2 did.
    pub(super) fn upgraded(request: Request) -> Streams {
        let mut streams = Streams { client: Some(request.way), asks: true, ..Streams::default() };
        let mut stream = Stream::new(1);
        stream.asked.ended = true;
        stream.request = Some(request);
        streams.held = stream.size_bytes();
        streams.waiting.ask(stream.id, Box::new(stream), 1);
        streams
    }

    /// A header section. `end` if nothing follows it.
    pub(super) fn headers(&mut self, way: Way, id: u32, section: Section, end: bool, out: &mut Out<'_>) {
        let kind = section.kind();
        let client = match (self.client, kind) {
            (Some(client), _) => client,
            (None, Kind::Request) => way,
            (None, Kind::Response) => way.back(),
            (None, Kind::Trailers) => return,
            (None, Kind::Unknown) => Way::Out,
        };
        self.client = Some(client);
        let is_grpc = section.fields.get("content-type").is_some_and(grpc::is_type);
        if is_grpc || !self.spoken {
            out.speaks(if is_grpc { "grpc" } else { "http2" });
            self.spoken = true;
        }
        self.asks |= way == client;
        if way == client && kind != Kind::Trailers {
            // Streams are opened in the order of their numbers, so the requests of these were missed.
            self.emit_all(|s| s.answered.ended && s.request.is_none() && s.id < id, out);
        }
        if self.waiting.find(&id).is_none() {
            // Trailers of what is not known say nothing.
            if kind == Kind::Trailers {
                return;
            }
            self.open(Stream::new(id), out);
        }
        self.with(id, |stream| stream.headers(way, way == client, kind, section));
        if let Some(request) = self.waiting.find(&id).and_then(|stream| stream.request.as_ref()) {
            request.learn_host(out);
        }
        if end {
            self.ended(way, id, out);
        }
    }

    /// A request that a server makes up.
    pub(super) fn promise(&mut self, way: Way, id: u32, section: Section, out: &mut Out<'_>) {
        let client = *self.client.get_or_insert(way.back());
        let mut stream = Stream::new(id);
        stream.headers(client, true, Kind::Request, section);
        stream.asked.ended = true;
        self.open(stream, out);
    }

    /// A frame of DATA begins, with a payload of so many bytes.
    pub(super) fn data(&mut self, way: Way, id: u32, at: Stamp, len: usize) {
        let client = self.client;
        self.with(id, |stream| {
            if let (Some(said), _) = stream.half(client == Some(way)) {
                said.half.bytes += (HEAD_BYTES + len) as u64;
                said.half.span.last = at;
            }
        });
    }

    /// Bytes of a body.
    pub(super) fn body(&mut self, way: Way, id: u32, at: Stamp, bytes: &[u8], out: &Out<'_>) {
        let (client, limit) = (self.client, out.limits().body_bytes);
        self.with(id, |stream| {
            if let (Some(said), progress) = stream.half(client == Some(way)) {
                said.half.span.last = at;
                said.body.push(bytes, limit);
                if let Some(messages) = &mut progress.messages {
                    messages.push(bytes);
                }
            }
        });
    }

    /// Bytes of a body that the capture does not have.
    pub(super) fn body_missing(&mut self, way: Way, id: u32, len: u64) {
        let client = self.client;
        self.with(id, |stream| {
            if let (Some(said), progress) = stream.half(client == Some(way)) {
                said.body.lose(len);
                progress.lost = Some(ErrorType::Gap);
                if let Some(messages) = &mut progress.messages {
                    messages.lose(len);
                }
            }
        });
    }

    /// One half of a stream is whole.
    pub(super) fn ended(&mut self, way: Way, id: u32, out: &mut Out<'_>) {
        let (asks, asks_at_all) = (self.client == Some(way), self.asks);
        let mut whole = false;
        self.with(id, |stream| {
            stream.half(asks).1.ended = true;
            // A request may come behind its response, where it was captured late or waited for what was missing before it.
            let asked = stream.asked.ended || stream.asked.lost.is_some() || stream.request.is_none() && !asks_at_all;
            whole = stream.answered.ended && asked;
        });
        if whole && let Some(stream) = self.waiting.answer(&id) {
            self.emit(*stream, Why::Whole, out);
        }
    }

    /// A stream was given up by one of the ends.
    pub(super) fn reset(&mut self, id: u32, out: &mut Out<'_>) {
        if let Some(stream) = self.waiting.answer(&id) {
            self.emit(*stream, Why::Reset, out);
        }
    }

    /// Bytes of a direction are missing, or not understood: of any stream, its end maybe.
    pub(super) fn lose(&mut self, way: Way, why: ErrorType, out: &mut Out<'_>) {
        let asks = self.client == Some(way);
        for stream in self.waiting.iter_mut() {
            let (said, progress) = stream.half(asks);
            // A request that is not here yet may be right behind the hole.
            if !progress.ended && (said.is_some() || !asks) {
                progress.lost = Some(why);
                if let Some(said) = said {
                    said.body.lose(0);
                }
            }
        }
        self.emit_all(|s| s.answered.ended && s.asked.lost.is_some(), out);
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, end: End, out: &mut Out<'_>) {
        while let Some(stream) = self.waiting.take() {
            self.emit(*stream, if end == End::Reset { Why::Reset } else { Why::GivenUp }, out);
        }
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.held
    }

    fn open(&mut self, stream: Stream, out: &mut Out<'_>) {
        self.held += stream.size_bytes();
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask(stream.id, Box::new(stream), limit) {
            out.count_dropped_call();
            self.emit(*given_up, Why::GivenUp, out);
        }
    }

    /// Gives up on what more may come of such streams.
    fn emit_all(&mut self, such: impl Fn(&Stream) -> bool, out: &mut Out<'_>) {
        while let Some(stream) = self.waiting.take_if(|stream| such(stream)) {
            self.emit(*stream, Why::GivenUp, out);
        }
    }

    /// Changes a stream, if it is known, and keeps count of what it holds.
    fn with(&mut self, id: u32, change: impl FnOnce(&mut Stream)) {
        if let Some(stream) = self.waiting.find(&id) {
            let before = stream.size_bytes();
            change(stream);
            self.held = (self.held + stream.size_bytes()).saturating_sub(before);
        }
    }

    fn emit(&mut self, mut stream: Stream, why: Why, out: &mut Out<'_>) {
        self.held = self.held.saturating_sub(stream.size_bytes());
        for asks in [true, false] {
            if let (Some(said), Progress { ended: false, .. }) = stream.half(asks) {
                said.body.lose(0);
            }
        }
        let error_type = stream.error(why);
        let Stream { id, request, response, asked, answered, .. } = &stream;
        let (request, response) = (request.as_ref(), response.as_ref());
        let messages = [asked.messages, answered.messages];
        let grpc = grpc::of(request, response, messages, out.limits().body_bytes);
        let app_proto = if grpc.is_some() { "grpc" } else { "http2" };
        let grpc = grpc.unwrap_or_default();
        emit(
            &Exchange { app_proto, version: "HTTP/2", stream_id: Some(*id), request, response, error_type, grpc },
            out,
        );
    }
}

impl Stream {
    fn new(id: u32) -> Stream {
        Stream {
            id,
            request: None,
            response: None,
            asked: Progress::default(),
            answered: Progress::default(),
            malformed: false,
        }
    }

    /// The request or the response.
    fn half(&mut self, asks: bool) -> (Option<&mut Said>, &mut Progress) {
        match asks {
            true => (self.request.as_mut().map(|r| &mut r.said), &mut self.asked),
            false => (self.response.as_mut().map(|r| &mut r.said), &mut self.answered),
        }
    }

    /// A section of the request or of the response: its head, or its trailers.
    fn headers(&mut self, way: Way, asks: bool, kind: Kind, section: Section) {
        self.malformed |= section.malformed;
        if let (Some(said), _) = self.half(asks) {
            said.half.bytes += section.frame_bytes;
            said.half.span.last = section.span.last;
            said.headers_size += section.block_bytes;
            said.head.push_str(&section.head);
            section.fields.iter().for_each(|(name, value)| said.fields.push(name, value));
            return;
        }
        // Interim responses (RFC 9110 section 15.2) are not what is waited for.
        if kind == Kind::Trailers || !asks && matches!(section.status, Some(100..=199)) {
            return;
        }
        let Section { method, path, authority, status, fields, head, span, frame_bytes, block_bytes, .. } = section;
        let is_grpc = fields.get("content-type").is_some_and(grpc::is_type);
        let progress = if asks { &mut self.asked } else { &mut self.answered };
        *progress = Progress { messages: is_grpc.then(Count::default), ..Progress::default() };
        let half = Half { span, bytes: frame_bytes };
        let said = Said { half, head, headers_size: block_bytes, fields, body: Body::default() };
        if asks {
            let text = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
            let authority = authority.or_else(|| said.fields.get("host").map(str::to_owned));
            let target = if method.as_deref() == Some("CONNECT") && path.is_none() { authority.clone() } else { path };
            self.request = Some(Request { way, method: text(method), target: text(target), authority, said });
        } else {
            self.response = Some(Response { way, status, said });
        }
    }

    /// Why it is no whole call; `None` also where a half is missing and nothing is known of why.
    fn error(&self, why: Why) -> Option<ErrorType> {
        if self.malformed {
            Some(ErrorType::Malformed)
        } else if let Some(lost) = self.asked.lost.or(self.answered.lost) {
            Some(lost)
        } else if self.answered.ended {
            None
        } else if why == Why::Reset {
            Some(ErrorType::Reset)
        } else {
            self.response.as_ref().map(|_| ErrorType::NoResponse)
        }
    }

    fn size_bytes(&self) -> usize {
        let asked = self.request.as_ref().map_or(0, Request::size_bytes);
        size_of::<Stream>() + asked + self.response.as_ref().map_or(0, |r| r.said.size_bytes())
    }
}
