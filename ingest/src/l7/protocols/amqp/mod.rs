//! AMQP 0-9-1: methods with their replies by channel; messages published, delivered and returned, with properties and body.

use wiretape_engine::column::{Bool, I64, Symbol, Text, TextMap, U16};

use crate::{
    flow::{Pair, Way},
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        cursor::Cursor,
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text::{lossy as text, pairs},
        waiting::Waiting,
    },
};

mod method;

use method::{Arguments, Method, Properties, Sender};

call_table! {
    /// One row per AMQP 0-9-1 method with its reply, and per message with its content. method is class and method, target the routing
    /// key, queue or exchange, status OK or the reply code.
    pub static AMQP: "amqp", row AmqpRow, builder AmqpBuilder {
        /// Number of the channel; 0 is the connection itself.
        channel: U16,
        /// Exchange that is named; empty for the default one.
        exchange: Option<Symbol>,
        /// Routing key of a message or binding.
        routing_key: Option<Text>,
        /// Queue that is named, by the reply where the request leaves it to the server.
        queue: Option<Symbol>,
        /// Consumer that is named, by the reply where the request leaves it to the server.
        consumer_tag: Option<Symbol>,
        /// Number of the delivery, or of what is acknowledged.
        delivery_tag: Option<I64>,
        /// The message was delivered before.
        redelivered: Option<Bool>,
        /// Messages in the queue, by the reply.
        message_count: Option<I64>,
        /// Consumers of the queue, by the reply.
        consumer_count: Option<I64>,
        /// Why a channel or connection is closed, or a message returned.
        reply_code: Option<U16>,
        /// … in words.
        reply_text: Option<Text>,
        /// Content type of the message.
        content_type: Option<Symbol>,
        /// Other properties of the message (content_encoding, delivery_mode, priority, correlation_id, reply_to, expiration, message_id,
        /// timestamp, type, user_id, app_id), and its headers as headers.NAME.
        properties: Option<TextMap>,
        /// Bytes of the message's body.
        body_bytes: Option<I64>,
        /// The body as text, at most 64 KiB; what is no UTF-8 is replaced.
        body: Option<Text>,
    }
    entry "call" {
        "amqp" = "true",
        "amqp_method" = "method",
        "amqp_summary" = "target",
        "amqp_request" = "request_bytes IS NOT NULL",
        "amqp_response" = "response_bytes IS NOT NULL",
        "amqp_request_length" = "request_bytes",
        "amqp_response_length" = "response_bytes",
        "amqp_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
    }
}

/// Bytes of a frame that are read: what brokers agree on by default, and what frames it. Of a longer body its beginning is kept.
const MAX_FRAME_BYTES: usize = (128 << 10) + 8;

/// Bytes of a frame at most: more than any broker takes.
const MAX_WIRE_BYTES: u32 = 128 << 20;

/// Bytes before a frame's payload.
const HEADER_BYTES: usize = 7;

/// The byte that ends a frame.
const FRAME_END: u8 = 0xce;

/// Messages whose content is under way, each way; a channel sends one at a time, and few channels send at once.
const MAX_CONTENTS: usize = 64;

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "amqp",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Amqp::default()))),
    tables: &[(&AMQP, || Box::new(AmqpBuilder::default()))],
};

/// The header of a frame: type, channel and length of the payload.
fn header(head: &[u8]) -> Option<(u8, u16, u32)> {
    let mut cursor = Cursor::new(head);
    let header = (cursor.u8()?, cursor.u16()?, cursor.u32()?);
    let (kind, channel, len) = header;
    let is_sane = match kind {
        1 => len >= 4,
        2 => len >= 14 && channel > 0,
        3 => channel > 0,
        8 => len == 0 && channel == 0,
        _ => false,
    };
    (is_sane && len <= MAX_WIRE_BYTES).then_some(header)
}

/// The protocol's header; in the middle of a connection a frame with a method there is, whose end is where it should be.
fn probe(_: &Hint, p: &[u8]) -> bool {
    if matches!(p, [b'A', b'M', b'Q', b'P', 0..=3, ..]) {
        return true;
    }
    let Some((1, _, len)) = header(p) else { return false };
    let mut payload = Cursor::new(p.get(HEADER_BYTES..).unwrap_or_default());
    let (Some(class), Some(number)) = (payload.u16(), payload.u16()) else { return false };
    let is_ended = p.get(HEADER_BYTES + len as usize) == Some(&FRAME_END);
    is_ended && Method::of(class, number).is_some()
}

/// One connection.
#[derive(Debug, Default)]
struct Amqp {
    client: Option<Way>,
    /// Methods that wait, by channel and the method that answers them.
    waiting: Waiting<(u16, u16), Asked>,
    /// Messages whose content is not complete.
    contents: Pair<Vec<Asked>>,
    /// Another version of the protocol is spoken.
    other: bool,
}

/// A method that waits for its reply, or for the rest of its content.
#[derive(Debug)]
struct Asked {
    way: Way,
    channel: u16,
    half: Half,
    method: &'static Method,
    arguments: Arguments,
    content: Option<Content>,
    /// What it answers.
    asked: Option<Box<Asked>>,
}

/// Properties and body of a message.
#[derive(Debug, Default)]
struct Content {
    properties: Properties,
    body: Vec<u8>,
    body_bytes: u64,
    left: u64,
}

impl Amqp {
    fn method(&mut self, way: Way, channel: u16, half: Half, payload: &[u8], out: &mut Out<'_>) {
        let mut cursor = Cursor::new(payload);
        let (Some(class), Some(number)) = (cursor.u16(), cursor.u16()) else { return };
        let Some(method) = Method::of(class, number) else { return };
        match method.sender {
            Sender::Client => self.client = Some(way),
            Sender::Server => self.client = Some(way.back()),
            Sender::Both => {}
        }
        // A new method on the channel: the content before it is not complete.
        self.give_up(way, Some(channel), Some(ErrorType::Gap), out);
        let arguments = Arguments::of(method, cursor);
        let asked = if method.answers { self.waiting.answer(&(channel, method.code())) } else { None };
        let said = Asked { way, channel, half, method, arguments, content: None, asked: asked.map(Box::new) };
        if method.has_content {
            let contents = self.contents.of_mut(way);
            if contents.len() < MAX_CONTENTS {
                return contents.push(said);
            }
            return self.emit(&said, None, out);
        }
        // A method that wants no reply says so.
        let Some(reply) = said.method.reply.filter(|_| !said.arguments.no_wait) else {
            return self.emit(&said, None, out);
        };
        if let Some(given_up) = self.waiting.ask((channel, reply), said, out.limits().pending_calls) {
            out.count_dropped_call();
            self.emit(&given_up, Some(ErrorType::NoResponse), out);
        }
    }

    /// Properties of a message, and how long its body is.
    fn properties(&mut self, way: Way, channel: u16, half: Half, payload: &[u8], out: &mut Out<'_>) {
        let contents = self.contents.of_mut(way);
        let Some(message) = contents.iter_mut().find(|message| message.channel == channel) else { return };
        let mut cursor = Cursor::new(payload);
        let (Some(_), Some(body_bytes)) = (cursor.u32(), cursor.u64()) else { return };
        message.half = message.half.and(half);
        let properties = Properties::of(cursor);
        message.content = Some(Content { properties, body: Vec::new(), body_bytes, left: body_bytes });
        self.complete(way, channel, out);
    }

    fn body(&mut self, way: Way, channel: u16, half: Half, payload: &[u8], len: u32, out: &mut Out<'_>) {
        let limit = out.limits().body_bytes;
        let contents = self.contents.of_mut(way);
        let Some(message) = contents.iter_mut().find(|message| message.channel == channel) else { return };
        let Some(content) = &mut message.content else { return };
        message.half = message.half.and(half);
        content.left = content.left.saturating_sub(u64::from(len));
        let room = limit.saturating_sub(content.body.len());
        content.body.extend_from_slice(payload.get(..room).unwrap_or(payload));
        self.complete(way, channel, out);
    }

    /// A message whose body is there becomes a row.
    fn complete(&mut self, way: Way, channel: u16, out: &mut Out<'_>) {
        let is_complete =
            |m: &Asked| m.channel == channel && m.content.as_ref().is_some_and(|content| content.left == 0);
        let contents = self.contents.of_mut(way);
        if let Some(at) = contents.iter().position(is_complete) {
            let message = contents.remove(at);
            self.emit(&message, None, out);
        }
    }

    /// Messages become rows without the rest of their content: those of one channel, or all.
    fn give_up(&mut self, way: Way, channel: Option<u16>, why: Option<ErrorType>, out: &mut Out<'_>) {
        let is_it = |m: &Asked| channel.is_none_or(|channel| m.channel == channel);
        while let Some(at) = self.contents.of(way).iter().position(is_it) {
            let message = self.contents.of_mut(way).remove(at);
            self.emit(&message, why, out);
        }
    }

    /// Which way requests go, and which half of a call was said last, beside what it answers.
    fn halves(&self, said: &Asked) -> (Way, Option<Half>, Option<Half>) {
        let Asked { way, half, method, .. } = *said;
        if let Some(asked) = said.asked.as_deref() {
            return (asked.way, Some(asked.half), Some(half));
        }
        let client = match (method.sender, self.client) {
            // What goes one way is the client's or the server's by its direction.
            (_, Some(client)) if method.reply.is_none() => client,
            (Sender::Server, None) => way.back(),
            _ if method.answers => way.back(),
            _ => way,
        };
        if way == client { (client, Some(half), None) } else { (client, None, Some(half)) }
    }

    /// Makes a row of what was said last, and of what it answers.
    fn emit(&self, said: &Asked, why: Option<ErrorType>, out: &mut Out<'_>) {
        let asked = said.asked.as_deref();
        let first = asked.unwrap_or(said);
        let (client, request, response) = self.halves(said);
        // The reply says what the request leaves to the server.
        let pick = |of: fn(&Arguments) -> Option<&str>| of(&said.arguments).or_else(|| of(&first.arguments));
        let number = |of: fn(&Arguments) -> Option<u64>| {
            of(&said.arguments).or_else(|| of(&first.arguments)).map(|n| i64::try_from(n).unwrap_or(i64::MAX))
        };
        let [exchange, routing_key, queue, consumer_tag, reply_text] = [
            pick(|a| a.exchange.as_deref()),
            pick(|a| a.routing_key.as_deref()),
            pick(|a| a.queue.as_deref()),
            pick(|a| a.consumer_tag.as_deref()),
            pick(|a| a.reply_text.as_deref()),
        ];
        let reply_code = first.arguments.reply_code;
        let code = reply_code.map(|code| code.to_string());
        let is_one_way = first.method.reply.is_none() && !first.method.answers || first.arguments.no_wait;
        let call = Call {
            app_proto: "amqp",
            client,
            request,
            response,
            method: Some(first.method.name),
            target: [routing_key, queue, exchange].into_iter().flatten().find(|text| !text.is_empty()),
            status: code
                .as_deref()
                .or(asked.map(|_| if said.method.name == "basic.get-empty" { "EMPTY" } else { "OK" })),
            error_type: why,
        };
        let content = said.content.as_ref();
        let limit = out.limits().body_bytes;
        let properties = content.map(|content| pairs(&content.properties.others));
        let body = content.map(|content| text(&content.body, limit));
        let row = AmqpRow {
            channel: first.channel,
            exchange,
            routing_key,
            queue,
            consumer_tag,
            delivery_tag: number(|a| a.delivery_tag),
            redelivered: said.arguments.redelivered,
            message_count: number(|a| a.message_count),
            consumer_count: number(|a| a.consumer_count),
            reply_code,
            reply_text,
            content_type: content.and_then(|content| content.properties.content_type.as_deref()),
            properties: properties.as_deref(),
            body_bytes: content.map(|content| i64::try_from(content.body_bytes).unwrap_or(i64::MAX)),
            body: body.as_deref(),
        };
        if is_one_way { out.emit_one_way::<AmqpBuilder>(&call, row) } else { out.emit::<AmqpBuilder>(&call, row) }
    }
}

impl Messages for Amqp {
    const MAX_BYTES: usize = MAX_FRAME_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        match head {
            _ if self.other => Frame::Garbage,
            [b'A', ..] if b"AMQP".starts_with(head) => Frame::Unknown,
            [b'A', b'M', b'Q', b'P', ..] => Frame::Is(8),
            _ if head.len() < HEADER_BYTES => Frame::Unknown,
            _ => match header(head) {
                Some((_, _, len)) if head.get(HEADER_BYTES + len as usize).is_none_or(|end| *end == FRAME_END) => {
                    Frame::Is(HEADER_BYTES as u64 + u64::from(len) + 1)
                }
                _ => Frame::Garbage,
            },
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        if let [b'A', b'M', b'Q', b'P', id, major, ..] = message.bytes {
            // AMQP 1.0 and the security layers before it frame in another way.
            self.other = (*id, *major) == (0, 1) || *id > 1;
            return;
        }
        let Some((kind, channel, len)) = header(message.bytes) else { return };
        let mut payload = Cursor::new(message.bytes.get(HEADER_BYTES..).unwrap_or_default());
        let payload = payload.take_some(len as usize);
        match kind {
            1 => self.method(way, channel, half, payload, out),
            2 => self.properties(way, channel, half, payload, out),
            3 => self.body(way, channel, half, payload, len, out),
            _ => {}
        }
    }

    fn lost(&mut self, way: Way, _: Stamp, out: &mut Out<'_>) {
        self.give_up(way, None, Some(ErrorType::Gap), out);
    }

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        let Some((_, _, len)) = header(head) else {
            // Of what is too short to tell, more is waited for.
            return !self.other && head.len() < HEADER_BYTES && matches!(head, [1..=3 | 8, ..]);
        };
        !self.other && head.get(HEADER_BYTES + len as usize).is_none_or(|end| *end == FRAME_END)
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        let reset = (end == End::Reset).then_some(ErrorType::Reset);
        for way in [Way::Out, Way::In] {
            self.give_up(way, None, reset.or(Some(ErrorType::Gap)), out);
        }
        while let Some(asked) = self.waiting.take() {
            self.emit(&asked, reset.or(Some(ErrorType::NoResponse)), out);
        }
    }

    fn size_bytes(&self) -> usize {
        let each = |asked: &Asked| {
            let content =
                asked.content.as_ref().map_or(0, |content| content.body.capacity() + content.properties.size_bytes());
            content + asked.arguments.size_bytes()
        };
        let contents = self.contents.out.iter().chain(&self.contents.back);
        self.waiting.size_bytes(each) + contents.map(|asked| size_of::<Asked>() + each(asked)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
