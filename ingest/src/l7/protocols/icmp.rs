//! ICMP (RFC 792, RFC 950, RFC 1256) and ICMPv6 (RFC 4443, RFC 4861). A request and its reply have the same identifier and sequence
//! number; an error quotes the packet that it is about.
//!
//! ICMP has no ports and no stream: its messages come here with their decoded header, not as a [`Dissector`]'s bytes.
//!
//! [`Dissector`]: crate::l7::dissector::Dissector

use std::{borrow::Cow, net::IpAddr};

use wiretape_engine::column::{Ip, Symbol, U8, U16, U32};

use crate::{
    decode::IcmpHeader,
    flow::{TCP, UDP, Way},
    l7::{
        call::{Call, CallColumns, CallRow, Half, call_table},
        cursor::Cursor,
        out::Out,
        protocol::{Over, Protocol},
        stamp::{Span, Stamp},
        waiting::Waiting,
    },
};

call_table! {
    /// One row per ICMP or ICMPv6 message with its reply. method is the message's type, target what it is about, status the reply's type or the error's code.
    pub static ICMP: "icmp", row IcmpRow, builder IcmpBuilder {
        /// 4 for ICMP, 6 for ICMPv6.
        version: U8,
        /// Type of the message (of the reply, where only that was seen).
        message_type: U8,
        /// Its name.
        message_type_name: Symbol,
        /// Code of the message.
        message_code: U8,
        /// Type of the reply; NULL without one.
        response_type: Option<U8>,
        /// Identifier that request and reply share.
        id: Option<U16>,
        /// Sequence number that request and reply share.
        sequence: Option<U16>,
        /// MTU of the next hop (packet too big, fragmentation needed), bytes.
        mtu: Option<U32>,
        /// Gateway of a redirect, or the address that neighbour discovery is about.
        address: Option<Ip>,
        /// Protocol of the packet that an error quotes: tcp, udp, … or a number.
        quoted_proto: Option<Symbol>,
        /// Its sender.
        quoted_src_ip: Option<Ip>,
        /// Its sender's port.
        quoted_src_port: Option<U16>,
        /// Its receiver.
        quoted_dst_ip: Option<Ip>,
        /// Its receiver's port.
        quoted_dst_port: Option<U16>,
    }
    entry "call" {
        "icmp" = "true",
        "icmp_type" = "message_type_name",
        "icmp_version" = r#""version""#,
        "icmp_length" = "request_bytes",
    }
}

/// Not recognised from bytes: the protocol number of IP says it.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "icmp",
    over: Over::Another,
    probe: |_, _| false,
    dissect: None,
    tables: &[(&ICMP, || Box::new(IcmpBuilder::default()))],
};

/// Bytes of the header.
const HEADER_BYTES: u64 = 8;

/// Messages of one flow.
#[derive(Debug, Default)]
pub(crate) struct Icmp {
    /// Requests that wait, by who sent them, identifier and sequence number.
    waiting: Waiting<(Way, u32), Said>,
}

/// What a message says.
#[derive(Debug)]
struct Said {
    way: Way,
    half: Half,
    header: IcmpHeader,
    is_v6: bool,
    address: Option<IpAddr>,
    quoted: Option<Quoted>,
}

/// The packet that an error is about.
#[derive(Debug, Clone, Copy)]
struct Quoted {
    proto: u8,
    src: IpAddr,
    dst: IpAddr,
    ports: Option<(u16, u16)>,
}

impl Icmp {
    /// Reads a message; `len` is what follows its header, captured or not.
    pub(crate) fn message(
        &mut self,
        way: Way,
        at: Stamp,
        header: &IcmpHeader,
        payload: &[u8],
        len: u32,
        out: &mut Out<'_>,
    ) {
        let is_v6 = out.receiver(way).is_ipv6();
        let quotes = if is_v6 { header.kind < 128 } else { matches!(header.kind, 3 | 4 | 5 | 11 | 12) };
        let said = Said {
            way,
            half: Half { span: Span::at(at), bytes: HEADER_BYTES + u64::from(len) },
            header: *header,
            is_v6,
            address: address(is_v6, header, payload),
            quoted: if quotes { Quoted::read(payload) } else { None },
        };
        let key = header.word;
        match role(is_v6, header.kind) {
            Role::Request => {
                let limit = out.limits().pending_calls;
                if let Some(given_up) = self.waiting.ask((way, key), said, limit) {
                    out.count_dropped_call();
                    emit(Some(&given_up), None, out);
                }
            }
            Role::Reply => {
                let request = self.waiting.answer(&(way.back(), key));
                emit(request.as_ref(), Some(&said), out);
            }
            Role::Alone => emit(Some(&said), None, out),
        }
    }

    /// Nothing more comes.
    pub(crate) fn end(&mut self, out: &mut Out<'_>) {
        while let Some(request) = self.waiting.take() {
            emit(Some(&request), None, out);
        }
    }

    /// Bytes of memory held.
    pub(crate) fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(|_| 0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Request,
    Reply,
    /// An error, or what is answered from elsewhere (router and neighbour discovery).
    Alone,
}

fn role(is_v6: bool, kind: u8) -> Role {
    match (is_v6, kind) {
        (false, 8 | 13 | 15 | 17) | (true, 128) => Role::Request,
        (false, 0 | 14 | 16 | 18) | (true, 129) => Role::Reply,
        _ => Role::Alone,
    }
}

fn emit(request: Option<&Said>, reply: Option<&Said>, out: &mut Out<'_>) {
    let Some(first) = request.or(reply) else { return };
    let (header, is_v6) = (&first.header, first.is_v6);
    let role = role(is_v6, header.kind);
    let quoted = first.quoted;
    let proto = quoted.map(|q| proto_name(q.proto));
    let target = match (quoted, first.address) {
        (Some(q), _) => {
            let port = |port: Option<u16>| port.map_or_else(String::new, |port| format!(" port {port}"));
            let (src_port, dst_port) = (q.ports.map(|p| p.0), q.ports.map(|p| p.1));
            let proto = proto.as_deref().unwrap_or_default();
            Some(format!("{proto} {}{} to {}{}", q.src, port(src_port), q.dst, port(dst_port)))
        }
        (None, address) => address.map(|address| address.to_string()),
    };
    let status = match reply {
        Some(reply) => Some(type_name(is_v6, reply.header.kind)),
        None => code_name(is_v6, header.kind, header.code).map(Cow::Borrowed),
    };
    let name = type_name(is_v6, header.kind);
    let call = Call {
        app_proto: if is_v6 { "icmpv6" } else { "icmp" },
        client: request.map_or(first.way.back(), |said| said.way),
        request: request.map(|said| said.half),
        response: reply.map(|said| said.half),
        method: request.is_some().then_some(&*name),
        target: target.as_deref(),
        status: status.as_deref(),
        error_type: None,
    };
    let is_too_big = (is_v6, header.kind, header.code) == (false, 3, 4) || (is_v6, header.kind) == (true, 2);
    // RFC 1191 section 4: the lower half of the word.
    let mtu = if is_v6 { header.word } else { header.word & 0xffff };
    let row = IcmpRow {
        version: if is_v6 { 6 } else { 4 },
        message_type: header.kind,
        message_type_name: &name,
        message_code: header.code,
        response_type: reply.map(|said| said.header.kind),
        id: header.id,
        sequence: header.id.and(u16::try_from(header.word & 0xffff).ok()),
        mtu: is_too_big.then_some(mtu),
        address: first.address,
        quoted_proto: proto.as_deref(),
        quoted_src_ip: quoted.map(|q| q.src),
        quoted_src_port: quoted.and_then(|q| q.ports).map(|ports| ports.0),
        quoted_dst_ip: quoted.map(|q| q.dst),
        quoted_dst_port: quoted.and_then(|q| q.ports).map(|ports| ports.1),
    };
    if role == Role::Alone { out.emit_one_way::<IcmpBuilder>(&call, row) } else { out.emit::<IcmpBuilder>(&call, row) }
}

/// What a redirect points to, or neighbour discovery is about.
fn address(is_v6: bool, header: &IcmpHeader, payload: &[u8]) -> Option<IpAddr> {
    match (is_v6, header.kind) {
        (false, 5) => Some(IpAddr::V4(header.word.into())),
        (true, 135..=137) => Cursor::new(payload).array::<16>().map(IpAddr::from),
        _ => None,
    }
}

impl Quoted {
    /// An IP header, and the ports behind it if they are there.
    fn read(payload: &[u8]) -> Option<Quoted> {
        let mut cursor = Cursor::new(payload);
        let (proto, src, dst, is_start) = match payload.first()? >> 4 {
            4 => {
                let [first, _, _, _, _, _, fragment, offset, _, proto, _, _] = cursor.array()?;
                let (src, dst) = (cursor.array::<4>()?, cursor.array::<4>()?);
                cursor.take(usize::from(first & 0xf).checked_sub(5)? * 4)?;
                (proto, IpAddr::from(src), IpAddr::from(dst), (fragment & 0x1f, offset) == (0, 0))
            }
            6 => {
                let [_, _, _, _, _, _, proto, _] = cursor.array()?;
                (proto, IpAddr::from(cursor.array::<16>()?), IpAddr::from(cursor.array::<16>()?), true)
            }
            _ => return None,
        };
        let has_ports = is_start && matches!(proto, TCP | UDP | 33 | 132 | 136);
        let ports = cursor.u16().zip(cursor.u16()).filter(|_| has_ports);
        Some(Quoted { proto, src, dst, ports })
    }
}

fn proto_name(proto: u8) -> Cow<'static, str> {
    Cow::Borrowed(match proto {
        1 => "icmp",
        TCP => "tcp",
        UDP => "udp",
        47 => "gre",
        50 => "esp",
        58 => "icmpv6",
        132 => "sctp",
        other => return Cow::Owned(other.to_string()),
    })
}

/// IANA ICMP and ICMPv6 parameters.
fn type_name(is_v6: bool, kind: u8) -> Cow<'static, str> {
    Cow::Borrowed(match (is_v6, kind) {
        (false, 0) | (true, 129) => "Echo Reply",
        (false, 3) | (true, 1) => "Destination Unreachable",
        (false, 4) => "Source Quench",
        (false, 5) | (true, 137) => "Redirect",
        (false, 8) | (true, 128) => "Echo Request",
        (false, 9) | (true, 134) => "Router Advertisement",
        (false, 10) | (true, 133) => "Router Solicitation",
        (false, 11) | (true, 3) => "Time Exceeded",
        (false, 12) | (true, 4) => "Parameter Problem",
        (false, 13) => "Timestamp Request",
        (false, 14) => "Timestamp Reply",
        (false, 15) => "Information Request",
        (false, 16) => "Information Reply",
        (false, 17) => "Address Mask Request",
        (false, 18) => "Address Mask Reply",
        (true, 2) => "Packet Too Big",
        (true, 130) => "Multicast Listener Query",
        (true, 131) => "Multicast Listener Report",
        (true, 132) => "Multicast Listener Done",
        (true, 135) => "Neighbor Solicitation",
        (true, 136) => "Neighbor Advertisement",
        (true, 143) => "Multicast Listener Report v2",
        (_, other) => return Cow::Owned(format!("Type {other}")),
    })
}

/// Codes of errors.
fn code_name(is_v6: bool, kind: u8, code: u8) -> Option<&'static str> {
    Some(match (is_v6, kind, code) {
        (false, 3, 0) => "Network Unreachable",
        (false, 3, 1) => "Host Unreachable",
        (false, 3, 2) => "Protocol Unreachable",
        (false, 3, 3) | (true, 1, 4) => "Port Unreachable",
        (false, 3, 4) => "Fragmentation Needed",
        (false, 3, 5) => "Source Route Failed",
        (false, 3, 6) => "Network Unknown",
        (false, 3, 7) => "Host Unknown",
        (false, 3, 9) => "Network Prohibited",
        (false, 3, 10) => "Host Prohibited",
        (false, 3, 13) => "Communication Prohibited",
        (false, 5, 0) => "For Network",
        (false, 5, 1) => "For Host",
        (false, 11, 0) => "Time To Live Exceeded",
        (false, 11, 1) | (true, 3, 1) => "Reassembly Time Exceeded",
        (true, 1, 0) => "No Route",
        (true, 1, 1) => "Communication Prohibited",
        (true, 1, 2) => "Beyond Scope",
        (true, 1, 3) => "Address Unreachable",
        (true, 1, 5) => "Source Policy Failed",
        (true, 1, 6) => "Route Rejected",
        (true, 3, 0) => "Hop Limit Exceeded",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::{
        flow::testing::icmp,
        l7::testing::{Capture, Row, select},
    };

    /// A message: sender, receiver, type, code, second word of the header, what follows it.
    type Message<'a> = (&'a str, &'a str, u8, u8, u32, &'a [u8]);

    /// The rows of messages, after proving that nothing is held at the end whichever of them, or which end's, are missing.
    fn rows(messages: &[Message<'_>]) -> Vec<Row> {
        for n in 0..messages.len() {
            let (src, ..) = messages[n];
            play(messages.iter().enumerate().filter(|(at, _)| *at != n).map(|(_, message)| message));
            play(&messages[n..]);
            play(messages.iter().filter(|message| message.0 == src));
        }
        play(messages)
    }

    fn play<'a>(messages: impl IntoIterator<Item = &'a Message<'a>>) -> Vec<Row> {
        let mut capture = Capture::new();
        for (ms, (src, dst, kind, code, word, payload)) in messages.into_iter().enumerate() {
            let has_id = matches!(kind, 0 | 8 | 13..=18 | 128 | 129);
            let id = u16::try_from(word >> 16).unwrap();
            let mut packet = icmp(src, dst, *kind, *code, has_id.then_some(id));
            packet.icmp.as_mut().unwrap().word = *word;
            packet.payload = payload;
            packet.payload_len = Some(u32::try_from(payload.len()).unwrap());
            capture.show_packet(ms, &packet);
        }
        let (rows, counters) = capture.end();
        assert_eq!(counters.pending_bytes, 0, "nothing is held at the end");
        rows
    }

    const COLUMNS: [&str; 9] =
        ["app_proto", "method", "status", "error_type", "id", "sequence", "latency_ns", "request_bytes", "src_ip"];

    /// Proves that echoes are paired by identifier and sequence number, in both families, also without payload, and that halves say so.
    #[test]
    fn an_echo_and_its_reply_are_one_row() {
        let (a, b) = ("10.0.0.1", "10.0.0.2");
        let (c, d) = ("fe80::1", "fe80::2");
        let said = rows(&[
            (a, b, 8, 0, 7 << 16 | 1, b"x"),
            (a, b, 8, 0, 7 << 16 | 2, b""),
            (b, a, 0, 0, 7 << 16 | 2, b""),
            (b, a, 0, 0, 7 << 16 | 1, b"x"),
            (c, d, 128, 0, 9 << 16 | 1, b""),
            (d, c, 129, 0, 8 << 16 | 1, b""),
        ]);
        let expected = [
            ["icmp", "Echo Request", "Echo Reply", "", "7", "2", "1000000", "8", "10.0.0.1"],
            ["icmp", "Echo Request", "Echo Reply", "", "7", "1", "3000000", "9", "10.0.0.1"],
            ["icmpv6", "", "Echo Reply", "no_request", "8", "1", "", "", "fe80::1"],
            ["icmpv6", "Echo Request", "", "no_response", "9", "1", "", "8", "fe80::1"],
        ];
        assert_eq!(select(&said, &COLUMNS), expected);
    }

    /// Proves that errors are whole, and say which flow they are about, as far as what they quote goes.
    #[test]
    fn an_error_quotes_its_flow() {
        let v4 =
            [&[0x46, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 9][..], &[0; 4], &[0x9c, 0x40, 0, 53]]
                .concat();
        let v6 = [&[0x60, 0, 0, 0, 0, 8, 6, 64][..], &[0xfe; 16], &[0xfd; 16], &[1, 0, 0, 80]].concat();
        let (a, b) = ("10.0.0.1", "10.0.0.2");
        let said = rows(&[
            (b, a, 3, 3, 0, &v4),
            (b, a, 3, 4, 1400, &v4[..20]),
            (b, a, 11, 0, 0, &v4[..24]),
            ("fe80::2", "fe80::1", 2, 0, 1280, &v6),
            (b, a, 5, 1, 0x0a00_00fe, b"\x4f"),
            ("fe80::2", "ff02::1", 135, 0, 0, &[0xfe; 16]),
        ]);
        let columns = ["method", "status", "error_type", "target", "mtu", "quoted_proto", "quoted_dst_port"];
        let unreachable = "Destination Unreachable";
        let to = "udp 10.0.0.1 port 40000 to 10.0.0.9 port 53";
        let target = "fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe";
        let to_v6 = format!("tcp {target} port 256 to {} port 80", target.replace("fefe", "fdfd"));
        let mut expected = [
            [unreachable, "Port Unreachable", "", to, "", "udp", "53"],
            [unreachable, "Fragmentation Needed", "", "", "1400", "", ""],
            ["Time Exceeded", "Time To Live Exceeded", "", "udp 10.0.0.1 to 10.0.0.9", "", "udp", ""],
            ["Packet Too Big", "", "", &to_v6, "1280", "tcp", "80"],
            ["Redirect", "For Host", "", "10.0.0.254", "", "", ""],
            ["Neighbor Solicitation", "", "", target, "", "", ""],
        ];
        let mut said = select(&said, &columns);
        said.sort();
        expected.sort();
        assert_eq!(said, expected);
    }
}
