//! DHCP (RFC 2131, RFC 2132) over UDP, and BOOTP without it. Request and response have the same transaction id.
//!
//! A client without an address asks all and is answered from another address than it asked, which is another flow: those two are a
//! row each, whole, and `transaction_id` joins them. Where client and server have addresses, and between relay and server, they
//! are one row.

use std::net::{IpAddr, Ipv4Addr};

use wiretape_engine::column::{Ip, Mac, Symbol, Text, TextMap, U32};

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
use options::Options;

mod options;
#[cfg(test)]
mod tests;

call_table! {
    /// One row per DHCP message, with its response where that comes back in the same flow. method is the message's type, target the host's name or MAC address, status the response's type.
    pub static DHCP: "dhcp", row DhcpRow, builder DhcpBuilder {
        /// Type of the client's message, or of the server's where that is alone: discover, offer, request, decline, ack, nak, release, inform, …; bootp without one.
        message_type: Symbol,
        /// Type of the server's message: offer, ack, nak, ….
        response_type: Option<Symbol>,
        /// Id that the messages of an exchange share.
        transaction_id: U32,
        /// Hardware address of the client, if it is an Ethernet one.
        client_mac: Option<Mac>,
        /// Address that the client has (ciaddr).
        client_ip: Option<Ip>,
        /// Address that the client asks for (option 50).
        requested_ip: Option<Ip>,
        /// Address that the server gives (yiaddr).
        assigned_ip: Option<Ip>,
        /// Server that offers, or that the client has chosen (option 54).
        server_id: Option<Ip>,
        /// Relay that the messages passed (giaddr).
        relay_ip: Option<Ip>,
        /// Name of the client's host (option 12, or 81 as far as it is text).
        hostname: Option<Text>,
        /// Vendor class of the client (option 60).
        vendor_class: Option<Symbol>,
        /// Lease time that is given, or asked for, seconds (option 51).
        lease_s: Option<U32>,
        /// Message of the server, such as the reason of a nak (option 56).
        message: Option<Text>,
        /// Options of the client's message (of the server's, where that is alone), in order, by name.
        options: TextMap,
        /// Options of the server's message.
        response_options: Option<TextMap>,
    }
    entry "call" { "dhcp" = "true" }
}

/// Bytes of a message that are read: what UDP carries.
const MAX_MESSAGE_BYTES: usize = 65_535;

/// Bytes before the options: the BOOTP header and the magic cookie (RFC 2131 section 2).
const HEADER_BYTES: usize = 236;
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];

/// Over UDP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "dhcp",
    over: Over::Udp,
    probe: |_: &Hint, p| matches!(p, [1 | 2, ..]) && p.get(HEADER_BYTES..HEADER_BYTES + 4) == Some(&COOKIE),
    dissect: Some(|| Box::new(Datagrams(Dhcp::default()))),
    tables: &[(&DHCP, || Box::new(DhcpBuilder::default()))],
};

/// Requests of one flow that wait, by who sent them and the transaction id.
#[derive(Debug, Default)]
struct Dhcp {
    waiting: Waiting<(Way, u32), Said>,
}

/// What a message says.
#[derive(Debug)]
struct Said {
    half: Half,
    way: Way,
    is_request: bool,
    transaction_id: u32,
    mac: Option<[u8; 6]>,
    client_ip: Option<IpAddr>,
    assigned_ip: Option<IpAddr>,
    relay_ip: Option<IpAddr>,
    options: Options,
}

impl Said {
    fn parse(way: Way, message: &Message<'_>) -> Option<Said> {
        let mut cursor = Cursor::new(message.bytes);
        let [op, hardware, hardware_len, _hops] = cursor.array()?;
        let transaction_id = cursor.u32()?;
        let _seconds_and_flags = cursor.u32()?;
        let mut ip = || {
            let address = Ipv4Addr::from(cursor.u32()?);
            Some(Some(address).filter(|address| !address.is_unspecified()).map(IpAddr::V4))
        };
        let (client_ip, assigned_ip, _next_server, relay_ip) = (ip()?, ip()?, ip()?, ip()?);
        let mac: [u8; 6] = cursor.array()?;
        let options = message.bytes.get(HEADER_BYTES + 4..).unwrap_or_default();
        Some(Said {
            half: Half { span: message.span, bytes: message.len },
            way,
            is_request: op == 1,
            transaction_id,
            mac: (hardware == 1 && hardware_len == 6).then_some(mac),
            client_ip,
            assigned_ip,
            relay_ip,
            options: Options::read(options),
        })
    }

    fn kind(&self) -> &'static str {
        self.options.message_type().map_or("bootp", type_name)
    }
}

impl Dhcp {
    fn emit(&self, request: Option<&Said>, response: Option<&Said>, out: &mut Out<'_>) {
        let Some(first) = request.or(response) else { return };
        let find = |name: &str| {
            let of = |said: Option<&'_ Said>| said.and_then(|s| s.options.find(name)).map(str::to_owned);
            of(response).or_else(|| of(request))
        };
        let asked = |name: &str| first.options.find(name);
        let ip = |text: Option<&str>| text.and_then(|text| text.parse::<IpAddr>().ok());
        let hostname = asked("Hostname").or_else(|| asked("Client-FQDN"));
        let mac = first.mac.map(|mac| text::hex(&mac, 6)).map(|hex| colons(&hex));
        let (server_id, lease, said) = (find("Server-Identifier"), find("Lease-Time"), find("Message"));
        let response_options = response.map(|s| text::pairs(&s.options.all));
        let call = Call {
            app_proto: "dhcp",
            client: request.map_or(first.way.back(), |s| s.way),
            request: request.map(|s| s.half),
            response: response.map(|s| s.half),
            method: Some(first.kind()),
            target: hostname.or(mac.as_deref()),
            status: response.map(Said::kind),
            error_type: [request, response]
                .iter()
                .flatten()
                .any(|s| s.options.malformed)
                .then_some(ErrorType::Malformed),
        };
        let row = DhcpRow {
            message_type: first.kind(),
            response_type: response.map(Said::kind),
            transaction_id: first.transaction_id,
            client_mac: first.mac,
            client_ip: first.client_ip,
            requested_ip: ip(asked("Requested-IP")),
            assigned_ip: response.and_then(|s| s.assigned_ip),
            server_id: ip(server_id.as_deref()),
            relay_ip: first.relay_ip,
            hostname,
            vendor_class: asked("Vendor-Class"),
            lease_s: lease.and_then(|lease| lease.parse().ok()),
            message: said.as_deref(),
            options: &text::pairs(&first.options.all),
            response_options: response_options.as_deref(),
        };
        let silent = matches!(first.kind(), "release" | "decline");
        if silent || crosses_flows(out) {
            out.emit_one_way::<DhcpBuilder>(&call, row)
        } else {
            out.emit::<DhcpBuilder>(&call, row)
        }
    }
}

/// Whether an end of this flow is nobody or everybody: what belongs together is in two flows then.
fn crosses_flows(out: &Out<'_>) -> bool {
    [Way::Out, Way::In].iter().any(|way| match out.receiver(*way) {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    })
}

/// A MAC address as people write it.
fn colons(hex: &str) -> String {
    hex.char_indices()
        .flat_map(|(at, digit)| (at > 0 && at % 2 == 0).then_some(':').into_iter().chain([digit]))
        .collect()
}

impl Messages for Dhcp {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;

    fn frame(&mut self, _: Way, _: &[u8]) -> Frame {
        Frame::Garbage
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some(said) = Said::parse(way, &message) else { return };
        if !said.is_request {
            let request = self.waiting.answer(&(way.back(), said.transaction_id));
            return self.emit(request.as_ref(), Some(&said), out);
        }
        if matches!(said.kind(), "release" | "decline") || crosses_flows(out) {
            return self.emit(Some(&said), None, out);
        }
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask((way, said.transaction_id), said, limit) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, out);
        }
    }

    fn lost(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn begins(&self, _: Way, _: &[u8]) -> bool {
        false
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(request) = self.waiting.take() {
            self.emit(Some(&request), None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.waiting.size_bytes(|said| text::map_size_bytes(&said.options.all))
    }
}

/// RFC 2132 section 9.6 and its successors (RFC 3203, 4388, 6926, 7724).
fn type_name(kind: u8) -> &'static str {
    match kind {
        1 => "discover",
        2 => "offer",
        3 => "request",
        4 => "decline",
        5 => "ack",
        6 => "nak",
        7 => "release",
        8 => "inform",
        9 => "force_renew",
        10 => "lease_query",
        11 => "lease_unassigned",
        12 => "lease_unknown",
        13 => "lease_active",
        _ => "other",
    }
}
