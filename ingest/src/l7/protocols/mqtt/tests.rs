//! Packets of MQTT 3.1.1 and 5.

use crate::l7::testing::{Talk, select};

fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let (low, high) = (u8::try_from(body.len() % 128).unwrap(), u8::try_from(body.len() / 128).unwrap());
    let digits = if high == 0 { vec![low] } else { vec![low | 0x80, high] };
    [&[first][..], &digits, &body].concat()
}

fn string(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

fn connect(version: u8) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { &[5, 0x11, 0, 0, 0, 9] } else { &[] };
    let will: &[u8] = if version == 5 { &[0] } else { &[] };
    let flags = [version, 0xc6, 0, 60];
    packet(
        0x10,
        &[
            &string("MQTT"),
            &flags,
            properties,
            &string("c1"),
            will,
            &string("last"),
            &string("gone"),
            &string("eve"),
            &string("pw"),
        ],
    )
}

const COLUMNS: [&str; 8] =
    ["method", "target", "status", "error_type", "packet_identifier", "qos", "payload", "src_ip"];

/// Proves a session of version 3.1.1: every quality of service, both ends publishing with the same identifier, pings.
#[test]
fn a_session_is_a_row_per_packet_with_its_acknowledgement() {
    let big = "x".repeat(200);
    let rows = Talk::tcp(1883)
        .client(connect(4))
        .server([0x20, 2, 1, 0])
        .client(packet(0x82, &[&[0, 1], &string("a/#"), &[1], &string("b"), &[0]]))
        .server([0x90, 4, 0, 1, 1, 0x80])
        .client(
            [packet(0x31, &[&string("a/0"), b"hi"]), packet(0x32, &[&string("a/1"), &[0, 2], big.as_bytes()])].concat(),
        )
        .server([packet(0x3a, &[&string("a/1"), &[0, 2], &[0xff]]), packet(0x40, &[&[0, 2]])].concat())
        .client([packet(0x40, &[&[0, 2]]), packet(0x34, &[&string("a/2"), &[0, 3], b"two"])].concat())
        .server(packet(0x50, &[&[0, 3]]))
        .client(packet(0x62, &[&[0, 3]]))
        .server(packet(0x70, &[&[0, 3]]))
        .client([0xc0, 0, 0xe0, 0])
        .server([0xd0, 0])
        .rows();
    let expected = [
        ["CONNECT", "c1", "success", "", "", "", "", "10.0.0.1"],
        ["SUBSCRIBE", "a/#", "failure", "", "1", "1", "", "10.0.0.1"],
        ["PUBLISH", "a/0", "", "", "", "0", "hi", "10.0.0.1"],
        ["PUBLISH", "a/1", "success", "", "2", "1", &big, "10.0.0.1"],
        ["PUBLISH", "a/1", "success", "", "2", "1", "ff", "10.0.0.2"],
        ["PUBLISH", "a/2", "success", "", "3", "2", "two", "10.0.0.1"],
        ["DISCONNECT", "c1", "normal disconnection", "", "", "", "", "10.0.0.1"],
        ["PINGREQ", "", "success", "", "", "", "", "10.0.0.1"],
    ];
    let mut expected = expected.map(|row| row.to_vec());
    // Neither has a target, and a ping's answer has no code.
    expected[6][1] = "";
    expected[7][2] = "";
    assert_eq!(select(&rows, &COLUMNS), expected);
    let columns = ["version", "client_id", "user_name", "keep_alive_s", "clean_start", "will_topic", "session_present"];
    assert_eq!(select(&rows[..1], &columns), [["3.1.1", "c1", "eve", "60", "true", "last", "true"]]);
    assert_eq!((&*rows[2]["retain"], &*rows[4]["duplicate"], &*rows[1]["topics"]), ("true", "true", "[a/#, b]"));
    assert_eq!((&*rows[5]["latency_ns"], &*rows[5]["response_bytes"]), ("1000000", "8"), "to the PUBREC");
    assert_eq!(rows[3]["payload_bytes"], "200");
}

/// Proves what version 5 adds: properties, topic aliases, assigned client ids, reasons, a refused message.
#[test]
fn version_5_has_properties_and_reasons() {
    let assigned = [&[0x12][..], &string("auto-7")].concat();
    let length = [u8::try_from(assigned.len()).unwrap()];
    let user = [&[0x26][..], &string("k"), &string("v"), &[0x23, 0, 9]].concat();
    let user_length = [u8::try_from(user.len()).unwrap()];
    let reason = [&[0x1f][..], &string("too much")].concat();
    let reason_length = [u8::try_from(reason.len()).unwrap()];
    let rows = Talk::tcp(1883)
        .client(connect(5))
        .server(packet(0x20, &[&[0, 0], &length, &assigned]))
        .client(packet(0x30, &[&string("a/b"), &user_length, &user, b"1"]))
        .client(packet(0x34, &[&string(""), &[0, 1], &[3, 0x23, 0, 9], b"2"]))
        .server(packet(0x50, &[&[0, 1, 0x97], &reason_length, &reason]))
        .server(packet(0xe0, &[&[0x8e]]))
        .rows();
    let columns = ["method", "target", "status", "reason_code", "reason", "user_properties", "client_id", "error_type"];
    let expected = [
        ["CONNECT", "auto-7", "success", "0", "", "", "auto-7", ""],
        ["PUBLISH", "a/b", "", "", "", "{k: v}", "auto-7", ""],
        ["PUBLISH", "a/b", "quota exceeded", "151", "too much", "", "auto-7", ""],
        ["DISCONNECT", "", "session taken over", "142", "", "", "auto-7", ""],
    ];
    assert_eq!(select(&rows, &columns), expected);
}

/// Proves that halves are rows, and that a gap ends nothing.
#[test]
fn halves_are_rows_and_a_gap_ends_nothing() {
    let talk = Talk::tcp(1883)
        .client(connect(4))
        .server([0x20, 2, 0, 5])
        .client(packet(0x32, &[&string("a"), &[0, 2], b"1"]))
        .server(packet(0x40, &[&[0, 2]]));
    let columns = ["method", "status", "error_type"];
    let of_client = talk.rows_of_client();
    assert_eq!(select(&of_client, &columns), [["CONNECT", "", "no_response"], ["PUBLISH", "", "no_response"]]);
    let gap = talk.rows_without(1);
    assert_eq!(select(&gap, &columns), [["PUBLISH", "success", ""], ["CONNECT", "", "no_response"]]);
    assert_eq!(select(&talk.rows(), &columns)[0], ["CONNECT", "not authorized", ""]);
}

/// Proves that lengths which lie are malformed or passed over.
#[test]
fn lengths_that_lie_do_no_harm() {
    let rows = Talk::tcp(1883)
        .client(connect(4))
        .client(packet(0x30, &[&[0xff, 0xff], b"topic"]))
        .client(packet(0x82, &[&[0, 1], &[0, 99], b"x"]))
        .client([0x30, 0xff, 0xff, 0xff, 0xff, 1])
        .rows();
    let expected = [["PUBLISH", "malformed"], ["CONNECT", "no_response"], ["SUBSCRIBE", "malformed"]];
    assert_eq!(select(&rows, &["method", "error_type"]), expected);
}
