//! DTLS 1.0 and 1.2 (RFC 6347), and the hellos of 1.3 (RFC 9147): records in datagrams, messages in fragments.

use std::collections::BTreeMap;

use super::{
    bytes::Bytes,
    connection::{Connection, record},
};
use crate::{
    flow::{Pair, Way},
    l7::{
        dissector::{Chunk, Dissector, End, Gap, PassedOver},
        out::Out,
        protocol::{Over, Protocol},
        protocols::quic::pieces::Pieces,
        stamp::Span,
    },
};

/// Messages of one direction whose fragments are not all there. A flight has five.
const MAX_PARTIAL: usize = 16;

/// Bytes of a message at most.
const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// DTLS.
pub(crate) static DTLS: Protocol = Protocol {
    name: "dtls",
    over: Over::Udp,
    probe: |_, p| matches!(p, [20..=26, 0xfe, 0xfd | 0xff, ..]) && p.len() > 13,
    dissect: Some(|| Box::new(Datagrams { connection: Connection::new("dtls"), partial: Pair::default() })),
    tables: &[],
};

/// The datagrams of one connection until its handshake is over.
#[derive(Debug)]
struct Datagrams {
    connection: Connection,
    /// By message number.
    partial: Pair<BTreeMap<u16, Partial>>,
}

/// A message whose fragments are not all there.
#[derive(Debug, Default)]
struct Partial {
    pieces: Pieces,
    bytes: Vec<u8>,
}

impl Dissector for Datagrams {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let mut rest = Bytes(chunk.bytes);
        while self.record(&mut rest, &chunk, out).is_some() {}
    }

    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {}

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.connection.emit(end == End::Reset, out);
        self.partial = Pair::default();
    }

    fn size_bytes(&self) -> usize {
        let partial = [Way::Out, Way::In].map(|way| {
            let all = self.partial.of(way).values();
            all.map(|p| size_of::<Partial>() + p.pieces.size_bytes() + p.bytes.capacity()).sum::<usize>()
        });
        self.connection.handshake.size_bytes() + partial.iter().sum::<usize>()
    }
}

impl Datagrams {
    /// Reads a record (RFC 6347 section 4.1).
    fn record(&mut self, rest: &mut Bytes<'_>, chunk: &Chunk<'_>, out: &mut Out<'_>) -> Option<()> {
        let (kind, version, epoch, _number) = (rest.u8()?, rest.u16()?, rest.u16()?, rest.take(6)?);
        // From 1.3 on, what is encrypted has another header.
        let is_plain = version >> 8 == 0xfe && (record::CHANGE_CIPHER_SPEC..=record::HEARTBEAT).contains(&kind);
        let body = if is_plain { rest.vec16()?.0 } else { std::mem::take(&mut rest.0) };
        let (span, len) = (Span::at(chunk.at), body.len() as u64 + 13);
        let way = chunk.way;
        match (kind, body) {
            (record::HANDSHAKE, _) if is_plain && epoch == 0 => {
                self.connection.says(way, body.first().copied(), span, len);
                let mut fragments = Bytes(body);
                while self.fragment(way, &mut fragments).is_some() {}
            }
            (record::ALERT, [level, description]) if is_plain && epoch == 0 => {
                self.connection.alert(way, [*level, *description], span, len);
            }
            _ => {
                let kind = if is_plain { kind } else { record::HEARTBEAT };
                if self.connection.opaque(way, kind, !is_plain || epoch > 0 || kind == record::CHANGE_CIPHER_SPEC) {
                    self.connection.emit(false, out);
                    out.hand_over(Box::new(PassedOver));
                    return None;
                }
            }
        }
        Some(())
    }

    /// Reads a fragment of a message (RFC 6347 section 4.2.2); of all fragments, the message.
    fn fragment(&mut self, way: Way, rest: &mut Bytes<'_>) -> Option<()> {
        let (kind, len, number, offset) = (rest.u8()?, rest.u24()?, rest.u16()?, rest.u24()?);
        let bytes = rest.vec24()?.0;
        let handshake = &mut self.connection.handshake;
        if offset == 0 && bytes.len() == len {
            handshake.message(kind, bytes, true);
            return Some(());
        }
        let partial = self.partial.of_mut(way);
        if len > MAX_MESSAGE_BYTES || partial.len() >= MAX_PARTIAL && !partial.contains_key(&number) {
            return Some(());
        }
        let Partial { pieces, bytes: whole } = partial.entry(number).or_default();
        pieces.push(offset as u64, bytes, |bytes| {
            let room = MAX_MESSAGE_BYTES.saturating_sub(whole.len());
            whole.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        });
        if whole.len() >= len {
            let whole = partial.remove(&number)?.bytes;
            handshake.message(kind, whole.get(..len)?, true);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use crate::l7::{
        protocols::tls::made::{counted, hello_with, message, numbers, usual},
        testing::{Talk, select},
    };

    fn record(kind: u8, epoch: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
        [&[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0][..], &counted(2, body)].concat()
    }

    /// The fragment of a message that begins at `from` and has `len` bytes.
    fn fragment(number: u8, message: &[u8], from: usize, len: usize) -> Vec<u8> {
        let at = u8::try_from(from).unwrap();
        let part = counted(3, &message[4 + from..4 + from + len]);
        record(22, 0, [&message[..4], &[0, number, 0, 0, at], &part].concat())
    }

    fn whole(number: u8, message: &[u8]) -> Vec<u8> {
        fragment(number, message, 0, message.len() - 4)
    }

    fn hello(cookie: &[u8]) -> Vec<u8> {
        hello_with(0xfefd, &counted(1, cookie), &[0xc02f], &usual("d.test", &[])[..6])
    }

    /// Proves that a handshake with a cookie and fragments out of order is one row, in the table of TLS.
    #[test]
    fn a_handshake_in_datagrams_is_a_row() {
        let (first, second) = (hello(b""), hello(b"cookie"));
        let parts = [fragment(1, &second, 60, second.len() - 64), fragment(1, &second, 0, 60)].concat();
        let server = [&[0xfe, 0xfd][..], &[8; 32], &[0], &numbers(&[0xc02f]), &[0]].concat();
        let flight = [whole(1, &message(2, server)), whole(2, &message(14, ""))].concat();
        let finish = [record(20, 0, [1]), record(22, 1, [0xee; 40])].concat();
        let rows = Talk::udp(4433)
            .client([fragment(0, &first, 60, first.len() - 64), fragment(0, &first, 0, 60)].concat())
            .server(whole(0, &message(3, [&[0xfe, 0xfd][..], &counted(1, "cookie")].concat())))
            .client(parts)
            .server(flight)
            .client([whole(2, &message(16, [1; 40])), finish.clone()].concat())
            .server(finish)
            .client(record(23, 1, [0xee; 40]))
            .rows();
        let columns = ["table", "app_proto", "sni", "status", "version", "resumed", "error_type", "latency_ns"];
        let expected = [["tls", "dtls", "d.test", "DTLS 1.2", "65277", "false", "", "1000000"]];
        assert_eq!(select(&rows, &columns), expected);
        assert_eq!(&rows[0]["ja4"][..11], "dd2d0105h2_");
    }

    /// Proves that hostile fragments do no harm and hold no more than they may: lengths that lie, more messages than any
    /// flight has.
    #[test]
    fn fragments_that_lie_do_no_harm() {
        let mut talk = Talk::udp(4433).client(whole(0, &hello(b""))).server(record(21, 0, [2, 40]));
        for number in 0..40 {
            let lying = [&[11, 0xff, 0xff, 0xff, 0, number, 0, 0, 9][..], &counted(3, [1; 9])].concat();
            talk = talk.server(record(22, 0, lying)).server(record(
                22,
                0,
                [11, 0, 9, 9, 0, number, 0xff, 0, 0, 0, 0, 1, 1],
            ));
        }
        let columns = ["sni", "status", "alert_by", "error_type"];
        assert_eq!(select(&talk.rows(), &columns), [["d.test", "handshake_failure", "server", ""]]);
    }
}
