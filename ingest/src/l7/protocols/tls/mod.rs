//! TLS (RFC 8446, RFC 5246 and before): its handshakes, as far as they are in the clear. What follows is passed over.

use crate::{
    flow::{Pair, Way},
    l7::{
        call::ErrorType,
        dissector::{End, PassedOver},
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
    },
};
use connection::{Connection, record};
use handshake::MessageBuffer;
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

/// A record of any version that carries a hello (RFC 8446 5.1).
fn is_hello(_: &Hint, p: &[u8]) -> bool {
    matches!(p, [22, 3, 0..=4, hi, _, 1 | 2, 0, ..] if *hi <= 0x48)
}

/// The records of one connection until its handshake is over.
#[derive(Debug)]
struct Records {
    connection: Connection,
    messages: Pair<MessageBuffer>,
}

impl Records {
    fn new() -> Records {
        Records { connection: Connection::new("tls"), messages: Pair::default() }
    }
}

impl Messages for Records {
    const MAX_BYTES: usize = MAX_RECORD_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        let [kind, major, _, hi, lo, ..] = head else { return Frame::Unknown };
        let len = 5 + usize::from(u16::from_be_bytes([*hi, *lo]));
        if matches!(*kind, record::CHANGE_CIPHER_SPEC..=record::HEARTBEAT) && *major == 3 && len <= MAX_RECORD_BYTES {
            return Frame::Is(len as u64);
        }
        self.connection.fails(ErrorType::Malformed);
        Frame::Garbage
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let [kind, _, _, _, _, body @ ..] = message.bytes else { return };
        match (*kind, body) {
            (record::HANDSHAKE, _) if !self.connection.is_ciphered(way) => {
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
            (kind, _) => {
                if self.connection.opaque(way, kind, kind == record::CHANGE_CIPHER_SPEC) {
                    self.connection.emit(false, out);
                    out.hand_over(Box::new(PassedOver));
                }
            }
        }
    }

    fn lost(&mut self, way: Way, _: &mut Out<'_>) {
        self.messages.of_mut(way).clear();
        self.connection.fails(ErrorType::Gap);
    }

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        matches!(head, [record::CHANGE_CIPHER_SPEC..=record::HEARTBEAT, 3, 0..=4, hi, _, ..] if *hi <= 0x48)
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.connection.emit(end == End::Reset, out);
    }

    fn size_bytes(&self) -> usize {
        self.connection.handshake.size_bytes() + self.messages.out.size_bytes() + self.messages.back.size_bytes()
    }
}

#[cfg(test)]
mod tests;
