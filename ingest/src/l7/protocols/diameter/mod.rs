//! Diameter (RFC 6733) over TCP and SCTP. Both ends ask; an answer has the hop-by-hop identifier of its request.

use wiretape_engine::column::{Bool, Symbol, Text, TextMap, U32};

use crate::{
    flow::{TCP, Way},
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        cursor::Cursor,
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};
use avp::Avps;

mod avp;
mod names;
#[cfg(test)]
mod tests;

call_table! {
    /// One row per Diameter request with its answer. method is the command, target the destination host or realm, status the result code's name.
    pub static DIAMETER: "diameter", row DiameterRow, builder DiameterBuilder {
        /// Command code: 257 Capabilities-Exchange, 272 Credit-Control, ….
        command_code: U32,
        /// Application identifier: 0 base, 4 credit control, 16777251 S6a, ….
        application_id: U32,
        /// Its name; NULL for one without.
        application: Option<Symbol>,
        /// Identifier that request and answer share on this connection.
        hop_by_hop_id: U32,
        /// Identifier that request and answer share from end to end.
        end_to_end_id: U32,
        /// Session-Id.
        session_id: Option<Text>,
        /// Origin-Host of the request.
        origin_host: Option<Symbol>,
        /// Origin-Realm of the request.
        origin_realm: Option<Symbol>,
        /// Destination-Host of the request.
        destination_host: Option<Symbol>,
        /// Destination-Realm of the request.
        destination_realm: Option<Symbol>,
        /// Origin-Host of the answer.
        answer_origin_host: Option<Symbol>,
        /// User-Name of the request.
        user_name: Option<Text>,
        /// Result-Code of the answer; the Experimental-Result-Code where it has that instead.
        result_code: Option<U32> [row_index()],
        /// Error-Message of the answer.
        error_message: Option<Text>,
        /// The answer has the E bit: an error of the protocol, not of the command.
        error: Option<Bool>,
        /// AVPs of the request, in order, by name, those of groups as Group.Name; octets in hex. Without a name: AVP-<code> or AVP-<vendor>-<code>.
        avps: Option<TextMap>,
        /// AVPs of the answer.
        answer_avps: Option<TextMap>,
    }
    entry "call" {
        "diameter" = "true",
        "diameter_method" = "method",
        "diameter_summary" = "target",
        "diameter_request" = "request_bytes IS NOT NULL",
        "diameter_response" = "response_bytes IS NOT NULL",
        "diameter_request_length" = "request_bytes",
        "diameter_response_length" = "response_bytes",
        "diameter_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
    }
}

/// Bytes of a message that are read at most. The length field allows 16 MB; profiles of subscribers, the longest in use, have tens
/// of KB.
const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// Bytes of a message's header (RFC 6733 section 3).
const HEADER_BYTES: usize = 20;

/// Over TCP, and in user messages of SCTP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "diameter",
    over: Over::Any,
    probe,
    dissect: Some(|| Box::new(Framed::new(Diameter::default()))),
    tables: &[(&DIAMETER, || Box::new(DiameterBuilder::default()))],
};

/// Version 1, a length of whole words, known command flags (RFC 6733 section 3).
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let [1, a, b, c, flags, _, cmd_hi, _, app_0, app_1, ..] = p else { return false };
    let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    len >= HEADER_BYTES
        && len.is_multiple_of(4)
        && flags & 0x0f == 0
        && (*app_0, *app_1) <= (1, 0)
        && p.len() >= HEADER_BYTES
        && ((p.get(5) == Some(&0) && *cmd_hi <= 1 && (len <= hint.len || hint.ip_proto == TCP)) || hint.port(3868))
}

/// Requests of one flow that wait, by who sent them and the hop-by-hop identifier.
#[derive(Debug, Default)]
struct Diameter {
    waiting: Waiting<(Way, u32), Said>,
}

/// What a message says.
#[derive(Debug)]
struct Said {
    half: Half,
    way: Way,
    flags: u8,
    command: u32,
    application: u32,
    hop_by_hop: u32,
    end_to_end: u32,
    avps: Avps,
}

impl Said {
    const REQUEST: u8 = 0x80;
    const ERROR: u8 = 0x20;

    fn parse(way: Way, message: &Message<'_>) -> Option<Said> {
        let mut cursor = Cursor::new(message.bytes);
        let (_, _) = (cursor.u8()?, cursor.u24()?);
        Some(Said {
            half: Half { span: message.span, bytes: message.len },
            way,
            flags: cursor.u8()?,
            command: cursor.u24()?,
            application: cursor.u32()?,
            hop_by_hop: cursor.u32()?,
            end_to_end: cursor.u32()?,
            avps: Avps::read(cursor.rest(), message.bytes.len() as u64 == message.len),
        })
    }
}

impl Diameter {
    fn emit(&self, request: Option<&Said>, answer: Option<&Said>, out: &mut Out<'_>) {
        let Some(first) = request.or(answer) else { return };
        let find = |said: Option<&'_ Said>, name: &str| said.and_then(|s| s.avps.find(name)).map(str::to_owned);
        let asked = |name: &str| find(request, name);
        let [origin_host, origin_realm] = ["Origin-Host", "Origin-Realm"].map(asked);
        let [destination_host, destination_realm] = ["Destination-Host", "Destination-Realm"].map(asked);
        let result = find(answer, "Result-Code")
            .or_else(|| find(answer, "Experimental-Result.Experimental-Result-Code"))
            .and_then(|code| code.parse::<u32>().ok());
        let status = result.map(|code| names::result(code).map_or_else(|| code.to_string(), str::to_owned));
        let method = names::command(first.command).map_or_else(|| first.command.to_string(), str::to_owned);
        let call = Call {
            app_proto: "diameter",
            client: request.map_or(first.way.back(), |s| s.way),
            request: request.map(|s| s.half),
            response: answer.map(|s| s.half),
            method: Some(&method),
            target: destination_host.as_deref().or(destination_realm.as_deref()),
            status: status.as_deref(),
            error_type: [request, answer].iter().flatten().any(|s| s.avps.malformed).then_some(ErrorType::Malformed),
        };
        out.emit::<DiameterBuilder>(
            &call,
            DiameterRow {
                command_code: first.command,
                application_id: first.application,
                application: names::application(first.application),
                hop_by_hop_id: first.hop_by_hop,
                end_to_end_id: first.end_to_end,
                session_id: find(Some(first), "Session-Id").as_deref(),
                origin_host: origin_host.as_deref(),
                origin_realm: origin_realm.as_deref(),
                destination_host: destination_host.as_deref(),
                destination_realm: destination_realm.as_deref(),
                answer_origin_host: find(answer, "Origin-Host").as_deref(),
                user_name: asked("User-Name").as_deref(),
                result_code: result,
                error_message: find(answer, "Error-Message").as_deref(),
                error: answer.map(|s| s.flags & Said::ERROR != 0),
                avps: request.map(|s| text::pairs(&s.avps.all)).as_deref(),
                answer_avps: answer.map(|s| text::pairs(&s.avps.all)).as_deref(),
            },
        );
    }
}

impl Messages for Diameter {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        match head {
            [1, a, b, c, ..] if u32::from_be_bytes([0, *a, *b, *c]) as usize >= HEADER_BYTES => {
                Frame::Is(u64::from(u32::from_be_bytes([0, *a, *b, *c])))
            }
            [] | [1] | [1, _] | [1, _, _] => Frame::Unknown,
            _ => Frame::Garbage,
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some(said) = Said::parse(way, &message) else { return };
        if said.flags & Said::REQUEST == 0 {
            let request = self.waiting.answer(&(way.back(), said.hop_by_hop));
            return self.emit(request.as_ref(), Some(&said), out);
        }
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask((way, said.hop_by_hop), said, limit) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, out);
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        let hint = Hint { src_port: 0, dst_port: 0, ip_proto: TCP, len: head.len() };
        probe(&hint, head)
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(request) = self.waiting.take() {
            self.emit(Some(&request), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(|said| text::map_size_bytes(&said.avps.all))
    }
}
