//! LDAP (RFC 4511) over TCP, and without connection over UDP. A response has the message id of its request; a search has many
//! responses, of which the last one ends it.

use wiretape_engine::column::{Symbol, Text, TextList, U8, U16, U32};

use crate::{
    flow::{TCP, Way},
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        recognising::Recognising,
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};
use said::{Operation, Request, Response};

mod ber;
mod filter;
mod said;
#[cfg(test)]
mod tests;

call_table! {
    /// One row per LDAP request with its responses. method is the operation, target the name it is about, status the result code's name.
    pub static LDAP: "ldap", row LdapRow, builder LdapBuilder {
        /// Message id that request and responses share.
        message_id: U32,
        /// Name that the request is about: of the entry, of the one who binds, base of the search.
        dn: Option<Text>,
        /// Version of the protocol that a bind asks for.
        version: Option<U8>,
        /// How a bind authenticates: simple, or the SASL mechanism.
        authentication: Option<Symbol>,
        /// Scope of a search: base, one, sub, children.
        scope: Option<Symbol>,
        /// Filter of a search as text (RFC 4515).
        filter: Option<Text>,
        /// Attributes that a search or compare asks for, or that an add or modify changes.
        attributes: Option<TextList>,
        /// OID of an extended operation.
        oid: Option<Symbol>,
        /// Result code; NULL without a final response.
        result_code: Option<U16> [row_index()],
        /// Matched DN of the result: how much of the name there is.
        matched_dn: Option<Text>,
        /// Diagnostic message of the result.
        diagnostic: Option<Text>,
        /// Entries that a search found; NULL for other operations.
        entries: Option<U32>,
        /// Names of the first 100 of them.
        entry_dns: Option<TextList>,
        /// References to other servers in the responses to a search.
        references: Option<U32>,
    }
    entry "call" {
        "ldap" = "true",
        "ldap_type" = "method",
        "ldap_summary" = "target",
        "ldap_request" = "request_bytes IS NOT NULL",
        "ldap_response" = "response_bytes IS NOT NULL",
        "ldap_request_length" = "request_bytes",
        "ldap_response_length" = "response_bytes",
        "ldap_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
    }
}

/// Bytes of a message that are read. An entry with a photograph or certificates has more and is read up to there, which is
/// enough for its name.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// Bytes of a message at most: beyond is taken for what is no LDAP, such as a SASL security layer.
const MAX_PLAUSIBLE_BYTES: u64 = 64 << 20;

/// Names of found entries kept.
const MAX_ENTRY_DNS: usize = 100;

/// Over TCP and UDP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "ldap",
    over: Over::Any,
    probe,
    dissect: Some(|| Box::new(Framed::new(Ldap::default()))),
    tables: &[(&LDAP, || Box::new(LdapBuilder::default()))],
};

/// A BER LDAPMessage: a sequence of a small message id and an operation (RFC 4511 section 4.1.1).
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let ber::Head::Is { tag: ber::SEQUENCE, head, len } = ber::head(p) else { return false };
    let Some([2, id_len @ 1..=4, rest @ ..]) = p.get(head..) else { return false };
    let Some(operation) = rest.get(usize::from(*id_len)) else { return false };
    let plausible = (5..MAX_PLAUSIBLE_BYTES).contains(&len);
    Operation::of(*operation).is_some() && plausible && (len < hint.len as u64 || hint.port(389) || hint.port(3268))
}

/// Requests of one flow that wait.
#[derive(Debug, Default)]
struct Ldap {
    waiting: Waiting<(Way, u32), Asked>,
}

/// A request, and what came back so far.
#[derive(Debug)]
struct Asked {
    way: Way,
    half: Half,
    said: Request,
    answered: Option<Half>,
    entries: u32,
    entry_dns: Vec<String>,
    references: u32,
}

impl Asked {
    /// One more response.
    fn hear(&mut self, half: Half, response: &Response) {
        self.answered = Some(match self.answered {
            Some(before) => Half { span: before.span.until(half.span.last), bytes: before.bytes + half.bytes },
            None => half,
        });
        match response.operation {
            Operation::SearchEntry => {
                self.entries = self.entries.saturating_add(1);
                if let Some(dn) = response.dn.as_ref().filter(|_| self.entry_dns.len() < MAX_ENTRY_DNS) {
                    self.entry_dns.push(dn.clone());
                }
            }
            Operation::SearchReference => self.references = self.references.saturating_add(1),
            _ => {}
        }
    }
}

impl Ldap {
    fn ask(&mut self, way: Way, half: Half, said: Request, out: &mut Out<'_>) {
        let asked = Asked { way, half, said, answered: None, entries: 0, entry_dns: Vec::new(), references: 0 };
        if asked.said.malformed || asked.said.operation.is_silent() {
            return emit(Some(&asked), None, out);
        }
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask((way, asked.said.id), asked, limit) {
            out.count_dropped_call();
            emit(Some(&given_up), None, out);
        }
    }

    fn answer(&mut self, way: Way, half: Half, said: Response, out: &mut Out<'_>) {
        let key = (way.back(), said.id);
        let Some(asked) = self.waiting.find(&key) else {
            return emit(None, Some((way, half, &said)), out);
        };
        asked.hear(half, &said);
        if said.operation.is_partial() {
            return;
        }
        if let Some(asked) = self.waiting.answer(&key) {
            if asked.said.starts_tls() && said.code == Some(0) {
                out.hand_over(Box::new(Recognising::default()));
            }
            emit(Some(&asked), Some((way, half, &said)), out);
        }
    }
}

/// The row of a request, with its final response if there was one.
fn emit(asked: Option<&Asked>, last: Option<(Way, Half, &Response)>, out: &mut Out<'_>) {
    let request = asked.map(|a| &a.said);
    let response = last.map(|(_, _, said)| said);
    let operation = request.map(|r| r.operation).or(response.map(|r| r.operation));
    let status = response.and_then(|r| r.code).map(said::result_name);
    let malformed = request.is_some_and(|r| r.malformed) || response.is_some_and(|r| r.malformed);
    let dn = request.and_then(|r| r.dn.as_deref());
    // An entry whose search was not seen.
    let entry = response.filter(|_| asked.is_none()).and_then(|r| r.dn.as_deref());
    let oid = request.and_then(|r| r.oid.as_deref()).or(response.and_then(|r| r.oid.as_deref()));
    let call = Call {
        app_proto: "ldap",
        client: asked.map(|a| a.way).or(last.map(|(way, ..)| way.back())).unwrap_or(Way::Out),
        request: asked.map(|a| a.half),
        response: asked.map_or(last.map(|(_, half, _)| half), |a| a.answered),
        method: operation.map(Operation::name),
        target: dn.or(oid),
        status: status.as_deref(),
        error_type: malformed.then_some(ErrorType::Malformed),
    };
    let is_search = operation == Some(Operation::Search) || entry.is_some();
    let attributes = request.and_then(|r| r.attributes.as_deref()).map(text::refs);
    let entry_dns = asked.map(|a| text::refs(&a.entry_dns)).or(entry.map(|dn| vec![dn]));
    let row = LdapRow {
        message_id: request.map(|r| r.id).or(response.map(|r| r.id)).unwrap_or(0),
        dn,
        version: request.and_then(|r| r.version),
        authentication: request.and_then(|r| r.authentication.as_deref()),
        scope: request.and_then(|r| r.scope),
        filter: request.and_then(|r| r.filter.as_deref()),
        attributes: attributes.as_deref(),
        oid,
        result_code: response.and_then(|r| r.code),
        matched_dn: response.and_then(|r| r.matched_dn.as_deref()),
        diagnostic: response.and_then(|r| r.diagnostic.as_deref()),
        entries: asked.filter(|_| is_search).map(|a| a.entries).or(entry.map(|_| 1)),
        entry_dns: entry_dns.as_deref().filter(|_| is_search),
        references: asked.filter(|_| is_search).map(|a| a.references),
    };
    let nobody_answers =
        operation.is_some_and(Operation::is_silent) || asked.is_none() && call.method == Some("notice");
    if nobody_answers { out.emit_one_way::<LdapBuilder>(&call, row) } else { out.emit::<LdapBuilder>(&call, row) }
}

impl Messages for Ldap {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, bytes: &[u8]) -> Frame {
        match ber::head(bytes) {
            ber::Head::Is { tag: ber::SEQUENCE, head, len } if len <= MAX_PLAUSIBLE_BYTES => {
                Frame::Is(head as u64 + len)
            }
            ber::Head::Unknown => Frame::Unknown,
            _ => Frame::Garbage,
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        match said::read(message.bytes) {
            Some(said::Said::Request(request)) => self.ask(way, half, request, out),
            Some(said::Said::Response(response)) => self.answer(way, half, response, out),
            None => {}
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        probe(&Hint { src_port: 389, dst_port: 389, ip_proto: TCP, len: head.len() }, head)
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(asked) = self.waiting.take() {
            emit(Some(&asked), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(|asked| asked.said.size_bytes() + text::size_bytes(&asked.entry_dns))
    }
}
