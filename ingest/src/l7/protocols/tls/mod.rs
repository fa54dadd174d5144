//! TLS (RFC 8446, RFC 5246 and before): its handshakes, as far as they are in the clear. What follows is passed over.

use crate::{
    flow::{Pair, Way},
    l7::{
        call::ErrorType,
        dissector::{End, PassedOver},
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Stamp,
    },
};
use connection::{Connection, record};
use handshake::MessageBuffer;
use open::Opening;
use row::{TLS_TABLE, TlsBuilder};

pub(super) mod bytes;
mod certificate;
mod ciphers;
mod connection;
pub(super) mod dtls;
pub(super) mod fingerprint;
pub(super) mod handshake;
pub(super) mod hello;
#[cfg(test)]
pub(super) mod made;
pub(super) mod names;
mod open;
pub(super) mod row;

/// Bytes of a record at most: its header, 2^14 bytes, and what encryption may add (RFC 5246 6.2.3).
const MAX_RECORD_BYTES: usize = 5 + (1 << 14) + 2048;

/// TLS.
pub(crate) static TLS: Protocol = Protocol {
    name: "tls",
    over: Over::Tcp,
    probe: is_hello,
    dissect: Some(|| Box::new(Framed::new(Records::new()))),
    tables: &[(&TLS_TABLE, || Box::new(TlsBuilder::default()))],
};

/// A record of any version that carries a hello (RFC 8446 5.1), or a hello of at least SSL 3.0 in the form of SSL 2.0: of a new
/// session, with a challenge (RFC 5246 E.2).
fn is_hello(_: &Hint, p: &[u8]) -> bool {
    match p {
        [22, 3, 0..=4, hi, _, 1 | 2, 0, ..] => *hi <= 0x48,
        [0x80, _, 1, 3, 0..=3, 0, _, 0, 0, 0, 16..=32, ..] => true,
        _ => false,
    }
}

/// The records of one connection until its handshake is over, and after that if they can be opened.
#[derive(Debug)]
struct Records {
    connection: Connection,
    messages: Pair<MessageBuffer>,
    /// Who has sent a record.
    speaks: Pair<bool>,
    opening: Option<Box<Opening>>,
    /// The handshake is a row.
    is_over: bool,
}

impl Records {
    fn new() -> Records {
        Records {
            connection: Connection::new("tls"),
            messages: Pair::default(),
            speaks: Pair::default(),
            opening: None,
            is_over: false,
        }
    }
}

impl Records {
    /// Whether what this end sends is encrypted by now.
    fn is_ciphered(&self, way: Way) -> bool {
        self.is_over || self.connection.is_ciphered(way)
    }

    /// A record that says nothing in the clear.
    fn opaque(&mut self, way: Way, kind: u8, message: &Message<'_>, out: &mut Out<'_>) {
        let is_ciphered = self.is_ciphered(way);
        if self.opening.is_none() {
            self.opening = Opening::of(&self.connection, out).map(Box::new);
        }
        let mut is_over = !self.is_over && self.connection.opaque(way, kind, kind == record::CHANGE_CIPHER_SPEC);
        if let Some(opening) = &mut self.opening {
            let is_finished =
                opening.is_of(kind, is_ciphered) && opening.record(way, message, &mut self.connection, out);
            // The row of a handshake that is encrypted waits for its end.
            is_over = if opening.is_13() { is_finished } else { is_over } || opening.is_hopeless();
        }
        if is_over && !self.is_over {
            self.connection.emit(false, out);
            self.is_over = true;
        }
        if self.is_over && self.opening.as_ref().is_none_or(|opening| opening.is_hopeless()) {
            out.hand_over(Box::new(PassedOver));
        }
    }

    /// How long a hello in the form of SSL 2.0 is, if the conversation begins with one: its second byte says so.
    fn hello_v2_len(&self, head: &[u8]) -> Option<u64> {
        match head {
            [0x80, len, 1, 3, ..] if self.connection.client.is_none() && !self.is_over => Some(2 + u64::from(*len)),
            _ => None,
        }
    }
}

impl Messages for Records {
    const MAX_BYTES: usize = MAX_RECORD_BYTES;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        let [kind, major, _, hi, lo, ..] = head else { return Frame::Unknown };
        if let Some(len) = self.hello_v2_len(head) {
            return Frame::Is(len);
        }
        let len = 5 + usize::from(u16::from_be_bytes([*hi, *lo]));
        if matches!(*kind, record::CHANGE_CIPHER_SPEC..=record::HEARTBEAT) && *major == 3 && len <= MAX_RECORD_BYTES {
            return Frame::Is(len as u64);
        }
        // What a direction begins with is the middle of a record where the capture began later.
        self.connection.fails(if *self.speaks.of(way) { ErrorType::Malformed } else { ErrorType::Gap });
        Frame::Garbage
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        if self.hello_v2_len(message.bytes).is_some() {
            self.connection.says(way, Some(1), message.span, message.len);
            return self.connection.handshake.hello_v2(message.bytes.get(3..).unwrap_or_default());
        }
        let [kind, _, _, _, _, body @ ..] = message.bytes else { return };
        *self.speaks.of_mut(way) = true;
        match (*kind, body) {
            (record::HANDSHAKE, _) if !self.is_ciphered(way) => {
                self.connection.says(way, body.first().copied(), message.span, message.len);
                let messages = self.messages.of_mut(way);
                messages.push(body);
                while let Some((kind, body)) = messages.next() {
                    self.connection.handshake.message(kind, body, false);
                }
            }
            // One that is encrypted is longer.
            (record::ALERT, [level, description]) => {
                self.connection.alert(way, [*level, *description], message.span, message.len);
            }
            (kind, _) => self.opaque(way, kind, &message, out),
        }
    }

    fn lost(&mut self, way: Way, _: Stamp, _: &mut Out<'_>) {
        self.messages.of_mut(way).clear();
        // What was encrypted would have said nothing.
        let is_ciphered = self.is_ciphered(way) || self.connection.handshake.is_encrypted();
        if !is_ciphered || self.opening.is_some() {
            self.connection.fails(ErrorType::Gap);
        }
        if let Some(opening) = &mut self.opening {
            opening.lost(way);
        }
    }

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        matches!(head, [record::CHANGE_CIPHER_SPEC..=record::HEARTBEAT, 3, 0..=4, hi, _, ..] if *hi <= 0x48)
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.connection.emit(end == End::Reset, out);
        if let Some(mut opening) = self.opening.take() {
            opening.end(end, out);
        }
    }

    fn closed(&mut self, way: Way, out: &mut Out<'_>) {
        if let Some(opening) = &mut self.opening {
            opening.closed(way, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let opening = self.opening.as_ref().map_or(0, |opening| opening.size_bytes());
        opening
            + self.connection.handshake.size_bytes()
            + self.messages.out.size_bytes()
            + self.messages.back.size_bytes()
    }
}

#[cfg(test)]
mod tests;
