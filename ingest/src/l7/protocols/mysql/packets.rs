//! Packets of the MySQL protocol: what is in those that are read.

use super::sql::STATEMENT_BYTES;
use crate::l7::{cursor::Cursor, text::lossy};

/// Bytes of names and versions: more than servers allow.
pub(super) const NAME_BYTES: usize = 1 << 10;

/// Bytes of the text of an error that a connection is recognised by.
const MIN_REFUSAL_BYTES: usize = 8;

/// What a client says it can do, in its login. Only what decides how later bytes are read.
pub(super) mod capability {
    pub(in super::super) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(in super::super) const COMPRESS: u32 = 1 << 5;
    pub(in super::super) const PROTOCOL_41: u32 = 1 << 9;
    pub(in super::super) const SSL: u32 = 1 << 11;
    pub(in super::super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(in super::super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(in super::super) const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
    pub(in super::super) const ZSTD: u32 = 1 << 26;
}

/// Another result follows (SERVER_MORE_RESULTS_EXISTS).
const MORE_RESULTS: u16 = 0x0008;

/// Rows are fetched later (SERVER_STATUS_CURSOR_EXISTS).
const CURSOR: u16 = 0x0040;

/// The names of commands by their number; the last one is MariaDB's.
pub(super) fn command_name(command: u8) -> Option<&'static str> {
    const NAMES: [&str; 33] = [
        "COM_SLEEP",
        "COM_QUIT",
        "COM_INIT_DB",
        "COM_QUERY",
        "COM_FIELD_LIST",
        "COM_CREATE_DB",
        "COM_DROP_DB",
        "COM_REFRESH",
        "COM_SHUTDOWN",
        "COM_STATISTICS",
        "COM_PROCESS_INFO",
        "COM_CONNECT",
        "COM_PROCESS_KILL",
        "COM_DEBUG",
        "COM_PING",
        "COM_TIME",
        "COM_DELAYED_INSERT",
        "COM_CHANGE_USER",
        "COM_BINLOG_DUMP",
        "COM_TABLE_DUMP",
        "COM_CONNECT_OUT",
        "COM_REGISTER_SLAVE",
        "COM_STMT_PREPARE",
        "COM_STMT_EXECUTE",
        "COM_STMT_SEND_LONG_DATA",
        "COM_STMT_CLOSE",
        "COM_STMT_RESET",
        "COM_SET_OPTION",
        "COM_STMT_FETCH",
        "COM_DAEMON",
        "COM_BINLOG_DUMP_GTID",
        "COM_RESET_CONNECTION",
        "COM_CLONE",
    ];
    if command == 0xfa { Some("COM_STMT_BULK_EXECUTE") } else { NAMES.get(usize::from(command)).copied() }
}

/// A number of one to nine bytes.
pub(super) fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    Some(match cursor.u8()? {
        0xfc => u64::from(u16::from_le_bytes(cursor.array()?)),
        0xfd => {
            let [a, b, c] = cursor.array()?;
            u64::from(u32::from_le_bytes([a, b, c, 0]))
        }
        0xfe => u64::from_le_bytes(cursor.array()?),
        small @ 0..=0xfa => u64::from(small),
        _ => return None,
    })
}

/// Bytes behind their length.
fn counted<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = number(cursor)?;
    Some(cursor.take_some(usize::try_from(len).unwrap_or(usize::MAX)))
}

/// The version in the greeting of a server.
pub(super) fn greeting(payload: &[u8]) -> Option<String> {
    let [10, rest @ ..] = payload else { return None };
    let version = lossy(Cursor::new(rest).until_zero(), NAME_BYTES);
    (version.starts_with(|c: char| c.is_ascii_digit()) && version.contains('.')).then_some(version)
}

/// Whether a server begins a connection so: with its greeting, or with an error in the place of one.
pub(super) fn opens(payload: &[u8]) -> bool {
    match payload {
        [10, ..] => greeting(payload).is_some() && payload.contains(&0),
        [0xff, low, high, text @ ..] => {
            let is_error = (1000..2000).contains(&u16::from_le_bytes([*low, *high]));
            is_error && text.len() >= MIN_REFUSAL_BYTES && !text.iter().any(u8::is_ascii_control)
        }
        _ => false,
    }
}

/// What a client says when it logs in.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) capabilities: u32,
    pub(super) user: Option<String>,
    pub(super) database: Option<String>,
    pub(super) plugin: Option<String>,
}

/// A login; one that has no user only asks for encryption.
pub(super) fn login(payload: &[u8]) -> Option<Login> {
    let mut cursor = Cursor::new(payload);
    let low = u16::from_le_bytes(cursor.array()?);
    let name = |bytes: &[u8]| (!bytes.is_empty()).then(|| lossy(bytes, NAME_BYTES));
    let mut login = Login { capabilities: u32::from(low), ..Login::default() };
    if login.capabilities & capability::PROTOCOL_41 == 0 {
        cursor.array::<3>()?;
        login.user = name(cursor.until_zero());
        return Some(login);
    }
    login.capabilities |= u32::from(u16::from_le_bytes(cursor.array()?)) << 16;
    let can = |what: u32| login.capabilities & what != 0;
    // Packet size, character set and what is reserved.
    cursor.take(28)?;
    if cursor.rest().is_empty() {
        return Some(login);
    }
    login.user = name(cursor.until_zero());
    if can(capability::PLUGIN_AUTH_LENENC) {
        counted(&mut cursor)?;
    } else if can(capability::SECURE_CONNECTION) {
        let len = cursor.u8()?;
        cursor.take_some(usize::from(len));
    } else {
        cursor.until_zero();
    }
    if can(capability::CONNECT_WITH_DB) {
        login.database = name(cursor.until_zero());
    }
    if can(capability::PLUGIN_AUTH) {
        login.plugin = name(cursor.until_zero());
    }
    Some(login)
}

/// The statement of a COM_QUERY, behind the attributes that may come before it.
pub(super) fn statement(body: &[u8]) -> String {
    let behind = |body| {
        let mut cursor = Cursor::new(body);
        let count = usize::try_from(number(&mut cursor)?).ok()?;
        cursor.array::<1>()?;
        if count == 0 {
            return Some(cursor.rest());
        }
        cursor.take(count.div_ceil(8) + 1)?;
        let mut kinds = Vec::new();
        for _ in 0..count {
            kinds.push(u16::from_le_bytes(cursor.array()?) & 0xff);
            counted(&mut cursor)?;
        }
        for kind in kinds {
            match kind {
                1 => cursor.take(1)?,
                2 | 13 => cursor.take(2)?,
                3 | 4 | 9 => cursor.take(4)?,
                5 | 8 => cursor.take(8)?,
                6 => &[],
                _ => counted(&mut cursor)?,
            };
        }
        Some(cursor.rest())
    };
    // No statement begins with a control character; attributes begin with their count and the number one.
    let has_attributes = matches!(body, [0..=8, 1, ..]);
    let statement = if has_attributes { behind(body).unwrap_or(body) } else { body };
    lossy(statement, STATEMENT_BYTES)
}

/// What a server says at the end of a result.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Ended {
    pub(super) affected_rows: Option<u64>,
    pub(super) insert_id: Option<u64>,
    pub(super) more_results: bool,
    pub(super) cursor: bool,
}

/// An OK packet, without its first byte.
pub(super) fn ok(body: &[u8]) -> Option<Ended> {
    let mut cursor = Cursor::new(body);
    let (affected, insert_id) = (number(&mut cursor)?, number(&mut cursor)?);
    let status = cursor.array().map_or(0, u16::from_le_bytes);
    Some(Ended {
        affected_rows: Some(affected),
        insert_id: (insert_id > 0).then_some(insert_id),
        more_results: status & MORE_RESULTS != 0,
        cursor: status & CURSOR != 0,
    })
}

/// What ends columns or rows: an EOF packet, or an OK packet in its place (CLIENT_DEPRECATE_EOF). The two differ in length.
pub(super) fn end_of_rows(payload: &[u8]) -> Option<Ended> {
    match payload {
        [0xfe] => Some(Ended::default()),
        [0xfe, _, _, s0, s1] => {
            let status = u16::from_le_bytes([*s0, *s1]);
            let (more_results, cursor) = (status & MORE_RESULTS != 0, status & CURSOR != 0);
            Some(Ended { more_results, cursor, ..Ended::default() })
        }
        [0xfe, body @ ..] if payload.len() < 0xff_ffff => ok(body).map(|ended| Ended { affected_rows: None, ..ended }),
        _ => None,
    }
}

/// An error.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) state: Option<String>,
    pub(super) message: String,
}

/// An ERR packet, without its first byte.
pub(super) fn failure(body: &[u8]) -> Option<Failure> {
    let mut cursor = Cursor::new(body);
    let code = u16::from_le_bytes(cursor.array()?);
    let state = match cursor.rest() {
        [b'#', ..] => cursor.take(6).and_then(|state| state.get(1..)).map(|state| lossy(state, 5)),
        _ => None,
    };
    Some(Failure { code, state, message: lossy(cursor.rest(), STATEMENT_BYTES) })
}
