//! memcached over TCP: the text protocol with its meta commands, and the binary one. Text is answered in order, binary requests have
//! an opaque number that their responses share.

use wiretape_engine::column::{I64, Symbol, Text, TextList, U32};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};

mod binary;
#[cfg(test)]
mod tests;
mod text_form;

call_table! {
    /// One row per memcached request with its response. method is the command, target the key, status what the server says.
    pub static MEMCACHED: "memcached", row MemcachedRow, builder MemcachedBuilder {
        /// Form of the protocol: text or binary.
        form: Symbol,
        /// Keys of the request, at most 100.
        keys: Option<TextList>,
        /// Keys that the server has; NULL for what asks for none.
        hits: Option<U32>,
        /// Flags of the value that is stored or found first.
        flags: Option<U32>,
        /// Expiry of what is stored, seconds or, beyond 30 days, a time of day; 0 for never.
        expiry: Option<I64>,
        /// Bytes of the value stored, or of all values found.
        value_bytes: Option<I64>,
        /// Value that is stored or found first: text, or hex of what is no text, up to the limit of bodies.
        value: Option<Text>,
    }
    entry "call" { "memcached" = "true" }
}

/// Bytes of a request or response that are read: a value of the default limit of bodies, and its line or header.
const MAX_MESSAGE_BYTES: usize = 128 << 10;

/// Keys kept of a request.
const MAX_KEYS: usize = 100;

/// Over TCP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "memcached",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Memcached::default()))),
    tables: &[(&MEMCACHED, || Box::new(MemcachedBuilder::default()))],
};

/// A request that stores, in text; any whole message on memcached's own port; a binary header.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    if binary::is_message(p) {
        return hint.port(11211);
    }
    match text_form::line(p) {
        Some(line) => text_form::stored_bytes(line).is_some() || hint.port(11211) && text_form::role(line).is_some(),
        None => false,
    }
}

/// A connection.
#[derive(Debug, Default)]
struct Memcached {
    /// Requests that wait, by who sent them and the opaque number, which is 0 in text.
    waiting: Waiting<(Way, u32), Said>,
    /// Which way requests go, once one or a response was seen.
    client: Option<Way>,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// What a request says, and what was found so far.
#[derive(Debug)]
struct Said {
    way: Way,
    half: Half,
    form: &'static str,
    command: String,
    keys: Vec<String>,
    /// Nobody answers it, or only if it fails.
    is_quiet: bool,
    asks_for_values: bool,
    hits: u32,
    flags: Option<u32>,
    expiry: Option<i64>,
    value_bytes: Option<i64>,
    value: Option<String>,
    answered: Option<Half>,
}

/// A part of a response.
#[derive(Debug, Default)]
struct Answer {
    /// More parts follow.
    is_partial: bool,
    status: String,
    /// Flags, length and bytes of a value that is in it.
    value: Option<(Option<u32>, i64, String)>,
}

impl Said {
    fn new(way: Way, half: Half, form: &'static str, command: String) -> Said {
        Said {
            way,
            half,
            form,
            command,
            keys: Vec::new(),
            is_quiet: false,
            asks_for_values: false,
            hits: 0,
            flags: None,
            expiry: None,
            value_bytes: None,
            value: None,
            answered: None,
        }
    }

    fn hear(&mut self, half: Half, answer: &Answer) {
        self.answered =
            Some(self.answered.map_or(half, |before| Half {
                span: before.span.until(half.span.last),
                bytes: before.bytes + half.bytes,
            }));
        if let Some((flags, len, value)) = &answer.value {
            self.hits = self.hits.saturating_add(1);
            self.value_bytes = Some(self.value_bytes.unwrap_or(0).saturating_add(*len));
            if self.value.is_none() {
                self.flags = *flags;
                self.value = Some(value.clone());
            }
        }
    }

    fn size_bytes(&self) -> usize {
        self.command.capacity() + text::size_bytes(self.keys.iter().chain(&self.value))
    }
}

impl Memcached {
    fn request(&mut self, key: u32, said: Said, out: &mut Out<'_>) {
        if said.is_quiet && said.form == "text" {
            return emit(Some(&said), None, out);
        }
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask((said.way, key), said, limit) {
            out.count_dropped_call();
            emit(Some(&given_up), None, out);
        }
    }

    fn response(&mut self, way: Way, half: Half, key: u32, answer: &Answer, out: &mut Out<'_>) {
        let key = (way.back(), key);
        let Some(asked) = self.waiting.find(&key) else {
            if !answer.is_partial {
                emit(None, Some((way, half, answer)), out);
            }
            return;
        };
        asked.hear(half, answer);
        if !answer.is_partial {
            let asked = self.waiting.answer(&key);
            emit(asked.as_ref(), Some((way, half, answer)), out);
        }
    }
}

fn emit(asked: Option<&Said>, last: Option<(Way, Half, &Answer)>, out: &mut Out<'_>) {
    emit_with(asked, last, None, out);
}

fn emit_with(
    asked: Option<&Said>,
    last: Option<(Way, Half, &Answer)>,
    error_type: Option<ErrorType>,
    out: &mut Out<'_>,
) {
    let answer = last.map(|(_, _, answer)| answer);
    let found = asked.is_some_and(|said| said.hits > 0);
    // What ends a list of values is no outcome.
    let status = answer.map(|a| if found && a.status == "END" { "VALUE" } else { a.status.as_str() });
    let keys = asked.map(|said| text::refs(&said.keys)).filter(|keys| !keys.is_empty());
    let call = Call {
        app_proto: "memcached",
        client: asked.map(|said| said.way).or(last.map(|(way, ..)| way.back())).unwrap_or(Way::Out),
        request: asked.map(|said| said.half),
        response: asked.map_or(last.map(|(_, half, _)| half), |said| said.answered),
        method: asked.map(|said| said.command.as_str()),
        target: asked.and_then(|said| said.keys.first()).map(String::as_str),
        status,
        error_type,
    };
    let row = MemcachedRow {
        form: asked.map_or("text", |said| said.form),
        keys: keys.as_deref(),
        hits: asked.filter(|said| said.asks_for_values).map(|said| said.hits),
        flags: asked.and_then(|said| said.flags),
        expiry: asked.and_then(|said| said.expiry),
        value_bytes: asked.and_then(|said| said.value_bytes),
        value: asked.and_then(|said| said.value.as_deref()),
    };
    let is_quiet = asked.is_some_and(|said| said.is_quiet);
    if is_quiet { out.emit_one_way::<MemcachedBuilder>(&call, row) } else { out.emit::<MemcachedBuilder>(&call, row) }
}

impl Messages for Memcached {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        match head {
            [0x80 | 0x81, ..] => binary::frame(head),
            _ => text_form::frame(head, self.client == Some(way)),
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let limit = out.limits().body_bytes;
        if let [0x80 | 0x81, ..] = message.bytes {
            match binary::read(way, &message, limit) {
                Some(binary::Read::Request(opaque, said)) => self.request(opaque, said, out),
                Some(binary::Read::Response(opaque, half, answer)) => self.response(way, half, opaque, &answer, out),
                None => {}
            }
            return;
        }
        match text_form::read(way, &message, limit) {
            Some(text_form::Read::Request(said)) => {
                self.client = Some(way);
                self.request(0, said, out);
            }
            Some(text_form::Read::Response(half, answer)) => {
                self.client = Some(way.back());
                self.response(way, half, 0, &answer, out);
            }
            None => {}
        }
    }

    /// Text is answered in order: which answers are missing is not known, so that nothing waits on.
    fn lost(&mut self, way: Way, _: Stamp, out: &mut Out<'_>) {
        while let Some(said) = self.waiting.answer(&(way.back(), 0)) {
            emit_with(Some(&said), None, Some(ErrorType::Gap), out);
        }
    }

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        binary::is_message(head) || text_form::line(head).is_some_and(|line| text_form::role(line).is_some())
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(said) = self.waiting.take() {
            emit(Some(&said), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(Said::size_bytes)
    }
}
