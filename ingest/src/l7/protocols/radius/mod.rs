//! RADIUS (RFC 2865, RFC 2866, RFC 5176) over UDP. A response has the identifier of its request.

use std::net::IpAddr;

use wiretape_engine::column::{Ip, Symbol, Text, TextMap, U8, U16, U32};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        cursor::Cursor,
        datagrams::Datagrams,
        dissector::End,
        framed::{Frame, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};
use attributes::Attribute;

mod attributes;
#[cfg(test)]
mod tests;

call_table! {
    /// One row per RADIUS request with its response. method is the request's code, target the user's name, status the response's code.
    pub static RADIUS: "radius", row RadiusRow, builder RadiusBuilder {
        /// Code of the request (of the response, where only that was seen): 1 Access-Request, 4 Accounting-Request, … (RFC 2865 section 4).
        code: U8,
        /// Its name.
        code_name: Symbol,
        /// Code of the response; NULL without one.
        response_code: Option<U8>,
        /// Identifier that request and response share.
        id: U8,
        /// Authenticator of the request, 16 bytes in hex.
        request_authenticator: Option<Text>,
        /// Authenticator of the response, 16 bytes in hex.
        response_authenticator: Option<Text>,
        /// Times that the client sent the same request again before the response.
        retransmissions: U16,
        /// User-Name of the request.
        user_name: Option<Text>,
        /// NAS-IP-Address or NAS-IPv6-Address: the access server that asks.
        nas_ip: Option<Ip>,
        /// NAS-Identifier: its name.
        nas_identifier: Option<Symbol>,
        /// NAS-Port: its physical port.
        nas_port: Option<U32>,
        /// Calling-Station-Id: the user's phone number or MAC address.
        calling_station_id: Option<Text>,
        /// Acct-Status-Type: Start, Stop, Interim-Update, Accounting-On, Accounting-Off, or a number.
        acct_status_type: Option<Symbol>,
        /// Acct-Session-Id: the session that is accounted.
        acct_session_id: Option<Text>,
        /// Framed-IP-Address: the user's address, by the response if it says one, else by the request.
        framed_ip: Option<Ip>,
        /// Reply-Message of the response: text for the user.
        reply_message: Option<Text>,
        /// Attributes of the request, in order, by name; octets in hex. Vendors' are Vendor-<enterprise>-<type>.
        attributes: Option<TextMap>,
        /// Attributes of the response.
        response_attributes: Option<TextMap>,
    }
    entry "call" {
        "radius" = "true",
        "radius_code" = "coalesce(response_code, code)",
        "radius_code_name" = "coalesce(status, code_name)",
        "radius_request" = "request_bytes IS NOT NULL",
        "radius_response" = "response_bytes IS NOT NULL",
        "radius_request_authenticator" = "request_authenticator",
        "radius_request_length" = "request_bytes",
        "radius_response_length" = "response_bytes",
        "radius_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
    }
}

/// Bytes of a message at most (RFC 2865 section 3).
const MAX_MESSAGE_BYTES: usize = 4096;

/// Over UDP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "radius",
    over: Over::Udp,
    probe,
    dissect: Some(|| Box::new(Datagrams(Radius::default()))),
    tables: &[(&RADIUS, || Box::new(RadiusBuilder::default()))],
};

/// A known code and a length that is the packet's, between known ports (RFC 2865 section 3).
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let [code, _, hi, lo, ..] = p else { return false };
    let len = usize::from(u16::from_be_bytes([*hi, *lo]));
    let ports = [1812, 1813, 1645, 1646, 3799];
    code_name(*code).is_some()
        && (20..=MAX_MESSAGE_BYTES).contains(&len)
        && len <= hint.len
        && ports.iter().any(|port| hint.port(*port))
}

/// Requests of one flow that wait, by who sent them and the identifier.
#[derive(Debug, Default)]
struct Radius {
    waiting: Waiting<(Way, u8), Said>,
}

/// What a message says.
#[derive(Debug)]
struct Said {
    half: Half,
    way: Way,
    code: u8,
    id: u8,
    authenticator: String,
    attributes: Vec<Attribute>,
    retransmissions: u16,
    malformed: bool,
}

impl Radius {
    fn emit(&self, request: Option<&Said>, response: Option<&Said>, out: &mut Out<'_>) {
        let Some(first) = request.or(response) else { return };
        let code = |said: Option<&Said>| said.and_then(|s| code_name(s.code));
        let find = |said: Option<&Said>, kind: u8| {
            said.and_then(|s| s.attributes.iter().find(|a| a.is(kind))).map(|a| a.value.clone())
        };
        let ip = |said: Option<&Said>, kind: u8| find(said, kind).and_then(|v| v.parse::<IpAddr>().ok());
        let user_name = find(Some(first), attributes::USER_NAME);
        let pairs = |said: Option<&Said>| {
            said.map(|s| s.attributes.iter().map(|a| (a.name.clone(), a.value.clone())).collect::<Vec<_>>())
        };
        let (asked, answered) = (pairs(request), pairs(response));
        let call = Call {
            app_proto: "radius",
            client: request.map_or(first.way.back(), |s| s.way),
            request: request.map(|s| s.half),
            response: response.map(|s| s.half),
            method: code(request),
            target: user_name.as_deref(),
            status: code(response),
            error_type: [request, response].iter().flatten().any(|s| s.malformed).then_some(ErrorType::Malformed),
        };
        out.emit::<RadiusBuilder>(
            &call,
            RadiusRow {
                code: first.code,
                code_name: code_name(first.code).unwrap_or_default(),
                response_code: response.map(|s| s.code),
                id: first.id,
                request_authenticator: request.map(|s| s.authenticator.as_str()),
                response_authenticator: response.map(|s| s.authenticator.as_str()),
                retransmissions: request.map_or(0, |s| s.retransmissions),
                user_name: user_name.as_deref(),
                nas_ip: ip(request, attributes::NAS_IP).or(ip(request, attributes::NAS_IPV6)),
                nas_identifier: find(request, attributes::NAS_IDENTIFIER).as_deref(),
                nas_port: find(request, attributes::NAS_PORT).and_then(|v| v.parse().ok()),
                calling_station_id: find(request, attributes::CALLING_STATION_ID).as_deref(),
                acct_status_type: find(request, attributes::ACCT_STATUS_TYPE).as_deref(),
                acct_session_id: find(request, attributes::ACCT_SESSION_ID).as_deref(),
                framed_ip: ip(response, attributes::FRAMED_IP).or(ip(request, attributes::FRAMED_IP)),
                reply_message: find(response, attributes::REPLY_MESSAGE).as_deref(),
                attributes: asked.as_deref().map(text::pairs).as_deref(),
                response_attributes: answered.as_deref().map(text::pairs).as_deref(),
            },
        );
    }
}

impl Said {
    /// A message whose attributes cannot be read is read up to there. `None` without a header or of an unknown code.
    fn parse(way: Way, message: &Message<'_>) -> Option<Said> {
        let mut cursor = Cursor::new(message.bytes);
        let [code, id] = cursor.array()?;
        code_name(code)?;
        let len = usize::from(cursor.u16()?);
        let authenticator = text::hex(cursor.take(16)?, 16);
        let (attributes, whole) = attributes::read(cursor.take_some(len.saturating_sub(20)));
        Some(Said {
            half: Half { span: message.span, bytes: message.len },
            way,
            code,
            id,
            authenticator,
            attributes,
            retransmissions: 0,
            malformed: !whole || len < 20 || len as u64 > message.len,
        })
    }
}

impl Messages for Radius {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        match head {
            [_, _, hi, lo, ..] => Frame::Is(u64::from(u16::from_be_bytes([*hi, *lo]).max(20))),
            _ => Frame::Unknown,
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some(said) = Said::parse(way, &message) else { return };
        if !is_request(said.code) {
            let request = self.waiting.answer(&(way.back(), said.id));
            return self.emit(request.as_ref(), Some(&said), out);
        }
        let key = (way, said.id);
        // RFC 2865 section 2.5: what is sent again is the same to the last byte; with a new identifier it is a new request.
        if let Some(before) = self.waiting.find(&key)
            && (before.code, &before.authenticator) == (said.code, &said.authenticator)
        {
            before.retransmissions = before.retransmissions.saturating_add(1);
            return;
        }
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask(key, said, limit) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, out);
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        head.first().is_some_and(|code| code_name(*code).is_some())
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(request) = self.waiting.take() {
            self.emit(Some(&request), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(|said| said.authenticator.capacity() + attributes::size_bytes(&said.attributes))
    }
}

/// IANA RADIUS packet type codes.
fn code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "Access-Request",
        2 => "Access-Accept",
        3 => "Access-Reject",
        4 => "Accounting-Request",
        5 => "Accounting-Response",
        11 => "Access-Challenge",
        12 => "Status-Server",
        13 => "Status-Client",
        40 => "Disconnect-Request",
        41 => "Disconnect-ACK",
        42 => "Disconnect-NAK",
        43 => "CoA-Request",
        44 => "CoA-ACK",
        45 => "CoA-NAK",
        _ => return None,
    })
}

fn is_request(code: u8) -> bool {
    matches!(code, 1 | 4 | 12 | 13 | 40 | 43)
}
