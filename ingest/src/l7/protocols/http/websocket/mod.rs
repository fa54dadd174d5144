//! WebSocket (RFC 6455): messages behind an HTTP/1 upgrade, one row each. Fragments are put together, masks taken off, and
//! permessage-deflate (RFC 7692) undone. Of what rides on it, GraphQL is read.

mod frame;
mod graphql;
mod inflate;
#[cfg(test)]
mod tests;

use frame::{Begin, Header, MAX_HEADER_BYTES, Opcode};
use inflate::{Inflate, Takeover};
use wiretape_engine::column::{Bool, I64, Symbol, Text, U16, U32};

use super::{
    GRAPHQL,
    body::Body,
    row::{Request, Response},
    target,
};
use crate::{
    flow::{Pair, Way},
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::{Chunk, Dissector, End, Gap},
        inbox::Inbox,
        out::Out,
        protocol::{Over, Protocol},
        stamp::{Span, Stamp},
    },
};

call_table! {
    /// One row per WebSocket message or control frame, of either end. method is the opcode, target the path and query of the upgrade, status the close code. A client's message is a request without a response, a server's a response without a request.
    pub static TABLE: "websocket", row WebSocketRow, builder WebSocketBuilder {
        /// Kind of the message: text, binary, close, ping, pong; continuation where its beginning was not seen.
        opcode: Symbol,
        /// Sent by the client.
        is_request: Bool,
        /// Host that was asked for by the upgrade, without port.
        host: Option<Symbol>,
        /// What it says, unmasked and inflated: text, or base64 of what is no text (see payload_encoding). Of a close frame, its reason.
        payload: Option<Text>,
        /// base64 where payload is; NULL where it is text.
        payload_encoding: Option<Symbol>,
        /// The payload was longer than the limit, or not all of it was captured or could be inflated.
        payload_truncated: Option<Bool>,
        /// Bytes of payload as transferred, of all its frames.
        length: I64,
        /// Frames that the message came in.
        frames: U32,
        /// It was compressed (RFC 7692).
        compressed: Bool,
        /// It was masked, as every client has to.
        masked: Bool,
        /// Status code of a close frame (RFC 6455 section 7.4); NULL without.
        close_code: Option<U16>,
        /// Type of a message of GraphQL: subscribe, next, complete, …; before graphql-transport-ws start, data, …. NULL where another protocol or none was agreed on.
        graphql_type: Option<Symbol>,
        /// Id that the messages of one GraphQL operation share.
        graphql_id: Option<Text>,
        /// GraphQL operation that is asked for: query, mutation or subscription.
        graphql_operation: Option<Symbol>,
        /// Its name; NULL for an anonymous one.
        graphql_name: Option<Text>,
        /// Its top-level fields, joined by commas.
        graphql_fields: Option<Text>,
        /// Message of the first GraphQL error that is told.
        graphql_error: Option<Text>,
    }
    entry "call" {
        "ws" = "true",
        "gql" = "app_proto = 'graphql'",
        "graphql_operation" = "graphql_operation",
        "graphql_name" = "graphql_name",
        "ws_opcode" = "opcode",
        "ws_request" = "is_request",
        "ws_response" = "NOT is_request",
        "ws_request_payload_data" = "CASE WHEN is_request THEN payload END",
        "ws_request_payload_length" = r#"CASE WHEN is_request THEN "length" END"#,
        "ws_response_payload_length" = r#"CASE WHEN NOT is_request THEN "length" END"#,
        "http_host" = "host",
    }
}

/// What an HTTP/1 connection becomes.
pub(crate) static WEBSOCKET: Protocol = Protocol {
    name: "websocket",
    over: Over::Another,
    probe: |_, _| false,
    dissect: None,
    tables: &[(&TABLE, || Box::new(WebSocketBuilder::default()))],
};

/// One connection.
#[derive(Debug)]
pub(super) struct WebSocket {
    client: Way,
    /// Path and query of the upgrade.
    target: Option<String>,
    host: Option<String>,
    is_graphql: bool,
    sides: Pair<Side>,
}

/// One direction of it.
#[derive(Debug)]
struct Side {
    state: State,
    /// A header of which not all is here, and the packet of its first byte.
    header: Vec<u8>,
    first: Option<Stamp>,
    /// The message whose fragments come.
    message: Option<Message>,
    inflate: Inflate,
    /// What came since bytes are missing or not understood.
    lost: Inbox,
}

#[derive(Debug)]
enum State {
    /// Between frames, or in a header.
    Header,
    /// In the payload of a frame, of which so many bytes are to come.
    Payload { header: Header, left: u64, control: Option<Box<Message>> },
    /// What comes may begin in the middle of a frame.
    Lost,
}

/// A message as far as it came.
#[derive(Debug)]
struct Message {
    opcode: Opcode,
    half: Half,
    length: u64,
    frames: u32,
    compressed: bool,
    masked: bool,
    body: Body,
    /// Nothing more of it is kept: bytes are missing.
    cut: bool,
    error: Option<ErrorType>,
}

impl WebSocket {
    /// Begins behind the response that agrees to it.
    pub(super) fn new(request: Option<&Request>, response: &Response) -> WebSocket {
        let extensions = response.said.fields.joined("sec-websocket-extensions").unwrap_or_default();
        let client = response.way.back();
        let mut sides = Pair { out: Side::new(Takeover::Yes), back: Side::new(Takeover::Yes) };
        for (way, parameter) in [(client, "client_no_context_takeover"), (response.way, "server_no_context_takeover")] {
            if extensions.split([';', ',']).any(|item| item.trim().eq_ignore_ascii_case(parameter)) {
                *sides.of_mut(way) = Side::new(Takeover::No);
            }
        }
        let host = request.and_then(|r| r.authority.as_deref()).and_then(target::host);
        WebSocket {
            client,
            target: request.map(|r| r.target.clone()),
            host: host.map(str::to_ascii_lowercase),
            is_graphql: response.said.fields.get("sec-websocket-protocol").is_some_and(graphql::is_spoken),
            sides,
        }
    }

    fn read(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let (way, mut rest) = (chunk.way, chunk.bytes);
        // Frames without payload end with their header.
        loop {
            let side = self.sides.of_mut(way);
            rest = match &side.state {
                State::Header if rest.is_empty() => return,
                State::Header => side.read_header(chunk.at, rest),
                State::Payload { left: 1.., .. } if rest.is_empty() => return,
                State::Payload { .. } => side.read_payload(chunk.at, rest, out.limits().body_bytes),
                State::Lost => &[],
            };
            let lost = matches!(side.state, State::Lost);
            while let Some(message) = self.sides.of_mut(way).take_done(out.limits().body_bytes) {
                self.emit(way, message, out);
            }
            if lost {
                return self.lose(way, ErrorType::Malformed, out);
            }
        }
    }

    /// What comes may begin in the middle of a frame.
    fn lose(&mut self, way: Way, error: ErrorType, out: &mut Out<'_>) {
        let side = self.sides.of_mut(way);
        let state = std::mem::replace(&mut side.state, State::Lost);
        let control = match state {
            State::Payload { control, .. } => control.map(|message| *message),
            _ => None,
        };
        side.header = Vec::new();
        side.inflate.lose();
        for mut message in [side.message.take(), control].into_iter().flatten() {
            message.error.get_or_insert(error);
            message.body.lose(0);
            self.emit(way, message, out);
        }
    }

    fn emit(&self, way: Way, message: Message, out: &mut Out<'_>) {
        let is_request = way == self.client;
        let mut body = message.body;
        let mut close_code = None;
        if message.opcode == Opcode::Close
            && let Some((code, reason)) = body.kept().split_first_chunk::<2>()
        {
            close_code = Some(u16::from_be_bytes(*code));
            let mut said = Body::default();
            said.push(reason, reason.len());
            body = said;
        }
        let shown = body.show(None, out.limits().body_bytes);
        let graphql = shown.as_ref().filter(|_| self.is_graphql).and_then(|shown| graphql::read(&shown.text));
        if graphql.is_some() {
            out.speaks(GRAPHQL.name);
        }
        let operation = graphql.as_ref().and_then(|said| said.operation.as_ref());
        let status = close_code.map(|code| code.to_string());
        let half = Some(message.half);
        out.emit_one_way::<WebSocketBuilder>(
            &Call {
                app_proto: if graphql.is_some() { GRAPHQL.name } else { WEBSOCKET.name },
                client: self.client,
                request: half.filter(|_| is_request),
                response: half.filter(|_| !is_request),
                method: Some(message.opcode.name()),
                target: self.target.as_deref(),
                status: status.as_deref(),
                error_type: message.error,
            },
            WebSocketRow {
                opcode: message.opcode.name(),
                is_request,
                host: self.host.as_deref(),
                payload: shown.as_ref().map(|shown| shown.text.as_str()),
                payload_encoding: shown.as_ref().and_then(|shown| shown.encoding),
                payload_truncated: shown.as_ref().map(|shown| shown.truncated),
                length: i64::try_from(message.length).unwrap_or(i64::MAX),
                frames: message.frames,
                compressed: message.compressed,
                masked: message.masked,
                close_code,
                graphql_type: graphql.as_ref().map(|said| said.kind),
                graphql_id: graphql.as_ref().and_then(|said| said.id.as_deref()),
                graphql_operation: operation.map(|operation| operation.operation),
                graphql_name: operation.and_then(|operation| operation.name.as_deref()),
                graphql_fields: operation.map(|operation| operation.fields.as_str()),
                graphql_error: graphql.as_ref().and_then(|said| said.error.as_deref()),
            },
        );
    }
}

impl Side {
    fn new(takeover: Takeover) -> Side {
        Side {
            state: State::Header,
            header: Vec::new(),
            first: None,
            message: None,
            inflate: Inflate::new(takeover),
            lost: Inbox::default(),
        }
    }

    /// Reads a header as far as it is here: what is behind it.
    fn read_header<'a>(&mut self, at: Stamp, bytes: &'a [u8]) -> &'a [u8] {
        if self.header.is_empty() {
            self.first = Some(at);
        }
        let before = self.header.len();
        self.header.extend_from_slice(bytes.get(..MAX_HEADER_BYTES.min(bytes.len())).unwrap_or_default());
        match frame::header(&self.header) {
            Begin::Unknown => &[],
            Begin::Header(header) if self.message.is_some() && header.opcode.begins_message() => {
                self.state = State::Lost;
                &[]
            }
            Begin::Garbage => {
                self.state = State::Lost;
                &[]
            }
            Begin::Header(header) => {
                self.header.clear();
                self.begin(header, Span { first: self.first.unwrap_or(at), last: at });
                bytes.get(header.len.saturating_sub(before)..).unwrap_or_default()
            }
        }
    }

    /// A frame begins: of a message that is under way, or of a new one.
    fn begin(&mut self, header: Header, span: Span) {
        let frame = Half { span, bytes: header.len as u64 };
        let fresh = || Message {
            opcode: header.opcode,
            half: Half { bytes: 0, ..frame },
            length: 0,
            frames: 0,
            compressed: header.compressed,
            masked: header.key.is_some(),
            body: Body::default(),
            cut: false,
            error: None,
        };
        let mut control = None;
        let message = if header.opcode.is_control() {
            control.insert(Box::new(fresh())).as_mut()
        } else {
            self.message.get_or_insert_with(fresh)
        };
        message.half.bytes += frame.bytes;
        message.half.span.last = span.last;
        message.length += header.payload;
        message.frames += 1;
        self.state = State::Payload { header, left: header.payload, control };
    }

    /// Reads the payload of a frame as far as it is here: what is behind it.
    fn read_payload<'a>(&mut self, at: Stamp, bytes: &'a [u8], limit: usize) -> &'a [u8] {
        let Side { state: State::Payload { header, left, control }, message, inflate, .. } = self else { return bytes };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        let (payload, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
        if let Some(message) = control.as_deref_mut().or(message.as_mut()).filter(|_| taken > 0) {
            let unmasked = header.key.map(|key| frame::unmask(payload, key, header.payload - *left));
            message.take(unmasked.as_deref().unwrap_or(payload), inflate, limit);
            message.half.bytes += taken as u64;
            message.half.span.last = at;
        }
        *left -= taken as u64;
        rest
    }

    /// The message whose last byte was read, if one is there.
    fn take_done(&mut self, limit: usize) -> Option<Message> {
        let State::Payload { header, left: 0, control } = &mut self.state else { return None };
        let (fin, control) = (header.fin, control.take());
        self.state = State::Header;
        if let Some(control) = control {
            return Some(*control);
        }
        let mut message = self.message.take_if(|_| fin)?;
        if message.compressed && !message.cut && !self.inflate.end(&mut message.body, limit) {
            message.body.lose(0);
        }
        Some(message)
    }
}

impl Message {
    /// Takes in payload.
    fn take(&mut self, bytes: &[u8], inflate: &mut Inflate, limit: usize) {
        if self.cut {
            self.body.lose(bytes.len() as u64);
        } else if !self.compressed {
            self.body.push(bytes, limit);
        } else if !inflate.push(bytes, &mut self.body, limit) {
            self.body.lose(0);
        }
    }
}

impl Dissector for WebSocket {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let is_client = chunk.way == self.client;
        let side = self.sides.of_mut(chunk.way);
        if !matches!(side.state, State::Lost) {
            return self.read(chunk, out);
        }
        if side.lost.search(chunk.at, chunk.bytes, |bytes| frame::begins_here(bytes, is_client)) {
            side.state = State::Header;
            let found = std::mem::take(&mut side.lost);
            found.packets().for_each(|(at, bytes)| self.data(Chunk { at, bytes, ..chunk }, out));
        }
    }

    fn gap(&mut self, gap: Gap, out: &mut Out<'_>) {
        let side = self.sides.of_mut(gap.way);
        let (message, inflate) = (&mut side.message, &mut side.inflate);
        match &mut side.state {
            State::Payload { left, control, .. } if gap.bytes <= *left => {
                *left -= gap.bytes;
                if let Some(message) = control.as_deref_mut().or(message.as_mut()) {
                    message.error.get_or_insert(ErrorType::Gap);
                    message.half.bytes += gap.bytes;
                    message.half.span.last = gap.at;
                    message.body.lose(gap.bytes);
                    message.cut = true;
                    if message.compressed {
                        inflate.lose();
                    }
                }
                self.read(Chunk { way: gap.way, at: gap.at, bytes: &[] }, out);
            }
            State::Lost => side.lost.clear(),
            _ => self.lose(gap.way, ErrorType::Gap, out),
        }
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        for way in [Way::Out, Way::In] {
            self.lose(way, ErrorType::Gap, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let side = |side: &Side| {
            let message = side.message.as_ref().map_or(0, |message| size_of::<Message>() + message.body.size_bytes());
            message + side.header.capacity() + side.inflate.size_bytes() + side.lost.size_bytes()
        };
        side(&self.sides.out) + side(&self.sides.back) + self.target.as_ref().map_or(0, String::capacity)
    }
}
