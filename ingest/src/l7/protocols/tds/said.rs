//! What TDS messages say. Numbers within them are little-endian, texts UTF-16.

use std::borrow::Cow;

use super::{ATTENTION, BATCH, LOGIN, PRELOGIN, RPC};
use crate::l7::cursor::Cursor;

/// Bytes of a statement kept, as UTF-16; and of a name or a message.
const MAX_STATEMENT_BYTES: usize = 128 << 10;
const MAX_TEXT_BYTES: usize = 8 << 10;

/// A request.
#[derive(Debug, Default, Clone)]
pub(super) struct Request {
    pub(super) kind: &'static str,
    pub(super) statement: Option<String>,
    pub(super) procedure: Option<String>,
    pub(super) user_name: Option<String>,
    pub(super) database: Option<String>,
    pub(super) application: Option<String>,
    pub(super) client_host: Option<String>,
}

/// A response.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Option<i64>,
    pub(super) error: Option<Error>,
}

#[derive(Debug)]
pub(super) struct Error {
    pub(super) code: u32,
    pub(super) class: u8,
    pub(super) message: String,
}

fn u16_le(cursor: &mut Cursor<'_>) -> Option<u16> {
    cursor.array().map(u16::from_le_bytes)
}

fn u32_le(cursor: &mut Cursor<'_>) -> Option<u32> {
    cursor.array().map(u32::from_le_bytes)
}

fn utf16(bytes: &[u8], limit: usize) -> String {
    let units = bytes.get(..limit).unwrap_or(bytes).chunks_exact(2);
    let units = units.filter_map(|two| <[u8; 2]>::try_from(two).ok().map(u16::from_le_bytes));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

impl Request {
    pub(super) fn read(kind: u8, bytes: &[u8]) -> Request {
        let mut request = Request { kind: kind_name(kind), ..Request::default() };
        match kind {
            BATCH => request.statement = Some(utf16(after_headers(bytes), MAX_STATEMENT_BYTES)),
            RPC => drop(request.rpc(after_headers(bytes))),
            LOGIN => request.login(bytes),
            _ => {}
        }
        request
    }

    /// [MS-TDS] section 2.2.6.6: a name or a number, then parameters, of which the first may be a statement.
    fn rpc(&mut self, bytes: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let len = u16_le(&mut cursor)?;
        self.procedure = Some(if len == u16::MAX {
            procedure_name(u16_le(&mut cursor)?).into_owned()
        } else {
            utf16(cursor.take(usize::from(len) * 2)?, MAX_TEXT_BYTES)
        });
        let _flags = u16_le(&mut cursor)?;
        let takes_statement = matches!(
            self.procedure.as_deref(),
            Some("sp_executesql" | "sp_prepare" | "sp_prepexec" | "sp_cursoropen" | "sp_cursorprepexec")
        );
        // The first text parameter; before it sp_prepare and its like have a handle.
        while takes_statement && !cursor.is_empty() {
            let name = cursor.u8()?;
            cursor.take(usize::from(name) * 2)?;
            let _status = cursor.u8()?;
            match cursor.u8()? {
                0xe7 => {
                    let max = u16_le(&mut cursor)?;
                    let _collation = cursor.take(5)?;
                    self.statement = Some(text_value(&mut cursor, max)?);
                    return Some(());
                }
                // An integer that may be NULL.
                0x26 => {
                    let _max = cursor.u8()?;
                    let len = cursor.u8()?;
                    cursor.take(usize::from(len))?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    /// [MS-TDS] section 2.2.6.4: places and lengths in characters of texts. The password is one of them and is not read.
    fn login(&mut self, bytes: &[u8]) {
        let field = |at: usize| {
            let mut cursor = Cursor::new(bytes.get(at..)?);
            let (start, len) = (u16_le(&mut cursor)?, u16_le(&mut cursor)?);
            let text = bytes.get(usize::from(start)..)?.get(..usize::from(len) * 2)?;
            Some(utf16(text, MAX_TEXT_BYTES)).filter(|text| !text.is_empty())
        };
        self.client_host = field(36);
        self.user_name = field(40);
        self.application = field(48);
        self.database = field(68);
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &String> {
        [&self.statement, &self.procedure, &self.user_name, &self.database, &self.application, &self.client_host]
            .into_iter()
            .flatten()
    }
}

/// What follows ALL_HEADERS ([MS-TDS] section 2.2.5.3), whose first word is the length of all of them.
fn after_headers(bytes: &[u8]) -> &[u8] {
    let len = u32_le(&mut Cursor::new(bytes)).and_then(|len| usize::try_from(len).ok());
    match len.and_then(|len| bytes.get(len..)) {
        Some(rest) if len.is_some_and(|len| (4..=1024).contains(&len)) => rest,
        _ => bytes,
    }
}

/// A text of a length, or in chunks if its type has no greatest length.
fn text_value(cursor: &mut Cursor<'_>, max: u16) -> Option<String> {
    if max != u16::MAX {
        let len = u16_le(cursor)?;
        return Some(utf16(cursor.take_some(usize::from(len)), MAX_STATEMENT_BYTES));
    }
    cursor.take(8)?;
    let mut bytes = Vec::new();
    while let Some(len) = u32_le(cursor).filter(|len| *len > 0) {
        let chunk = cursor.take_some(usize::try_from(len).unwrap_or(usize::MAX));
        if chunk.is_empty() || bytes.len() >= MAX_STATEMENT_BYTES {
            break;
        }
        bytes.extend_from_slice(chunk);
    }
    Some(utf16(&bytes, MAX_STATEMENT_BYTES))
}

impl Answer {
    /// Walks the tokens up to the first result set; behind it only the last token is looked at, which is where it must be.
    pub(super) fn read(bytes: &[u8]) -> Answer {
        let mut answer = Answer::default();
        let mut cursor = Cursor::new(bytes);
        if answer.walk(&mut cursor).is_none()
            && let Some(last) = bytes.len().checked_sub(13).and_then(|at| bytes.get(at..))
            && let [0xfd | 0xfe, done @ ..] = last
        {
            answer.done(&mut Cursor::new(done));
        }
        answer
    }

    fn walk(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        while let Some(token) = cursor.u8() {
            match token {
                0xaa => {
                    let len = u16_le(cursor)?;
                    let mut body = Cursor::new(cursor.take(usize::from(len))?);
                    let (code, [_state, class]) = (u32_le(&mut body)?, body.array()?);
                    let len = u16_le(&mut body)?;
                    let message = utf16(body.take_some(usize::from(len) * 2), MAX_TEXT_BYTES);
                    self.error.get_or_insert(Error { code, class, message });
                }
                // INFO, LOGINACK, ENVCHANGE, ORDER, SSPI: a length and so many bytes.
                0xab | 0xad | 0xe3 | 0xa9 | 0xed => {
                    let len = u16_le(cursor)?;
                    cursor.take(usize::from(len))?;
                }
                0x79 => drop(cursor.take(4)?),
                0xfd..=0xff => self.done(cursor)?,
                // A result set, or what is not known.
                _ => return None,
            }
        }
        Some(())
    }

    fn done(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let (status, _command) = (u16_le(cursor)?, u16_le(cursor)?);
        let rows = cursor.array().map(u64::from_le_bytes)?;
        if status & 0x10 != 0 {
            self.rows = i64::try_from(rows).ok();
        }
        Some(())
    }
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        BATCH => "batch",
        2 => "login (before 7.0)",
        RPC => "rpc",
        ATTENTION => "attention",
        7 => "bulk_load",
        8 => "federated_authentication",
        14 => "transaction",
        LOGIN => "login",
        17 => "sspi",
        PRELOGIN => "prelogin",
        _ => "other",
    }
}

/// [MS-TDS] section 2.2.6.6, ProcID.
fn procedure_name(id: u16) -> Cow<'static, str> {
    Cow::Borrowed(match id {
        1 => "sp_cursor",
        2 => "sp_cursoropen",
        3 => "sp_cursorprepare",
        4 => "sp_cursorexecute",
        5 => "sp_cursorprepexec",
        6 => "sp_cursorunprepare",
        7 => "sp_cursorfetch",
        8 => "sp_cursoroption",
        9 => "sp_cursorclose",
        10 => "sp_executesql",
        11 => "sp_prepare",
        12 => "sp_execute",
        13 => "sp_prepexec",
        14 => "sp_prepexecrpc",
        15 => "sp_unprepare",
        other => return Cow::Owned(other.to_string()),
    })
}
