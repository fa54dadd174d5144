//! Protocols that are recognised by the first bytes of what one end says. Ports are hints at most: they decide only where the
//! bytes of several protocols look alike (the DNS family) or say too little (RADIUS, NTP, …).
//!
//! Every probe must be certain by itself: the first one that says yes names the flow. A probe that would often be wrong is not
//! here. A protocol that is read as well has a file of its own instead.

use super::protocol::{Hint, Over, Protocol};

pub(super) static HTTP2: Protocol = Protocol::named("http2", Over::Tcp, |_, p| p.starts_with(b"PRI * HTTP/2.0\r\n"));
pub(super) static HTTP: Protocol = Protocol::named("http", Over::Tcp, http);
pub(super) static TLS: Protocol = Protocol::named("tls", Over::Tcp, tls);
pub(super) static SSH: Protocol =
    Protocol::named("ssh", Over::Tcp, |_, p| p.starts_with(b"SSH-2.0-") || p.starts_with(b"SSH-1."));
pub(super) static AMQP: Protocol =
    Protocol::named("amqp", Over::Tcp, |_, p| matches!(p, [b'A', b'M', b'Q', b'P', 0..=3, ..]));
pub(super) static SMB: Protocol =
    Protocol::named("smb", Over::Tcp, |_, p| matches!(p, [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..]));
pub(super) static POSTGRES: Protocol = Protocol::named("postgres", Over::Tcp, postgres);
pub(super) static MYSQL: Protocol = Protocol::named("mysql", Over::Tcp, mysql);
pub(super) static MONGODB: Protocol = Protocol::named("mongodb", Over::Tcp, mongodb);
pub(super) static RDP: Protocol =
    Protocol::named("rdp", Over::Tcp, |_, p| matches!(p, [3, 0, _, _, _, 0xe0 | 0xd0, _, _, _, _, 0, ..]));
pub(super) static REDIS: Protocol = Protocol::named("redis", Over::Tcp, redis);
pub(super) static POP3: Protocol = Protocol::named("pop3", Over::Tcp, |hint, p| {
    p.starts_with(b"+OK ") && (hint.src_port == 110 || contains(p, b"POP3"))
});
pub(super) static IMAP: Protocol = Protocol::named("imap", Over::Tcp, |_, p| {
    p.starts_with(b"* OK ") && (contains(p, b"IMAP") || contains(p, b"CAPABILITY"))
});
pub(super) static STUN: Protocol =
    Protocol::named("stun", Over::Udp, |_, p| matches!(p, [0 | 1, _, _, l, 0x21, 0x12, 0xa4, 0x42, ..] if l % 4 == 0));
pub(super) static QUIC: Protocol = Protocol::named("quic", Over::Udp, quic);
pub(super) static DTLS: Protocol =
    Protocol::named("dtls", Over::Udp, |_, p| matches!(p, [20..=26, 0xfe, 0xfd | 0xff, ..]) && p.len() > 13);
pub(super) static SNMP: Protocol = Protocol::named("snmp", Over::Udp, snmp);
pub(super) static NBNS: Protocol = Protocol::named("nbns", Over::Udp, |hint, p| hint.port(137) && nbns_header(p));

/// Request line or status line (RFC 9112 sections 3 and 4).
fn http(_: &Hint, p: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE "];
    if p.starts_with(b"HTTP/1.") {
        return true;
    }
    let Some(target) = METHODS.iter().find_map(|method| p.strip_prefix(*method)) else { return false };
    // The line may not end in this packet; where it does it must be HTTP/1 (RTSP and others share the methods).
    match target.split_once_str(b"\r\n") {
        Some((line, _)) => contains(line, b" HTTP/1."),
        None => target.first().is_some_and(|c| c.is_ascii_graphic()) && !contains(target, b"\0"),
    }
}

/// A TLS record of any version that carries a hello, or an alert or other record with a sane length (RFC 8446 5.1).
fn tls(_: &Hint, p: &[u8]) -> bool {
    matches!(p, [22, 3, 0..=4, hi, _, 1 | 2, 0, ..] if *hi <= 0x48)
}

/// Startup, SSL, GSS or cancel request: a length and a code no other first message has.
fn postgres(hint: &Hint, p: &[u8]) -> bool {
    let [0, 0, hi, lo, a, b, c, d, rest @ ..] = p else { return false };
    let len = usize::from(u16::from_be_bytes([*hi, *lo]));
    match [*a, *b, *c, *d] {
        [0, 3, 0, 0 | 2] => len == hint.len && rest.starts_with(b"user\0"),
        [4, 0xd2, 0x16, 0x2f | 0x30] => len == 8,
        [4, 0xd2, 0x16, 0x2e] => len == 16,
        _ => false,
    }
}

/// The server's handshake packet: sequence 0, protocol 10, a version as text.
fn mysql(hint: &Hint, p: &[u8]) -> bool {
    let [a, b, c, 0, 10, version @ ..] = p else { return false };
    let len = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
    len + 4 == hint.len && version.first().is_some_and(u8::is_ascii_digit) && version.get(1) == Some(&b'.')
}

/// Message header with a known opcode, little-endian: length, request id, response to, opcode.
fn mongodb(hint: &Hint, p: &[u8]) -> bool {
    let Some((header, body)) = p.split_at_checked(16) else { return false };
    let [a, b, c, d, _, _, _, _, r0, r1, r2, r3, o0, o1, 0, 0] = header else { return false };
    let len = u32::from_le_bytes([*a, *b, *c, *d]);
    let is_reply = u32::from_le_bytes([*r0, *r1, *r2, *r3]) != 0;
    let opcode = u16::from_le_bytes([*o0, *o1]);
    // A message longer than its packet is usual; one of 48 MB is the protocol's limit.
    let plausible = len as usize >= hint.len.min(16 + 5) && len <= 48_000_000 && hint.len >= 21;
    plausible
        && match opcode {
            1 => is_reply,
            2004 => !is_reply && contains(body, b".$cmd\0"),
            2012 => true,
            // OP_MSG: no flag bits but the three defined, and a section of kind 0 or 1.
            2013 => matches!(body, [0..=3, 0, 0 | 1, 0, 0 | 1, ..]),
            _ => false,
        }
}

/// An array of bulk strings, the form of every request (RESP 2 and 3), or a reply between known ports.
fn redis(hint: &Hint, p: &[u8]) -> bool {
    let array = |p: &[u8]| {
        let digits = p.strip_prefix(b"*").and_then(|p| p.split_once_str(b"\r\n"));
        digits.is_some_and(|(count, rest)| {
            (1..=6).contains(&count.len())
                && count.iter().all(u8::is_ascii_digit)
                && matches!(rest, [] | [b'$'] | [b'$', b'0'..=b'9', ..])
        })
    };
    let reply = |p: &[u8]| {
        p == b"+OK\r\n"
            || p == b"+PONG\r\n"
            || matches!(p, [b':', b'0'..=b'9' | b'-', .., b'\r', b'\n'])
            || matches!(p, [b'$', b'0'..=b'9' | b'-', .., b'\r', b'\n'])
    };
    array(p) || hint.port(6379) && reply(p)
}

/// A long header of a version in use: 1, 2, drafts, Google's (RFC 9000 17.2), or version negotiation.
fn quic(hint: &Hint, p: &[u8]) -> bool {
    let [first, a, b, c, d, dcid_len, rest @ ..] = p else { return false };
    let known = match [*a, *b, *c, *d] {
        [0, 0, 0, 0] => hint.port(443),
        [0, 0, 0, 1] | [0x6b, 0x33, 0x43, 0xcf] | [0xff, 0, 0, _] => first & 0x40 != 0,
        [b'Q' | b'T', b'0', b'4' | b'5' | b'6', _] => true,
        _ => false,
    };
    first & 0x80 != 0 && known && *dcid_len <= 20 && rest.len() > usize::from(*dcid_len)
}

/// A BER sequence of version 0, 1 or 3 and, for the first two, a community string (RFC 3416, RFC 3412).
fn snmp(_: &Hint, p: &[u8]) -> bool {
    let rest = match p {
        [0x30, 0..=0x7f, rest @ ..] | [0x30, 0x81, _, rest @ ..] | [0x30, 0x82, _, _, rest @ ..] => rest,
        _ => return false,
    };
    match rest {
        [2, 1, 0 | 1, 4, len, rest @ ..] => {
            rest.get(usize::from(*len)).is_none_or(|pdu| (0xa0..=0xa8).contains(pdu)) && *len < 0x80
        }
        [2, 1, 3, 0x30, ..] => true,
        _ => false,
    }
}

/// NetBIOS name service: as DNS, with opcodes of its own (RFC 1002 4.2.1.1).
fn nbns_header(p: &[u8]) -> bool {
    let Some((header, _)) = p.split_at_checked(12) else { return false };
    let [_, _, flags, _, q0, _, a0, ..] = header else { return false };
    matches!((flags >> 3) & 0xf, 0 | 5 | 6 | 7 | 8 | 9 | 15) && (*q0, *a0) == (0, 0)
}

/// Bytes looked through for a word: a banner's first line, a request's.
const SEARCHED: usize = 512;

fn contains(p: &[u8], word: &[u8]) -> bool {
    p.get(..SEARCHED).unwrap_or(p).windows(word.len()).any(|window| window == word)
}

trait SplitOnce {
    /// What is before and after the first `separator` within the first [`SEARCHED`] bytes.
    fn split_once_str(&self, separator: &[u8]) -> Option<(&[u8], &[u8])>;
}

impl SplitOnce for [u8] {
    fn split_once_str(&self, separator: &[u8]) -> Option<(&[u8], &[u8])> {
        let searched = self.get(..SEARCHED).unwrap_or(self);
        let at = searched.windows(separator.len()).position(|window| window == separator)?;
        Some((self.get(..at)?, self.get(at + separator.len()..)?))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        flow::testing::{tcp, udp},
        l7::{
            at,
            protocol::{Hint, recognise},
        },
    };

    fn named(packet: &crate::decode::Decoded<'_>) -> Option<&'static str> {
        Hint::of(packet).and_then(|hint| recognise(&hint, packet.payload)).and_then(at).map(|p| p.name)
    }

    fn over_tcp(ports: (u16, u16), payload: &[u8]) -> Option<&'static str> {
        let made = tcp(&format!("10.0.0.1:{}", ports.0), &format!("10.0.0.2:{}", ports.1)).payload(payload);
        named(&made.packet())
    }

    fn over_udp(ports: (u16, u16), payload: &[u8]) -> Option<&'static str> {
        let made = udp(&format!("10.0.0.1:{}", ports.0), &format!("10.0.0.2:{}", ports.1)).payload(payload);
        named(&made.packet())
    }

    #[test]
    fn content_names_tcp_protocols_on_any_port() {
        let mut mongo = vec![0; 40];
        mongo[0] = 40;
        mongo[4] = 9;
        mongo[12..14].copy_from_slice(&2013u16.to_le_bytes());
        for (expected, payload) in [
            ("http", &b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
            ("http", b"HTTP/1.1 200 OK\r\n"),
            ("http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            ("ssh", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
            ("redis", b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"),
            ("postgres", b"\0\0\0\x08\x04\xd2\x16\x2f"),
            ("postgres", b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0"),
            ("mysql", b"\x0b\0\0\0\x0a8.0.33\0abc"),
            ("mongodb", &mongo),
            ("amqp", b"AMQP\0\0\x09\x01"),
            ("smtp", b"220 mail.example ESMTP\r\n"),
            ("ftp", b"220 ProFTPD FTP server\r\n"),
            ("pop3", b"+OK POP3 ready\r\n"),
            ("imap", b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
            ("mqtt", b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc"),
            ("ldap", b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0"),
            ("smb", b"\0\0\0\x40\xfeSMB\x40\0"),
            ("rdp", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
            ("sip", b"OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n"),
        ] {
            assert_eq!(over_tcp((40000, 4444), payload), Some(expected), "{payload:?}");
        }
    }

    #[test]
    fn content_names_udp_protocols_and_ports_tell_the_dns_family_apart() {
        let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
        assert_eq!(over_udp((40000, 53), query), Some("dns"));
        assert_eq!(over_udp((5353, 5353), query), Some("mdns"));
        assert_eq!(over_udp((40000, 5355), query), Some("llmnr"));
        assert_eq!(over_udp((40000, 4444), query), None);
        let quic = [&[0xc3, 0, 0, 0, 1, 8][..], &[7; 40]].concat();
        assert_eq!(over_udp((40000, 4444), &quic), Some("quic"));
        assert_eq!(over_udp((40000, 3478), b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl"), Some("stun"));
        assert_eq!(over_udp((123, 123), &[&[0x23][..], &[0; 47]].concat()), Some("ntp"));
        assert_eq!(over_udp((40000, 161), b"\x30\x0b\x02\x01\x01\x04\x06public\xa0\0"), Some("snmp"));
        assert_eq!(over_udp((40000, 1812), &[&[1, 9, 0, 20][..], &[0; 16]].concat()), Some("radius"));
        let mut dhcp = vec![0; 240];
        dhcp[236..].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        dhcp[0] = 1;
        assert_eq!(over_udp((68, 67), &dhcp), Some("dhcp"));
    }

    #[test]
    fn text_and_noise_are_not_recognised() {
        for payload in [&b"GETTING there"[..], b"hello world", b"+OKAY", b"*x\r\n", b"\x16\x03", b"", b"220 volts\r\n"]
        {
            assert_eq!(over_tcp((40000, 80), payload), None, "{payload:?}");
        }
        assert_eq!(over_udp((40000, 53), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_payload_panics(payload: Vec<u8>, src: u16, dst: u16, first in 0usize..6) {
            let ports = [53, 137, 443, 546, 3868, 6379];
            over_tcp((src, ports[first]), &payload);
            over_udp((ports[first], dst), &payload);
        }
    }
}
