//! Initial packets of every version, and how they fail.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, UnboundKey, quic::HeaderProtectionKey};

use super::{keys, packet};
use crate::{
    flow::{Pair, Way},
    l7::{
        protocols::{
            quic::keys::Key,
            tls::made::{client_hello, counted, server_hello_13},
        },
        testing::{Talk, select},
    },
};

const DCID: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const SCID: [u8; 4] = [0xc1; 4];
const SERVER: [u8; 5] = [0x5e; 5];

fn varint(value: usize) -> Vec<u8> {
    (u16::try_from(value).unwrap() | 0x4000).to_be_bytes().to_vec()
}

fn crypto(offset: usize, bytes: &[u8]) -> Vec<u8> {
    [vec![6], varint(offset), varint(bytes.len()), bytes.to_vec()].concat()
}

/// A first packet: `kind` is its type's two bits, which depend on the version.
fn initial(kind: u8, version: u32, key: &Key, ids: [&[u8]; 2], number: u8, frames: &[u8]) -> Vec<u8> {
    let mut payload = frames.to_vec();
    payload.resize(payload.len().max(20), 0);
    let [to, from] = ids.map(|id| counted(1, id));
    let len = varint(payload.len() + 1 + 16);
    let mut packet = [&[0xc0 | kind << 4][..], &version.to_be_bytes(), &to, &from, &[0], &len, &[number]].concat();
    let number_at = packet.len() - 1;
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key.key).unwrap());
    sealing.seal_in_place_append_tag(key.nonce(u32::from(number)), Aad::from(packet.clone()), &mut payload).unwrap();
    packet.extend(payload);
    let header = HeaderProtectionKey::new(&ring::aead::quic::AES_128, &key.header).unwrap();
    let mask = header.new_mask(&packet[number_at + 4..number_at + 20]).unwrap();
    packet[0] ^= mask[0] & 0x0f;
    packet[number_at] ^= mask[1];
    packet
}

fn handshake() -> Vec<u8> {
    [&[0xe0][..], &1u32.to_be_bytes(), &counted(1, SERVER), &counted(1, SCID), &varint(30), &[7; 30]].concat()
}

fn short() -> Vec<u8> {
    vec![0x40; 60]
}

fn keys_of(version: u32, dcid: &[u8]) -> Pair<Key> {
    keys::derive(version, dcid).unwrap()
}

/// The talk of a connection: a hello in two datagrams, the second part of it first, and an answer.
fn talk(kind: u8, version: u32) -> Talk {
    let keys = keys_of(version, &DCID);
    let hello = client_hello("quic.test");
    let (first, second) = hello.split_at(40);
    let of_client =
        |number: u8, frames: &[u8]| initial(kind, version, keys.of(Way::Out), [&DCID, &SCID], number, frames);
    let answer = [vec![2, 0, 0, 0, 0], crypto(0, &server_hello_13())].concat();
    let answer = initial(kind, version, keys.of(Way::In), [&SCID, &SERVER], 0, &answer);
    Talk::udp(4433)
        .client(of_client(0, &[&[0, 0, 1][..], &crypto(40, second)].concat()))
        .client(of_client(1, &crypto(0, first)))
        .server([answer, handshake()].concat())
        .client(handshake())
        .client(short())
        .server(short())
}

const COLUMNS: [&str; 9] =
    ["version_name", "sni", "status", "cipher_suite", "dcid", "scid", "server_cid", "error_type", "alpn_offered"];

/// Proves that hellos are read in every version with its own keys, over several packets and out of order.
#[test]
fn the_hellos_of_a_connection_are_read() {
    for (kind, version, name) in [
        (0, packet::V1, "1"),
        (1, packet::V2, "2"),
        (0, packet::DRAFT_29, "draft-29"),
        (0, packet::DRAFT_28, "draft-28"),
    ] {
        let rows = talk(kind, version).rows();
        let expected = [[
            name,
            "quic.test",
            "TLS 1.3",
            "4865",
            "0102030405060708",
            "c1c1c1c1",
            "5e5e5e5e5e",
            "",
            "[h2, http/1.1]",
        ]];
        assert_eq!(select(&rows, &COLUMNS), expected);
        assert_eq!(&rows[0]["ja4"][..11], "q13d0307h2_");
        assert_eq!(select(&rows, &["latency_ns", "dst_name", "dst_name_source"]), [["2000000", "quic.test", "sni"]]);
    }
}

/// Proves that halves are rows that say what is missing.
#[test]
fn a_half_is_a_row_that_says_so() {
    let talk = talk(0, packet::V1);
    assert_eq!(select(&talk.rows_of_client(), &["sni", "error_type"]), [["quic.test", "no_response"]]);
    assert_eq!(select(&talk.rows_without(2), &["sni", "error_type"]), [["quic.test", "no_response"]]);
    assert!(talk.rows_from(3).is_empty(), "nothing is known of a connection whose beginning is missing");
}

/// Proves that a retry and data before the handshake belong to their connection, and that the keys follow the retry.
#[test]
fn a_retry_is_part_of_the_connection() {
    let version = packet::V1;
    let (first, second) = (keys_of(version, &DCID), keys_of(version, &SERVER));
    let hello = crypto(0, &client_hello("a.test"));
    let header = |first: u8| [&[first][..], &1u32.to_be_bytes()].concat();
    let retry = [header(0xf0), counted(1, SCID), counted(1, SERVER), vec![9; 40]].concat();
    let early = [header(0xd0), counted(1, SERVER), counted(1, SCID), varint(30), vec![7; 30]].concat();
    let again = initial(0, version, second.of(Way::Out), [&SERVER, &SCID], 1, &hello);
    let answer = initial(0, version, second.of(Way::In), [&SCID, &[0x77; 4]], 0, &crypto(0, &server_hello_13()));
    let rows = Talk::udp(443)
        .client(initial(0, version, first.of(Way::Out), [&DCID, &SCID], 0, &hello))
        .server(retry)
        .client([again, early].concat())
        .server(answer)
        .client(short())
        .rows();
    let columns = ["retry", "zero_rtt", "dcid", "server_cid", "tls_version", "error_type"];
    assert_eq!(select(&rows, &columns), [["true", "true", "0102030405060708", "77777777", "772", ""]]);
}

/// Proves that a server may answer in another version, refuse one, or refuse the connection.
#[test]
fn other_versions_and_refusals_are_seen() {
    let (one, two) = (keys_of(packet::V1, &DCID), keys_of(packet::V2, &DCID));
    let hello = crypto(0, &client_hello("a.test"));
    let first = initial(0, packet::V1, one.of(Way::Out), [&DCID, &SCID], 0, &hello);
    let answer = initial(1, packet::V2, two.of(Way::In), [&SCID, &SERVER], 0, &crypto(0, &server_hello_13()));
    let rows = Talk::udp(443).client(&first).server(answer).client(short()).rows();
    let columns = ["client_version", "version_name", "server_versions", "status", "close_by"];
    assert_eq!(select(&rows, &columns), [["1", "2", "[]", "TLS 1.3", ""]]);
    let offers = [&[0x80, 0, 0, 0, 0][..], &counted(1, SCID), &counted(1, DCID), &packet::V2.to_be_bytes()].concat();
    let rows = Talk::udp(443).client(&first).server(offers).rows();
    assert_eq!(select(&rows, &columns), [["1", "1", "[2]", "", ""]]);
    let close = [&[0x1c][..], &varint(0x128), &[0], &varint(2), b"no"].concat();
    let refused = initial(0, packet::V1, one.of(Way::In), [&SCID, &SERVER], 0, &close);
    let rows = Talk::udp(443).client(&first).server(refused).rows();
    assert_eq!(select(&rows, &columns), [["1", "1", "[]", "handshake_failure", "server"]]);
    assert_eq!(select(&rows, &["close_code", "close_reason"]), [["296", "no"]]);
}

/// Proves that one flow may carry several connections, and that packets of an old one that come again are not a new one.
#[test]
fn connections_on_the_same_ports_are_told_apart() {
    let again = [0x99; 8];
    let hello = crypto(0, &client_hello("b.test"));
    let second = initial(0, packet::V1, keys_of(packet::V1, &again).of(Way::Out), [&again, &SCID], 0, &hello);
    let first = initial(0, packet::V1, keys_of(packet::V1, &DCID).of(Way::Out), [&DCID, &SCID], 0, &[]);
    let rows = talk(0, packet::V1).client(first).client(second).rows();
    assert_eq!(select(&rows, &["sni", "error_type"]), [["quic.test", ""], ["b.test", "no_response"]]);
}

/// Proves that hostile packets do no harm: lengths that lie, frames that do, and bytes that open with no key.
#[test]
fn what_cannot_be_read_does_no_harm() {
    let keys = keys_of(packet::V1, &DCID);
    let lying = [vec![2], varint(9), varint(0), vec![0xff; 8], vec![0]].concat();
    let first = initial(0, packet::V1, keys.of(Way::Out), [&DCID, &SCID], 0, &lying);
    let mut broken = first.clone();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let long = [&[0xc3][..], &1u32.to_be_bytes(), &counted(1, DCID), &[0], &[0xff; 60]].concat();
    for packet in [first, broken] {
        let rows = Talk::udp(443).client(&packet).client(&long).client(&packet[..packet.len() / 2]).rows();
        assert_eq!(select(&rows, &["sni", "version", "error_type"]), [["", "1", "no_response"]]);
    }
}
