//! Talks of SSH in every way that a capture may show them.

use crate::l7::{
    protocols::tls::fingerprint::md5_hex,
    testing::{Talk, select},
};

fn text(text: &str) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// A packet of a message, with eight bytes of padding.
fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 10).unwrap();
    [&len.to_be_bytes()[..], &[8, number], body, &[0; 8]].concat()
}

fn kexinit(lists: [&str; 10]) -> Vec<u8> {
    let lists: Vec<u8> = lists.iter().flat_map(|list| text(list)).collect();
    packet(20, &[&[7; 16][..], &lists, &[0; 5]].concat())
}

fn client() -> Vec<u8> {
    let ciphers = "chacha20-poly1305@openssh.com,aes128-ctr";
    kexinit([
        "curve25519-sha256,ext-info-c",
        "ssh-ed25519,ssh-rsa",
        ciphers,
        ciphers,
        "m1,m2",
        "m1",
        "none",
        "none",
        "",
        "",
    ])
}

fn server() -> Vec<u8> {
    kexinit([
        "sha1,curve25519-sha256",
        "ssh-rsa",
        "aes128-ctr",
        "aes256-ctr,aes128-ctr",
        "m2",
        "m1",
        "none",
        "zlib",
        "",
        "",
    ])
}

fn reply() -> Vec<u8> {
    let key = [text("ssh-rsa"), text("key")].concat();
    let len = u32::try_from(key.len()).unwrap().to_be_bytes();
    packet(31, &[&len[..], &key, &text("point"), &text("signature")].concat())
}

const SERVER_LINES: &str = "Go away\r\nSSH-2.0-OpenSSH_9.2 x\r\n";

const COLUMNS: [&str; 8] =
    ["client_version", "target", "status", "kex", "host_key_algorithm", "cipher", "cipher_back", "error_type"];

/// Proves that versions and both offers are one row, with what is agreed on and the fingerprints, whoever speaks first.
#[test]
fn a_key_exchange_is_a_row() {
    let finish = [reply(), packet(21, &[])].concat();
    let talk = Talk::tcp(2222).server(SERVER_LINES).client("SSH-2.0-x\n").server(server()).client(client());
    let rows =
        talk.client(packet(30, &text("point"))).server([finish, vec![0xee; 90]].concat()).client([0xee; 40]).rows();
    let expected = [[
        "SSH-2.0-x",
        "SSH-2.0-OpenSSH_9.2 x",
        "NEWKEYS",
        "curve25519-sha256",
        "ssh-rsa",
        "aes128-ctr",
        "aes128-ctr",
        "",
    ]];
    assert_eq!(select(&rows, &COLUMNS), expected);
    let offer = "curve25519-sha256,ext-info-c;chacha20-poly1305@openssh.com,aes128-ctr;m1,m2;none";
    assert_eq!(select(&rows, &["hassh_text", "hassh"]), [[offer, &md5_hex(offer)]]);
    let offer = "sha1,curve25519-sha256;aes256-ctr,aes128-ctr;m1;zlib";
    assert_eq!(select(&rows, &["hassh_server_text", "hassh_server"]), [[offer, &md5_hex(offer)]]);
    let lists = ["client_macs", "server_host_keys", "mac", "mac_back", "compression"];
    assert_eq!(select(&rows, &lists), [["[m1, m2]", "[ssh-rsa]", "m2", "m1", "none"]]);
    assert_eq!(select(&rows, &["latency_ns", "src_ip"]), [["1000000", "10.0.0.1"]]);
    assert!(rows[0]["host_key"].starts_with("SHA256:"));
}

/// Proves that halves are rows, and that the client is told by what it says.
#[test]
fn a_half_is_a_row_that_says_so() {
    let talk = Talk::tcp(22).client("SSH-2.0-x\r\n").server("SSH-2.0-y\r\n").client(client()).server(server());
    let columns = ["client_version", "server_version", "kex", "error_type", "src_ip"];
    assert_eq!(select(&talk.rows(), &columns), [["SSH-2.0-x", "SSH-2.0-y", "curve25519-sha256", "", "10.0.0.1"]]);
    assert_eq!(select(&talk.rows_of_client(), &columns), [["SSH-2.0-x", "", "", "no_response", "10.0.0.1"]]);
    let turned = Talk::tcp(22).server("SSH-2.0-x\r\n").server(client()).client("SSH-2.0-y\r\n").client(server());
    assert_eq!(select(&turned.rows(), &columns), [["SSH-2.0-x", "SSH-2.0-y", "curve25519-sha256", "", "10.0.0.2"]]);
}

/// Proves that a disconnect is the outcome, and that hostile packets do no harm: lists and padding that lie, a line without
/// end.
#[test]
fn what_cannot_be_read_does_no_harm() {
    let refused = Talk::tcp(22).client("SSH-2.0-x\r\n").server("SSH-2.0-y\r\n").server(packet(1, &[0, 0, 0, 2]));
    assert_eq!(select(&refused.rows(), &["status"]), [["PROTOCOL_ERROR"]]);
    let lying = packet(20, &[&[7; 16][..], &[0xff, 0xff, 0xff, 0xff], b"abc"].concat());
    let rows = Talk::tcp(22).client("SSH-2.0-x\r\n").client(lying).client([0, 0, 0, 2, 0xff, 20]).server("no").rows();
    assert_eq!(select(&rows, &["client_version", "error_type"]), [["SSH-2.0-x", "malformed"]]);
    let endless = Talk::tcp(22).client([b"SSH-2.0-".as_slice(), &[b'a'; 9000]].concat()).rows();
    assert!(endless.len() <= 1);
}
