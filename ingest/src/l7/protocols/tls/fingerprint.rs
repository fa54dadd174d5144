//! Fingerprints of hellos: JA3 and JA3S (MD5 of what a hello offers in its order), JA4 (the same, sorted where clients shuffle).

use std::fmt::Write as _;

use md5::{Digest as _, Md5};
use ring::digest::{SHA256, digest};

use super::hello::{ClientHello, ServerHello, extension, is_grease};

/// What carries a handshake, as JA4 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Tcp,
    Quic,
    Dtls,
}

/// The text of JA3: version, cipher suites, extensions, groups, point formats, without GREASE.
pub(crate) fn ja3_text(hello: &ClientHello) -> String {
    let formats: Vec<u16> = hello.point_formats.iter().copied().map(u16::from).collect();
    let mut text = hello.version.to_string();
    for list in [&hello.cipher_suites, &hello.extensions, &hello.groups, &formats] {
        text.push(',');
        push_decimals(&mut text, list.iter().copied().filter(|v| !is_grease(*v)));
    }
    text
}

/// The text of JA3S: version field, cipher suite, extensions.
pub(crate) fn ja3s_text(hello: &ServerHello) -> String {
    let mut text = format!("{},{},", hello.legacy_version, hello.cipher_suite);
    push_decimals(&mut text, hello.extensions.iter().copied());
    text
}

/// MD5 in hexadecimal digits.
pub(crate) fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// JA4: carrier, version, whether there is a server name, numbers of cipher suites and extensions, application protocol; then
/// hashes of the sorted cipher suites, and of the sorted extensions with the signature algorithms.
pub(crate) fn ja4(hello: &ClientHello, carrier: Carrier) -> String {
    let real = |list: &[u16]| list.iter().copied().filter(|v| !is_grease(*v)).collect::<Vec<u16>>();
    let (mut ciphers, mut extensions) = (real(&hello.cipher_suites), real(&hello.extensions));
    let named = if hello.offers(extension::SERVER_NAME) { 'd' } else { 'i' };
    let (cipher_count, extension_count) = (ciphers.len().min(99), extensions.len().min(99));
    ciphers.sort_unstable();
    extensions.sort_unstable();
    extensions.retain(|kind| ![extension::SERVER_NAME, extension::ALPN].contains(kind));
    let mut extended = hexadecimals(&extensions);
    let algorithms = real(&hello.signature_algorithms);
    if !algorithms.is_empty() {
        extended = format!("{extended}_{}", hexadecimals(&algorithms));
    }
    format!(
        "{}{}{named}{cipher_count:02}{extension_count:02}{}_{}_{}",
        match carrier {
            Carrier::Tcp => 't',
            Carrier::Quic => 'q',
            Carrier::Dtls => 'd',
        },
        version(hello.best_version()),
        first_and_last(&hello.first_alpn),
        short_hash(&hexadecimals(&ciphers)),
        short_hash(&extended),
    )
}

fn version(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    }
}

/// The first and the last character of the application protocol; of its hexadecimal digits where one is no letter or digit.
fn first_and_last(alpn: &[u8]) -> String {
    let (Some(first), Some(last)) = (alpn.first(), alpn.last()) else { return "00".to_owned() };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0xf)
}

/// The first twelve digits of the SHA-256; zeros of nothing.
fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    let mut hash = sha256_hex(text.as_bytes());
    hash.truncate(12);
    hash
}

fn hexadecimals(values: &[u16]) -> String {
    let texts: Vec<String> = values.iter().map(|v| format!("{v:04x}")).collect();
    texts.join(",")
}

fn push_decimals(text: &mut String, values: impl Iterator<Item = u16>) {
    for (n, value) in values.enumerate() {
        let dash = if n > 0 { "-" } else { "" };
        let _ = write!(text, "{dash}{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves JA3 and JA4 against the worked examples of their descriptions.
    #[test]
    fn published_examples() {
        let ja3 = "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0";
        assert_eq!(md5_hex(ja3), "ada70206e40642a3e4461f35503241d5");
        let hello = ClientHello {
            version: 0x0303,
            cipher_suites: vec![
                0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
                0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x3a3a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
                0xff01, 0x000b, 0x000a, 0x0015,
            ],
            first_alpn: b"h2".to_vec(),
            versions: vec![0x0a0a, 0x0304, 0x0303],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            ..ClientHello::default()
        };
        assert_eq!(ja4(&hello, Carrier::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        let bare = ClientHello { version: 0x0301, first_alpn: vec![0xab, 0x12, 0xcd], ..ClientHello::default() };
        assert_eq!(ja4(&bare, Carrier::Quic), "q10i0000ad_000000000000_000000000000");
        assert_eq!(ja3_text(&bare), "769,,,,");
    }
}
