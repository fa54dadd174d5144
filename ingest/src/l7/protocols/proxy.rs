//! The PROXY protocol, versions 1 and 2: what a load balancer says of the connection before it passes it on. It is passed over,
//! and what comes after it is recognised as at the beginning of a flow.

use crate::{
    flow::Pair,
    flow::Way,
    l7::{
        dissector::{Chunk, Dissector, End, Gap},
        framed::pass_on,
        inbox::Inbox,
        out::Out,
        protocol::{Over, Protocol},
        recognising::Recognising,
    },
};

/// Bytes of a header of version 1 at most, with its end of line.
const MAX_LINE_BYTES: usize = 107;

/// Bytes of a header of version 2 at most: its own 16, and what its length field can say.
const MAX_HEADER_BYTES: usize = 16 + 65_535;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Over TCP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "proxy",
    over: Over::Tcp,
    probe: |_, p| {
        p.starts_with(SIGNATURE)
            || [&b"PROXY TCP4 "[..], b"PROXY TCP6 ", b"PROXY UNKNOWN"].iter().any(|v1| p.starts_with(v1))
    },
    dissect: Some(|| Box::new(Prefix::default())),
    tables: &[],
};

/// What came before the header was whole.
#[derive(Debug, Default)]
struct Prefix {
    sides: Pair<Inbox>,
    given_up: bool,
}

/// How long the header is that begins here.
fn header_len(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(SIGNATURE) {
        return bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    }
    match bytes.get(14..16) {
        Some([hi, lo]) => Some(16 + usize::from(u16::from_be_bytes([*hi, *lo]))),
        _ => None,
    }
}

impl Dissector for Prefix {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        if self.given_up {
            return;
        }
        self.sides.of_mut(chunk.way).push(chunk.at, chunk.bytes);
        for way in [Way::Out, Way::In] {
            let inbox = self.sides.of_mut(way);
            let unread = inbox.unread();
            let is_v2 = unread.starts_with(SIGNATURE);
            if !is_v2 && !unread.starts_with(b"PROXY ") {
                continue;
            }
            let max = if is_v2 { MAX_HEADER_BYTES } else { MAX_LINE_BYTES };
            match header_len(unread).filter(|len| *len <= max) {
                Some(len) if len <= unread.len() => {
                    inbox.read(len);
                    out.hand_over(Box::new(Recognising::default()));
                    return pass_on([(Way::Out, &self.sides.out), (Way::In, &self.sides.back)], out);
                }
                _ if unread.len() < max => {}
                _ => self.give_up(),
            }
        }
    }

    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {
        self.give_up();
    }

    fn end(&mut self, _: End, _: &mut Out<'_>) {
        self.give_up();
    }

    fn size_bytes(&self) -> usize {
        self.sides.out.size_bytes() + self.sides.back.size_bytes()
    }
}

impl Prefix {
    fn give_up(&mut self) {
        *self = Prefix { given_up: true, ..Prefix::default() };
    }
}

#[cfg(test)]
mod tests {
    use crate::l7::testing::{Talk, select};

    /// Proves that what comes after the header is read, in both versions, in the same packet and in others, and whoever speaks first.
    #[test]
    fn what_comes_after_the_header_is_read() {
        let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", &[7u8; 12][..]].concat();
        for header in [&b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"[..], b"PROXY UNKNOWN\r\n", &v2] {
            let together = Talk::tcp(25).client([header, b"EHLO c\r\n"].concat()).server("250 hi\r\n");
            assert_eq!(select(&together.rows(), &["app_proto", "method", "status"]), [["smtp", "EHLO", "250"]]);
            let apart =
                Talk::tcp(25).client(header).server("220 mail SMTP\r\n").client("QUIT\r\n").server("221 bye\r\n");
            let expected = [["smtp", "greeting", "220"], ["smtp", "QUIT", "221"]];
            assert_eq!(select(&apart.rows(), &["app_proto", "method", "status"]), expected);
        }
    }

    /// Proves that a header without end is given up, and holds nothing.
    #[test]
    fn a_header_without_end_is_given_up() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 400]].concat();
        assert!(Talk::tcp(25).client(long).client("EHLO c\r\n").server("250 hi\r\n").rows().is_empty());
    }
}
