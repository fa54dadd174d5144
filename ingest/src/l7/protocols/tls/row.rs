//! Rows of handshakes.

use std::borrow::Cow;

use wiretape_engine::column::{Bool, Symbol, Text, TextList, Ts, U16};

use super::{
    fingerprint::{self, Carrier},
    handshake::Handshake,
    hello::{ClientHello, extension},
    names,
};
use crate::l7::{
    call::{Call, CallColumns, CallRow, call_table},
    names::NameSource,
    out::Out,
};

call_table! {
    /// One row per TLS or DTLS handshake, as far as it is in the clear. method is ClientHello, target the server name, status
    /// the version agreed on, or the description of the fatal alert that ended it.
    pub static TLS_TABLE: "tls", row TlsRow, builder TlsBuilder {
        /// Server name that the client asks for (RFC 6066 section 3); with ECH, the public one.
        sni: Option<Symbol> [key()],
        /// Version agreed on, as on the wire: 771 is TLS 1.2, 772 TLS 1.3; NULL without a server hello.
        version: Option<U16> [row_index()],
        /// Its name: SSL 3.0, TLS 1.0, …, TLS 1.3, DTLS 1.2.
        version_name: Option<Symbol> [row_index()],
        /// Best version that the client offers, as on the wire.
        client_version: Option<U16>,
        /// Versions that the client offers, by name, in its order; one only where it offers all up to that.
        versions_offered: TextList,
        /// Cipher suite chosen (IANA TLS Cipher Suites); NULL without a server hello.
        cipher_suite: Option<U16> [row_index()],
        /// Its name.
        cipher_suite_name: Option<Symbol> [row_index()],
        /// Names of the cipher suites offered, in the client's order; 0x<number> for one without a name, GREASE (RFC 8701).
        cipher_suites: TextList,
        /// Application protocol chosen (RFC 7301), where the server says so in the clear, before 1.3, or it was opened.
        alpn: Option<Symbol> [row_index()],
        /// Application protocols offered.
        alpn_offered: TextList,
        /// Names of the client's extensions, in its order.
        extensions: TextList,
        /// Names of the extensions of the server's hello.
        server_extensions: TextList,
        /// Names of the groups (curves) offered for the key exchange.
        groups: TextList,
        /// Group of the key exchange.
        group: Option<Symbol>,
        /// An earlier session goes on; NULL where that is not known.
        resumed: Option<Bool>,
        /// The server asked for another client hello (HelloRetryRequest).
        hello_retry: Option<Bool>,
        /// The client announced data before the handshake is over (RFC 8446 4.2.10).
        early_data: Option<Bool>,
        /// The client hello has an encrypted one in it, or pretends to (ECH).
        ech: Option<Bool>,
        /// The server asked for a certificate of the client; NULL where that is encrypted, from 1.3 on, and was not opened.
        client_certificate_requested: Option<Bool>,
        /// JA3 fingerprint of the client hello, MD5.
        ja3: Option<Symbol> [row_index()],
        /// Its text: version, cipher suites, extensions, groups, point formats, by number.
        ja3_text: Option<Text>,
        /// JA3S fingerprint of the server hello, MD5.
        ja3s: Option<Symbol> [row_index()],
        /// Its text: version, cipher suite, extensions.
        ja3s_text: Option<Text>,
        /// JA4 fingerprint of the client hello.
        ja4: Option<Symbol> [row_index()],
        /// Subject of the server's certificate; this and what follows of it are NULL from 1.3 on, where it is encrypted, unless it was opened.
        cert_subject: Option<Text>,
        /// Its issuer.
        cert_issuer: Option<Text>,
        /// Its alternative names: host names and addresses.
        cert_sans: TextList,
        /// Its serial number, bytes in hexadecimal digits with colons.
        cert_serial: Option<Text>,
        /// Time from which it is valid.
        cert_not_before: Option<Ts>,
        /// Time until which it is.
        cert_not_after: Option<Ts>,
        /// SHA-256 of the certificate as it was sent, hexadecimal digits.
        cert_sha256: Option<Symbol>,
        /// Number of certificates sent.
        cert_chain_length: Option<U16>,
        /// Its issuer is its subject; the signature is not checked.
        cert_self_signed: Option<Bool>,
        /// Level of the first alert in the clear: warning, fatal.
        alert_level: Option<Symbol> [row_index()],
        /// Its description: handshake_failure, unknown_ca, ….
        alert: Option<Symbol> [row_index()],
        /// Who sent it: client, server.
        alert_by: Option<Symbol>,
        /// What is weak in what was agreed on: its version (below TLS 1.2), or NULL, EXPORT, anon, RC4, DES or 3DES in its cipher suite.
        warnings: TextList,
    }
    entry "call" {
        "tlsx" = "true",
        "tlsx_sni" = "sni",
        "tlsx_cipher_suite" = "cipher_suite",
        "tlsx_cipher_suites" = "cipher_suites",
        "tlsx_alpn" = "alpn",
        "tlsx_version" = r#""version""#,
        "tlsx_summary" = "concat_ws(' ', sni, version_name, cipher_suite_name)",
        "tlsx_info" = "coalesce(method, 'ServerHello')",
        "ja3" = "ja3",
        "ja3s" = "ja3s",
        "ja4" = "ja4",
    }
}

/// An alert in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alert {
    pub(super) level: u8,
    pub(super) description: u8,
    pub(super) by_client: bool,
}

impl Alert {
    fn is_fatal(self) -> bool {
        self.level == 2
    }
}

/// What the hellos say, in words.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) version: Option<u16>,
    pub(crate) version_name: Option<Cow<'static, str>>,
    pub(crate) versions_offered: Vec<Cow<'static, str>>,
    pub(crate) cipher_suite: Option<u16>,
    pub(crate) cipher_suite_name: Option<Cow<'static, str>>,
    pub(crate) cipher_suites: Vec<Cow<'static, str>>,
    pub(crate) extensions: Vec<Cow<'static, str>>,
    pub(crate) server_extensions: Vec<Cow<'static, str>>,
    pub(crate) groups: Vec<Cow<'static, str>>,
    pub(crate) group: Option<Cow<'static, str>>,
    pub(crate) ja3: Option<(String, String)>,
    pub(crate) ja3s: Option<(String, String)>,
    pub(crate) ja4: Option<String>,
}

impl Words {
    pub(crate) fn of(handshake: &Handshake, carrier: Carrier) -> Words {
        let named = |numbers: &[u16], name: fn(u16) -> Cow<'static, str>| numbers.iter().map(|n| name(*n)).collect();
        let hashed = |text: String| (fingerprint::md5_hex(&text), text);
        let mut words = Words::default();
        if let Some(client) = handshake.client.as_deref() {
            words.versions_offered = named(client.offered_versions(), names::version);
            words.cipher_suites = named(&client.cipher_suites, names::cipher_suite);
            words.extensions = named(&client.extensions, names::extension);
            words.groups = named(&client.groups, names::group);
            words.ja3 = Some(hashed(fingerprint::ja3_text(client)));
            words.ja4 = Some(fingerprint::ja4(client, carrier));
        }
        if let Some(server) = handshake.server.as_deref() {
            words.version = Some(server.version);
            words.version_name = Some(names::version(server.version));
            words.cipher_suite = Some(server.cipher_suite);
            words.cipher_suite_name = Some(names::cipher_suite(server.cipher_suite));
            words.server_extensions = named(&server.extensions, names::extension);
            words.group = handshake.group().map(names::group);
            words.ja3s = Some(hashed(fingerprint::ja3s_text(server)));
        }
        words
    }

    /// What is weak in what was agreed on.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.version.is_some_and(|v| v < 0x0303 || v == 0xfeff) {
            warnings.extend(self.version_name.as_ref().map(|name| format!("version {name}")));
        }
        let suite = self.cipher_suite_name.as_deref().unwrap_or_default();
        let parts = ["NULL", "EXPORT", "EXPORT1024", "anon", "RC4", "DES", "DES40", "3DES"];
        for part in parts.iter().filter(|part| suite.split('_').any(|word| word == **part)) {
            warnings.push(format!("cipher {part}"));
        }
        warnings
    }
}

/// Borrows texts.
pub(crate) fn refs(texts: &[impl AsRef<str>]) -> Vec<&str> {
    texts.iter().map(AsRef::as_ref).collect()
}

/// Makes a row of a handshake, and learns the server's name.
pub(super) fn emit(call: &Call<'_>, handshake: &Handshake, seen: Seen, out: &mut Out<'_>) {
    let carrier = if call.app_proto == "dtls" { Carrier::Dtls } else { Carrier::Tcp };
    let words = Words::of(handshake, carrier);
    let (client, server, chain) =
        (handshake.client.as_deref(), handshake.server.as_deref(), handshake.chain.as_deref());
    let sni = client.and_then(|c| c.sni.as_deref());
    let alert = seen.alert.map(|a| (names::alert_level(a.level), names::alert(a.description), a.by_client));
    let fatal = alert.as_ref().filter(|_| seen.alert.is_some_and(Alert::is_fatal));
    if let (Some(name), None) = (sni, fatal) {
        out.learn(out.receiver(call.client), name, NameSource::Sni);
    }
    let offers = |kind: u16| client.map(|c: &ClientHello| c.offers(kind));
    let call = Call {
        method: Some("ClientHello"),
        target: sni,
        status: fatal.map(|(_, description, _)| &**description).or(words.version_name.as_deref()),
        ..*call
    };
    out.emit::<TlsBuilder>(
        &call,
        TlsRow {
            sni,
            version: words.version,
            version_name: words.version_name.as_deref(),
            client_version: client.map(ClientHello::best_version),
            versions_offered: &refs(&words.versions_offered),
            cipher_suite: words.cipher_suite,
            cipher_suite_name: words.cipher_suite_name.as_deref(),
            cipher_suites: &refs(&words.cipher_suites),
            alpn: server.and_then(|s| s.alpn.as_deref()),
            alpn_offered: &refs(client.map_or(&[], |c| &c.alpn)),
            extensions: &refs(&words.extensions),
            server_extensions: &refs(&words.server_extensions),
            groups: &refs(&words.groups),
            group: words.group.as_deref(),
            resumed: handshake.is_resumed(seen.server_finished),
            hello_retry: server.map(|_| handshake.retried),
            early_data: offers(extension::EARLY_DATA),
            ech: offers(extension::ENCRYPTED_CLIENT_HELLO),
            client_certificate_requested: server
                .filter(|_| handshake.is_opened || !handshake.is_encrypted())
                .map(|_| handshake.client_certificate_requested),
            ja3: words.ja3.as_ref().map(|(hash, _)| hash.as_str()),
            ja3_text: words.ja3.as_ref().map(|(_, text)| text.as_str()),
            ja3s: words.ja3s.as_ref().map(|(hash, _)| hash.as_str()),
            ja3s_text: words.ja3s.as_ref().map(|(_, text)| text.as_str()),
            ja4: words.ja4.as_deref(),
            cert_subject: chain.and_then(|c| c.subject.as_deref()),
            cert_issuer: chain.and_then(|c| c.issuer.as_deref()),
            cert_sans: &refs(chain.map_or(&[], |c| &c.alternative_names)),
            cert_serial: chain.and_then(|c| c.serial.as_deref()),
            cert_not_before: chain.and_then(|c| c.not_before_ns),
            cert_not_after: chain.and_then(|c| c.not_after_ns),
            cert_sha256: chain.map(|c| c.sha256.as_str()),
            cert_chain_length: chain.map(|c| c.len),
            cert_self_signed: chain.and_then(|c| c.self_signed),
            alert_level: alert.as_ref().map(|(level, ..)| &**level),
            alert: alert.as_ref().map(|(_, description, _)| &**description),
            alert_by: alert.as_ref().map(|(.., by_client)| if *by_client { "client" } else { "server" }),
            warnings: &refs(&words.warnings()),
        },
    );
}

/// What was seen beside the messages.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) alert: Option<Alert>,
    /// The server has begun to encrypt.
    pub(super) server_finished: bool,
}
