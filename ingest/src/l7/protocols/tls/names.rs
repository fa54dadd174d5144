//! Names of the numbers in hellos and alerts, as their registries have them.

use std::borrow::Cow;

use super::{ciphers, hello::is_grease};

/// Of a version: `TLS 1.2`.
pub(crate) fn version(number: u16) -> Cow<'static, str> {
    Cow::Borrowed(match number {
        0x0002 => "SSL 2.0",
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        0x0304 => "TLS 1.3",
        0xfeff => "DTLS 1.0",
        0xfefd => "DTLS 1.2",
        0xfefc => "DTLS 1.3",
        0x7f00..=0x7fff => return Cow::Owned(format!("TLS 1.3 draft {}", number & 0xff)),
        other => return unnamed(other),
    })
}

/// Of a cipher suite.
pub(crate) fn cipher_suite(number: u16) -> Cow<'static, str> {
    ciphers::name(number).map_or_else(|| unnamed(number), Cow::Borrowed)
}

/// Of an extension (IANA TLS ExtensionType Values).
pub(crate) fn extension(number: u16) -> Cow<'static, str> {
    Cow::Borrowed(match number {
        0 => "server_name",
        1 => "max_fragment_length",
        2 => "client_certificate_url",
        3 => "trusted_ca_keys",
        4 => "truncated_hmac",
        5 => "status_request",
        6 => "user_mapping",
        7 => "client_authz",
        8 => "server_authz",
        9 => "cert_type",
        10 => "supported_groups",
        11 => "ec_point_formats",
        12 => "srp",
        13 => "signature_algorithms",
        14 => "use_srtp",
        15 => "heartbeat",
        16 => "application_layer_protocol_negotiation",
        17 => "status_request_v2",
        18 => "signed_certificate_timestamp",
        19 => "client_certificate_type",
        20 => "server_certificate_type",
        21 => "padding",
        22 => "encrypt_then_mac",
        23 => "extended_main_secret",
        24 => "token_binding",
        25 => "cached_info",
        27 => "compress_certificate",
        28 => "record_size_limit",
        34 => "delegated_credential",
        35 => "session_ticket",
        40 => "key_share_draft",
        41 => "pre_shared_key",
        42 => "early_data",
        43 => "supported_versions",
        44 => "cookie",
        45 => "psk_key_exchange_modes",
        47 => "certificate_authorities",
        48 => "oid_filters",
        49 => "post_handshake_auth",
        50 => "signature_algorithms_cert",
        51 => "key_share",
        53 => "connection_id_deprecated",
        54 => "connection_id",
        57 => "quic_transport_parameters",
        13172 => "next_protocol_negotiation",
        17513 => "application_settings",
        17613 => "application_settings_new",
        30032 => "channel_id",
        0xfe0d => "encrypted_client_hello",
        0xff01 => "renegotiation_info",
        0xffa5 => "quic_transport_parameters_draft",
        other => return unnamed(other),
    })
}

/// Of a group (IANA TLS Supported Groups).
pub(crate) fn group(number: u16) -> Cow<'static, str> {
    const CURVES: [&str; 31] = [
        "sect163k1",
        "sect163r1",
        "sect163r2",
        "sect193r1",
        "sect193r2",
        "sect233k1",
        "sect233r1",
        "sect239k1",
        "sect283k1",
        "sect283r1",
        "sect409k1",
        "sect409r1",
        "sect571k1",
        "sect571r1",
        "secp160k1",
        "secp160r1",
        "secp160r2",
        "secp192k1",
        "secp192r1",
        "secp224k1",
        "secp224r1",
        "secp256k1",
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "brainpoolP256r1",
        "brainpoolP384r1",
        "brainpoolP512r1",
        "x25519",
        "x448",
        "brainpoolP256r1tls13",
    ];
    let curve = usize::from(number).checked_sub(1).and_then(|at| CURVES.get(at));
    Cow::Borrowed(match (curve, number) {
        (Some(name), _) => name,
        (_, 32) => "brainpoolP384r1tls13",
        (_, 33) => "brainpoolP512r1tls13",
        (_, 0x0100) => "ffdhe2048",
        (_, 0x0101) => "ffdhe3072",
        (_, 0x0102) => "ffdhe4096",
        (_, 0x0103) => "ffdhe6144",
        (_, 0x0104) => "ffdhe8192",
        (_, 0x0200) => "MLKEM512",
        (_, 0x0201) => "MLKEM768",
        (_, 0x0202) => "MLKEM1024",
        (_, 0x11eb) => "SecP256r1MLKEM768",
        (_, 0x11ec) => "X25519MLKEM768",
        (_, 0x11ed) => "SecP384r1MLKEM1024",
        (_, 0x6399) => "X25519Kyber768Draft00",
        (_, 0xff01) => "arbitrary_explicit_prime_curves",
        (_, 0xff02) => "arbitrary_explicit_char2_curves",
        (_, other) => return unnamed(other),
    })
}

/// Of an alert (IANA TLS Alerts).
pub(crate) fn alert(number: u8) -> Cow<'static, str> {
    Cow::Borrowed(match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        52 => "too_many_cids_requested",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        other => return Cow::Owned(other.to_string()),
    })
}

/// Of an alert's level.
pub(crate) fn alert_level(number: u8) -> Cow<'static, str> {
    Cow::Borrowed(match number {
        1 => "warning",
        2 => "fatal",
        other => return Cow::Owned(other.to_string()),
    })
}

fn unnamed(number: u16) -> Cow<'static, str> {
    if is_grease(number) { Cow::Borrowed("GREASE") } else { Cow::Owned(format!("0x{number:04x}")) }
}
