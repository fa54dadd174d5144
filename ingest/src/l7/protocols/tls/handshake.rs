//! What two ends say of a handshake before it is encrypted, message by message: the same over TLS, DTLS and QUIC.

use super::{
    bytes::Bytes,
    certificate::Chain,
    ciphers,
    hello::{ClientHello, ServerHello, extension},
};

/// Bytes of a message at most. Certificate chains of a few kilobytes are usual; a direction with a longer message is not read
/// further.
const MAX_MESSAGE_BYTES: usize = 128 << 10;

/// Types of messages (IANA TLS HandshakeType).
mod kind {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const DRAFT_HELLO_RETRY: u8 = 6;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
}

/// What is known of a handshake.
#[derive(Debug, Default)]
pub(crate) struct Handshake {
    pub(crate) client: Option<Box<ClientHello>>,
    /// The server's last word: of two hellos, the second.
    pub(crate) server: Option<Box<ServerHello>>,
    /// The server asked for another client hello.
    pub(crate) retried: bool,
    pub(crate) chain: Option<Box<Chain>>,
    pub(crate) client_certificate_requested: bool,
    /// The server said all of its part of a full handshake before 1.3.
    pub(crate) server_done: bool,
    /// The group of a key exchange before 1.3.
    group: Option<u16>,
    /// Some message could not be read.
    pub(crate) malformed: bool,
    /// The part that is encrypted from 1.3 on was opened.
    pub(crate) is_opened: bool,
}

impl Handshake {
    /// Takes in a client hello in the form of SSL 2.0.
    pub(super) fn hello_v2(&mut self, body: &[u8]) {
        let (hello, whole) = ClientHello::parse_v2(body);
        self.malformed |= !whole;
        self.client.get_or_insert(Box::new(hello));
    }

    /// Takes in a message.
    pub(crate) fn message(&mut self, kind: u8, body: &[u8], datagrams: bool) {
        match kind {
            kind::CLIENT_HELLO => {
                let (hello, whole) = ClientHello::parse(body, datagrams);
                self.malformed |= !whole;
                // The second one differs in what the server asked for only.
                if self.client.is_none() {
                    self.client = Some(Box::new(hello));
                }
            }
            kind::SERVER_HELLO | kind::DRAFT_HELLO_RETRY => {
                let parse =
                    if kind == kind::SERVER_HELLO { ServerHello::parse } else { ServerHello::parse_draft_retry };
                let (hello, whole) = parse(body);
                self.malformed |= !whole;
                self.retried |= hello.is_retry;
                self.server = Some(Box::new(hello));
            }
            kind::CERTIFICATE if self.chain.is_none() && !self.server_done && !self.is_encrypted() => {
                self.chain = Chain::parse(body).map(Box::new);
                // Only a client may have none.
                self.malformed |= self.chain.is_none();
            }
            kind::SERVER_KEY_EXCHANGE => {
                // A named curve (RFC 8422 5.4). Other key exchanges have parameters of other forms here.
                let elliptic = self.server.as_ref().and_then(|s| ciphers::name(s.cipher_suite));
                if let (Some(true), [3, hi, lo, ..]) = (elliptic.map(|name| name.contains("_ECDH")), body) {
                    self.group = Some(u16::from_be_bytes([*hi, *lo]));
                }
            }
            kind::CERTIFICATE_REQUEST => self.client_certificate_requested = true,
            kind::SERVER_HELLO_DONE => self.server_done = true,
            _ => {}
        }
    }

    /// Takes in what a server of 1.3 says of its choices, opened.
    pub(super) fn encrypted_extensions(&mut self, body: Bytes<'_>) {
        self.is_opened = true;
        if let Some(server) = &mut self.server {
            server.alpn = ServerHello::alpn_of(body);
        }
    }

    /// Takes in the certificates of a server of 1.3, opened.
    pub(super) fn encrypted_certificate(&mut self, body: Bytes<'_>) {
        self.chain = Chain::parse_13(body).map(Box::new);
    }

    /// The server's final choice, if it has been made.
    pub(crate) fn chosen(&self) -> Option<&ServerHello> {
        self.server.as_deref().filter(|hello| !hello.is_retry)
    }

    /// Whether all that follows the hellos is encrypted, as from 1.3 on.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.chosen().is_some_and(|hello| matches!(hello.version, 0x0304 | 0x7f00..=0x7fff | 0xfefc))
    }

    /// Whether an earlier session goes on. `None` before that is known. `finished`: the server has begun to encrypt.
    pub(crate) fn is_resumed(&self, finished: bool) -> Option<bool> {
        let chosen = self.chosen()?;
        if self.is_encrypted() {
            return Some(chosen.has(extension::PRE_SHARED_KEY));
        }
        // Without a certificate and the rest of a full handshake.
        if self.server_done || self.chain.is_some() { Some(false) } else { finished.then_some(true) }
    }

    /// The group that the keys are exchanged in.
    pub(crate) fn group(&self) -> Option<u16> {
        self.group.or(self.server.as_ref()?.group)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let server = self.server.as_ref().map_or(0, |s| size_of::<ServerHello>() + s.extensions.capacity() * 2);
        self.client.as_ref().map_or(0, |c| c.size_bytes()) + server + self.chain.as_ref().map_or(0, |c| c.size_bytes())
    }
}

/// One direction's bytes on their way to whole messages.
#[derive(Debug, Default)]
pub(crate) struct MessageBuffer {
    bytes: Vec<u8>,
    /// Those before were handed out.
    start: usize,
    given_up: bool,
}

impl MessageBuffer {
    /// The next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.given_up {
            return;
        }
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message: its type and body.
    pub(crate) fn next(&mut self) -> Option<(u8, &[u8])> {
        let (kind, len) = match self.bytes.get(self.start..)? {
            [kind, a, b, c, ..] => (*kind, u32::from_be_bytes([0, *a, *b, *c]) as usize),
            _ => return None,
        };
        if len > MAX_MESSAGE_BYTES {
            *self = MessageBuffer { given_up: true, ..MessageBuffer::default() };
            return None;
        }
        let (begin, end) = (self.start + 4, self.start + 4 + len);
        if self.bytes.len() < end {
            return None;
        }
        self.start = end;
        self.bytes.get(begin..end).map(|body| (kind, body))
    }

    /// Forgets what is not whole.
    pub(crate) fn clear(&mut self) {
        *self = MessageBuffer::default();
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
