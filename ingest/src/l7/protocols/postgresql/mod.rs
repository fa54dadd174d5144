//! PostgreSQL (protocol version 3): logins, simple and extended queries with their completion, COPY, notifications, cancel
//! requests; of an encrypted connection the request for it.

use wiretape_engine::column::{Bool, I64, Symbol, Text, U32};

use super::sql;
use crate::{
    flow::Way,
    l7::{
        call::{CallColumns, CallRow, ErrorType, call_table},
        cursor::Cursor,
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
    },
};

mod session;
mod wire;

use session::Session;
use wire::First;

call_table! {
    /// One row per PostgreSQL statement with its completion, per login, and per notification. method is the statement's verb, target
    /// its beginning, status OK or the SQLSTATE of the error.
    pub static POSTGRESQL: "postgresql", row PostgresqlRow, builder PostgresqlBuilder {
        /// The message that asks: Startup, SSLRequest, GSSENCRequest, CancelRequest, Query (simple), Execute (extended), Parse (that
        /// prepares only), Bind, Describe, Close, FunctionCall; Notification for what the server sends unasked.
        command: Option<Symbol>,
        /// The statement, at most 64 KiB; NULL where it was prepared before the capture.
        query: Option<Text>,
        /// Name of the prepared statement; empty for the unnamed one, NULL for simple queries.
        statement: Option<Symbol>,
        /// Database of the session; NULL where its beginning was not seen.
        database: Option<Symbol>,
        /// User of the session.
        user: Option<Symbol>,
        /// What the client calls itself.
        application_name: Option<Symbol>,
        /// How a login was authenticated: password, md5, SCRAM-SHA-256, gss, sspi; NULL for trust.
        auth: Option<Symbol>,
        /// Version of the server.
        server_version: Option<Symbol>,
        /// Process id of the session's backend; of a cancel request that of the session to cancel.
        backend_pid: Option<U32>,
        /// Command tag of the completion: SELECT 3, INSERT 0 1, …; of several statements in one query the last one's.
        tag: Option<Symbol>,
        /// Rows returned or changed, by the tags; of all statements in one query.
        row_count: Option<I64>,
        /// Bytes of COPY data, both ways, without framing; NULL without COPY.
        copy_bytes: Option<I64>,
        /// Whether it was completed without an error; NULL without a response.
        success: Option<Bool>,
        /// SQLSTATE of the error.
        error_code: Option<Symbol> [row_index()],
        /// Its severity: ERROR, FATAL, PANIC.
        error_severity: Option<Symbol>,
        /// Its primary message.
        error_message: Option<Text>,
        /// Payload of a notification.
        payload: Option<Text>,
    }
    entry "call" {
        "postgresql" = "true",
        "postgresql_command" = "method",
        "postgresql_query" = "query",
        "postgresql_database" = r#""database""#,
        "postgresql_user" = r#""user""#,
        "postgresql_request_size" = "request_bytes",
        "postgresql_response_size" = "response_bytes",
        "postgresql_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
        "postgresql_success" = "success",
        "postgresql_error_code" = "error_code",
        "postgresql_error_message" = "error_message",
    }
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "postgresql",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Postgresql::default()))),
    tables: &[(&POSTGRESQL, || Box::new(PostgresqlBuilder::default()))],
};

/// The first message of a client, which has a code no other protocol begins with; in the middle of a connection a simple query,
/// or messages that fill a packet up to the end of a turn.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let Some((head, rest)) = p.split_first_chunk::<8>() else { return false };
    let [kind, l0, l1, l2, l3, ..] = *head;
    if let Some((len, first)) = wire::first(*head) {
        return match first {
            First::Startup => len as usize >= hint.len && rest.starts_with(b"user\0"),
            First::Ssl | First::Gss => len == 8,
            First::Cancel => len == 16,
        };
    }
    let is_query = kind == b'Q'
        && u32::from_be_bytes([l0, l1, l2, l3]) as usize + 1 >= hint.len
        && l0 == 0
        && p.get(5..).is_some_and(sql::begins);
    is_query || hint.len == p.len() && wire::is_turn(p)
}

/// One connection: its messages.
#[derive(Debug, Default)]
struct Postgresql {
    session: Session,
    /// Nothing more can be read.
    encrypted: bool,
}

impl Postgresql {
    fn is_client(&self, way: Way) -> Option<bool> {
        self.session.client.map(|client| client == way)
    }
}

impl Messages for Postgresql {
    /// A statement and what frames it.
    const MAX_BYTES: usize = sql::STATEMENT_BYTES + 1024;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        if self.encrypted {
            return Frame::Garbage;
        }
        let from_client = self.is_client(way);
        if self.session.awaits_encryption() && from_client == Some(false) && matches!(head, [b'S' | b'N' | b'G', ..]) {
            return Frame::Is(1);
        }
        let known = if head.first() == Some(&0) {
            let Some(head) = head.first_chunk::<8>() else { return Frame::Unknown };
            wire::first(*head).filter(|_| from_client != Some(false)).map(|(len, _)| u64::from(len))
        } else {
            let Some(head) = head.first_chunk::<5>() else { return Frame::Unknown };
            wire::message_len(*head, from_client)
        };
        known.map_or(Frame::Garbage, Frame::Is)
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        if let (&[answer], true) = (message.bytes, message.len == 1) {
            if self.session.encryption(answer, &message, out) {
                self.encrypted = !out.hand_over_to("tls");
            }
            return;
        }
        if let Some((head, body)) = message.bytes.split_first_chunk::<8>()
            && let Some((_, first)) = wire::first(*head)
        {
            self.session.client = Some(way);
            return self.session.begin(first, body, &message, out);
        }
        let mut cursor = Cursor::new(message.bytes);
        let Some([kind, ..]) = cursor.array::<5>() else { return };
        let is_whole = message.bytes.len() as u64 == message.len;
        if self.session.client.is_none() {
            let by_client = if is_whole { wire::is_from_client(kind, cursor.rest()) } else { None };
            self.session.client = by_client.map(|by_client| if by_client { way } else { way.back() });
        }
        match self.is_client(way) {
            Some(true) => self.session.ask(kind, cursor, &message, out),
            Some(false) => self.session.answer(kind, cursor, &message, out),
            None => {}
        }
    }

    fn lost(&mut self, way: Way, _: Stamp, out: &mut Out<'_>) {
        self.session.lost(self.is_client(way), out);
    }

    fn begins(&self, way: Way, head: &[u8]) -> bool {
        let mut cursor = Cursor::new(head);
        if self.encrypted {
            return false;
        }
        let from_client = self.is_client(way);
        while let Some(head) = cursor.array::<5>() {
            let Some(len) = wire::message_len(head, from_client) else { return false };
            cursor.take_some(usize::try_from(len.saturating_sub(5)).unwrap_or(usize::MAX));
        }
        head.len() >= 5
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.session.end((end == End::Reset).then_some(ErrorType::Reset), out);
    }

    fn size_bytes(&self) -> usize {
        self.session.size_bytes()
    }
}

#[cfg(test)]
mod tests;
