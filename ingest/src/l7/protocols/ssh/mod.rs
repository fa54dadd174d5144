//! SSH (RFC 4253): versions and the negotiation of keys. What follows is encrypted and passed over.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};

use super::tls::{bytes::Bytes, fingerprint::md5_hex};
use crate::{
    flow::{Pair, Way},
    l7::{
        call::{Call, ErrorType, Half},
        dissector::{End, PassedOver},
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Over, Protocol},
        stamp::Stamp,
    },
};
use table::{SSH_TABLE, SshBuilder, SshRow};

mod table;

/// Bytes of a packet that ends must take (RFC 4253 section 6.1), and its length. Longer ones are passed over.
const MAX_PACKET_BYTES: usize = 4 + 35_000;

/// Bytes of a packet that none exceeds in the clear: more is no length.
const MAX_LEN: u32 = 1 << 18;

/// Bytes of a version line, with its end (RFC 4253 section 4.2), and of the lines before it that servers may send.
const MAX_LINE_BYTES: usize = 1024;

/// Lines before the version.
const MAX_LINES: u32 = 64;

/// Methods kept of each list; real ones have a few dozen.
const MAX_METHODS: usize = 256;

/// Numbers of messages (IANA SSH Message Numbers).
mod message {
    pub(super) const DISCONNECT: u8 = 1;
    pub(super) const KEXINIT: u8 = 20;
    pub(super) const NEWKEYS: u8 = 21;
    pub(super) const KEX_INIT: u8 = 30;
    pub(super) const KEX_REPLY: u8 = 31;
    pub(super) const GEX_REPLY: u8 = 33;
    pub(super) const GEX_REQUEST: u8 = 34;
}

/// SSH.
pub(crate) static SSH: Protocol = Protocol {
    name: "ssh",
    over: Over::Tcp,
    probe: |_, p| p.starts_with(b"SSH-2.0-") || p.starts_with(b"SSH-1."),
    dissect: Some(|| Box::new(Framed::new(Connection::default()))),
    tables: &[(&SSH_TABLE, || Box::new(SshBuilder::default()))],
};

/// A connection until it is encrypted.
#[derive(Debug, Default)]
struct Connection {
    sides: Pair<Side>,
    /// Who the client is, once a message has shown it.
    client: Option<Way>,
    host_key: Option<String>,
    outcome: Option<Cow<'static, str>>,
    error_type: Option<ErrorType>,
}

/// What one end says.
#[derive(Debug, Default)]
struct Side {
    half: Option<Half>,
    /// The first packet of it after the other end has spoken.
    answer: Option<Stamp>,
    lines: u32,
    version: Option<String>,
    offer: Option<Offer>,
}

/// The lists of a KEXINIT (RFC 4253 section 7.1), each as it is on the wire.
#[derive(Debug, Default)]
struct Offer {
    kex: String,
    host_keys: String,
    ciphers: [String; 2],
    macs: [String; 2],
    compressions: [String; 2],
}

impl Offer {
    fn parse(body: &[u8]) -> Option<Offer> {
        let mut rest = Bytes(body);
        rest.take(16)?;
        let mut list = || {
            let len = usize::try_from(rest.u32()?).ok()?;
            rest.take(len).map(|names| String::from_utf8_lossy(names).into_owned())
        };
        Some(Offer {
            kex: list()?,
            host_keys: list()?,
            ciphers: [list()?, list()?],
            macs: [list()?, list()?],
            compressions: [list()?, list()?],
        })
    }

    /// The text of HASSH: 0 is client to server, 1 the other way.
    fn hassh(&self, way: usize) -> String {
        let of = |lists: &[String; 2]| lists.get(way).cloned().unwrap_or_default();
        [self.kex.clone(), of(&self.ciphers), of(&self.macs), of(&self.compressions)].join(";")
    }

    fn size_bytes(&self) -> usize {
        let pairs = [&self.ciphers, &self.macs, &self.compressions];
        let paired = pairs.iter().flat_map(|pair| pair.iter()).map(String::capacity).sum::<usize>();
        self.kex.capacity() + self.host_keys.capacity() + paired
    }
}

impl Connection {
    fn count(&mut self, way: Way, message: &Message<'_>) {
        let answers = self.sides.of(way.back()).half.is_some();
        let side = self.sides.of_mut(way);
        if answers {
            side.answer.get_or_insert(message.span.first);
        }
        side.half = Some(match side.half {
            Some(half) => Half { span: half.span.until(message.span.last), bytes: half.bytes + message.len },
            None => Half { span: message.span, bytes: message.len },
        });
    }

    /// The version, or a line before it that is for people.
    fn line(&mut self, way: Way, line: &Message<'_>) {
        let side = self.sides.of_mut(way);
        side.lines += 1;
        if line.bytes.starts_with(b"SSH-") {
            side.version = Some(String::from_utf8_lossy(line.bytes.trim_ascii_end()).into_owned());
            self.count(way, line);
        }
    }

    /// A packet: its length, that of its padding, its message.
    fn packet(&mut self, way: Way, packet: &[u8]) {
        let [_, _, _, _, padding, number, body @ ..] = packet else { return };
        let body = body.get(..body.len().saturating_sub(usize::from(*padding))).unwrap_or_default();
        match *number {
            message::KEXINIT if self.sides.of(way).offer.is_none() => {
                let offer = Offer::parse(body);
                if offer.is_none() {
                    self.error_type = self.error_type.or(Some(ErrorType::Malformed));
                }
                // Extensions and protections that each end announces under a name of its own.
                let says = |name: &str| offer.as_ref().is_some_and(|o| o.kex.split(',').any(|method| method == name));
                if says("ext-info-c") || says("kex-strict-c-v00@openssh.com") {
                    self.client = Some(way);
                } else if says("ext-info-s") || says("kex-strict-s-v00@openssh.com") {
                    self.client = Some(way.back());
                }
                self.sides.of_mut(way).offer = offer;
            }
            message::KEX_INIT | message::GEX_REQUEST => self.client = Some(way),
            message::KEX_REPLY | message::GEX_REPLY => {
                self.client = self.client.or(Some(way.back()));
                self.host_key = host_key(body).or(self.host_key.take());
            }
            message::DISCONNECT => {
                let reason = Bytes(body).u32().unwrap_or(0);
                self.outcome.get_or_insert(disconnect_name(reason));
            }
            message::NEWKEYS => self.outcome = Some(Cow::Borrowed("NEWKEYS")),
            _ => {}
        }
    }

    fn emit(&mut self, error_type: Option<ErrorType>, out: &mut Out<'_>) {
        let Connection { sides, client, host_key, outcome, error_type: broken } = std::mem::take(self);
        // Nothing that both ends say alike tells who the client is: then it is who began.
        let client = client.unwrap_or(Way::Out);
        let (asks, answers) = (sides.of(client), sides.of(client.back()));
        let request = asks.half;
        // A server may speak first: it answers with what it says after the client has spoken.
        let response = answers.half.map(|mut half| {
            if let Some(asked) = request.map(|r| r.span.first)
                && half.span.first.packet_id < asked.packet_id
            {
                half.span.first = answers.answer.filter(|at| at.packet_id > asked.packet_id).unwrap_or(asked);
            }
            half
        });
        let (offer, other) = (asks.offer.as_ref(), answers.offer.as_ref());
        let agreed = |list: fn(&Offer) -> &str| {
            let theirs = list(other?);
            list(offer?).split(',').find(|method| theirs.split(',').any(|m| m == *method))
        };
        let hassh = offer.map(|o| o.hassh(0));
        let hassh_server = other.map(|o| o.hassh(1));
        let call = Call {
            app_proto: "ssh",
            client,
            request,
            response,
            method: Some("KEXINIT"),
            target: answers.version.as_deref(),
            status: outcome.as_deref(),
            error_type: broken.or(error_type.filter(|_| outcome.is_none())),
        };
        out.emit::<SshBuilder>(
            &call,
            SshRow {
                client_version: asks.version.as_deref(),
                server_version: answers.version.as_deref(),
                hassh: hassh.as_deref().map(md5_hex).as_deref(),
                hassh_text: hassh.as_deref(),
                hassh_server: hassh_server.as_deref().map(md5_hex).as_deref(),
                hassh_server_text: hassh_server.as_deref(),
                kex: agreed(|o| &o.kex),
                host_key_algorithm: agreed(|o| &o.host_keys),
                host_key: host_key.as_deref(),
                cipher: agreed(|o| first(&o.ciphers)),
                cipher_back: agreed(|o| second(&o.ciphers)),
                mac: agreed(|o| first(&o.macs)),
                mac_back: agreed(|o| second(&o.macs)),
                compression: agreed(|o| first(&o.compressions)),
                client_kex: &methods(offer.map(|o| o.kex.as_str())),
                client_host_keys: &methods(offer.map(|o| o.host_keys.as_str())),
                client_ciphers: &methods(offer.map(|o| first(&o.ciphers))),
                client_macs: &methods(offer.map(|o| first(&o.macs))),
                server_kex: &methods(other.map(|o| o.kex.as_str())),
                server_host_keys: &methods(other.map(|o| o.host_keys.as_str())),
                server_ciphers: &methods(other.map(|o| second(&o.ciphers))),
                server_macs: &methods(other.map(|o| second(&o.macs))),
            },
        );
    }
}

fn first([out, _]: &[String; 2]) -> &str {
    out
}

fn second([_, back]: &[String; 2]) -> &str {
    back
}

fn methods(list: Option<&str>) -> Vec<&str> {
    list.unwrap_or_default().split(',').filter(|method| !method.is_empty()).take(MAX_METHODS).collect()
}

/// The fingerprint of the key that a reply begins with. `None` if it begins with something else, a prime for example.
fn host_key(body: &[u8]) -> Option<String> {
    let blob = |rest: &mut Bytes<'_>| {
        let len = usize::try_from(rest.u32()?).ok()?;
        rest.take(len).map(<[u8]>::to_vec)
    };
    let key = blob(&mut Bytes(body))?;
    let name = blob(&mut Bytes(&key))?;
    let is_key = ["ssh-", "ecdsa-", "sk-", "rsa-"].iter().any(|family| name.starts_with(family.as_bytes()));
    let mut text = [0; 43];
    STANDARD_NO_PAD.encode_slice(digest(&SHA256, &key), &mut text).ok()?;
    is_key.then(|| format!("SHA256:{}", String::from_utf8_lossy(&text)))
}

/// RFC 4253 section 11.1.
fn disconnect_name(reason: u32) -> Cow<'static, str> {
    const NAMES: [&str; 15] = [
        "HOST_NOT_ALLOWED_TO_CONNECT",
        "PROTOCOL_ERROR",
        "KEY_EXCHANGE_FAILED",
        "RESERVED",
        "MAC_ERROR",
        "COMPRESSION_ERROR",
        "SERVICE_NOT_AVAILABLE",
        "PROTOCOL_VERSION_NOT_SUPPORTED",
        "HOST_KEY_NOT_VERIFIABLE",
        "CONNECTION_LOST",
        "BY_APPLICATION",
        "TOO_MANY_CONNECTIONS",
        "AUTH_CANCELLED_BY_USER",
        "NO_MORE_AUTH_METHODS_AVAILABLE",
        "ILLEGAL_USER_NAME",
    ];
    let at = usize::try_from(reason).ok().and_then(|n| n.checked_sub(1));
    at.and_then(|at| NAMES.get(at)).map_or_else(|| Cow::Owned(reason.to_string()), |name| Cow::Borrowed(*name))
}

impl Messages for Connection {
    const MAX_BYTES: usize = MAX_PACKET_BYTES;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        let side = self.sides.of(way);
        if side.version.is_none() && side.lines < MAX_LINES {
            let searched = head.get(..MAX_LINE_BYTES).unwrap_or(head);
            return match searched.iter().position(|byte| *byte == b'\n') {
                Some(end) => Frame::Is(end as u64 + 1),
                None if head.len() < MAX_LINE_BYTES => Frame::Unknown,
                None => Frame::Garbage,
            };
        }
        let [a, b, c, d, ..] = head else { return Frame::Unknown };
        let len = u32::from_be_bytes([*a, *b, *c, *d]);
        if (2..=MAX_LEN).contains(&len) { Frame::Is(4 + u64::from(len)) } else { Frame::Garbage }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let side = self.sides.of(way);
        if side.version.is_none() && side.lines < MAX_LINES {
            return self.line(way, &message);
        }
        self.count(way, &message);
        self.packet(way, message.bytes);
        if self.outcome.is_some() {
            self.emit(None, out);
            out.hand_over(Box::new(PassedOver));
        }
    }

    fn lost(&mut self, way: Way, _: Stamp, _: &mut Out<'_>) {
        self.error_type = self.error_type.or(Some(ErrorType::Gap));
        // What comes next is no line any more.
        self.sides.of_mut(way).lines = MAX_LINES;
    }

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        let is_number = |number: &u8| (message::KEXINIT..=message::GEX_REQUEST).contains(number);
        matches!(head, [0, 0, 0..=0x88, _, 4..=0xff, number, ..] if is_number(number))
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.emit((end == End::Reset).then_some(ErrorType::Reset), out);
    }

    fn size_bytes(&self) -> usize {
        let side = |way: Way| self.sides.of(way).offer.as_ref().map_or(0, Offer::size_bytes);
        side(Way::Out) + side(Way::In)
    }
}

#[cfg(test)]
mod tests;
