//! Hellos, certificates, alerts and fingerprints.

use super::made::{
    certificate, certificates, client_hello, counted, extension, hello_with, message, numbers, record, server_hello,
    server_hello_13, usual,
};
use crate::l7::testing::{Row, Talk, select};

const CCS: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// The random of a hello retry request.
fn retry() -> Vec<u8> {
    let random = ring::digest::digest(&ring::digest::SHA256, b"HelloRetryRequest").as_ref().try_into().unwrap();
    server_hello(0x0303, random, 0x1301, &[extension(43, numbers(&[0x0304])), extension(51, numbers(&[23]))])
}

fn data() -> Vec<u8> {
    record(23, [0xaa; 100])
}

fn check(row: &Row, expected: &[(&str, &str)]) {
    for (column, value) in expected {
        assert_eq!(row.get(*column).map_or("", String::as_str), *value, "{column}");
    }
}

/// Proves what is read of a handshake of TLS 1.3, its hello over several records: names, numbers, fingerprints.
#[test]
fn a_handshake_of_1_3_is_a_row() {
    let hello = client_hello("www.example.test");
    let (first, second) = hello.split_at(50);
    let server = [record(22, server_hello_13()), CCS.to_vec(), data()].concat();
    let talk = Talk::tcp(4433).client([record(22, first), record(22, second)].concat()).server(server);
    let rows = talk.client([&CCS[..], &data()].concat()).server(data()).rows();
    assert_eq!(rows.len(), 1);
    check(
        &rows[0],
        &[
            ("table", "tls"),
            ("app_proto", "tls"),
            ("method", "ClientHello"),
            ("target", "www.example.test"),
            ("status", "TLS 1.3"),
            ("error_type", ""),
            ("latency_ns", "1000000"),
            ("request_bytes", &(hello.len() + 10).to_string()),
            ("response_bytes", &(server_hello_13().len() + 5).to_string()),
            ("dst_name", "www.example.test"),
            ("dst_name_source", "sni"),
            ("sni", "www.example.test"),
            ("version", "772"),
            ("client_version", "772"),
            ("versions_offered", "[GREASE, TLS 1.3, TLS 1.2]"),
            ("cipher_suite", "4865"),
            ("cipher_suite_name", "TLS_AES_128_GCM_SHA256"),
            (
                "cipher_suites",
                "[GREASE, TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_3DES_EDE_CBC_SHA]",
            ),
            ("alpn", ""),
            ("alpn_offered", "[h2, http/1.1]"),
            ("server_extensions", "[supported_versions, key_share]"),
            ("groups", "[GREASE, x25519, secp256r1]"),
            ("group", "x25519"),
            ("resumed", "false"),
            ("hello_retry", "false"),
            ("early_data", "false"),
            ("ech", "false"),
            ("client_certificate_requested", ""),
            ("ja3_text", "771,4865-49199-10,0-10-11-13-16-43-51,29-23,0"),
            ("ja3", "25f92984842958026b593db0f841437f"),
            ("ja3s_text", "771,4865,43-51"),
            ("ja3s", "f4febc55ea12b31ae17cfb7e614afda8"),
            ("warnings", "[]"),
            ("alert", ""),
        ],
    );
    assert_eq!(&rows[0]["ja4"][..11], "t13d0307h2_");
}

/// Proves what is read of a full handshake of TLS 1.2 with a client's certificate asked for: the server's certificate, its
/// choice of protocol and curve; and that it is over when both encrypt.
#[test]
fn a_handshake_of_1_2_shows_the_certificate() {
    let chain = [certificate("web.test", "web.test"), certificate("ca.test", "ca.test")];
    let hello = server_hello(0x0303, [8; 32], 0xc02f, &[extension(16, counted(2, counted(1, "h2")))]);
    let rest = [message(12, [3, 0, 23, 0]), message(13, [0]), message(14, "")].concat();
    let server = record(22, [hello, certificates(&chain), rest].concat());
    let finish = [&record(22, message(16, [1; 40]))[..], &CCS, &record(22, [0xee; 40])].concat();
    let talk = Talk::tcp(443).client(record(22, client_hello("web.test"))).server(server).client(finish.clone());
    let rows = talk.server([&CCS[..], &record(22, [0xee; 40]), &data()].concat()).client(data()).rows();
    assert_eq!(rows.len(), 1);
    check(
        &rows[0],
        &[
            ("status", "TLS 1.2"),
            ("version", "771"),
            ("cipher_suite_name", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("alpn", "h2"),
            ("group", "secp256r1"),
            ("resumed", "false"),
            ("client_certificate_requested", "true"),
            ("cert_subject", "CN=web.test"),
            ("cert_issuer", "CN=web.test"),
            ("cert_sans", "[web.test, 10.0.0.2]"),
            ("cert_serial", "00:f4:a7"),
            ("cert_not_before", "0"),
            ("cert_not_after", "86400000"),
            ("cert_sha256", &super::fingerprint::sha256_hex(&chain[0])),
            ("cert_chain_length", "2"),
            ("cert_self_signed", "true"),
            ("error_type", ""),
        ],
    );
}

/// Proves that a short handshake of 1.2 is seen to go on with a session, and that what is weak is said.
#[test]
fn a_resumed_session_and_weak_choices_are_seen() {
    let server = [&record(22, server_hello(0x0301, [8; 32], 0x0005, &[]))[..], &CCS, &record(22, [0xee; 40])].concat();
    let old = hello_with(0x0301, &[], &[0x0005], &[]);
    let rows = Talk::tcp(443).client(record(22, old)).server(server).client([&CCS[..], &data()].concat()).rows();
    let expected = [["TLS 1.0", "true", "[TLS 1.0]", "[version TLS 1.0, cipher RC4]", ""]];
    assert_eq!(select(&rows, &["status", "resumed", "versions_offered", "warnings", "error_type"]), expected);
}

/// Proves that a second hello after a retry belongs to the same handshake, even behind a sign of encryption.
#[test]
fn a_retried_hello_is_one_handshake() {
    let mut extensions = usual("a.test", &[0x0304]);
    extensions.push(extension(42, ""));
    extensions.push(extension(0xfe0d, "x"));
    let hello = record(22, hello_with(0x0303, &[], &[0x1301], &extensions));
    let again = [CCS.to_vec(), hello.clone()].concat();
    let talk = Talk::tcp(443).client(&hello).server([record(22, retry()), CCS.to_vec()].concat()).client(again);
    let rows = talk.server([record(22, server_hello_13()), data()].concat()).client(data()).rows();
    let columns = ["hello_retry", "group", "early_data", "ech", "version_name", "request_bytes"];
    let bytes = (2 * hello.len()).to_string();
    assert_eq!(select(&rows, &columns), [["true", "x25519", "true", "true", "TLS 1.3", &bytes]]);
}

/// Proves that an alert in the clear says why there is no connection, from either end.
#[test]
fn an_alert_in_the_clear_is_the_outcome() {
    let refused = Talk::tcp(443).client(record(22, client_hello("a.test"))).server(record(21, [2, 40])).rows();
    let columns = ["status", "alert_level", "alert", "alert_by", "error_type", "version_name", "dst_name"];
    assert_eq!(select(&refused, &columns), [["handshake_failure", "fatal", "handshake_failure", "server", "", "", ""]]);
    let server = [server_hello(0x0303, [8; 32], 0xc02f, &[]), certificates(&[certificate("a", "b")]), message(14, "")];
    let talk = Talk::tcp(443).client(record(22, client_hello("a.test"))).server(record(22, server.concat()));
    let rows = talk.client(record(21, [2, 48])).rows();
    assert_eq!(select(&rows, &columns), [["unknown_ca", "fatal", "unknown_ca", "client", "", "TLS 1.2", ""]]);
}

/// Proves that halves are rows that say what is missing, and that a capture that begins after the hellos gives none.
#[test]
fn a_half_is_a_row_that_says_so() {
    let server = [record(22, server_hello_13()), data()].concat();
    let talk = Talk::tcp(443).client(record(22, client_hello("a.test"))).server(server).client(data());
    let columns = ["sni", "version", "error_type", "src_ip"];
    assert_eq!(select(&talk.rows_of_client(), &columns), [["a.test", "", "no_response", "10.0.0.1"]]);
    assert_eq!(select(&talk.rows_of_server(), &columns), [["", "772", "no_request", "10.0.0.1"]]);
    assert_eq!(select(&talk.rows_from(1), &columns), [["", "772", "no_request", "10.0.0.1"]]);
    assert!(talk.rows_from(2).is_empty());
}

/// Proves that plain text on a port of TLS is no handshake.
#[test]
fn plain_text_is_not_tls() {
    let rows = Talk::tcp(443).client("GET / HTTP/1.1\r\nHost: a\r\n\r\n").server("HTTP/1.1 200 OK\r\n\r\n").rows();
    assert!(rows.iter().all(|row| row["table"] != "tls"));
}

/// Proves that a hello in the form of SSL 2.0 is read, as old clients send it to servers that they do not know.
#[test]
fn a_hello_in_the_old_form_is_read() {
    let suites = [0x01, 0x00, 0x80, 0x00, 0x00, 0x04, 0x00, 0x00, 0x03];
    let body = [&[1, 3, 1, 0, 9, 0, 0, 0, 16][..], &suites, &[7; 16]].concat();
    let hello = [&[0x80, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let server = [server_hello(0x0301, [8; 32], 3, &[]), certificates(&[certificate("a", "b")]), message(14, "")];
    let rows = Talk::tcp(443).client(&hello).server(record(22, server.concat())).client(CCS).server(CCS).rows();
    let suites = "[TLS_RSA_WITH_RC4_128_MD5, TLS_RSA_EXPORT_WITH_RC4_40_MD5]";
    let warnings = "[version TLS 1.0, cipher EXPORT, cipher RC4]";
    let columns = ["cipher_suites", "client_version", "warnings", "error_type", "cert_self_signed"];
    assert_eq!(select(&rows, &columns), [[suites, "769", warnings, "", "false"]]);
}

/// Proves that a direction that begins in the middle of a record is a hole in the capture, not a broken end.
#[test]
fn a_direction_that_begins_later_is_a_gap() {
    let talk = Talk::tcp(443).client(record(22, client_hello("a.test"))).server("ertificate").client(CCS);
    assert_eq!(select(&talk.rows(), &["sni", "error_type"]), [["a.test", "gap"]]);
}

/// Proves that a hole in what is encrypted says nothing of the handshake, and that one in a hello does.
#[test]
fn a_hole_in_what_is_encrypted_is_no_gap() {
    let talk = Talk::tcp(443).client(record(22, client_hello("a.test"))).server(record(22, server_hello_13()));
    let talk = talk.server(data()).server(data()).client([&CCS[..], &data()].concat());
    assert_eq!(select(&talk.rows_without(2), &["status", "error_type"]), [["TLS 1.3", ""]]);
    assert_eq!(select(&talk.rows_without(1), &["status", "error_type"]), [["", "gap"]]);
}

/// Proves that hostile bytes do no harm: a hello whose lists lie, a message longer than any, a certificate that is none, and
/// records that are none after the hello.
#[test]
fn what_cannot_be_read_is_said() {
    let mut lying = client_hello("a.test");
    let at = lying.len() - 3;
    lying[at] = 0xff;
    let broken = certificates(&[b"\x30\x84\xff\xff\xff\xff".to_vec()]);
    let server = [server_hello(0x0303, [8; 32], 0xc02f, &[]), broken, message(14, "")].concat();
    let talk = Talk::tcp(443).client(record(22, &lying)).server(record(22, server)).client(data());
    let columns = ["sni", "error_type", "cert_chain_length", "cert_subject"];
    assert_eq!(select(&talk.rows(), &columns), [["a.test", "malformed", "1", ""]]);
    let long = record(22, [&[1, 0xff, 0xff, 0xff][..], &[0; 100]].concat());
    let rows = Talk::tcp(443).client([record(22, client_hello("b.test")), long].concat()).client("no record").rows();
    assert_eq!(select(&rows, &["sni", "error_type"]), [["b.test", "malformed"]]);
}

proptest::proptest! {
    /// Proves that no messages whatever panic.
    #[test]
    fn no_message_panics(kind in 0u8..20, body: Vec<u8>, cut in 0usize..200) {
        let mut handshake = super::handshake::Handshake::default();
        let hello = client_hello("a.test");
        handshake.message(1, hello.get(4..cut).unwrap_or_default(), body.len() % 2 == 0);
        handshake.message(kind, &body, true);
        super::row::Words::of(&handshake, super::fingerprint::Carrier::Tcp);
    }
}
