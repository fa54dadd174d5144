//! Messages of the PostgreSQL protocol, version 3: which there are, who sends them, and what is in those that are read.

use crate::l7::{cursor::Cursor, text::lossy};

/// Bytes of names, codes and messages of errors: more than servers send.
pub(super) const NAME_BYTES: usize = 1 << 10;

/// Bytes of the first message at most: what servers take.
const MAX_STARTUP_BYTES: u32 = 10_000;

/// Bytes of a message at most: what servers can make.
const MAX_MESSAGE_BYTES: u32 = 1 << 30;

/// What the first message of a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Startup,
    Ssl,
    Gss,
    Cancel,
}

/// The length of a client's first message, and what it asks for. `None` for no such message.
pub(super) fn first(head: [u8; 8]) -> Option<(u32, First)> {
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let len = u32::from_be_bytes([l0, l1, l2, l3]);
    let first = match [c0, c1, c2, c3] {
        [0, 3, 0, 0 | 2] => First::Startup,
        [4, 0xd2, 0x16, 0x2f] => First::Ssl,
        [4, 0xd2, 0x16, 0x30] => First::Gss,
        [4, 0xd2, 0x16, 0x2e] => First::Cancel,
        _ => return None,
    };
    (8..=MAX_STARTUP_BYTES).contains(&len).then_some((len, first))
}

/// Who may send a message of this kind: a client, a server. `None` for no kind.
pub(super) fn senders(kind: u8) -> Option<(bool, bool)> {
    match kind {
        b'Q' | b'P' | b'B' | b'p' | b'X' | b'F' | b'f' => Some((true, false)),
        b'R' | b'K' | b'Z' | b'T' | b't' | b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'N' | b'A' | b'G' | b'W'
        | b'V' | b'v' => Some((false, true)),
        b'S' | b'E' | b'D' | b'C' | b'H' | b'd' | b'c' => Some((true, true)),
        _ => None,
    }
}

/// The length of a message by its kind and length field, if there is such a message from a client or, for `Some(false)`, from a
/// server.
pub(super) fn message_len(head: [u8; 5], from_client: Option<bool>) -> Option<u64> {
    let [kind, l0, l1, l2, l3] = head;
    let len = u32::from_be_bytes([l0, l1, l2, l3]);
    let (client, server) = senders(kind)?;
    let sent = match from_client {
        Some(true) => client,
        Some(false) => server,
        None => true,
    };
    let is_fixed = match kind {
        b'Z' => len == 5,
        b'1' | b'2' | b'3' | b'n' | b's' | b'I' | b'c' | b'X' => len == 4,
        _ => (4..=MAX_MESSAGE_BYTES).contains(&len),
    };
    (sent && is_fixed).then_some(1 + u64::from(len))
}

/// Command tags that look like the closing of a statement or portal.
const TAGS: [&[u8]; 6] = [b"SELECT", b"SET", b"SHOW", b"SAVEPOINT", b"START", b"PREPARE"];

/// Whether a client sent this message; `None` where both may have.
pub(super) fn is_from_client(kind: u8, body: &[u8]) -> Option<bool> {
    match (kind, body) {
        // Sync and flush are empty, a parameter's value and the beginning of a copy are not.
        (b'S' | b'H', _) => Some(body.is_empty()),
        // Execute ends in a row limit behind a name; an error is fields, the first of them its severity.
        (b'E', _) => Some(body.first() != Some(&b'S') || body.len() < 8),
        // Describe and close name a statement or portal; rows and tags are something else.
        (b'C', tag) if TAGS.iter().any(|known| tag.starts_with(known)) => Some(false),
        (b'D' | b'C', [b'S' | b'P', name @ ..]) => {
            Some(name.iter().position(|byte| *byte == 0) == name.len().checked_sub(1))
        }
        (b'D' | b'C', _) => Some(false),
        (b'd' | b'c', _) => None,
        _ => senders(kind).map(|(client, _)| client),
    }
}

/// Whether whole messages, two at least, fill these bytes, up to one that ends a turn.
pub(super) fn is_turn(bytes: &[u8]) -> bool {
    let (mut cursor, mut last, mut count) = (Cursor::new(bytes), 0, 0);
    while let Some(head @ [kind, ..]) = cursor.array::<5>() {
        let Some(len) = message_len(head, None) else { return false };
        if cursor.take(usize::try_from(len - 5).unwrap_or(usize::MAX)).is_none() {
            return false;
        }
        (last, count) = (kind, count + 1);
    }
    cursor.rest().is_empty() && count >= 2 && matches!(last, b'Z' | b'S')
}

/// The parameters of a startup message.
#[derive(Debug, Default)]
pub(super) struct Startup {
    pub(super) user: Option<String>,
    pub(super) database: Option<String>,
    pub(super) application_name: Option<String>,
}

pub(super) fn startup(body: &[u8]) -> Startup {
    let mut cursor = Cursor::new(body);
    let mut startup = Startup::default();
    while !matches!(cursor.rest(), [] | [0]) {
        let (name, value) = (cursor.until_zero(), lossy(cursor.until_zero(), NAME_BYTES));
        match name {
            b"user" => startup.user = Some(value),
            b"database" => startup.database = Some(value),
            b"application_name" => startup.application_name = Some(value),
            _ => {}
        }
    }
    // Without a database, that of the user's name is meant.
    startup.database = startup.database.or_else(|| startup.user.clone());
    startup
}

/// An error.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) severity: String,
    /// SQLSTATE.
    pub(super) code: String,
    pub(super) message: String,
}

pub(super) fn failure(body: &[u8]) -> Failure {
    let mut failure = Failure { severity: String::new(), code: String::new(), message: String::new() };
    let mut cursor = Cursor::new(body);
    while let Some(field) = cursor.u8() {
        let value = cursor.until_zero();
        match field {
            0 => break,
            // V is S without translation.
            b'S' if failure.severity.is_empty() => failure.severity = lossy(value, NAME_BYTES),
            b'V' => failure.severity = lossy(value, NAME_BYTES),
            b'C' => failure.code = lossy(value, NAME_BYTES),
            b'M' => failure.message = lossy(value, super::super::sql::STATEMENT_BYTES),
            _ => {}
        }
    }
    failure
}

/// The name of an authentication request's kind; `None` for the one that says it is done.
pub(super) fn authentication(body: &[u8]) -> Option<String> {
    let mut cursor = Cursor::new(body);
    let name = match u32::from_be_bytes(cursor.array()?) {
        2 => "kerberos",
        3 => "password",
        5 => "md5",
        7 => "gss",
        9 => "sspi",
        // The server's favourite mechanism.
        10 => return Some(lossy(cursor.until_zero(), NAME_BYTES)),
        _ => return None,
    };
    Some(name.to_owned())
}

/// The number of rows that a command tag ends with.
pub(super) fn rows_of(tag: &str) -> Option<i64> {
    tag.rsplit_once(' ').and_then(|(_, rows)| rows.parse().ok())
}
