//! DNS (RFC 1035), also as multicast DNS (RFC 6762) and LLMNR (RFC 4795), over UDP and TCP. Names, compression and record
//! types are read by `simple-dns`; what it does not accept is mended where it can be ([`mended`]), and otherwise gives a row with what
//! the header and the questions say.

use std::{borrow::Cow, net::IpAddr};

use simple_dns::{Packet, PacketFlag, RCODE, ResourceRecord, rdata::RData};
use wiretape_engine::column::{Bool, Symbol, TextList, U16, U32};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::{Chunk, Dissector, End, Gap},
        framed::{Frame, Framed, Message, Messages},
        names::NameSource,
        out::Out,
        protocol::{Over, Protocol},
        stamp::{Span, Stamp},
        waiting::Waiting,
    },
};

mod mended;
mod records;

use mended::Mended;

call_table! {
    /// One row per DNS query with its response. method is the question's type, target its name, status the response code.
    pub static DNS: "dns", row DnsRow, builder DnsBuilder {
        /// Message id.
        query_id: U16,
        /// What kind of query: QUERY, IQUERY, STATUS, NOTIFY, UPDATE.
        opcode: Symbol,
        /// Response code as a number (IANA DNS RCODEs); NULL without a response.
        rcode: Option<U16> [row_index()],
        /// Names asked for.
        questions: TextList,
        /// Their types: A, AAAA, MX, …; TYPE<n> for one without a name (RFC 3597).
        question_types: TextList,
        /// The data of each answer: addresses, names, texts.
        answers: TextList,
        /// The type of each answer.
        answer_types: TextList,
        /// The name that each answer is for.
        answer_names: TextList,
        /// Smallest time to live of the answers, seconds; NULL without answers.
        answer_ttl: Option<U32>,
        /// Number of records in the authority section of the response.
        authority_count: Option<U16>,
        /// Number of records in its additional section.
        additional_count: Option<U16>,
        /// The response is authoritative (AA).
        authoritative: Option<Bool>,
        /// The response was cut to fit a datagram (TC).
        truncated: Option<Bool>,
        /// Recursion was desired (RD).
        recursion_desired: Option<Bool>,
        /// Recursion is available (RA).
        recursion_available: Option<Bool>,
        /// The server has checked the answer by DNSSEC (AD).
        authentic_data: Option<Bool>,
        /// UDP payload size that the client takes (EDNS, RFC 6891); NULL without EDNS.
        edns_udp_size: Option<U16>,
        /// Client subnet of the query (RFC 7871), as address/prefix; NULL without.
        edns_client_subnet: Option<Symbol>,
    }
    entry "call" {
        "dns" = "true",
        "dns_questions" = "questions",
        "dns_answers" = "answers",
        "dns_question_types" = "question_types",
        "dns_request" = "request_bytes IS NOT NULL",
        "dns_response" = "response_bytes IS NOT NULL",
        "dns_request_length" = "request_bytes",
        "dns_response_length" = "response_bytes",
        "dns_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
        "status_code" = "rcode",
        "dns_rcode" = "rcode",
    }
}

/// Bytes of a message at most: what its length over TCP can say (RFC 1035 4.2.2), with that length.
const MAX_MESSAGE_BYTES: usize = 2 + 65_535;

/// Names, records and answers kept of a message. A response over TCP may have thousands.
const MAX_RECORDS: usize = 256;

/// The EDNS option of the client subnet (RFC 7871 section 6).
const CLIENT_SUBNET: u16 = 8;

/// Bytes of a question, and of a record, at least: a message that promises more of them than fit is not looked at further.
const MIN_QUESTION_BYTES: usize = 5;
const MIN_RECORD_BYTES: usize = 11;

/// Over UDP and port 53.
pub(crate) static DNS_UDP: Protocol = Protocol {
    name: "dns",
    over: Over::Udp,
    probe: |hint, p| hint.port(53) && is_header(p),
    dissect: Some(|| Box::new(Datagrams(Dns::new("dns")))),
    tables: &[(&DNS, || Box::new(DnsBuilder::default()))],
};

/// Over TCP and port 53.
pub(crate) static DNS_TCP: Protocol = Protocol {
    name: "dns",
    over: Over::Tcp,
    probe: |hint, p| hint.port(53) && p.get(2..).is_some_and(is_header),
    dissect: Some(|| Box::new(Framed::new(Dns::new("dns")))),
    tables: &[],
};

/// Multicast DNS.
pub(crate) static MDNS: Protocol = Protocol {
    name: "mdns",
    // A resolver asks its server from any port.
    probe: |hint, p| hint.port(5353) && !hint.port(53) && is_header(p),
    dissect: Some(|| Box::new(Datagrams(Dns::new("mdns")))),
    tables: &[],
    ..DNS_UDP_SHAPE
};

/// Link-local multicast name resolution.
pub(crate) static LLMNR: Protocol = Protocol {
    name: "llmnr",
    probe: |hint, p| hint.port(5355) && is_header(p),
    dissect: Some(|| Box::new(Datagrams(Dns::new("llmnr")))),
    tables: &[],
    ..DNS_UDP_SHAPE
};

const DNS_UDP_SHAPE: Protocol = Protocol::named("", Over::Udp, |_, _| false);

/// A DNS header that makes sense (RFC 1035 4.1.1): a known opcode, reserved bit clear, few of everything.
fn is_header(p: &[u8]) -> bool {
    let Some((header, rest)) = p.split_at_checked(12) else { return false };
    let [_, _, flags, codes, q0, q1, a0, a1, n0, n1, r0, r1] = header else { return false };
    let [questions, answers, authorities, additionals] =
        [[*q0, *q1], [*a0, *a1], [*n0, *n1], [*r0, *r1]].map(u16::from_be_bytes);
    let opcode = (flags >> 3) & 0xf;
    let is_reply = flags & 0x80 != 0;
    matches!(opcode, 0 | 1 | 2 | 4 | 5 | 6)
        && codes & 0x40 == 0
        && questions <= 32
        && answers.max(authorities).max(additionals) <= 1024
        && (is_reply || questions > 0 || answers > 0 || opcode == 6)
        && (!rest.is_empty() || questions == 0)
}

/// Queries and responses of one flow.
#[derive(Debug)]
struct Dns {
    app_proto: &'static str,
    waiting: Waiting<u16, Query>,
}

/// A query that waits.
#[derive(Debug)]
struct Query {
    way: Way,
    half: Half,
    said: Said,
}

/// What a message says.
#[derive(Debug, Default)]
struct Said {
    id: u16,
    is_response: bool,
    opcode: &'static str,
    rcode: u16,
    flags: u16,
    questions: Vec<String>,
    question_types: Vec<String>,
    answers: Vec<Answer>,
    authority_count: u16,
    additional_count: u16,
    edns_udp_size: Option<u16>,
    edns_client_subnet: Option<String>,
    malformed: bool,
}

#[derive(Debug)]
struct Answer {
    name: String,
    kind: String,
    data: String,
    ttl: u32,
    ip: Option<IpAddr>,
}

impl Dns {
    fn new(app_proto: &'static str) -> Dns {
        Dns { app_proto, waiting: Waiting::default() }
    }

    fn read(&mut self, way: Way, span: Span, bytes: &[u8], len: u64, out: &mut Out<'_>) {
        let Some(said) = Said::parse(bytes) else { return };
        let half = Half { span, bytes: len };
        if !said.is_response {
            let limit = out.limits().pending_calls;
            let given_up = self.waiting.ask(said.id, Query { way, half, said }, limit);
            if let Some(query) = given_up {
                out.count_dropped_call();
                self.emit(Some(query), None, out);
            }
            return;
        }
        for answer in &said.answers {
            // The name that was asked for, also where aliases lie between it and the address.
            let name = said.questions.first().unwrap_or(&answer.name);
            if let Some(ip) = answer.ip {
                out.learn(ip, name, NameSource::Dns);
            }
        }
        // Multicast responses answer nobody's id.
        let query = if self.app_proto == "mdns" { None } else { self.waiting.answer(&said.id) };
        self.emit(query, Some((way, half, said)), out);
    }

    fn emit(&self, query: Option<Query>, response: Option<(Way, Half, Said)>, out: &mut Out<'_>) {
        let asked = query.as_ref().map(|q| &q.said);
        let answered = response.as_ref().map(|(_, _, said)| said);
        let Some(first) = asked.or(answered) else { return };
        let rcode = answered.map(|said| rcode_name(said.rcode));
        let malformed = asked.is_some_and(|s| s.malformed) || answered.is_some_and(|s| s.malformed);
        let client = query.as_ref().map(|q| q.way).or(response.as_ref().map(|(way, ..)| way.back()));
        let call = Call {
            app_proto: self.app_proto,
            client: client.unwrap_or(Way::Out),
            request: query.as_ref().map(|q| q.half),
            response: response.as_ref().map(|(_, half, _)| *half),
            method: first.question_types.first().map(String::as_str),
            target: first.questions.first().map(String::as_str),
            status: rcode.as_deref(),
            error_type: malformed.then_some(ErrorType::Malformed),
        };
        let answers: &[Answer] = answered.map_or(&[], |said| &said.answers);
        let flag = |bit: PacketFlag| answered.map(|said| said.flags & bit.bits() != 0);
        out.emit::<DnsBuilder>(
            &call,
            DnsRow {
                query_id: first.id,
                opcode: first.opcode,
                rcode: answered.map(|said| said.rcode),
                questions: &refs(&first.questions),
                question_types: &refs(&first.question_types),
                answers: &answers.iter().map(|a| a.data.as_str()).collect::<Vec<_>>(),
                answer_types: &answers.iter().map(|a| a.kind.as_str()).collect::<Vec<_>>(),
                answer_names: &answers.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(),
                answer_ttl: answers.iter().map(|a| a.ttl).min(),
                authority_count: answered.map(|said| said.authority_count),
                additional_count: answered.map(|said| said.additional_count),
                authoritative: flag(PacketFlag::AUTHORITATIVE_ANSWER),
                truncated: flag(PacketFlag::TRUNCATION),
                recursion_desired: Some(first.flags & PacketFlag::RECURSION_DESIRED.bits() != 0),
                recursion_available: flag(PacketFlag::RECURSION_AVAILABLE),
                authentic_data: flag(PacketFlag::AUTHENTIC_DATA),
                edns_udp_size: first.edns_udp_size,
                edns_client_subnet: first.edns_client_subnet.as_deref(),
            },
        );
    }
}

fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

impl Said {
    /// What a message says: of one that cannot be read, what its header does. `None` without a header.
    fn parse(bytes: &[u8]) -> Option<Said> {
        let [i0, i1, f0, f1, q0, q1, a0, a1, n0, n1, r0, r1, rest @ ..] = bytes else { return None };
        let flags = u16::from_be_bytes([*f0, *f1]);
        let counts = [[*q0, *q1], [*a0, *a1], [*n0, *n1], [*r0, *r1]].map(u16::from_be_bytes);
        let [questions, answers, authority_count, additional_count] = counts;
        let said = Said {
            id: u16::from_be_bytes([*i0, *i1]),
            is_response: flags & 0x8000 != 0,
            opcode: opcode_name(flags >> 11 & 0xf),
            rcode: flags & 0xf,
            flags,
            authority_count,
            additional_count,
            malformed: true,
            ..Said::default()
        };
        let records = [answers, authority_count, additional_count].map(usize::from).iter().sum::<usize>();
        let least = usize::from(questions) * MIN_QUESTION_BYTES + records * MIN_RECORD_BYTES;
        let parses = |bytes| if least <= rest.len() { Packet::parse(bytes).ok() } else { None };
        if let Some(packet) = parses(bytes) {
            return Some(said.with(&packet));
        }
        let mended = Mended::of(bytes, usize::from(questions).min(MAX_RECORDS), records);
        let said = match parses(&mended.message) {
            Some(packet) => said.with(&packet),
            None => said,
        };
        let (questions, question_types) = mended.questions.into_iter().unzip();
        Some(Said { questions, question_types, ..said })
    }

    fn with(self, packet: &Packet<'_>) -> Said {
        let questions = || packet.questions.iter().take(MAX_RECORDS);
        Said {
            questions: questions().map(|q| q.qname.to_string()).collect(),
            question_types: questions().map(|q| records::question_type(q.qtype)).collect(),
            answers: packet.answers.iter().take(MAX_RECORDS).map(Answer::of).collect(),
            rcode: if packet.rcode() == RCODE::BADVERS { RCODE::BADVERS as u16 } else { self.rcode },
            edns_udp_size: packet.opt().map(|opt| opt.udp_packet_size),
            edns_client_subnet: packet
                .opt()
                .and_then(|opt| opt.opt_codes.iter().find(|o| o.code == CLIENT_SUBNET))
                .and_then(|o| subnet(&o.data)),
            malformed: false,
            ..self
        }
    }
}

impl Answer {
    fn of(record: &ResourceRecord<'_>) -> Answer {
        let ip = match &record.rdata {
            RData::A(a) => Some(IpAddr::V4(a.address.into())),
            RData::AAAA(a) => Some(IpAddr::V6(a.address.into())),
            _ => None,
        };
        Answer {
            name: record.name.to_string(),
            kind: records::type_name(record.rdata.type_code()),
            data: records::data(&record.rdata),
            ttl: record.ttl,
            ip,
        }
    }

    fn size_bytes(&self) -> usize {
        size_of::<Answer>() + self.name.capacity() + self.kind.capacity() + self.data.capacity()
    }
}

/// RFC 7871 section 6: family, prefix length of the source and of the scope, address bytes.
fn subnet(data: &[u8]) -> Option<String> {
    let [0, family, prefix, _, address @ ..] = data else { return None };
    let mut octets = [0; 16];
    octets.iter_mut().zip(address).for_each(|(to, from)| *to = *from);
    let [a, b, c, d, ..] = octets;
    let ip: IpAddr = match family {
        1 => [a, b, c, d].into(),
        2 => octets.into(),
        _ => return None,
    };
    Some(format!("{ip}/{prefix}"))
}

/// IANA DNS OpCodes.
fn opcode_name(opcode: u16) -> &'static str {
    match opcode {
        0 => "QUERY",
        1 => "IQUERY",
        2 => "STATUS",
        4 => "NOTIFY",
        5 => "UPDATE",
        6 => "DSO",
        _ => "UNASSIGNED",
    }
}

/// IANA DNS RCODEs.
fn rcode_name(rcode: u16) -> Cow<'static, str> {
    Cow::Borrowed(match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADVERS",
        other => return Cow::Owned(format!("RCODE{other}")),
    })
}

/// Over UDP: a datagram is a message.
#[derive(Debug)]
struct Datagrams(Dns);

impl Dissector for Datagrams {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        self.0.read(chunk.way, Span::at(chunk.at), chunk.bytes, chunk.bytes.len() as u64, out);
    }

    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {}

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        Messages::end(&mut self.0, end, out);
    }

    fn size_bytes(&self) -> usize {
        Messages::size_bytes(&self.0)
    }
}

/// Over TCP: each message behind its length.
impl Messages for Dns {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        match head {
            [hi, lo, message @ ..] => match u16::from_be_bytes([*hi, *lo]) {
                len if len < 12 || message.len() > 12 && !is_header(message) => Frame::Garbage,
                len => Frame::Is(2 + u64::from(len)),
            },
            _ => Frame::Unknown,
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let bytes = message.bytes.get(2..).unwrap_or_default();
        self.read(way, message.span, bytes, bytes.len() as u64, out);
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        let fits = |len: usize| (12..=head.len()).contains(&len);
        matches!(head, [hi, lo, message @ ..] if fits(usize::from(u16::from_be_bytes([*hi, *lo]))) && is_header(message))
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(query) = self.waiting.take() {
            self.emit(Some(query), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let texts = |t: &[String]| t.iter().map(|s| size_of::<String>() + s.capacity()).sum::<usize>();
        self.waiting.size_bytes(|q| {
            let said = &q.said;
            let answers: usize = said.answers.iter().map(Answer::size_bytes).sum();
            texts(&said.questions) + texts(&said.question_types) + answers
        })
    }
}

#[cfg(test)]
mod tests;
