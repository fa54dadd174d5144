//! Recorded connections whose secrets are known: their records are opened, and what is inside is read.

use super::{
    bytes::Bytes,
    connection::{Connection, record},
    handshake::MessageBuffer,
    hello::extension,
};
use crate::{
    flow::{Pair, Way},
    l7::{dissector::End, framed::Message, out::Out, stamp::Stamp},
};
use cipher::{Opener, Suite};
use inner::Inner;

mod cbc;
mod cipher;
mod inner;

/// Records in a row that do not open before a connection is given up: the secrets may be of another one.
const MAX_FAILURES: u32 = 64;

/// The version below 1.3 whose records are opened.
const TLS_12: u16 = 0x0303;

/// Types of messages that are read only when opened (IANA TLS HandshakeType).
mod kind {
    pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;
    pub(super) const FINISHED: u8 = 20;
    pub(super) const KEY_UPDATE: u8 = 24;
}

/// A connection that can be opened.
#[derive(Debug)]
pub(super) struct Opening {
    suite: Suite,
    is_13: bool,
    client: Way,
    sides: Pair<Side>,
    inner: Inner,
    failures: u32,
    /// The packet of the last record.
    last: Option<Stamp>,
}

#[derive(Debug, Default)]
struct Side {
    opener: Option<Opener>,
    /// Of the data that follows the handshake, from TLS 1.3 on.
    secret: Vec<u8>,
    messages: MessageBuffer,
    lost: bool,
}

impl Opening {
    /// `None` where no secrets of the connection are known, or its suite is not opened here.
    pub(super) fn of(connection: &Connection, out: &Out<'_>) -> Option<Opening> {
        let (hello, chosen) = (connection.handshake.client.as_deref()?, connection.handshake.chosen()?);
        let session = out.secrets().of(&hello.random)?;
        let suite = Suite::of(chosen.cipher_suite)?;
        let is_13 = connection.handshake.is_encrypted();
        let [asks, answers] = if is_13 {
            let [client, server] = &session.handshake;
            [suite.opener_13(client), suite.opener_13(server)]
        } else if session.master.is_empty() || chosen.version != TLS_12 {
            return None;
        } else {
            let encrypts_first = chosen.has(extension::ENCRYPT_THEN_MAC);
            suite.openers_12(&session.master, &hello.random, &chosen.random, encrypts_first)?.map(Some)
        };
        let client = connection.client?;
        let mut sides = Pair::<Side>::default();
        let [client_data, server_data] = session.traffic.clone();
        *sides.of_mut(client) = Side { opener: asks, secret: client_data, ..Side::default() };
        *sides.of_mut(client.back()) = Side { opener: answers, secret: server_data, ..Side::default() };
        Some(Opening { suite, is_13, client, sides, inner: Inner::default(), failures: 0, last: None })
    }

    /// Whether a record of this type is encrypted, where what its end sends is or is not by now.
    pub(super) fn is_of(&self, kind: u8, is_ciphered: bool) -> bool {
        if self.is_13 { kind == record::DATA } else { is_ciphered && kind != record::CHANGE_CIPHER_SPEC }
    }

    /// Whether the handshake's own messages are inside, too.
    pub(super) fn is_13(&self) -> bool {
        self.is_13
    }

    /// Whether it does not open after all.
    pub(super) fn is_hopeless(&self) -> bool {
        self.failures >= MAX_FAILURES
    }

    /// Reads a record that is encrypted. Returns whether the handshake is over with it.
    pub(super) fn record(
        &mut self,
        way: Way,
        message: &Message<'_>,
        known: &mut Connection,
        out: &mut Out<'_>,
    ) -> bool {
        let side = self.sides.of_mut(way);
        let opened = side.opener.as_mut().and_then(|opener| opener.open(message.bytes));
        let Some((kind, text)) = opened else {
            self.failures += 1;
            return false;
        };
        self.failures = 0;
        let at = message.span.first;
        self.last = Some(at);
        if std::mem::take(&mut side.lost) {
            self.inner.gap(way, at, out);
        }
        match kind {
            record::DATA => self.inner.data(way, at, &text, out),
            record::HANDSHAKE if self.is_13 => return self.messages(way, &text, known),
            _ => {}
        }
        false
    }

    fn messages(&mut self, way: Way, text: &[u8], known: &mut Connection) -> bool {
        let mut over = false;
        let Opening { suite, client, sides, .. } = self;
        let side = sides.of_mut(way);
        let from_client = way == *client;
        side.messages.push(text);
        while let Some((kind, body)) = side.messages.next() {
            match kind {
                kind::ENCRYPTED_EXTENSIONS if !from_client => known.handshake.encrypted_extensions(Bytes(body)),
                kind::CERTIFICATE if !from_client => known.handshake.encrypted_certificate(Bytes(body)),
                kind::CERTIFICATE_REQUEST if !from_client => known.handshake.client_certificate_requested = true,
                kind::FINISHED => {
                    side.opener = suite.opener_13(&side.secret);
                    over |= from_client;
                }
                kind::KEY_UPDATE => {
                    side.secret = suite.next_secret(&side.secret).unwrap_or_default();
                    side.opener = suite.opener_13(&side.secret);
                }
                _ => {}
            }
        }
        over
    }

    /// Bytes of one direction are missing.
    pub(super) fn lost(&mut self, way: Way) {
        let side = self.sides.of_mut(way);
        side.lost = true;
        side.messages.clear();
        if let Some(opener) = &mut side.opener {
            opener.lost();
        }
    }

    /// One direction is closed.
    pub(super) fn closed(&mut self, way: Way, out: &mut Out<'_>) {
        if let Some(at) = self.last {
            self.inner.closed(way, at, out);
        }
    }

    pub(super) fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.inner.end(end, out);
    }

    pub(super) fn size_bytes(&self) -> usize {
        let messages = self.sides.out.messages.size_bytes() + self.sides.back.messages.size_bytes();
        size_of::<Self>() + messages + self.inner.size_bytes()
    }
}

#[cfg(test)]
mod tests;
