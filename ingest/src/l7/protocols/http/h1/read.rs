//! Reading: header sections and bodies, as they come, into exchanges.

use super::{
    super::{
        body::Body,
        fields::Fields,
        handover,
        row::{Request, Response, Said},
        target::Target,
    },
    Http1, MAX_HEAD_BYTES, Section, State,
    framing::{Framing, Step},
    head::{self, Begins, Head, Start},
    pending::{Part, Pending},
};
use crate::{
    flow::Way,
    l7::{
        call::{ErrorType, Half},
        dissector::Chunk,
        out::Out,
        recognising::Recognising,
        stamp::{Span, Stamp},
    },
};

/// Bytes held of what a client says before its request for another protocol is answered.
const MAX_HELD_BYTES: usize = 64 << 10;

impl Http1 {
    /// Reads on. Returns what is behind the end of HTTP, if it ended here.
    pub(super) fn read<'a>(&mut self, chunk: Chunk<'a>, out: &mut Out<'_>) -> &'a [u8] {
        let Chunk { way, at, bytes: mut rest } = chunk;
        while !rest.is_empty() && out.next.is_none() {
            rest = match self.sides.of(way).state {
                State::Head => self.read_head(way, at, rest, out),
                State::Body(part, framing) => self.read_body(Chunk { bytes: rest, ..chunk }, part, framing, out),
                State::Held => self.hold(way, at, rest),
                State::Lost => return &[],
            };
        }
        rest
    }

    /// Reads a header section as far as it is here: what is behind it.
    fn read_head<'a>(&mut self, way: Way, at: Stamp, bytes: &'a [u8], out: &mut Out<'_>) -> &'a [u8] {
        let side = self.sides.of_mut(way);
        let mut rest = bytes;
        if side.unread.is_empty() {
            // Empty lines before a message (RFC 9112 section 2.2).
            while let [b'\r' | b'\n', after @ ..] = rest {
                rest = after;
            }
            if rest.is_empty() {
                return rest;
            }
            side.first = Some(at);
            // Most header sections come in one packet: no copy of them is made.
            let end = head::end(rest, 0).filter(|end| *end <= MAX_HEAD_BYTES && head::begins(rest) == Begins::Yes);
            if let Some((bytes, after)) = end.and_then(|end| rest.split_at_checked(end)) {
                if is_http2(bytes, out) {
                    return rest;
                }
                self.begin(way, Section { span: Span::at(at), bytes, broken: None }, out);
                return after;
            }
        }
        let before = side.unread.len();
        side.unread.extend_from_slice(rest);
        let begins = head::begins(&side.unread);
        let end = head::end(&side.unread, before).filter(|end| *end <= MAX_HEAD_BYTES && begins != Begins::No);
        if end.is_none() && begins != Begins::No && side.unread.len() <= MAX_HEAD_BYTES || is_http2(&side.unread, out) {
            return &[];
        }
        let mut unread = std::mem::take(&mut side.unread);
        let span = Span { first: side.first.unwrap_or(at), last: at };
        if begins == Begins::No {
            self.not_http(way, Section { span, bytes: &unread, broken: None }, out);
            return &[];
        }
        unread.truncate(end.unwrap_or(MAX_HEAD_BYTES));
        let broken = if end.is_none() { Some(ErrorType::Malformed) } else { None };
        self.begin(way, Section { span, bytes: &unread, broken }, out);
        let Some(end) = end else {
            self.lost(way);
            return &[];
        };
        rest.get(end.saturating_sub(before)..).unwrap_or_default()
    }

    /// A message begins with this header section.
    pub(super) fn begin(&mut self, way: Way, section: Section<'_>, out: &mut Out<'_>) {
        let Some(Head { start, version, fields, malformed }) = head::parse(section.bytes) else {
            return self.not_http(way, section, out);
        };
        let error = section.broken.or(malformed.then_some(ErrorType::Malformed));
        match start {
            Start::Request { method, target } => {
                let authority = Target::of(&method, &target).authority.or_else(|| fields.get("host"));
                let authority = authority.map(str::to_owned);
                let (framing, sound) = Framing::of_request(&fields);
                let request = Request { way, method, target, authority, said: said(section, fields) };
                request.learn_host(out);
                self.queue.ask(version, request, error.or((!sound).then_some(ErrorType::Malformed)), out);
                self.begin_body(way, Part::Request, framing, section, out);
            }
            // Interim responses (RFC 9110 section 15.2) are no answers.
            Start::Response { status: 100 | 102..=199 } => {}
            Start::Response { status } => self.begin_response(way, status, version, (section, fields, error), out),
        }
    }

    fn begin_response(
        &mut self,
        way: Way,
        status: u16,
        version: &'static str,
        (section, fields, error): (Section<'_>, Fields, Option<ErrorType>),
        out: &mut Out<'_>,
    ) {
        let after_loss = self.sides.out.after_loss || self.sides.back.after_loss;
        let found = match after_loss {
            true => self.queue.unanswered_after_loss(way, section.span.first),
            false => self.queue.unanswered(way),
        };
        let mut new = None;
        let pending = match found {
            Some(pending) => {
                (self.sides.out.after_loss, self.sides.back.after_loss) = (false, false);
                pending
            }
            None => new.insert(Pending::unasked(version, way.back())),
        };
        let method = pending.request.as_ref().map(|request| request.method.as_str());
        let (framing, sound) = Framing::of_response(method, status, &fields);
        let is_tunnel = method == Some("CONNECT") && (200..300).contains(&status);
        let (asked, to_change) = (pending.request.is_some(), pending.asks_for_another_protocol());
        let response = Response { way, status: Some(status), said: said(section, fields) };
        let size = response.said.size_bytes();
        if let Some(error) = error.or((!sound).then_some(ErrorType::Malformed)) {
            pending.fail(error);
        }
        if section.broken.is_none() && (is_tunnel || status == 101) {
            // What goes through a proxy, or is not known by its name, may be known by what it says.
            let next = if is_tunnel { None } else { handover::switched(&mut pending.request, &response) };
            (pending.request_done, pending.response_done) = (true, true);
            // Without its request the exchange goes on in the other protocol.
            pending.response = (asked == pending.request.is_some()).then_some(response);
            out.hand_over(next.unwrap_or_else(|| Box::<Recognising>::default()));
        } else {
            pending.response = Some(response);
        }
        match new {
            Some(new) => self.queue.push(new, out),
            None => self.queue.grew(size),
        }
        if out.next.is_some() {
            return self.queue.emit_done(out);
        }
        self.begin_body(way, Part::Response, framing, section, out);
        if to_change {
            self.release(way.back(), out);
        }
    }

    /// The body of a message begins: of one that is broken it does not come.
    fn begin_body(&mut self, way: Way, part: Part, framing: Framing, section: Section<'_>, out: &mut Out<'_>) {
        self.sides.of_mut(way).state = State::Body(part, framing);
        if section.broken.is_some() {
            self.truncate(way, part);
        }
        if framing.is_done() || section.broken.is_some() {
            self.done(way, part, out);
        }
    }

    /// Reads a body as far as it is here: what is behind it.
    fn read_body<'a>(&mut self, chunk: Chunk<'a>, part: Part, mut framing: Framing, out: &mut Out<'_>) -> &'a [u8] {
        let Chunk { way, at, bytes: mut rest } = chunk;
        let limit = out.limits().body_bytes;
        let mut pending = self.queue.open(way, part);
        let mut said = pending.as_mut().and_then(|pending| pending.said_mut(part));
        let before = said.as_ref().map_or(0, |said| said.body.size_bytes());
        while !rest.is_empty() && !framing.is_done() {
            let (taken, is_body) = match framing.step(rest) {
                Step::Body(taken) => (taken, true),
                Step::Between(taken) => (taken, false),
                Step::Garbage => {
                    if let Some(pending) = pending {
                        pending.fail(ErrorType::Malformed);
                        pending.lose(part, 0, None);
                    }
                    self.done(way, part, out);
                    self.lost(way);
                    return &[];
                }
            };
            let (bytes, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            if let Some(said) = &mut said {
                if is_body {
                    said.body.push(bytes, limit);
                }
                said.half.bytes += bytes.len() as u64;
                said.half.span.last = at;
            }
            rest = after;
        }
        let after = said.map_or(0, |said| said.body.size_bytes());
        self.queue.grew(after - before);
        self.sides.of_mut(way).state = State::Body(part, framing);
        if framing.is_done() {
            self.done(way, part, out);
        }
        rest
    }

    /// What is no message of HTTP: the body of a response in HTTP/0.9, or nothing that is understood.
    pub(super) fn not_http(&mut self, way: Way, section: Section<'_>, out: &mut Out<'_>) {
        let limit = out.limits().body_bytes;
        match self.queue.unanswered(way) {
            Some(pending) if pending.version == "HTTP/0.9" => {
                let mut said = said(Section { bytes: &[], ..section }, Fields::default());
                said.body.push(section.bytes, limit);
                said.half.bytes = section.bytes.len() as u64;
                let size = said.size_bytes();
                pending.response = Some(Response { way, status: None, said });
                self.queue.grew(size);
                self.sides.of_mut(way).state = State::Body(Part::Response, Framing::Close);
            }
            pending => {
                if let Some(pending) = pending {
                    pending.response_done = true;
                    pending.fail(ErrorType::Malformed);
                }
                self.lost(way);
                self.queue.emit_done(out);
            }
        }
    }

    fn hold(&mut self, way: Way, at: Stamp, bytes: &[u8]) -> &'static [u8] {
        let side = self.sides.of_mut(way);
        if side.unread.is_empty() {
            side.first = Some(at);
        }
        side.unread.extend_from_slice(bytes);
        if side.unread.len() > MAX_HELD_BYTES {
            self.lost(way);
        }
        &[]
    }

    /// The client goes on with HTTP: what was held is read.
    fn release(&mut self, way: Way, out: &mut Out<'_>) {
        let side = self.sides.of_mut(way);
        if !matches!(side.state, State::Held) {
            return;
        }
        side.state = State::Head;
        let held = std::mem::take(&mut side.unread);
        if let Some(at) = side.first {
            let rest = self.read(Chunk { way, at, bytes: &held }, out);
            if !rest.is_empty() {
                self.sides.of_mut(way).unread = rest.to_vec();
            }
        }
    }
}

/// Whether HTTP/2 begins here with its preface (RFC 9113 section 3.4), and is read on.
fn is_http2(bytes: &[u8], out: &mut Out<'_>) -> bool {
    if !bytes.starts_with(b"PRI * HTTP/2.0\r\n") {
        return false;
    }
    let is_read = out.hand_over_to("http2");
    if is_read {
        out.speaks("http2");
    }
    is_read
}

fn said(section: Section<'_>, fields: Fields) -> Said {
    Said {
        half: Half { span: section.span, bytes: section.bytes.len() as u64 },
        head: String::from_utf8_lossy(section.bytes).into_owned(),
        headers_size: section.bytes.len() as u64,
        fields,
        body: Body::default(),
    }
}
