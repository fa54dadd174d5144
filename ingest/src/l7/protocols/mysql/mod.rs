//! MySQL and MariaDB: logins, commands with their results, prepared statements; compressed too, and of an encrypted connection
//! the request for it.

use wiretape_engine::column::{Bool, I64, Symbol, Text, U16, U32};

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

mod compressed;
mod packets;
mod session;

use session::Session;

call_table! {
    /// One row per MySQL or MariaDB command with its result, per login, and per greeting without a login behind it. method is the
    /// statement's verb, otherwise the command; target the beginning of the statement or the database, status OK or the error's number.
    pub static MYSQL: "mysql", row MysqlRow, builder MysqlBuilder {
        /// The command: COM_QUERY, COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_PING, …; greeting, Login, SSLRequest before them.
        command: Option<Symbol>,
        /// The statement, at most 64 KiB; NULL for commands without, and where it was prepared before the capture.
        query: Option<Text>,
        /// Number of the prepared statement.
        statement_id: Option<U32>,
        /// Database in use; NULL where that was not seen.
        database: Option<Symbol>,
        /// User of the session; NULL where its beginning was not seen.
        user: Option<Symbol>,
        /// How the client authenticates: mysql_native_password, caching_sha2_password, ….
        auth: Option<Symbol>,
        /// Version of the server.
        server_version: Option<Symbol>,
        /// Rows returned, of all result sets.
        row_count: Option<I64>,
        /// Rows changed.
        affected_rows: Option<I64>,
        /// Number that the first inserted row got by AUTO_INCREMENT; NULL for none.
        insert_id: Option<I64>,
        /// Whether it was completed without an error; NULL without a response.
        success: Option<Bool>,
        /// Number of the error.
        error_code: Option<U16> [row_index()],
        /// SQLSTATE of the error.
        error_state: Option<Symbol>,
        /// Its message.
        error_message: Option<Text>,
    }
    entry "call" {
        "mysql" = "true",
        "mysql_command" = "command",
        "mysql_query" = "query",
        "mysql_database" = r#""database""#,
        "mysql_statement_id" = "statement_id",
        "mysql_request_size" = "request_bytes",
        "mysql_response_size" = "response_bytes",
        "mysql_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
        "mysql_success" = "success",
        "mysql_error_code" = "error_code",
        "mysql_error_message" = "error_message",
    }
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "mysql",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Mysql::default()))),
    tables: &[(&MYSQL, || Box::new(MysqlBuilder::default()))],
};

/// The beginning of a server; in the middle of a connection a command with a statement.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let Some(([a, b, c, 0], payload)) = p.split_first_chunk::<4>() else { return false };
    let fits = 4 + u32::from_le_bytes([*a, *b, *c, 0]) as usize >= hint.len;
    fits && (packets::opens(payload) || matches!(payload, [3 | 0x16, body @ ..] if sql::begins(body)))
}

/// One connection: its packets.
#[derive(Debug, Default)]
struct Mysql {
    session: Session,
    /// Packets are compressed from now on, and come from the one who takes the compression off.
    inside: bool,
    /// Nothing more can be read.
    encrypted: bool,
}

/// The header of a packet: how long its payload is, and which one of its command it is.
fn header(head: &[u8]) -> Option<(u32, u8)> {
    let [a, b, c, seq] = *head.first_chunk()?;
    Some((u32::from_le_bytes([a, b, c, 0]), seq))
}

impl Messages for Mysql {
    /// A statement and what frames it.
    const MAX_BYTES: usize = sql::STATEMENT_BYTES + 1024;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        if self.encrypted {
            return Frame::Garbage;
        }
        let Some((len, seq)) = header(head) else { return Frame::Unknown };
        let is_command = self.session.is_command(way, seq);
        match head.get(4) {
            None if len > 0 => Frame::Unknown,
            Some(command) if is_command && packets::command_name(*command).is_none() => Frame::Garbage,
            _ => Frame::Is(4 + u64::from(len)),
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some((len, seq)) = header(message.bytes) else { return };
        let payload = message.bytes.get(4..).unwrap_or_default();
        let is_server = match self.session.client {
            None if seq == 0 && packets::opens(payload) => true,
            None if seq == 0 => false,
            None => return,
            Some(client) => client != way,
        };
        self.session.client = Some(if is_server { way.back() } else { way });
        // A payload as long as can be goes on in the next packet.
        let continued = self.session.continues(way, len == 0xff_ffff);
        if is_server {
            self.session.answer(seq, payload, continued, &message, out);
        } else if !continued {
            self.session.ask(seq, payload, &message, out);
        }
        if self.session.encrypted() && !self.encrypted {
            self.encrypted = !out.hand_over_to("tls");
        } else if !self.inside
            && let Some(how) = self.session.compressed()
        {
            let inside = Mysql { session: std::mem::take(&mut self.session), inside: true, encrypted: false };
            out.hand_over(Box::new(Framed::new(compressed::Compressed::new(Framed::new(inside), how))));
        }
    }

    fn lost(&mut self, way: Way, _: Stamp, out: &mut Out<'_>) {
        self.session.lost(way, out);
    }

    fn begins(&self, way: Way, head: &[u8]) -> bool {
        let mut cursor = Cursor::new(head);
        let mut expected = None;
        while let Some(head) = cursor.array::<4>() {
            let Some((len, seq)) = header(&head) else { return false };
            let is_command = self.session.is_command(way, seq);
            let command =
                cursor.rest().first().map_or(expected.is_some(), |command| packets::command_name(*command).is_some());
            // An answer begins with packet one, a command is packet zero.
            let fits = if self.session.client == Some(way) { is_command && command && len > 0 } else { true };
            if !fits || expected.is_some_and(|expected| seq != expected) || expected.is_none() && seq > 1 {
                return false;
            }
            expected = Some(if self.session.client == Some(way) { 0 } else { seq.wrapping_add(1) });
            cursor.take_some(len as usize);
        }
        !self.encrypted && expected.is_some()
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
