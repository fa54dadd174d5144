//! NATS client protocol over TCP. Nothing has an identifier: a message that names a subject for replies is answered by the first
//! message to that subject which goes the other way.

use wiretape_engine::column::{I64, Symbol, Text};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Over, Protocol},
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};

call_table! {
    /// One row per NATS operation, a message with its reply where it asks for one. method is the operation, target the subject, status that of an error.
    pub static NATS: "nats", row NatsRow, builder NatsBuilder {
        /// Subject of a message or a subscription.
        subject: Option<Text>,
        /// Subject for replies that a message names.
        reply_to: Option<Text>,
        /// Subscription that a message is for, or that a SUB or UNSUB names.
        sid: Option<Symbol>,
        /// Queue group of a SUB.
        queue_group: Option<Symbol>,
        /// Headers of a message as they were sent, with their first line.
        headers: Option<Text>,
        /// Bytes of a message.
        payload_bytes: Option<I64>,
        /// The message: text, or hex of what is no text, up to the limit of bodies.
        payload: Option<Text>,
        /// Bytes of the reply.
        reply_payload_bytes: Option<I64>,
        /// The reply.
        reply_payload: Option<Text>,
        /// The JSON of an INFO. That of a CONNECT is not kept: it has credentials.
        options: Option<Text>,
        /// What an -ERR says.
        error: Option<Text>,
    }
    entry "call" { "nats" = "true" }
}

/// Bytes of an operation that are read: a message of the default limit of bodies, and its line.
const MAX_MESSAGE_BYTES: usize = 128 << 10;

/// Bytes of a line at most, which a server refuses beyond (max_control_line); INFO has more.
const MAX_LINE_BYTES: usize = 32 << 10;

/// Bytes of a subject, of headers or of options kept.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// Over TCP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "nats",
    over: Over::Tcp,
    // Before HTTP, which has a CONNECT too, but none to a brace.
    probe: |_, p| p.starts_with(b"INFO {\"server_id\"") || p.starts_with(b"CONNECT {"),
    dissect: Some(|| Box::new(Framed::new(Nats::default()))),
    tables: &[(&NATS, || Box::new(NatsBuilder::default()))],
};

/// Operations, as rows name them.
const OPERATIONS: [&str; 11] =
    ["INFO", "CONNECT", "PUB", "HPUB", "SUB", "UNSUB", "MSG", "HMSG", "PING", "PONG", "-ERR"];

/// A connection: messages that wait for a reply, by who sent them and the subject; PINGs by none.
#[derive(Debug, Default)]
struct Nats {
    waiting: Waiting<(Way, String), Said>,
}

#[derive(Debug)]
struct Said {
    way: Way,
    half: Half,
    operation: &'static str,
    subject: Option<String>,
    reply_to: Option<String>,
    sid: Option<String>,
    queue_group: Option<String>,
    headers: Option<String>,
    payload_bytes: Option<i64>,
    payload: Option<String>,
    options: Option<String>,
    error: Option<String>,
    malformed: bool,
}

/// The words of the line that begins here, and its length. `None` where it does not end.
fn line(head: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let end = head.get(..MAX_LINE_BYTES).unwrap_or(head).iter().position(|byte| *byte == b'\n')?;
    let words =
        head.get(..end)?.trim_ascii().split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    Some((words.take(6).collect(), end + 1))
}

fn operation(word: &[u8]) -> Option<&'static str> {
    OPERATIONS.iter().find(|known| word.eq_ignore_ascii_case(known.as_bytes())).copied()
}

fn number(word: Option<&&[u8]>) -> Option<u32> {
    std::str::from_utf8(word?).ok()?.parse().ok()
}

/// Bytes of headers, and of all, that the line of a message announces.
fn lengths(operation: &str, words: &[&[u8]]) -> Option<(u32, u32)> {
    let total = number(words.last())?;
    match operation {
        "PUB" | "MSG" => Some((0, total)),
        "HPUB" | "HMSG" => Some((number(words.len().checked_sub(2).and_then(|at| words.get(at)))?.min(total), total)),
        _ => None,
    }
}

impl Said {
    fn parse(way: Way, message: &Message<'_>, body_limit: usize) -> Option<Said> {
        let (words, len) = line(message.bytes)?;
        let operation = operation(words.first()?)?;
        let word = |at: usize| words.get(at).map(|word| text::lossy(word, MAX_TEXT_BYTES));
        let mut said = Said {
            way,
            half: Half { span: message.span, bytes: message.len },
            operation,
            subject: None,
            reply_to: None,
            sid: None,
            queue_group: None,
            headers: None,
            payload_bytes: None,
            payload: None,
            options: None,
            error: None,
            malformed: false,
        };
        let line = message.bytes.get(..len)?.trim_ascii();
        let rest = line.get(operation.len()..).unwrap_or_default().trim_ascii();
        match operation {
            "INFO" => said.options = Some(text::lossy(rest, MAX_TEXT_BYTES)),
            // It may have a password, a token or a key.
            "CONNECT" => {}
            "-ERR" => said.error = Some(text::lossy(rest, MAX_TEXT_BYTES).trim_matches('\'').to_owned()),
            "SUB" => {
                said.subject = word(1);
                said.sid = words.last().map(|word| text::lossy(word, MAX_TEXT_BYTES));
                said.queue_group = if words.len() > 3 { word(2) } else { None };
            }
            "UNSUB" => said.sid = word(1),
            "PUB" | "HPUB" | "MSG" | "HMSG" => {
                let is_msg = operation.ends_with("MSG");
                let numbers = if operation.starts_with('H') { 2 } else { 1 };
                let (headers, total) = lengths(operation, &words)?;
                said.subject = word(1);
                said.sid = if is_msg { word(2) } else { None };
                let reply_at = if is_msg { 3 } else { 2 };
                said.reply_to = if words.len() > reply_at + numbers { word(reply_at) } else { None };
                let after = message.bytes.get(len..)?;
                let body = after.get(..total as usize).unwrap_or(after);
                let (head, payload) = body.split_at_checked(headers as usize).unwrap_or((body, &[]));
                said.headers = (headers > 0).then(|| text::lossy(head.trim_ascii(), MAX_TEXT_BYTES));
                said.payload_bytes = Some(i64::from(total.saturating_sub(headers)));
                said.payload = Some(text::text_or_hex(payload.get(..body_limit).unwrap_or(payload), body_limit));
            }
            _ => {}
        }
        Some(said)
    }

    fn size_bytes(&self) -> usize {
        let texts = [&self.subject, &self.reply_to, &self.sid, &self.queue_group, &self.headers, &self.payload];
        text::size_bytes(texts.into_iter().chain([&self.options, &self.error]).flatten())
    }
}

impl Nats {
    fn ask(&mut self, key: String, said: Said, out: &mut Out<'_>) {
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask((said.way, key), said, limit) {
            out.count_dropped_call();
            emit(&given_up, None, Answered::No, out);
        }
    }
}

/// Whether something is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Never,
    No,
}

fn emit(said: &Said, reply: Option<&Said>, answered: Answered, out: &mut Out<'_>) {
    let status = match (reply, said.operation) {
        (Some(reply), _) => Some(reply.operation),
        (None, "-ERR") => Some("error"),
        _ => None,
    };
    let call = Call {
        app_proto: "nats",
        client: said.way,
        request: Some(said.half),
        response: reply.map(|reply| reply.half),
        method: Some(said.operation),
        target: said.subject.as_deref().or(said.error.as_deref()),
        status,
        error_type: said.malformed.then_some(ErrorType::Malformed),
    };
    let row = NatsRow {
        subject: said.subject.as_deref(),
        reply_to: said.reply_to.as_deref(),
        sid: said.sid.as_deref(),
        queue_group: said.queue_group.as_deref(),
        headers: said.headers.as_deref(),
        payload_bytes: said.payload_bytes,
        payload: said.payload.as_deref(),
        reply_payload_bytes: reply.and_then(|reply| reply.payload_bytes),
        reply_payload: reply.and_then(|reply| reply.payload.as_deref()),
        options: said.options.as_deref(),
        error: said.error.as_deref(),
    };
    match answered {
        Answered::Never => out.emit_one_way::<NatsBuilder>(&call, row),
        Answered::No => out.emit::<NatsBuilder>(&call, row),
    }
}

impl Messages for Nats {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        let Some((words, len)) = line(head) else {
            return if head.len() < MAX_LINE_BYTES { Frame::Unknown } else { Frame::Garbage };
        };
        let first = words.first().copied().unwrap_or_default();
        match operation(first) {
            Some(operation @ ("PUB" | "HPUB" | "MSG" | "HMSG")) => match lengths(operation, &words) {
                Some((_, total)) => Frame::Is(len as u64 + u64::from(total) + 2),
                None => Frame::Garbage,
            },
            Some(_) => Frame::Is(len as u64),
            None if first.eq_ignore_ascii_case(b"+OK") || first.is_empty() => Frame::Is(len as u64),
            None => Frame::Garbage,
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let body_limit = out.limits().body_bytes;
        let Some(said) = Said::parse(way, &message, body_limit) else { return };
        if said.operation == "PING" {
            return self.ask(String::new(), said, out);
        }
        let answers = match (said.operation, &said.subject) {
            ("PONG", _) => Some(String::new()),
            ("PUB" | "HPUB" | "MSG" | "HMSG", Some(subject)) => Some(subject.clone()),
            _ => None,
        };
        if let Some(asked) = answers.and_then(|key| self.waiting.answer(&(way.back(), key))) {
            return emit(&asked, Some(&said), Answered::No, out);
        }
        match said.reply_to.clone() {
            Some(reply_to) => self.ask(reply_to, said, out),
            None => emit(&said, None, Answered::Never, out),
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        line(head).is_some_and(|(words, _)| words.first().is_some_and(|word| operation(word).is_some()))
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(said) = self.waiting.take() {
            emit(&said, None, Answered::No, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(Said::size_bytes) + self.waiting.keys_size_bytes(|(_, key)| key.capacity())
    }
}

#[cfg(test)]
mod tests {
    use crate::l7::testing::{Talk, select};

    const INFO: &str = "INFO {\"server_id\":\"N1\",\"max_payload\":9}\r\n";
    const COLUMNS: [&str; 8] =
        ["method", "target", "status", "error_type", "reply_to", "payload", "reply_payload", "src_ip"];

    /// Proves a session: subscriptions, messages with and without replies both ways, headers, pings, errors; nothing of the credentials.
    #[test]
    fn messages_and_their_replies_are_one_row() {
        let rows = Talk::tcp(4222)
            .server(INFO)
            .client("CONNECT {\"pass\":\"secret\"}\r\nPING\r\n")
            .server("PONG\r\n")
            .client("SUB jobs.* workers 7\r\nPUB log 2\r\nhi\r\nPUB ask _INBOX.1 1\r\n?\r\n")
            .server("+OK\r\nHMSG jobs.1 7 _INBOX.9 12 14\r\nNATS/1.0\r\n\r\ngo\r\n")
            .server("MSG _INBOX.1 8 2\r\nok\r\n")
            .client("PUB _INBOX.9 4\r\ndone\r\nUNSUB 7 5\r\n")
            .server("-ERR 'Unknown Protocol Operation'\r\n")
            .rows();
        let expected = [
            ["INFO", "", "", "", "", "", "", "10.0.0.2"],
            ["CONNECT", "", "", "", "", "", "", "10.0.0.1"],
            ["PING", "", "PONG", "", "", "", "", "10.0.0.1"],
            ["SUB", "jobs.*", "", "", "", "", "", "10.0.0.1"],
            ["PUB", "log", "", "", "", "hi", "", "10.0.0.1"],
            ["PUB", "ask", "MSG", "", "_INBOX.1", "?", "ok", "10.0.0.1"],
            ["HMSG", "jobs.1", "PUB", "", "_INBOX.9", "go", "done", "10.0.0.2"],
            ["UNSUB", "", "", "", "", "", "", "10.0.0.1"],
            ["-ERR", "Unknown Protocol Operation", "error", "", "", "", "", "10.0.0.2"],
        ];
        assert_eq!(select(&rows, &COLUMNS), expected);
        assert_eq!(select(&rows[3..4], &["sid", "queue_group"]), [["7", "workers"]]);
        assert_eq!((&*rows[6]["headers"], &*rows[6]["sid"], &*rows[6]["payload_bytes"]), ("NATS/1.0", "7", "2"));
    }

    /// Proves that halves say so, and that lengths which lie and lines without end do no harm.
    #[test]
    fn halves_and_hostile_lines() {
        let talk =
            Talk::tcp(4222).client("CONNECT {\"a\":1}\r\n").client("PUB ask r 1\r\n?\r\n").server("MSG r 1 0\r\n\r\n");
        let of_client = talk.rows_of_client();
        assert_eq!(select(&of_client, &["method", "error_type"]), [["CONNECT", ""], ["PUB", "no_response"]]);
        let rows = talk.client("PUB a 4294967295\r\nx").rows();
        assert_eq!(select(&rows, &["method", "status"]), [["CONNECT", ""], ["PUB", "MSG"]]);
        let endless = Talk::tcp(4222).client("CONNECT {\"a\":1}\r\n").client(vec![b'x'; 40_000]).client("PING\r\n");
        let rows = endless.rows_from(0);
        assert_eq!(select(&rows, &["method", "error_type"]), [["CONNECT", ""], ["PING", "no_response"]]);
    }
}
