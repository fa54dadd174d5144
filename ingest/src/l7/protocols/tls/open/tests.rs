//! Records opened with secrets that a capture carries.

use super::cipher::{Opener, Suite};
use crate::l7::{
    protocols::tls::{
        fingerprint::hex,
        made::{
            certificate, certificates, client_hello, counted, extension, message, record, server_hello, server_hello_13,
        },
    },
    testing::{Talk, select},
};

const CCS: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// A packet of SSH that says NEWKEYS.
const NEWKEYS: [u8; 14] = [0, 0, 0, 10, 8, 21, 0, 0, 0, 0, 0, 0, 0, 0];

/// Lines of a log for the connection of [`client_hello`].
fn log(secrets: &[(&str, Vec<u8>)]) -> String {
    let random = hex(&[7; 32]);
    secrets.iter().map(|(label, secret)| format!("{label} {random} {}\n", hex(secret))).collect()
}

/// The talk of TLS 1.3 in which SSH is spoken, the server's second record of data of a new key.
fn talk_13() -> Talk {
    let secrets: [(&str, Vec<u8>); 4] = [
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", vec![1; 32]),
        ("SERVER_HANDSHAKE_TRAFFIC_SECRET", vec![2; 32]),
        ("CLIENT_TRAFFIC_SECRET_0", vec![3; 32]),
        ("SERVER_TRAFFIC_SECRET_0", vec![4; 32]),
    ];
    let suite = Suite::of(0x1301).unwrap();
    let sealer = |secret: u8| suite.opener_13(&[secret; 32]).unwrap();
    let [mut asks, mut answers, mut client, mut server] = [sealer(1), sealer(2), sealer(3), sealer(4)];
    let mut renewed = suite.opener_13(&suite.next_secret(&[4; 32]).unwrap()).unwrap();
    let extensions = message(8, counted(2, extension(16, counted(2, counted(1, "ssh")))));
    let entry = [counted(3, certificate("in.test", "ca.test")), vec![0, 0]].concat();
    let chain = message(11, [vec![0], counted(3, entry)].concat());
    let flight = [extensions, chain, message(20, [0; 32])].concat();
    let (first, second) = flight.split_at(40);
    let hello = [record(22, server_hello_13()), CCS.to_vec(), answers.seal(22, first), answers.seal(22, second)];
    let finished = [CCS.to_vec(), asks.seal(22, &message(20, [0; 32])), client.seal(23, b"SSH-2.0-in")];
    let renewal = server.seal(22, &message(24, [0]));
    Talk::tcp(443)
        .secrets(log(&secrets))
        .client(record(22, client_hello("in.test")))
        .server(hello.concat())
        .client(finished.concat())
        .client(client.seal(23, b"side\r\n"))
        .server([renewal, renewed.seal(23, b"SSH-2.0-server\r\n")].concat())
}

/// Proves that a connection of 1.3 is opened with its secrets: what is inside is read and says so, and the handshake shows what
/// is encrypted otherwise.
#[test]
fn what_is_inside_1_3_is_read() {
    let rows = talk_13().rows();
    let columns = ["table", "capture_source", "client_version", "server_version", "error_type"];
    let expected = [["tls", "file", "772", "", ""], ["ssh", "keylog", "SSH-2.0-inside", "SSH-2.0-server", ""]];
    assert_eq!(select(&rows, &columns), expected);
    let columns = ["alpn", "cert_subject", "cert_chain_length", "client_certificate_requested"];
    assert_eq!(select(&rows[..1], &columns), [["ssh", "CN=in.test", "1", "false"]]);
}

/// Proves that nothing is opened without the secrets, or with those of another connection, and that the handshake is a row.
#[test]
fn other_secrets_open_nothing() {
    let wrong = [("CLIENT_HANDSHAKE_TRAFFIC_SECRET", vec![9; 32]), ("SERVER_HANDSHAKE_TRAFFIC_SECRET", vec![9; 32])];
    for log in [String::new(), log(&wrong), "CLIENT_RANDOM x y".to_owned()] {
        let rows = talk_13().secrets(log).rows();
        assert_eq!(select(&rows, &["table", "sni", "alpn", "cert_subject"]), [["tls", "in.test", "", ""]]);
    }
}

/// The records of a connection of TLS 1.2 up to where both encrypt, and what seals those of either end after that.
fn talk_12(suite: u16, encrypts_first: bool) -> (Talk, [Opener; 2]) {
    let sealers = Suite::of(suite).unwrap().openers_12(&[5; 48], &[7; 32], &[8; 32], encrypts_first).unwrap();
    let [mut client, mut server] = sealers;
    let extensions = if encrypts_first { vec![extension(22, "")] } else { Vec::new() };
    let hello = server_hello(0x0303, [8; 32], suite, &extensions);
    let flight = [hello, certificates(&[certificate("in.test", "ca.test")]), message(14, "")].concat();
    let talk = Talk::tcp(443)
        .secrets(log(&[("CLIENT_RANDOM", vec![5; 48])]))
        .client(record(22, client_hello("in.test")))
        .server(record(22, flight))
        .client([record(22, message(16, [1; 40])), CCS.to_vec(), client.seal(22, &message(20, [0; 12]))].concat())
        .server([CCS.to_vec(), server.seal(22, &message(20, [0; 12]))].concat());
    (talk, [client, server])
}

/// Suites of 1.2 with each way of making nonces, each hash and each MAC; those with a MAC also with encryption first.
const SUITES_12: [(u16, bool); 11] = [
    (0xc02f, false),
    (0xc030, false),
    (0xcca8, false),
    (0x009d, false),
    (0x002f, false),
    (0x002f, true),
    (0xc014, true),
    (0x003d, false),
    (0xc027, true),
    (0xc028, false),
    (0xc028, true),
];

/// Proves the same of 1.2.
#[test]
fn what_is_inside_1_2_is_read() {
    for (suite, encrypts_first) in SUITES_12 {
        let (talk, [mut client, mut server]) = talk_12(suite, encrypts_first);
        let talk = talk.client(client.seal(23, b"SSH-2.0-x\r\n")).server(server.seal(23, b"SSH-2.0-y\r\n"));
        let rows = talk.client(client.seal(21, &[1, 0])).rows();
        let columns = ["table", "capture_source", "client_version", "server_version", "alert"];
        let expected = [["tls", "file", "772", "", ""], ["ssh", "keylog", "SSH-2.0-x", "SSH-2.0-y", ""]];
        assert_eq!(select(&rows, &columns), expected);
    }
}

/// Proves that records that are missing do not end the reading of those after them.
#[test]
fn records_after_a_hole_are_opened() {
    for (suite, encrypts_first) in [(0xc02f, false), (0xcca8, false), (0xc013, false), (0xc013, true)] {
        let (talk, [mut client, _]) = talk_12(suite, encrypts_first);
        let talk = talk.client(client.seal(23, b"SSH-2.0-x\r\n"));
        let talk = talk.client([client.seal(23, &[0; 50]), client.seal(23, &[0; 50])].concat());
        let talk = talk.client(client.seal(23, &NEWKEYS));
        let rows = talk.rows_without(5);
        let columns = ["table", "client_version", "status", "error_type"];
        assert_eq!(select(&rows[1..], &columns), [["ssh", "SSH-2.0-x", "NEWKEYS", "gap"]]);
    }
}

/// Proves that records which another program made open, and only whole: the texts were encrypted by OpenSSL's `enc`, the keys and
/// MACs made with another HMAC.
#[test]
fn records_of_others_in_cbc_are_opened() {
    const IV: &str = "000102030405060708090a0b0c0d0e0f";
    let known = [
        (
            0x002f,
            false,
            "40",
            "d08df2b74318ee1550c8faf30ad8fb149a4fecbf09c7a3dae1ba691b7e80696200f3d2fa472974200b65205e92a64142",
        ),
        (
            0xc014,
            true,
            "44",
            "9f5be5f08f35db84b7a62f712bd248b29af29af658c84a2a7da6409b1e27117a938ddd50a4dc7327918788e1115249ecdaab85ef",
        ),
        (
            0x003c,
            false,
            "50",
            "6e1283477e6df432ba1a166672b99d689cce09aad04d3700efc8dcda1b5b79d0\
             022c84b1bd71ce4a3f75eb746edf03aad2b9e7b11f36378689af06640602dba6",
        ),
        (
            0xc028,
            true,
            "60",
            "801d7212c6a12a3323273251721162ba52c8dab9effa1e00bce814eedeed2f0d421d5425a4070955\
             c18a1c92c7d2f18117c8c3b8c34c34a70a6e7fdc9cf2452381370c84e945550dc4feb318d4f9e8d3",
        ),
    ];
    for (suite, encrypts_first, len, rest) in known {
        let text = format!("17030300{len}{IV}{rest}");
        let record: Vec<u8> =
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect();
        let opener = || {
            let openers = Suite::of(suite).unwrap().openers_12(&[5; 48], &[7; 32], &[8; 32], encrypts_first);
            let [client, _] = openers.unwrap();
            client
        };
        assert_eq!(opener().open(&record), Some((23, b"GET / HTTP/1.1\r\n\r\n".to_vec())), "{suite:x}");
        for at in 5..record.len() {
            let mut other = record.clone();
            other[at] ^= 1;
            assert_eq!(opener().open(&other), None, "{suite:x}, byte {at}");
            assert_eq!(opener().open(&record[..at]), None, "{suite:x}, cut at {at}");
        }
        let [_, mut server] =
            Suite::of(suite).unwrap().openers_12(&[5; 48], &[7; 32], &[8; 32], encrypts_first).unwrap();
        assert_eq!(server.open(&record), None, "the other end's keys");
    }
}
