//! SIP (RFC 3261) over UDP and TCP. A response has the call id and the sequence number of its request; provisional responses come
//! before the final one.

use wiretape_engine::column::{Symbol, Text, TextList, TextMap, U16, U32};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        datagrams::Datagrams,
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};
use said::{Said, Start};

mod said;
#[cfg(test)]
mod tests;

call_table! {
    /// One row per SIP request with its final response. method is the request's method, target its URI, status the status code.
    pub static SIP: "sip", row SipRow, builder SipBuilder {
        /// Call-ID: what belongs to one call or registration.
        sip_call_id: Option<Text>,
        /// Sequence number (CSeq) that request and responses share.
        cseq: Option<U32>,
        /// Who calls: the From header, with name and tag.
        from_header: Option<Text>,
        /// Who is called: the To header.
        to_header: Option<Text>,
        /// Contact of the request: where its sender is reached.
        contact: Option<Text>,
        /// User-Agent of the request.
        user_agent: Option<Symbol>,
        /// Status code of the final response; NULL without one.
        status_code: Option<U16> [row_index()],
        /// Reason phrase of the final response.
        reason: Option<Text>,
        /// Status codes of provisional responses (1xx), in order.
        provisional: Option<TextList>,
        /// Times that the client sent the same request again before the final response.
        retransmissions: U16,
        /// Headers of the request, names in lower case and in their long form, in order.
        request_headers: Option<TextMap>,
        /// Headers of the final response.
        response_headers: Option<TextMap>,
        /// Body of the request, a session description for example, up to the limit of bodies.
        request_body: Option<Text>,
        /// Body of the final response.
        response_body: Option<Text>,
    }
    entry "call" { "sip" = "true" }
}

/// Bytes of a message that are read: what UDP carries.
const MAX_MESSAGE_BYTES: usize = 65_535;

/// Provisional responses kept of a request; ringing repeats.
const MAX_PROVISIONAL: usize = 32;

/// Over UDP.
pub(crate) static UDP: Protocol = Protocol {
    name: "sip",
    over: Over::Udp,
    probe,
    dissect: Some(|| Box::new(Datagrams(Sip::default()))),
    tables: &[(&SIP, || Box::new(SipBuilder::default()))],
};

/// Over TCP.
pub(crate) static TCP: Protocol = Protocol {
    name: "sip",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Sip::default()))),
    tables: &[],
};

/// Request line or status line that ends in, or begins with, the version (RFC 3261 section 7.1).
fn probe(_: &Hint, p: &[u8]) -> bool {
    let line = p.get(..512).unwrap_or(p);
    let line = line.windows(2).position(|two| two == b"\r\n").and_then(|end| line.get(..end));
    p.starts_with(b"SIP/2.0 ")
        || p.first().is_some_and(u8::is_ascii_uppercase) && line.is_some_and(|line| line.ends_with(b" SIP/2.0"))
}

/// What request and response share: who asked, call id, sequence number and method.
type Key = (Way, String, u32, String);

/// Requests of one flow that wait.
#[derive(Debug, Default)]
struct Sip {
    waiting: Waiting<Key, Asked>,
}

#[derive(Debug)]
struct Asked {
    way: Way,
    half: Half,
    said: Said,
    /// The first provisional response, up to the last one.
    answered: Option<Half>,
    provisional: Vec<String>,
    retransmissions: u16,
}

impl Sip {
    fn request(&mut self, way: Way, half: Half, said: Said, out: &mut Out<'_>) {
        let key = (way, said.call_id.clone(), said.cseq, said.cseq_method.clone());
        let asked = Asked { way, half, said, answered: None, provisional: Vec::new(), retransmissions: 0 };
        if asked.said.malformed || matches!(&asked.said.start, Start::Request { method, .. } if method == "ACK") {
            return emit(Some(&asked), None, out);
        }
        if let Some(before) = self.waiting.find(&key) {
            before.retransmissions = before.retransmissions.saturating_add(1);
            return;
        }
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask(key, asked, limit) {
            out.count_dropped_call();
            emit(Some(&given_up), None, out);
        }
    }

    fn response(&mut self, way: Way, half: Half, code: u16, said: &Said, out: &mut Out<'_>) {
        let key = (way.back(), said.call_id.clone(), said.cseq, said.cseq_method.clone());
        let Some(asked) = self.waiting.find(&key) else {
            return emit(None, Some((way, half, said)), out);
        };
        asked.answered =
            Some(asked.answered.map_or(half, |before| Half {
                span: before.span.until(half.span.last),
                bytes: before.bytes + half.bytes,
            }));
        if code < 200 {
            if asked.provisional.len() < MAX_PROVISIONAL {
                asked.provisional.push(code.to_string());
            }
            return;
        }
        let asked = self.waiting.answer(&key);
        emit(asked.as_ref(), Some((way, half, said)), out);
    }
}

fn emit(asked: Option<&Asked>, last: Option<(Way, Half, &Said)>, out: &mut Out<'_>) {
    let request = asked.map(|a| &a.said);
    let response = last.map(|(_, _, said)| said);
    let Some(first) = request.or(response) else { return };
    let (method, uri) = match &first.start {
        Start::Request { method, uri } => (method.as_str(), Some(uri.as_str())),
        Start::Response { .. } => (first.cseq_method.as_str(), None),
    };
    let (code, reason) = match response.map(|said| &said.start) {
        Some(Start::Response { code, reason }) => (Some(*code), Some(reason.as_str())),
        _ => (None, None),
    };
    let status = code.map(|code| code.to_string());
    let call = Call {
        app_proto: "sip",
        client: asked.map(|a| a.way).or(last.map(|(way, ..)| way.back())).unwrap_or(Way::Out),
        request: asked.map(|a| a.half),
        response: asked.map_or(last.map(|(_, half, _)| half), |a| a.answered),
        method: Some(method).filter(|method| !method.is_empty()),
        target: uri,
        status: status.as_deref(),
        error_type: [request, response].iter().flatten().any(|s| s.malformed).then_some(ErrorType::Malformed),
    };
    let provisional = asked.map(|a| text::refs(&a.provisional)).filter(|codes| !codes.is_empty());
    let [request_headers, response_headers] = [request, response].map(|said| said.map(|s| text::pairs(&s.headers)));
    let row = SipRow {
        sip_call_id: Some(first.call_id.as_str()).filter(|id| !id.is_empty()),
        cseq: Some(first.cseq).filter(|_| !first.cseq_method.is_empty()),
        from_header: first.header("from"),
        to_header: first.header("to"),
        contact: request.and_then(|s| s.header("contact")),
        user_agent: request.and_then(|s| s.header("user-agent")),
        status_code: code,
        reason,
        provisional: provisional.as_deref(),
        retransmissions: asked.map_or(0, |a| a.retransmissions),
        request_headers: request_headers.as_deref(),
        response_headers: response_headers.as_deref(),
        request_body: request.and_then(|s| s.body.as_deref()),
        response_body: response.and_then(|s| s.body.as_deref()),
    };
    // An ACK is answered by nobody (RFC 3261 section 17).
    if method == "ACK" { out.emit_one_way::<SipBuilder>(&call, row) } else { out.emit::<SipBuilder>(&call, row) }
}

impl Messages for Sip {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        said::frame(head)
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        let body_limit = out.limits().body_bytes;
        let Some(said) = Said::parse(&message, body_limit) else { return };
        match said.start {
            Start::Request { .. } => self.request(way, half, said, out),
            Start::Response { code, .. } => self.response(way, half, code, &said, out),
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        probe(&Hint { src_port: 0, dst_port: 0, ip_proto: 0, len: head.len() }, head)
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(asked) = self.waiting.take() {
            emit(Some(&asked), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let keys = self.waiting.keys_size_bytes(|(_, call_id, _, method)| call_id.capacity() + method.capacity());
        keys + self.waiting.size_bytes(|asked| asked.said.size_bytes() + text::size_bytes(&asked.provisional))
    }
}
