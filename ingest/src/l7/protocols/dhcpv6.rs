//! DHCPv6 (RFC 9915, before it RFC 8415) over UDP. Request and reply have the same transaction id; as clients ask a multicast address
//! and servers answer from their own, they are in two flows and a row each, which `transaction_id` joins.

use std::net::Ipv6Addr;

use wiretape_engine::column::{Symbol, Text, TextList, TextMap, U16, U32};

use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        cursor::Cursor,
        datagrams::Datagrams,
        dissector::End,
        framed::{Frame, Message, Messages},
        out::Out,
        protocol::{Over, Protocol},
        stamp::Stamp,
        text,
    },
};

call_table! {
    /// One row per DHCPv6 message. method is the message's type, target the client's name or DUID, status the status code.
    pub static DHCPV6: "dhcpv6", row Dhcpv6Row, builder Dhcpv6Builder {
        /// Type of the message: solicit, advertise, request, reply, …; of a relayed one, that of the message inside.
        message_type: Symbol,
        /// Id that the messages of an exchange share, 24 bits; NULL where a relayed message is cut.
        transaction_id: Option<U32>,
        /// Relays that the message passed.
        relays: U16,
        /// DUID of the client, in hex.
        client_duid: Option<Text>,
        /// DUID of the server, in hex.
        server_duid: Option<Text>,
        /// Name of the client's host (option 39).
        hostname: Option<Text>,
        /// Addresses and prefixes that are asked for or given, at most 32.
        addresses: Option<TextList>,
        /// Status code (option 13), of the message or of an address in it; NULL without.
        status_code: Option<U16>,
        /// Options of the message, in order, by number; values in hex.
        options: TextMap,
    }
    entry "call" { "dhcpv6" = "true" }
}

/// Bytes of a message that are read: what UDP carries.
const MAX_MESSAGE_BYTES: usize = 65_535;

/// Options kept of a message, and addresses.
const MAX_OPTIONS: usize = 128;
const MAX_ADDRESSES: usize = 32;

/// Relays in relays that are opened (RFC 9915 section 7.6: HOP_COUNT_LIMIT is 8).
const MAX_RELAYS: u16 = 8;

/// Between its ports.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "dhcpv6",
    over: Over::Udp,
    probe: |hint, p| (hint.port(546) || hint.port(547)) && matches!(p, [kind, ..] if type_name(*kind).is_some()),
    dissect: Some(|| Box::new(Datagrams(Dhcpv6))),
    tables: &[(&DHCPV6, || Box::new(Dhcpv6Builder::default()))],
};

/// Nothing is kept between messages.
#[derive(Debug)]
struct Dhcpv6;

#[derive(Debug, Default)]
struct Said {
    kind: &'static str,
    transaction_id: Option<u32>,
    relays: u16,
    client_duid: Option<String>,
    server_duid: Option<String>,
    hostname: Option<String>,
    addresses: Vec<String>,
    status: Option<u16>,
    options: Vec<(String, String)>,
    malformed: bool,
}

const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const ADDRESS: u16 = 5;
const RELAY_MESSAGE: u16 = 9;
const STATUS: u16 = 13;
const PREFIX: u16 = 26;
const NAME: u16 = 39;

impl Said {
    fn parse(bytes: &[u8]) -> Option<Said> {
        let mut said = Said::default();
        let mut cursor = Cursor::new(bytes);
        loop {
            let kind = cursor.u8()?;
            said.kind = type_name(kind)?;
            if !matches!(kind, 12 | 13) {
                break;
            }
            // Hops, link and peer address; the message inside is an option.
            cursor.take(33)?;
            said.relays += 1;
            let inside = relayed(cursor)?;
            if said.relays >= MAX_RELAYS {
                return Some(said);
            }
            cursor = Cursor::new(inside);
        }
        said.transaction_id = Some(cursor.u24()?);
        said.malformed = said.read(cursor).is_none();
        Some(said)
    }

    fn read(&mut self, mut cursor: Cursor<'_>) -> Option<()> {
        while !cursor.is_empty() {
            let (code, value) = option(&mut cursor)?;
            match code {
                CLIENT_ID => self.client_duid = Some(text::hex(value, 130)),
                SERVER_ID => self.server_duid = Some(text::hex(value, 130)),
                STATUS => self.status = self.status.or(Cursor::new(value).u16()),
                NAME => self.hostname = Some(labels(value.get(1..).unwrap_or_default())),
                // Identity associations: an id and for two of them two times, then options of their own.
                3 | 25 => self.association(value.get(12..).unwrap_or_default()),
                4 => self.association(value.get(4..).unwrap_or_default()),
                _ => {}
            }
            if self.options.len() < MAX_OPTIONS {
                self.options.push((code.to_string(), text::hex(value, 1024)));
            }
        }
        Some(())
    }

    fn association(&mut self, bytes: &[u8]) {
        let mut cursor = Cursor::new(bytes);
        while let Some((code, value)) = option(&mut cursor) {
            let address = match (code, value) {
                (ADDRESS, _) => Cursor::new(value).array::<16>().map(|a| Ipv6Addr::from(a).to_string()),
                (PREFIX, [_, _, _, _, _, _, _, _, len, prefix @ ..]) => {
                    Cursor::new(prefix).array::<16>().map(|a| format!("{}/{len}", Ipv6Addr::from(a)))
                }
                (STATUS, _) => {
                    self.status = self.status.or(Cursor::new(value).u16());
                    None
                }
                _ => None,
            };
            self.addresses.extend(address.filter(|_| self.addresses.len() < MAX_ADDRESSES));
        }
    }
}

/// The message that a relay passes on.
fn relayed(mut cursor: Cursor<'_>) -> Option<&[u8]> {
    loop {
        let (code, value) = option(&mut cursor)?;
        if code == RELAY_MESSAGE {
            return Some(value);
        }
    }
}

fn option<'a>(cursor: &mut Cursor<'a>) -> Option<(u16, &'a [u8])> {
    let (code, len) = (cursor.u16()?, cursor.u16()?);
    Some((code, cursor.take(usize::from(len))?))
}

/// A name in the form of DNS, without compression.
fn labels(bytes: &[u8]) -> String {
    let (mut cursor, mut labels) = (Cursor::new(bytes), Vec::new());
    while let Some(len) = cursor.u8().filter(|len| *len > 0) {
        labels.push(text::lossy(cursor.take_some(usize::from(len)), 63));
    }
    labels.join(".")
}

impl Messages for Dhcpv6 {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, _: &[u8]) -> Frame {
        Frame::Garbage
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some(said) = Said::parse(message.bytes) else { return };
        let half = Half { span: message.span, bytes: message.len };
        let is_answer =
            said.kind.ends_with("reply") || matches!(said.kind, "advertise" | "reconfigure" | "dhcpv4_response");
        let status = said.status.map(status_name);
        let addresses = text::refs(&said.addresses);
        let call = Call {
            app_proto: "dhcpv6",
            client: if is_answer { way.back() } else { way },
            request: (!is_answer).then_some(half),
            response: is_answer.then_some(half),
            method: Some(said.kind),
            target: said.hostname.as_deref().or(said.client_duid.as_deref()),
            status,
            error_type: said.malformed.then_some(ErrorType::Malformed),
        };
        let row = Dhcpv6Row {
            message_type: said.kind,
            transaction_id: said.transaction_id,
            relays: said.relays,
            client_duid: said.client_duid.as_deref(),
            server_duid: said.server_duid.as_deref(),
            hostname: said.hostname.as_deref(),
            addresses: Some(addresses.as_slice()).filter(|list| !list.is_empty()),
            status_code: said.status,
            options: &text::pairs(&said.options),
        };
        out.emit_one_way::<Dhcpv6Builder>(&call, row);
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, _: &[u8]) -> bool {
        false
    }

    fn end(&mut self, _: End, _: &mut Out<'_>) {}

    fn size_bytes(&self) -> usize {
        0
    }
}

/// RFC 9915 section 7.3.
fn type_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information_request",
        12 => "relay_forward",
        13 => "relay_reply",
        // RFC 5007, 5460, 7341.
        14 => "lease_query",
        15 => "lease_query_reply",
        16 => "lease_query_done",
        17 => "lease_query_data",
        20 => "dhcpv4_query",
        21 => "dhcpv4_response",
        _ => return None,
    })
}

/// RFC 9915 section 21.13.
fn status_name(code: u16) -> &'static str {
    match code {
        0 => "Success",
        1 => "UnspecFail",
        2 => "NoAddrsAvail",
        3 => "NoBinding",
        4 => "NotOnLink",
        5 => "UseMulticast",
        6 => "NoPrefixAvail",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use crate::l7::testing::{Talk, select};

    fn option(code: u8, value: &[u8]) -> Vec<u8> {
        let len = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[0, code, len[0], len[1]][..], value].concat()
    }

    fn message(kind: u8, options: &[Vec<u8>]) -> Vec<u8> {
        [&[kind, 0, 0, 9][..], &options.concat()].concat()
    }

    const COLUMNS: [&str; 7] = ["method", "target", "status", "error_type", "transaction_id", "relays", "addresses"];

    /// Proves both sides of an exchange, through a relay too, with name, addresses and status.
    #[test]
    fn a_message_is_a_row() {
        let solicit = message(1, &[option(1, &[0, 3, 7]), option(39, b"\0\x04host\x04test\0")]);
        let address = option(5, &[&[0xfd; 16][..], &[0; 8]].concat());
        let prefix = option(26, &[&[0; 8][..], &[56], &[0xfe; 16]].concat());
        let reply = message(
            7,
            &[
                option(1, &[0, 3, 7]),
                option(2, &[9]),
                option(3, &[vec![0; 12], address, option(13, &[0, 2])].concat()),
                option(25, &[vec![0; 12], prefix].concat()),
            ],
        );
        let relayed = [&[12, 0][..], &[0; 32], &option(18, b"eth0"), &option(9, &solicit)].concat();
        let rows = Talk::udp(547).client(&solicit).server(reply).client(relayed).rows();
        let (fd, fe) = (["fdfd"; 8].join(":"), ["fefe"; 8].join(":"));
        let given = format!("[{fd}, {fe}/56]");
        let expected = [
            ["solicit", "host.test", "", "", "9", "0", ""],
            ["reply", "000307", "NoAddrsAvail", "", "9", "0", &given],
            ["solicit", "host.test", "", "", "9", "1", ""],
        ];
        assert_eq!(select(&rows, &COLUMNS), expected);
        assert_eq!(
            (&*rows[0]["options"], &*rows[1]["server_duid"]),
            ("{1: 000307, 39: 0004686f7374047465737400}", "09")
        );
        assert_eq!(rows[1]["src_ip"], "10.0.0.1", "who asked is known");
    }

    /// Proves that options which lie are malformed, and that relays in relays end.
    #[test]
    fn hostile_messages_do_no_harm() {
        let lies = message(1, &[option(1, &[7]), vec![0, 39, 0xff, 0xff, 1]]);
        let relayed = (0..200).fold(message(1, &[]), |inner, _| [&[12, 0][..], &[0; 32], &option(9, &inner)].concat());
        let rows = Talk::udp(547).client(lies).client(relayed).client([1]).rows();
        let expected = [["solicit", "malformed", "0"], ["relay_forward", "", "8"]];
        assert_eq!(select(&rows, &["method", "error_type", "relays"]), expected);
    }
}
