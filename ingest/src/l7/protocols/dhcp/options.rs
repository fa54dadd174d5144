//! DHCP options: a code, a length, a value (RFC 2132 section 2).

use std::net::Ipv4Addr;

use crate::l7::{cursor::Cursor, text};

/// Options kept of a message; those in use have some twenty.
const MAX_OPTIONS: usize = 128;

/// The options of a message as text.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) all: Vec<(String, String)>,
    kind: Option<u8>,
    /// They end in the middle of one.
    pub(super) malformed: bool,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Text,
    /// Of one, two or four bytes.
    Number,
    /// One or several.
    Ips,
    /// One byte each.
    Numbers,
    Octets,
}

impl Options {
    pub(super) fn read(bytes: &[u8]) -> Options {
        let (mut options, mut cursor) = (Options::default(), Cursor::new(bytes));
        while let Some(code) = cursor.u8() {
            match code {
                0 => continue,
                255 => break,
                _ => {}
            }
            let Some(value) = cursor.u8().and_then(|len| cursor.take(usize::from(len))) else {
                options.malformed = true;
                break;
            };
            if code == 53 {
                options.kind = value.first().copied();
            }
            if options.all.len() >= MAX_OPTIONS {
                break;
            }
            let (name, is) = known(code);
            let name = name.map_or_else(|| format!("Option-{code}"), str::to_owned);
            // Flags and two results come before the name, which is in the form of DNS if the third bit is set (RFC 4702).
            let value = match (code, value) {
                (81, [flags, _, _, name @ ..]) if flags & 4 == 0 => Value::Text.show(name),
                (81, [_, _, _, name @ ..]) => labels(name),
                _ => is.show(value),
            };
            options.all.push((name, value));
        }
        options
    }

    pub(super) fn message_type(&self) -> Option<u8> {
        self.kind
    }

    /// The value of the first option of this name, unless it is empty.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

/// A name in the form of DNS, without compression.
fn labels(bytes: &[u8]) -> String {
    let (mut cursor, mut name) = (Cursor::new(bytes), String::new());
    while let Some(label) = cursor.u8().filter(|len| *len > 0).map(|len| cursor.take_some(usize::from(len))) {
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&text::lossy(label, label.len()));
    }
    name
}

impl Value {
    fn show(self, value: &[u8]) -> String {
        match (self, value) {
            (Value::Text, _) => text::lossy(value, value.len()).trim_end_matches('\0').to_owned(),
            (Value::Number, [a]) => a.to_string(),
            (Value::Number, [a, b]) => u16::from_be_bytes([*a, *b]).to_string(),
            (Value::Number, [a, b, c, d]) => u32::from_be_bytes([*a, *b, *c, *d]).to_string(),
            (Value::Ips, _) if value.len().is_multiple_of(4) => {
                let ip = |four: &[u8]| <[u8; 4]>::try_from(four).map(|four| Ipv4Addr::from(four).to_string());
                value.chunks_exact(4).filter_map(|four| ip(four).ok()).collect::<Vec<_>>().join(",")
            }
            (Value::Numbers, _) => value.iter().map(u8::to_string).collect::<Vec<_>>().join(","),
            _ => text::hex(value, value.len()),
        }
    }
}

/// RFC 2132 and its successors, as far as they are in common use.
fn known(code: u8) -> (Option<&'static str>, Value) {
    use Value::{Ips, Number, Numbers, Octets, Text};
    let (name, value) = match code {
        1 => ("Subnet-Mask", Ips),
        2 => ("Time-Offset", Number),
        3 => ("Router", Ips),
        4 => ("Time-Server", Ips),
        6 => ("Domain-Server", Ips),
        7 => ("Log-Server", Ips),
        12 => ("Hostname", Text),
        15 => ("Domain-Name", Text),
        17 => ("Root-Path", Text),
        26 => ("Interface-MTU", Number),
        28 => ("Broadcast-Address", Ips),
        33 => ("Static-Route", Ips),
        42 => ("NTP-Servers", Ips),
        43 => ("Vendor-Specific", Octets),
        44 => ("NetBIOS-Name-Server", Ips),
        46 => ("NetBIOS-Node-Type", Number),
        50 => ("Requested-IP", Ips),
        51 => ("Lease-Time", Number),
        52 => ("Overload", Number),
        53 => ("Message-Type", Number),
        54 => ("Server-Identifier", Ips),
        55 => ("Parameter-List", Numbers),
        56 => ("Message", Text),
        57 => ("Max-Message-Size", Number),
        58 => ("Renewal-Time", Number),
        59 => ("Rebinding-Time", Number),
        60 => ("Vendor-Class", Text),
        61 => ("Client-Identifier", Octets),
        66 => ("TFTP-Server", Text),
        67 => ("Bootfile", Text),
        77 => ("User-Class", Octets),
        81 => ("Client-FQDN", Octets),
        82 => ("Relay-Agent", Octets),
        93 => ("Client-Architecture", Number),
        108 => ("IPv6-Only-Preferred", Number),
        114 => ("Captive-Portal", Text),
        116 => ("Auto-Configure", Number),
        119 => ("Domain-Search", Octets),
        121 => ("Classless-Static-Route", Octets),
        125 => ("Vendor-Identifying", Octets),
        150 => ("TFTP-Server-Address", Ips),
        252 => ("Proxy-Autodiscovery", Text),
        _ => return (None, Octets),
    };
    (Some(name), value)
}
