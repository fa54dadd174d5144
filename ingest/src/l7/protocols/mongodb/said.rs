//! What a message says: command and whom it is for, or how it went.

use std::io::Read;

use super::bson::{self, Value};
use crate::l7::{cursor::Cursor, json, text::lossy};

/// Bytes of names, codes and messages: more than servers allow.
const NAME_BYTES: usize = 1 << 10;

/// Bytes of a document that are shown.
const DOCUMENT_BYTES: usize = 16 << 10;

/// Elements of a document that are looked at for names.
const MAX_ELEMENTS: usize = 1000;

/// The largest window of a zstd frame that is read, as a power of two: 8 MiB, the one that every decoder should know (RFC 8878
/// section 3.1.1.1.2). A frame may ask for gigabytes.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Kinds of messages.
pub(super) mod opcode {
    pub(in super::super) const REPLY: u32 = 1;
    pub(in super::super) const UPDATE: u32 = 2001;
    pub(in super::super) const INSERT: u32 = 2002;
    pub(in super::super) const QUERY: u32 = 2004;
    pub(in super::super) const GET_MORE: u32 = 2005;
    pub(in super::super) const DELETE: u32 = 2006;
    pub(in super::super) const KILL_CURSORS: u32 = 2007;
    pub(in super::super) const COMPRESSED: u32 = 2012;
    pub(in super::super) const MSG: u32 = 2013;
}

/// The name of an opcode.
pub(super) fn opcode_name(code: u32) -> Option<&'static str> {
    Some(match code {
        opcode::REPLY => "OP_REPLY",
        opcode::UPDATE => "OP_UPDATE",
        opcode::INSERT => "OP_INSERT",
        opcode::QUERY => "OP_QUERY",
        opcode::GET_MORE => "OP_GET_MORE",
        opcode::DELETE => "OP_DELETE",
        opcode::KILL_CURSORS => "OP_KILL_CURSORS",
        opcode::COMPRESSED => "OP_COMPRESSED",
        opcode::MSG => "OP_MSG",
        _ => return None,
    })
}

/// What a message says.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) opcode: &'static str,
    pub(super) command: Option<String>,
    pub(super) database: Option<String>,
    pub(super) collection: Option<String>,
    /// As JSON.
    pub(super) document: Option<String>,
    /// Nothing answers it, or more comes without being asked for.
    pub(super) more_to_come: bool,
    pub(super) success: Option<bool>,
    pub(super) error_code: Option<i64>,
    pub(super) error_code_name: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) documents: Option<i64>,
    pub(super) malformed: bool,
}

impl Said {
    /// Reads the body of a message, `limit` bytes of it at most where it is compressed.
    pub(super) fn of(code: u32, body: &[u8], is_reply: bool, limit: usize) -> Said {
        let mut said = Said { opcode: opcode_name(code).unwrap_or_default(), ..Said::default() };
        if said.read(code, Cursor::new(body), is_reply, limit).is_none() {
            said.malformed = true;
        }
        said
    }

    fn read(&mut self, code: u32, mut body: Cursor<'_>, is_reply: bool, limit: usize) -> Option<()> {
        match code {
            opcode::COMPRESSED => {
                let inner = u32::from_le_bytes(body.array()?);
                let plain_len = u32::from_le_bytes(body.array()?) as usize;
                let plain = uncompressed(body.u8()?, body.rest(), plain_len.min(limit), plain_len)?;
                self.opcode = opcode_name(inner).filter(|_| inner != opcode::COMPRESSED)?;
                self.read(inner, Cursor::new(&plain), is_reply, limit)?;
            }
            opcode::MSG => self.msg(body, is_reply)?,
            opcode::REPLY => {
                let flags = u32::from_le_bytes(body.array()?);
                body.take(12)?;
                self.documents = Some(i64::from(u32::from_le_bytes(body.array()?)));
                let document = bson::document(&mut body);
                document.into_iter().for_each(|document| self.reply(document));
                // A cursor's documents do not say that they are well.
                let failed = flags & 3 != 0 || self.success == Some(false);
                self.success = Some(!failed);
            }
            opcode::KILL_CURSORS => self.command = Some("killCursors".to_owned()),
            opcode::QUERY | opcode::GET_MORE | opcode::INSERT | opcode::UPDATE | opcode::DELETE => {
                body.array::<4>()?;
                let full = lossy(body.until_zero(), NAME_BYTES);
                let (database, collection) = full.split_once('.').unwrap_or((&full, ""));
                self.database = Some(database.to_owned());
                let name = match code {
                    opcode::QUERY => "find",
                    opcode::GET_MORE => "getMore",
                    opcode::INSERT => "insert",
                    opcode::UPDATE => "update",
                    _ => "delete",
                };
                body.take(match code {
                    opcode::QUERY => 8,
                    opcode::UPDATE | opcode::DELETE => 4,
                    _ => 0,
                })?;
                let document = if code == opcode::GET_MORE { None } else { bson::document(&mut body) };
                if collection == "$cmd" {
                    self.request(document?);
                } else {
                    self.command = Some(name.to_owned());
                    self.collection = Some(collection.to_owned());
                    self.document = document.map(|document| bson::shown(document, DOCUMENT_BYTES));
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Sections: one document, and sequences of others that belong to it.
    fn msg(&mut self, mut body: Cursor<'_>, is_reply: bool) -> Option<()> {
        const MORE_TO_COME: u32 = 2;
        let flags = u32::from_le_bytes(body.array()?);
        self.more_to_come = flags & MORE_TO_COME != 0;
        let mut sequences = String::new();
        let mut found = false;
        loop {
            match body.u8() {
                Some(0) => {
                    let Some(document) = bson::document(&mut body) else { break };
                    found = true;
                    if is_reply { self.reply(document) } else { self.request(document) }
                }
                Some(1) if body.rest().len() > 4 => {
                    let len = u32::from_le_bytes(body.array()?) as usize;
                    let mut section = Cursor::new(body.take_some(len.checked_sub(4)?));
                    sequences.push(',');
                    json::push_string(&mut sequences, &lossy(section.until_zero(), NAME_BYTES));
                    sequences.push_str(":[");
                    let mut count = 0;
                    while let Some(document) = bson::document(&mut section) {
                        if sequences.len() < DOCUMENT_BYTES {
                            sequences.push_str(if count > 0 { "," } else { "" });
                            let room = DOCUMENT_BYTES.saturating_sub(sequences.len());
                            sequences.push_str(&bson::shown(document, room));
                        }
                        count += 1;
                    }
                    sequences.push(']');
                }
                // The end, a checksum, or a section that is cut.
                _ => break,
            }
        }
        if let Some(document) = &mut self.document
            && document.ends_with('}')
            && document.len() < DOCUMENT_BYTES
        {
            document.pop();
            document.push_str(&sequences);
            document.push('}');
        }
        found.then_some(())
    }

    /// A command: its name is that of the first element.
    fn request(&mut self, document: &[u8]) {
        let of = bson::elements(document).next();
        // Wrapped with a read preference for servers before 3.6.
        if let Some((b"$query" | b"query", value)) = of
            && let Some(inner) = value.document()
        {
            return self.command_of(inner);
        }
        self.command_of(document);
    }

    fn command_of(&mut self, document: &[u8]) {
        self.document = Some(bson::shown(document, DOCUMENT_BYTES));
        for (n, (name, value)) in bson::elements(document).take(MAX_ELEMENTS).enumerate() {
            match name {
                _ if n == 0 => {
                    self.command = Some(lossy(name, NAME_BYTES));
                    self.collection = value.text(NAME_BYTES);
                }
                b"$db" => self.database = value.text(NAME_BYTES),
                b"collection" if self.collection.is_none() => self.collection = value.text(NAME_BYTES),
                _ => {}
            }
        }
    }

    /// How it went.
    fn reply(&mut self, document: &[u8]) {
        self.document = Some(bson::shown(document, DOCUMENT_BYTES));
        let mut ok = None;
        for (name, value) in bson::elements(document).take(MAX_ELEMENTS) {
            match name {
                b"ok" => ok = value.number(),
                b"writeErrors" => {
                    let first = value.document().and_then(|errors| bson::elements(errors).next());
                    first.into_iter().for_each(|(_, error)| self.error(error));
                    self.success = Some(false);
                }
                b"writeConcernError" => {
                    self.error(value);
                    self.success = Some(false);
                }
                b"n" => self.documents = value.number(),
                b"cursor" => {
                    let cursor = value.document().unwrap_or_default();
                    let batch = bson::elements(cursor).find(|(name, _)| matches!(*name, b"firstBatch" | b"nextBatch"));
                    let batch = batch.and_then(|(_, batch)| batch.document());
                    self.documents =
                        batch.map(|batch| bson::elements(batch).count()).and_then(|n| i64::try_from(n).ok());
                    // A document that is cut may end before it says so: there is a cursor only if all went well.
                    self.success = self.success.or(Some(true));
                }
                b"$err" => {
                    self.error_field(b"errmsg", value);
                    ok = Some(0);
                }
                _ => self.error_field(name, value),
            }
        }
        self.success = match (self.success, ok) {
            (Some(false), _) => Some(false),
            (said, None) => said,
            (_, Some(ok)) => Some(ok != 0),
        };
        if self.success != Some(false) {
            (self.error_code, self.error_code_name, self.error_message) = (None, None, None);
        }
    }

    fn error(&mut self, error: Value<'_>) {
        for (name, value) in bson::elements(error.document().unwrap_or_default()).take(MAX_ELEMENTS) {
            self.error_field(name, value);
        }
    }

    fn error_field(&mut self, name: &[u8], value: Value<'_>) {
        match name {
            b"code" => self.error_code = value.number(),
            b"codeName" => self.error_code_name = value.text(NAME_BYTES),
            b"errmsg" => self.error_message = value.text(DOCUMENT_BYTES),
            _ => {}
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        let texts = [&self.command, &self.database, &self.collection, &self.document];
        texts.into_iter().flatten().map(String::capacity).sum()
    }
}

/// The first `wanted` bytes of what is compressed. Snappy gives all or nothing.
fn uncompressed(how: u8, bytes: &[u8], wanted: usize, len: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(wanted.min(64 << 10));
    match how {
        0 => plain.extend_from_slice(bytes.get(..wanted).unwrap_or(bytes)),
        1 => {
            let fits = snap::raw::decompress_len(bytes).is_ok_and(|said| said == len && len <= wanted);
            plain = if fits { snap::raw::Decoder::new().decompress_vec(bytes).ok()? } else { return None };
        }
        2 => {
            flate2::read::ZlibDecoder::new(bytes).take(wanted as u64).read_to_end(&mut plain).ok()?;
        }
        3 => {
            let mut decoder = zstd::Decoder::with_buffer(bytes).ok()?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).ok()?;
            decoder.take(wanted as u64).read_to_end(&mut plain).ok()?;
        }
        _ => return None,
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a frame which asks for a larger window than a message can need is not given the memory for it.
    #[test]
    fn windows_are_bounded() {
        let frame = |log: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 5 << 3 | 1, 0, 0][..], b"hello"].concat();
        let read = |log: u8| uncompressed(3, &frame(log), 5, 5);
        assert_eq!((read(23), read(24)), (Some(b"hello".to_vec()), None));
    }
}
