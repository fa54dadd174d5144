//! TDS, what SQL Server and Sybase speak ([MS-TDS], version 7.2 and later), over TCP. A message is one or more packets; requests are
//! answered in order.

use wiretape_engine::column::{I64, Symbol, Text, U8, U32};

use crate::{
    flow::{Pair, Way},
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
use said::{Answer, Request};

mod said;
#[cfg(test)]
mod tests;

call_table! {
    /// One row per TDS request with its response. method is the request's type, target its statement or procedure, status ok or the error's number.
    pub static TDS: "tds", row TdsRow, builder TdsBuilder {
        /// Text of a batch, or of the statement that sp_executesql and its like are called with, at most 64 KiB.
        statement: Option<Text>,
        /// Procedure that an RPC calls.
        procedure: Option<Symbol>,
        /// User of the login.
        user_name: Option<Symbol>,
        /// Database that the login asks for.
        database: Option<Symbol>,
        /// Application that the login names.
        application: Option<Symbol>,
        /// Host that the login names.
        client_host: Option<Symbol>,
        /// Rows that the last statement which counts them says it concerned; NULL without.
        row_count: Option<I64>,
        /// Number of the first error.
        error_code: Option<U32> [row_index()],
        /// Its class (severity), 11 to 25.
        error_class: Option<U8>,
        /// Its text.
        error_message: Option<Text>,
    }
    entry "call" { "tds" = "true" }
}

/// Bytes of a packet: what its length can say.
const MAX_PACKET_BYTES: usize = 65_535;

/// Bytes of a message that are read: a long statement. Of a longer response the end is not seen.
const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// Bytes of a packet's header.
const HEADER_BYTES: usize = 8;

/// Over TCP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "tds",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Tds::default()))),
    tables: &[(&TDS, || Box::new(TdsBuilder::default()))],
};

/// A PRELOGIN that is the whole packet, its first option the version; on port 1433 any request that is.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let [kind, 1, hi, lo, _, _, _, 0, payload @ ..] = p else { return false };
    let whole = usize::from(u16::from_be_bytes([*hi, *lo])) == hint.len;
    let is_prelogin = *kind == PRELOGIN && matches!(payload, [0, 0, _, 0, 6, ..]);
    whole && (is_prelogin || hint.port(1433) && matches!(*kind, BATCH | RPC | LOGIN))
}

const BATCH: u8 = 1;
const RPC: u8 = 3;
const RESPONSE: u8 = 4;
const ATTENTION: u8 = 6;
const LOGIN: u8 = 16;
const PRELOGIN: u8 = 18;

/// A connection.
#[derive(Debug, Default)]
struct Tds {
    partial: Pair<Partial>,
    waiting: Waiting<(), Asked>,
    login: Request,
}

/// A message whose last packet has not come.
#[derive(Debug, Default)]
struct Partial {
    half: Option<Half>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Asked {
    way: Way,
    half: Half,
    said: Request,
}

impl Tds {
    fn whole(&mut self, way: Way, kind: u8, half: Half, bytes: &[u8], out: &mut Out<'_>) {
        if kind == RESPONSE {
            let answer = Answer::read(bytes);
            let asked = self.waiting.answer(&());
            return self.emit(asked.as_ref(), Some((way, half, &answer)), None, out);
        }
        // A TLS handshake within PRELOGIN packets.
        if kind == PRELOGIN && bytes.first().is_some_and(|first| (20..=23).contains(first)) {
            return;
        }
        let said = Request::read(kind, bytes);
        if kind == LOGIN {
            self.login = said.clone();
        }
        let asked = Asked { way, half, said };
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask((), asked, limit) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, None, out);
        }
    }

    fn emit(
        &self,
        asked: Option<&Asked>,
        last: Option<(Way, Half, &Answer)>,
        error_type: Option<ErrorType>,
        out: &mut Out<'_>,
    ) {
        let said = asked.map(|a| &a.said);
        let answer = last.map(|(_, _, answer)| answer);
        let statement = said.and_then(|s| s.statement.as_deref());
        let procedure = said.and_then(|s| s.procedure.as_deref());
        let error = answer.and_then(|a| a.error.as_ref());
        let status = answer.map(|_| error.map_or_else(|| "ok".to_owned(), |e| e.code.to_string()));
        let call = Call {
            app_proto: "tds",
            client: asked.map(|a| a.way).or(last.map(|(way, ..)| way.back())).unwrap_or(Way::Out),
            request: asked.map(|a| a.half),
            response: last.map(|(_, half, _)| half),
            method: said.map(|s| s.kind),
            target: statement.or(procedure).or(said.and_then(|s| s.database.as_deref())),
            status: status.as_deref(),
            error_type,
        };
        let row = TdsRow {
            statement,
            procedure,
            user_name: self.login.user_name.as_deref(),
            database: self.login.database.as_deref(),
            application: self.login.application.as_deref(),
            client_host: self.login.client_host.as_deref(),
            row_count: answer.and_then(|a| a.rows),
            error_code: error.map(|e| e.code),
            error_class: error.map(|e| e.class),
            error_message: error.map(|e| e.message.as_str()),
        };
        out.emit::<TdsBuilder>(&call, row);
    }
}

impl Messages for Tds {
    const MAX_BYTES: usize = MAX_PACKET_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        match head {
            // TLS records stand among the packets where only the login is encrypted.
            [20..=23, 3, _, hi, lo, ..] => Frame::Is(5 + u64::from(u16::from_be_bytes([*hi, *lo]))),
            [1..=4 | 6..=8 | 14 | 16..=18, _, hi, lo, ..] => match u16::from_be_bytes([*hi, *lo]) {
                0..8 => Frame::Garbage,
                len => Frame::Is(u64::from(len)),
            },
            [_, _, _, _, _, ..] => Frame::Garbage,
            _ => Frame::Unknown,
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let [kind @ ..20, status, _, _, _, _, _, _, payload @ ..] = message.bytes else { return };
        let partial = self.partial.of_mut(way);
        let half = match partial.half {
            Some(before) => Half { span: before.span.until(message.span.last), bytes: before.bytes + message.len },
            None => Half { span: message.span, bytes: message.len },
        };
        partial.half = Some(half);
        let room = MAX_MESSAGE_BYTES.saturating_sub(partial.bytes.len());
        partial.bytes.extend_from_slice(payload.get(..room).unwrap_or(payload));
        if status & 1 != 0 {
            let whole = std::mem::take(partial);
            self.whole(way, *kind, half, &whole.bytes, out);
        }
    }

    /// Which responses are missing is not known, so that nothing waits on.
    fn lost(&mut self, way: Way, _: Stamp, out: &mut Out<'_>) {
        *self.partial.of_mut(way) = Partial::default();
        while let Some(asked) = self.waiting.take() {
            self.emit(Some(&asked), None, Some(ErrorType::Gap), out);
        }
    }

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        let [kind, 0 | 1 | 9, hi, lo, _, _, _, 0, ..] = head else { return false };
        let len = usize::from(u16::from_be_bytes([*hi, *lo]));
        matches!(*kind, BATCH | RPC | RESPONSE | ATTENTION | LOGIN) && (HEADER_BYTES..=head.len()).contains(&len)
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(asked) = self.waiting.take() {
            self.emit(Some(&asked), None, None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.partial.out.bytes.capacity()
            + self.partial.back.bytes.capacity()
            + self.waiting.size_bytes(|asked| text::size_bytes(asked.said.texts()))
            + text::size_bytes(self.login.texts())
    }
}
