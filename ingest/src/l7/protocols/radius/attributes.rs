//! Attributes of RADIUS messages: type, length, value (RFC 2865 section 5).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::l7::{cursor::Cursor, text};

pub(super) const USER_NAME: u8 = 1;
pub(super) const NAS_IP: u8 = 4;
pub(super) const NAS_PORT: u8 = 5;
pub(super) const FRAMED_IP: u8 = 8;
pub(super) const REPLY_MESSAGE: u8 = 18;
const VENDOR_SPECIFIC: u8 = 26;
pub(super) const CALLING_STATION_ID: u8 = 31;
pub(super) const NAS_IDENTIFIER: u8 = 32;
pub(super) const ACCT_STATUS_TYPE: u8 = 40;
pub(super) const ACCT_SESSION_ID: u8 = 44;
pub(super) const NAS_IPV6: u8 = 95;

/// An attribute as text.
#[derive(Debug)]
pub(super) struct Attribute {
    /// Its type; 0 for a vendor's.
    kind: u8,
    pub(super) name: String,
    pub(super) value: String,
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
enum Value {
    Text,
    Number,
    Ipv4,
    Ipv6,
    Octets,
}

impl Attribute {
    pub(super) fn is(&self, kind: u8) -> bool {
        self.kind == kind
    }
}

/// The attributes, and whether they fill the message as they should. A message of 4096 bytes has 2038 of them at most.
pub(super) fn read(bytes: &[u8]) -> (Vec<Attribute>, bool) {
    let (mut cursor, mut attributes) = (Cursor::new(bytes), Vec::new());
    while let Some([kind, len]) = cursor.array() {
        let Some(value) = usize::from(len).checked_sub(2).and_then(|len| cursor.take(len)) else {
            return (attributes, false);
        };
        if kind == VENDOR_SPECIFIC {
            vendor(value, &mut attributes);
            continue;
        }
        let (name, is) = known(kind);
        let name = name.map_or_else(|| format!("Attr-{kind}"), str::to_owned);
        let value = if kind == ACCT_STATUS_TYPE { acct_status(value) } else { is.show(value) };
        attributes.push(Attribute { kind, name, value });
    }
    (attributes, cursor.is_empty())
}

/// RFC 2865 section 5.26: an enterprise number, then usually attributes of its own.
fn vendor(value: &[u8], attributes: &mut Vec<Attribute>) {
    let mut cursor = Cursor::new(value);
    let Some(enterprise) = cursor.u32() else { return };
    let all = cursor.rest();
    let before = attributes.len();
    while let Some([kind, len]) = cursor.array() {
        match usize::from(len).checked_sub(2).and_then(|len| cursor.take(len)) {
            Some(value) => attributes.push(Attribute {
                kind: 0,
                name: format!("Vendor-{enterprise}-{kind}"),
                value: text::text_or_hex(value, value.len()),
            }),
            // Not of that form.
            None => {
                attributes.truncate(before);
                let value = text::hex(all, all.len());
                return attributes.push(Attribute { kind: 0, name: format!("Vendor-{enterprise}"), value });
            }
        }
    }
}

pub(super) fn size_bytes(attributes: &[Attribute]) -> usize {
    attributes.iter().map(|a| size_of::<Attribute>() + a.name.capacity() + a.value.capacity()).sum()
}

impl Value {
    fn show(self, value: &[u8]) -> String {
        let number = || <[u8; 4]>::try_from(value).map(u32::from_be_bytes);
        let shown = match self {
            Value::Text => Some(text::lossy(value, value.len())),
            Value::Number => number().ok().map(|n| n.to_string()),
            Value::Ipv4 => number().ok().map(|n| Ipv4Addr::from(n).to_string()),
            Value::Ipv6 => <[u8; 16]>::try_from(value).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
            Value::Octets => None,
        };
        shown.unwrap_or_else(|| text::hex(value, value.len()))
    }
}

/// RFC 2866 section 5.1.
fn acct_status(value: &[u8]) -> String {
    let name = match value {
        [0, 0, 0, 1] => "Start",
        [0, 0, 0, 2] => "Stop",
        [0, 0, 0, 3] => "Interim-Update",
        [0, 0, 0, 7] => "Accounting-On",
        [0, 0, 0, 8] => "Accounting-Off",
        other => return Value::Number.show(other),
    };
    name.to_owned()
}

/// RFC 2865, 2866, 2867, 2868, 2869, 3162, 3576, 4372, 4675, 5090 and 5580, as far as they are in common use.
fn known(kind: u8) -> (Option<&'static str>, Value) {
    use Value::{Ipv4, Ipv6, Number, Octets, Text};
    let (name, value) = match kind {
        USER_NAME => ("User-Name", Text),
        2 => ("User-Password", Octets),
        3 => ("CHAP-Password", Octets),
        NAS_IP => ("NAS-IP-Address", Ipv4),
        NAS_PORT => ("NAS-Port", Number),
        6 => ("Service-Type", Number),
        7 => ("Framed-Protocol", Number),
        FRAMED_IP => ("Framed-IP-Address", Ipv4),
        9 => ("Framed-IP-Netmask", Ipv4),
        10 => ("Framed-Routing", Number),
        11 => ("Filter-Id", Text),
        12 => ("Framed-MTU", Number),
        13 => ("Framed-Compression", Number),
        14 => ("Login-IP-Host", Ipv4),
        15 => ("Login-Service", Number),
        16 => ("Login-TCP-Port", Number),
        REPLY_MESSAGE => ("Reply-Message", Text),
        19 => ("Callback-Number", Text),
        20 => ("Callback-Id", Text),
        22 => ("Framed-Route", Text),
        23 => ("Framed-IPX-Network", Ipv4),
        24 => ("State", Octets),
        25 => ("Class", Octets),
        27 => ("Session-Timeout", Number),
        28 => ("Idle-Timeout", Number),
        29 => ("Termination-Action", Number),
        30 => ("Called-Station-Id", Text),
        CALLING_STATION_ID => ("Calling-Station-Id", Text),
        NAS_IDENTIFIER => ("NAS-Identifier", Text),
        33 => ("Proxy-State", Octets),
        ACCT_STATUS_TYPE => ("Acct-Status-Type", Number),
        41 => ("Acct-Delay-Time", Number),
        42 => ("Acct-Input-Octets", Number),
        43 => ("Acct-Output-Octets", Number),
        ACCT_SESSION_ID => ("Acct-Session-Id", Text),
        45 => ("Acct-Authentic", Number),
        46 => ("Acct-Session-Time", Number),
        47 => ("Acct-Input-Packets", Number),
        48 => ("Acct-Output-Packets", Number),
        49 => ("Acct-Terminate-Cause", Number),
        50 => ("Acct-Multi-Session-Id", Text),
        51 => ("Acct-Link-Count", Number),
        52 => ("Acct-Input-Gigawords", Number),
        53 => ("Acct-Output-Gigawords", Number),
        55 => ("Event-Timestamp", Number),
        60 => ("CHAP-Challenge", Octets),
        61 => ("NAS-Port-Type", Number),
        62 => ("Port-Limit", Number),
        64 => ("Tunnel-Type", Octets),
        65 => ("Tunnel-Medium-Type", Octets),
        77 => ("Connect-Info", Text),
        79 => ("EAP-Message", Octets),
        80 => ("Message-Authenticator", Octets),
        81 => ("Tunnel-Private-Group-ID", Octets),
        85 => ("Acct-Interim-Interval", Number),
        87 => ("NAS-Port-Id", Text),
        88 => ("Framed-Pool", Text),
        89 => ("Chargeable-User-Identity", Octets),
        NAS_IPV6 => ("NAS-IPv6-Address", Ipv6),
        96 => ("Framed-Interface-Id", Octets),
        97 => ("Framed-IPv6-Prefix", Octets),
        101 => ("Error-Cause", Number),
        168 => ("Framed-IPv6-Address", Ipv6),
        _ => return (None, Octets),
    };
    (Some(name), value)
}
