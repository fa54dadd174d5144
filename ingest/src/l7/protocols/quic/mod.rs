//! QUIC (RFC 9000, RFC 9369, drafts from the 23rd on): the first packets of a connection and the TLS handshake in them. What
//! follows is protected with keys that only the ends know, and passed over.

use std::borrow::Cow;

use super::tls::{
    bytes::Bytes,
    fingerprint::{Carrier, hex},
    handshake::{Handshake, MessageBuffer},
    hello::extension,
    names,
    row::{Words, refs},
};
use crate::{
    flow::{Pair, Way},
    l7::{
        call::{Call, ErrorType, Half},
        dissector::{Chunk, Dissector, End, Gap},
        names::NameSource,
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::{Span, Stamp},
    },
};
use keys::Key;
use packet::{Frame, Kind, Packet};
use pieces::Pieces;
use table::{QUIC_TABLE, QuicBuilder, QuicRow};

mod keys;
mod packet;
pub(super) mod pieces;
mod table;

/// Packets that say nothing in the clear, before a handshake is taken to be over whatever was not seen of it.
const MAX_OPAQUE_PACKETS: u32 = 64;

/// Versions with keys kept for one connection: a server may answer in another one than the client's (RFC 9368), and a retry
/// changes the keys.
const MAX_KEYS: usize = 4;

/// Versions kept that a server offers.
const MAX_VERSIONS: usize = 64;

/// Bytes of a close's reason kept.
const MAX_REASON_BYTES: usize = 1024;

/// QUIC.
pub(crate) static QUIC: Protocol = Protocol {
    name: "quic",
    over: Over::Udp,
    probe: is_long_header,
    dissect: Some(|| Box::new(Quic::default())),
    tables: &[(&QUIC_TABLE, || Box::new(QuicBuilder::default()))],
};

/// A long header of a version in use: 1, 2, drafts, Google's (RFC 9000 17.2), or version negotiation.
fn is_long_header(hint: &Hint, p: &[u8]) -> bool {
    let [first, a, b, c, d, dcid_len, rest @ ..] = p else { return false };
    let known = match [*a, *b, *c, *d] {
        [0, 0, 0, 0] => hint.port(443),
        [0, 0, 0, 1] | [0x6b, 0x33, 0x43, 0xcf] | [0xff, 0, 0, _] => first & 0x40 != 0,
        [b'Q' | b'T', b'0', b'4' | b'5' | b'6', _] => true,
        _ => false,
    };
    first & 0x80 != 0 && known && *dcid_len <= 20 && rest.len() > usize::from(*dcid_len)
}

/// The connections of one flow, one after the other.
#[derive(Debug, Default)]
struct Quic {
    connection: Option<Box<Connection>>,
    /// First destination of the connection before: a packet that goes there again is of that one still.
    last: Option<Vec<u8>>,
}

/// A connection whose handshake is not over.
#[derive(Debug)]
struct Connection {
    client: Way,
    /// Some packet could be opened: it is known who the client is.
    is_sure: bool,
    client_version: u32,
    version: u32,
    dcid: Vec<u8>,
    scid: Vec<u8>,
    server_cid: Option<Vec<u8>>,
    /// Of the client's first destination and of that after a retry, by version.
    keys: Vec<(u32, Pair<Key>)>,
    streams: Pair<Stream>,
    handshake: Handshake,
    server_versions: Vec<u32>,
    retry: bool,
    zero_rtt: bool,
    request: Option<Half>,
    response: Option<Half>,
    close: Option<Close>,
    opaque: u32,
}

#[derive(Debug, Default)]
struct Stream {
    pieces: Pieces,
    messages: MessageBuffer,
}

#[derive(Debug)]
struct Close {
    by_client: bool,
    code: u64,
    reason: String,
}

impl Dissector for Quic {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let mut rest = chunk.bytes;
        while let Some((packet, after)) = Packet::parse(rest) {
            rest = after;
            self.packet(chunk.way, chunk.at, &packet, out);
        }
        // What is left has a short header: keys of its own protect it.
        if !rest.is_empty() {
            self.opaque(chunk.way, out);
        }
    }

    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {}

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        let reset = end == End::Reset;
        if let Some(connection) = self.connection.take() {
            connection.emit(reset.then_some(ErrorType::Reset), out);
        }
    }

    fn size_bytes(&self) -> usize {
        self.connection.as_ref().map_or(0, |c| c.size_bytes())
    }
}

impl Quic {
    fn packet(&mut self, way: Way, at: Stamp, packet: &Packet<'_>, out: &mut Out<'_>) {
        if packet.kind == Kind::Handshake {
            return self.opaque(way, out);
        }
        let opened = match &mut self.connection {
            Some(connection) => connection.open(way, packet),
            None => None,
        };
        // Another connection begins, or what is known of this one is wrong: its first packet opens with its own keys.
        let is_known = |dcid: &[u8]| self.last.as_deref() == Some(dcid);
        let sure = self.connection.as_ref().is_some_and(|c| c.is_sure && c.client == way.back());
        if opened.is_none() && packet.kind == Kind::Initial && !is_known(packet.dcid) && !sure {
            let own = keys::derive(packet.version, packet.dcid);
            let payload = own.as_ref().and_then(|keys| keys.out.open(packet.bytes, packet.number_at));
            match (&mut self.connection, payload) {
                // Its destination changes with a retry, and after the first answer.
                (Some(connection), Some(payload)) if connection.is_retried(way, packet) => {
                    connection.keys.truncate(MAX_KEYS - 1);
                    connection.keys.extend(own.map(|keys| (packet.version, keys)));
                    return connection.read(way, at, packet, Some(&payload));
                }
                (_, Some(payload)) => {
                    let mut begun = Connection::new(way, packet, own);
                    begun.is_sure = true;
                    begun.read(way, at, packet, Some(&payload));
                    if let Some(before) = self.connection.replace(Box::new(begun))
                        && before.is_sure
                    {
                        before.emit(None, out);
                    }
                    return;
                }
                (None, None) if self.last.is_none() => {
                    let mut begun = Connection::new(way, packet, own);
                    begun.read(way, at, packet, None);
                    self.connection = Some(Box::new(begun));
                    return;
                }
                _ => {}
            }
        }
        if self.connection.is_none() && self.last.is_none() {
            let by_server = matches!(packet.kind, Kind::Retry | Kind::VersionNegotiation);
            let begun = if by_server {
                Connection::new(way.back(), &Packet { dcid: packet.scid, scid: packet.dcid, ..*packet }, None)
            } else {
                Connection::new(way, packet, None)
            };
            self.connection = Some(Box::new(begun));
        }
        if let Some(connection) = &mut self.connection {
            connection.read(way, at, packet, opened.as_deref());
        }
    }

    /// A packet that is protected with keys of its own. The client's shows that it has the server's hello.
    fn opaque(&mut self, way: Way, out: &mut Out<'_>) {
        let Some(connection) = &mut self.connection else { return };
        connection.opaque += 1;
        let answered = connection.handshake.chosen().is_some() && way == connection.client;
        if answered || connection.opaque >= MAX_OPAQUE_PACKETS {
            self.last = Some(connection.dcid.clone());
            if let Some(connection) = self.connection.take() {
                connection.emit(None, out);
            }
        }
    }
}

impl Connection {
    fn new(client: Way, packet: &Packet<'_>, keys: Option<Pair<Key>>) -> Connection {
        Connection {
            client,
            is_sure: false,
            client_version: packet.version,
            version: packet.version,
            dcid: packet.dcid.to_vec(),
            scid: packet.scid.to_vec(),
            server_cid: None,
            keys: keys.into_iter().map(|keys| (packet.version, keys)).collect(),
            streams: Pair::default(),
            handshake: Handshake::default(),
            server_versions: Vec::new(),
            retry: false,
            zero_rtt: false,
            request: None,
            response: None,
            close: None,
            opaque: 0,
        }
    }

    /// Whether the client goes on with this packet after a retry.
    fn is_retried(&self, way: Way, packet: &Packet<'_>) -> bool {
        way == self.client && (self.retry || !self.server_versions.is_empty()) && packet.scid == self.scid
    }

    /// The payload of a first packet, if its keys are known.
    fn open(&mut self, way: Way, packet: &Packet<'_>) -> Option<Vec<u8>> {
        if packet.kind != Kind::Initial {
            return None;
        }
        // The server may answer in another version.
        if self.keys.len() < MAX_KEYS && !self.keys.iter().any(|(version, _)| *version == packet.version) {
            self.keys.extend(keys::derive(packet.version, &self.dcid).map(|keys| (packet.version, keys)));
        }
        let fitting = self.keys.iter().rev().filter(|(version, _)| *version == packet.version);
        let mut payloads = fitting.map(|(_, pair)| keys::of(pair, self.client, way));
        let payload = payloads.find_map(|key| key.open(packet.bytes, packet.number_at));
        self.is_sure |= payload.is_some();
        payload
    }

    fn read(&mut self, way: Way, at: Stamp, packet: &Packet<'_>, payload: Option<&[u8]>) {
        let from_client = way == self.client;
        self.count(way, at, packet.bytes.len() as u64);
        match packet.kind {
            Kind::Retry if !from_client => self.retry = true,
            Kind::ZeroRtt if from_client => self.zero_rtt = true,
            Kind::VersionNegotiation => self.server_versions = packet.versions().take(MAX_VERSIONS).collect(),
            Kind::Initial | Kind::Unknown if !from_client => {
                self.version = packet.version;
                self.server_cid = Some(packet.scid.to_vec());
            }
            _ => {}
        }
        let mut frames = Bytes(payload.unwrap_or_default());
        while let Some(frame) = packet::frame(&mut frames) {
            match frame {
                Frame::Crypto { offset, bytes } => self.crypto(way, offset, bytes),
                Frame::Close { code, reason } => {
                    let reason = reason.get(..MAX_REASON_BYTES).unwrap_or(reason);
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    self.close.get_or_insert(Close { by_client: from_client, code, reason });
                }
                Frame::Other => {}
            }
        }
    }

    fn crypto(&mut self, way: Way, offset: u64, bytes: &[u8]) {
        let Connection { streams, handshake, .. } = self;
        let Stream { pieces, messages } = streams.of_mut(way);
        pieces.push(offset, bytes, |bytes| messages.push(bytes));
        while let Some((kind, body)) = messages.next() {
            handshake.message(kind, body, false);
        }
    }

    /// Counts bytes to their half. The request is what the client says before the server has chosen.
    fn count(&mut self, way: Way, at: Stamp, more: u64) {
        let from_client = way == self.client;
        if from_client && self.handshake.chosen().is_some() {
            return;
        }
        let half = if from_client { &mut self.request } else { &mut self.response };
        *half = Some(match *half {
            Some(Half { span, bytes }) => Half { span: span.until(at), bytes: bytes.saturating_add(more) },
            None => Half { span: Span::at(at), bytes: more },
        });
    }

    fn emit(self, error_type: Option<ErrorType>, out: &mut Out<'_>) {
        let words = Words::of(&self.handshake, Carrier::Quic);
        let (client, close) = (self.handshake.client.as_deref(), self.close.as_ref());
        let sni = client.and_then(|c| c.sni.as_deref());
        if let (Some(name), None) = (sni, close) {
            out.learn(out.receiver(self.client), name, NameSource::Sni);
        }
        let closed = close.filter(|c| c.code != 0).map(|c| close_name(c.code));
        let malformed = self.handshake.malformed.then_some(ErrorType::Malformed);
        let call = Call {
            app_proto: "quic",
            client: self.client,
            request: self.request,
            response: self.response,
            method: Some("Initial"),
            target: sni,
            status: closed.as_deref().or(words.version_name.as_deref()),
            error_type: malformed.or(error_type.filter(|_| self.response.is_none())),
        };
        let server_versions: Vec<_> = self.server_versions.iter().map(|v| version_name(*v)).collect();
        let offers = |kind: u16| client.map(|c| c.offers(kind));
        out.emit::<QuicBuilder>(
            &call,
            QuicRow {
                version: self.version,
                version_name: &version_name(self.version),
                client_version: self.client_version,
                server_versions: &refs(&server_versions),
                dcid: &hex(&self.dcid),
                scid: &hex(&self.scid),
                server_cid: self.server_cid.as_deref().map(hex).as_deref(),
                retry: self.retry,
                zero_rtt: self.zero_rtt,
                sni,
                tls_version: words.version,
                tls_version_name: words.version_name.as_deref(),
                tls_versions_offered: &refs(&words.versions_offered),
                cipher_suite: words.cipher_suite,
                cipher_suite_name: words.cipher_suite_name.as_deref(),
                cipher_suites: &refs(&words.cipher_suites),
                alpn_offered: &refs(client.map_or(&[], |c| &c.alpn)),
                extensions: &refs(&words.extensions),
                server_extensions: &refs(&words.server_extensions),
                groups: &refs(&words.groups),
                group: words.group.as_deref(),
                resumed: self.handshake.is_resumed(false),
                hello_retry: self.handshake.server.as_ref().map(|_| self.handshake.retried),
                early_data: offers(extension::EARLY_DATA),
                ech: offers(extension::ENCRYPTED_CLIENT_HELLO),
                ja3: words.ja3.as_ref().map(|(hash, _)| hash.as_str()),
                ja3_text: words.ja3.as_ref().map(|(_, text)| text.as_str()),
                ja3s: words.ja3s.as_ref().map(|(hash, _)| hash.as_str()),
                ja3s_text: words.ja3s.as_ref().map(|(_, text)| text.as_str()),
                ja4: words.ja4.as_deref(),
                close_code: close.map(|c| i64::try_from(c.code).unwrap_or(i64::MAX)),
                close_reason: close.map(|c| c.reason.as_str()),
                close_by: close.map(|c| if c.by_client { "client" } else { "server" }),
            },
        );
    }

    fn size_bytes(&self) -> usize {
        let stream = |way: Way| {
            let stream = self.streams.of(way);
            stream.pieces.size_bytes() + stream.messages.size_bytes()
        };
        size_of::<Self>() + self.handshake.size_bytes() + stream(Way::Out) + stream(Way::In)
    }
}

/// The name of a version: 1, 2, draft-29, Google's own four letters.
fn version_name(version: u32) -> Cow<'static, str> {
    let letters = version.to_be_bytes();
    Cow::Owned(match version {
        packet::V2 => "2".to_owned(),
        1..=0xff => version.to_string(),
        0xff00_0000..=0xff00_00ff => format!("draft-{}", version & 0xff),
        _ if letters.iter().all(u8::is_ascii_alphanumeric) => letters.iter().copied().map(char::from).collect(),
        _ => format!("0x{version:08x}"),
    })
}

/// The name of an error (RFC 9000 section 20.1); of one of TLS, that of its alert.
fn close_name(code: u64) -> Cow<'static, str> {
    const NAMES: [&str; 17] = [
        "NO_ERROR",
        "INTERNAL_ERROR",
        "CONNECTION_REFUSED",
        "FLOW_CONTROL_ERROR",
        "STREAM_LIMIT_ERROR",
        "STREAM_STATE_ERROR",
        "FINAL_SIZE_ERROR",
        "FRAME_ENCODING_ERROR",
        "TRANSPORT_PARAMETER_ERROR",
        "CONNECTION_ID_LIMIT_ERROR",
        "PROTOCOL_VIOLATION",
        "INVALID_TOKEN",
        "APPLICATION_ERROR",
        "CRYPTO_BUFFER_EXCEEDED",
        "KEY_UPDATE_ERROR",
        "AEAD_LIMIT_REACHED",
        "NO_VIABLE_PATH",
    ];
    let [alert, ..] = code.to_le_bytes();
    match usize::try_from(code).ok().and_then(|at| NAMES.get(at)) {
        Some(name) => Cow::Borrowed(name),
        None if code >> 8 == 1 => names::alert(alert),
        None if code == 0x11 => Cow::Borrowed("VERSION_NEGOTIATION_ERROR"),
        None => Cow::Owned(format!("0x{code:x}")),
    }
}

#[cfg(test)]
mod tests;
