//! MongoDB: commands with their replies (OP_MSG), compressed too, and the messages that came before them (OP_QUERY, OP_REPLY,
//! OP_INSERT, …).

use wiretape_engine::column::{Bool, I64, Symbol, Text};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        cursor::Cursor,
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        waiting::Waiting,
    },
};

mod bson;
mod said;

use said::{Said, opcode, opcode_name};

call_table! {
    /// One row per MongoDB command with its reply. method is the command, target database and collection, status OK or the error's
    /// name.
    pub static MONGODB: "mongodb", row MongodbRow, builder MongodbBuilder {
        /// The command: find, insert, hello, …; of the older messages the name that the command had later.
        command: Option<Symbol>,
        /// Database it is for.
        database: Option<Symbol>,
        /// Collection it is for; NULL for commands of a database.
        collection: Option<Symbol>,
        /// Kind of the message: OP_MSG, OP_QUERY, …; of a compressed one that of what is in it.
        opcode: Symbol,
        /// The command as JSON, at most 16 KiB, documents that are sent along with it.
        request: Option<Text>,
        /// The reply as JSON, at most 16 KiB.
        response: Option<Text>,
        /// Documents returned, or changed.
        document_count: Option<I64>,
        /// Whether all went well: ok is 1 and no write has failed; NULL without a reply.
        success: Option<Bool>,
        /// Number of the error; of several failed writes that of the first.
        error_code: Option<I64>,
        /// Its name.
        error_code_name: Option<Symbol>,
        /// Its message.
        error_message: Option<Text>,
    }
    entry "call" {
        "mongodb" = "true",
        "mongodb_command" = "command",
        "mongodb_database" = r#""database""#,
        "mongodb_collection" = "collection",
        "mongodb_opcode" = "opcode",
        "mongodb_request_size" = "request_bytes",
        "mongodb_response_size" = "response_bytes",
        "mongodb_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
        "mongodb_success" = "success",
        "mongodb_error_code" = "error_code",
        "mongodb_error_message" = "error_message",
        "mongodb_error_code_name" = "error_code_name",
    }
}

/// Bytes of a message that are read. Replies have up to 48 MB, and say how it went behind their documents; where that is not read,
/// a cursor says enough.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Bytes of a message at most: what servers take.
const MAX_WIRE_BYTES: u32 = 48_000_000 + 16_384;

const HEADER_BYTES: usize = 16;

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "mongodb",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Mongodb::default()))),
    tables: &[(&MONGODB, || Box::new(MongodbBuilder::default()))],
};

/// The header of a message.
#[derive(Debug, Clone, Copy)]
struct Header {
    len: u32,
    id: u32,
    response_to: u32,
    opcode: u32,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Header> {
        let mut cursor = Cursor::new(bytes);
        let mut number = || cursor.array().map(u32::from_le_bytes);
        let header = Header { len: number()?, id: number()?, response_to: number()?, opcode: number()? };
        let is_sane = (HEADER_BYTES + 5..=MAX_WIRE_BYTES as usize).contains(&(header.len as usize));
        (is_sane && opcode_name(header.opcode).is_some()).then_some(header)
    }

    fn is_reply(self) -> bool {
        self.opcode == opcode::REPLY || self.response_to != 0
    }
}

/// A header with a known opcode, and what must be behind it.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let Some(header) = Header::of(p) else { return false };
    let body = p.get(HEADER_BYTES..).unwrap_or_default();
    // A message longer than its packet is usual, several in one are not rare.
    header.len as usize >= hint.len.min(HEADER_BYTES + 5)
        && match header.opcode {
            opcode::REPLY => header.response_to != 0 && body.len() >= 20,
            opcode::QUERY => !header.is_reply() && body.get(4..).is_some_and(|rest| rest.contains(&b'.')),
            opcode::COMPRESSED => matches!(body, [_, _, 0, 0, _, _, _, _, 0..=3, ..]),
            // No flag bits but the three defined, and a section of kind 0 or 1.
            opcode::MSG => matches!(body, [0..=3, 0, 0 | 1, 0, 0 | 1, ..]),
            _ => false,
        }
}

/// One connection: commands that wait, by the id of their message.
#[derive(Debug, Default)]
struct Mongodb {
    waiting: Waiting<u32, Asked>,
}

/// A command that waits.
#[derive(Debug)]
struct Asked {
    way: Way,
    /// None of one whose replies come unasked for after the first.
    half: Option<Half>,
    said: Said,
}

impl Mongodb {
    fn emit(&self, asked: Option<Asked>, reply: Option<(Way, Half, Said)>, why: Option<ErrorType>, out: &mut Out<'_>) {
        let (asked_said, said) = (asked.as_ref().map(|a| &a.said), reply.as_ref().map(|(.., said)| said));
        let Some(first) = asked_said.or(said) else { return };
        let target = match (&first.database, &first.collection) {
            (Some(database), Some(collection)) => Some(format!("{database}.{collection}")),
            (database, collection) => database.clone().or(collection.clone()),
        };
        let failed = said.is_some_and(|said| said.success == Some(false));
        let code = said.and_then(|said| said.error_code).map(|code| code.to_string());
        let status = said.map(|said| match (failed, &said.error_code_name) {
            (false, _) => "OK",
            (true, Some(name)) => name,
            (true, None) => code.as_deref().unwrap_or("failed"),
        });
        let malformed = [asked_said, said].into_iter().flatten().any(|said| said.malformed);
        let way = asked.as_ref().map(|asked| asked.way).or(reply.as_ref().map(|(way, ..)| way.back()));
        let one_way =
            asked_said.is_some_and(|said| said.more_to_come) || asked.as_ref().is_some_and(|a| a.half.is_none());
        let call = Call {
            app_proto: "mongodb",
            client: way.unwrap_or(Way::Out),
            request: asked.as_ref().and_then(|asked| asked.half),
            response: reply.as_ref().map(|(_, half, _)| *half),
            method: first.command.as_deref(),
            target: target.as_deref(),
            status,
            error_type: why.or(malformed.then_some(ErrorType::Malformed)),
        };
        let row = MongodbRow {
            command: first.command.as_deref(),
            database: first.database.as_deref(),
            collection: first.collection.as_deref(),
            opcode: first.opcode,
            request: asked_said.and_then(|said| said.document.as_deref()),
            response: said.and_then(|said| said.document.as_deref()),
            document_count: said.and_then(|said| said.documents),
            success: said.and_then(|said| said.success),
            error_code: said.and_then(|said| said.error_code),
            error_code_name: said.and_then(|said| said.error_code_name.as_deref()),
            error_message: said.and_then(|said| said.error_message.as_deref()),
        };
        if one_way { out.emit_one_way::<MongodbBuilder>(&call, row) } else { out.emit::<MongodbBuilder>(&call, row) }
    }

    fn ask(&mut self, id: u32, asked: Asked, out: &mut Out<'_>) {
        if let Some(given_up) = self.waiting.ask(id, asked, out.limits().pending_calls) {
            out.count_dropped_call();
            self.emit(Some(given_up), None, None, out);
        }
    }
}

impl Messages for Mongodb {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        match head.get(..HEADER_BYTES) {
            None => Frame::Unknown,
            Some(head) => Header::of(head).map_or(Frame::Garbage, |header| Frame::Is(u64::from(header.len))),
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some(header) = Header::of(message.bytes) else { return };
        let body = message.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let half = Half { span: message.span, bytes: message.len };
        let said = Said::of(header.opcode, body, header.is_reply(), MAX_MESSAGE_BYTES);
        if header.is_reply() {
            let asked = self.waiting.answer(&header.response_to);
            let goes_on = said.more_to_come.then(|| asked.as_ref().map(|asked| asked.said.clone())).flatten();
            self.emit(asked, Some((way, half, said)), None, out);
            if let Some(said) = goes_on {
                // The next reply will be one to this.
                self.ask(header.id, Asked { way: way.back(), half: None, said }, out);
            }
            return;
        }
        let unanswered =
            matches!(header.opcode, opcode::INSERT | opcode::UPDATE | opcode::DELETE | opcode::KILL_CURSORS);
        let said = Said { more_to_come: said.more_to_come || unanswered, ..said };
        let asked = Asked { way, half: Some(half), said };
        if asked.said.more_to_come { self.emit(Some(asked), None, None, out) } else { self.ask(header.id, asked, out) }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        Header::of(head).is_some()
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        let why = (end == End::Reset).then_some(ErrorType::Reset);
        while let Some(asked) = self.waiting.take() {
            self.emit(Some(asked), None, why, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(|asked| asked.said.size_bytes())
    }
}

#[cfg(test)]
mod tests;
