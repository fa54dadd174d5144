//! Protocols that are recognised by the first bytes of what one end says. Ports are hints at most: they decide only where the
//! bytes of several protocols look alike (the DNS family) or say too little (RADIUS, NTP, …).
//!
//! Every probe must be certain by itself: the first one that says yes names the flow. A probe that would often be wrong is not
//! here. A protocol that is read as well has a file of its own instead.

use super::protocol::{Hint, Over, Protocol};

pub(super) static SMB: Protocol =
    Protocol::named("smb", Over::Tcp, |_, p| matches!(p, [0, _, _, _, 0xfe | 0xff, b'S', b'M', b'B', ..]));
pub(super) static RDP: Protocol =
    Protocol::named("rdp", Over::Tcp, |_, p| matches!(p, [3, 0, _, _, _, 0xe0 | 0xd0, _, _, _, _, 0, ..]));
pub(super) static POP3: Protocol = Protocol::named("pop3", Over::Tcp, |hint, p| {
    p.starts_with(b"+OK ") && (hint.src_port == 110 || contains(p, b"POP3"))
});
pub(super) static IMAP: Protocol = Protocol::named("imap", Over::Tcp, |_, p| {
    p.starts_with(b"* OK ") && (contains(p, b"IMAP") || contains(p, b"CAPABILITY"))
});
pub(super) static STUN: Protocol =
    Protocol::named("stun", Over::Udp, |_, p| matches!(p, [0 | 1, _, _, l, 0x21, 0x12, 0xa4, 0x42, ..] if l % 4 == 0));
pub(super) static SNMP: Protocol = Protocol::named("snmp", Over::Udp, snmp);
pub(super) static NBNS: Protocol = Protocol::named("nbns", Over::Udp, |hint, p| hint.port(137) && nbns_header(p));

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
            ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f"),
            ("postgresql", b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0"),
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
        assert_eq!(over_udp((5353, 53), query), Some("dns"), "a resolver's own port says nothing");
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
