//! What the hosts of the demo say to each other: well-formed HTTP/1.1, DNS, TLS 1.3 and SSH bytes. Handshakes are in the
//! clear and complete, what is encrypted in reality is noise here.

use std::net::IpAddr;

use super::random::Random;

/// `GET path` of `host` (RFC 9112).
pub fn http_get(host: &str, path: &str, agent: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n").into_bytes()
}

/// `POST path` with a JSON body.
pub fn http_post(host: &str, path: &str, agent: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nContent-Type: application/json\r\n\
         Content-Length: {len}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A response with its status line, type and body.
pub fn http_response(status: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nServer: nginx/1.26.2\r\nContent-Type: {content_type}\r\nContent-Length: {len}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The kinds of DNS answer the demo gives.
#[derive(Debug, Clone, Copy)]
pub enum DnsAnswer {
    /// An A or AAAA record, by the address family.
    Address(IpAddr),
    /// The name does not exist (RFC 1035 RCODE 3).
    NoSuchName,
}

/// A recursive query for the A record of `name`, or AAAA for `v6` (RFC 1035 section 4).
pub fn dns_query(id: u16, name: &str, record: DnsType) -> Vec<u8> {
    dns_message(id, 0x0100, name, record, None)
}

/// The answer to [`dns_query`].
pub fn dns_answer(id: u16, name: &str, record: DnsType, answer: DnsAnswer) -> Vec<u8> {
    match answer {
        DnsAnswer::Address(ip) => dns_message(id, 0x8180, name, record, Some(ip)),
        DnsAnswer::NoSuchName => dns_message(id, 0x8183, name, record, None),
    }
}

/// The record types the demo asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsType {
    /// IPv4 address.
    A = 1,
    /// IPv6 address.
    Aaaa = 28,
}

fn dns_message(id: u16, flags: u16, name: &str, record: DnsType, answer: Option<IpAddr>) -> Vec<u8> {
    let mut message = Vec::new();
    for word in [id, flags, 1, u16::from(answer.is_some()), 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    for label in name.split('.') {
        message.extend(prefixed::<1>(label.as_bytes()));
    }
    let class_in = 1u16.to_be_bytes();
    message.push(0);
    message.extend_from_slice(&(record as u16).to_be_bytes());
    message.extend_from_slice(&class_in);
    if let Some(ip) = answer {
        message.extend_from_slice(&[0xc0, 12]); // the question's name, 12 bytes into the message
        message.extend_from_slice(&(record as u16).to_be_bytes());
        message.extend_from_slice(&class_in);
        message.extend_from_slice(&300u32.to_be_bytes());
        message.extend(match ip {
            IpAddr::V4(v4) => prefixed::<2>(&v4.octets()),
            IpAddr::V6(v6) => prefixed::<2>(&v6.octets()),
        });
    }
    message
}

/// A TLS 1.3 ClientHello for `server_name` (RFC 8446 section 4.1.2) in its record.
pub fn tls_client_hello(server_name: &str, random: &mut Random) -> Vec<u8> {
    let host = [&[0u8][..], &prefixed::<2>(server_name.as_bytes())].concat();
    let key_share = [&[0x00, 0x1d][..], &prefixed::<2>(&random.bytes(32))].concat();
    let protocols = [prefixed::<1>(b"h2"), prefixed::<1>(b"http/1.1")].concat();
    let extensions = [
        tls_extension(0, &prefixed::<2>(&host)),
        tls_extension(10, &prefixed::<2>(&[0x00, 0x1d, 0x00, 0x17])),
        tls_extension(13, &prefixed::<2>(&[0x04, 0x03, 0x08, 0x04, 0x04, 0x01])),
        tls_extension(16, &prefixed::<2>(&protocols)),
        tls_extension(43, &prefixed::<1>(&[0x03, 0x04, 0x03, 0x03])),
        tls_extension(45, &prefixed::<1>(&[1])),
        tls_extension(51, &prefixed::<2>(&key_share)),
    ]
    .concat();
    let body = [
        &[0x03, 0x03][..],
        &random.bytes(32),
        &prefixed::<1>(&random.bytes(32)),
        &prefixed::<2>(&[0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2f]),
        &prefixed::<1>(&[0]),
        &prefixed::<2>(&extensions),
    ]
    .concat();
    tls_record(22, &[&[1u8][..], &prefixed::<3>(&body)].concat())
}

/// The server's side of the handshake: ServerHello, ChangeCipherSpec and `encrypted` bytes of certificate and Finished.
pub fn tls_server_hello(random: &mut Random, encrypted: usize) -> Vec<u8> {
    let key_share = [&[0x00, 0x1d][..], &prefixed::<2>(&random.bytes(32))].concat();
    let extensions = [tls_extension(43, &[0x03, 0x04]), tls_extension(51, &key_share)].concat();
    let body = [
        &[0x03, 0x03][..],
        &random.bytes(32),
        &prefixed::<1>(&random.bytes(32)),
        &[0x13, 0x01, 0x00],
        &prefixed::<2>(&extensions),
    ]
    .concat();
    let hello = tls_record(22, &[&[2u8][..], &prefixed::<3>(&body)].concat());
    [hello, tls_record(20, &[1]), tls_data(random, encrypted)].concat()
}

/// `len` bytes of application data, in records of at most 16 KiB.
pub fn tls_data(random: &mut Random, len: usize) -> Vec<u8> {
    random.bytes(len).chunks(1 << 14).flat_map(|chunk| tls_record(23, chunk)).collect()
}

fn tls_record(content_type: u8, content: &[u8]) -> Vec<u8> {
    [&[content_type, 0x03, 0x03][..], &prefixed::<2>(content)].concat()
}

fn tls_extension(id: u16, content: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &prefixed::<2>(content)].concat()
}

/// An SSH identification line (RFC 4253 section 4.2).
pub const SSH_BANNER: &[u8] = b"SSH-2.0-OpenSSH_9.6\r\n";

/// SSH_MSG_KEXINIT (RFC 4253 section 7.1) offering one choice of everything.
pub fn ssh_kex_init(random: &mut Random) -> Vec<u8> {
    let cipher = "chacha20-poly1305@openssh.com";
    let lists =
        ["curve25519-sha256", "ssh-ed25519", cipher, cipher, "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""];
    let lists: Vec<u8> = lists.iter().flat_map(|list| prefixed::<4>(list.as_bytes())).collect();
    ssh_packet(&[&[20u8][..], &random.bytes(16), &lists, &[0; 5]].concat())
}

/// The client's key exchange message (RFC 8731, RFC 5656 section 7.1).
pub fn ssh_kex_ecdh_init(random: &mut Random) -> Vec<u8> {
    ssh_packet(&[&[30u8][..], &prefixed::<4>(&random.bytes(32))].concat())
}

/// The server's key exchange message and SSH_MSG_NEWKEYS.
pub fn ssh_kex_ecdh_reply(random: &mut Random) -> Vec<u8> {
    let blob = |bytes: Vec<u8>| prefixed::<4>(&[prefixed::<4>(b"ssh-ed25519"), prefixed::<4>(&bytes)].concat());
    let (key, signature) = (blob(random.bytes(32)), blob(random.bytes(64)));
    let reply = [&[31u8][..], &key, &prefixed::<4>(&random.bytes(32)), &signature].concat();
    [ssh_packet(&reply), ssh_new_keys()].concat()
}

/// SSH_MSG_NEWKEYS: all that follows is encrypted.
pub fn ssh_new_keys() -> Vec<u8> {
    ssh_packet(&[21])
}

/// The binary packet of RFC 4253 section 6, before encryption.
fn ssh_packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
    let body = [&[u8::try_from(padding).unwrap_or(u8::MAX)][..], payload, &vec![0; padding]].concat();
    prefixed::<4>(&body)
}

/// `bytes` after their length in `N` bytes, most significant first.
fn prefixed<const N: usize>(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len().to_be_bytes();
    let (high, low) = len.split_at(len.len() - N);
    assert!(high.iter().all(|b| *b == 0), "{} bytes do not fit a length of {N} bytes", bytes.len());
    [low, bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_answer_is_laid_out_as_rfc_1035_says() {
        let answer = dns_answer(0x1234, "a.bc", DnsType::A, DnsAnswer::Address([192, 0, 2, 1].into()));
        let expected = [
            &[0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..],
            &[1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1],
            &[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4, 192, 0, 2, 1],
        ];
        assert_eq!(answer, expected.concat());
    }

    #[test]
    fn tls_lengths_nest_exactly() {
        let hello = tls_client_hello("www.example.org", &mut Random::new(3));
        assert_eq!(hello[..3], [22, 3, 3]);
        let record = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
        let handshake = usize::from(u16::from_be_bytes([hello[7], hello[8]]));
        assert_eq!((record + 5, handshake + 4), (hello.len(), record));
        assert!(hello.windows(15).any(|w| w == b"www.example.org"));
    }

    #[test]
    fn ssh_packets_are_multiples_of_eight() {
        let mut random = Random::new(3);
        for packet in [ssh_new_keys(), ssh_kex_init(&mut random), ssh_kex_ecdh_init(&mut random)] {
            assert_eq!(packet.len() % 8, 0);
            assert!(packet[4] >= 4);
        }
    }
}
