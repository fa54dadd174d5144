//! Requests, answers and their attributes.

use crate::l7::testing::{Talk, select};

/// A message: code, identifier, an authenticator of one byte repeated, and attributes.
fn message(code: u8, id: u8, authenticator: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend([*kind, u8::try_from(value.len() + 2).unwrap()]);
        body.extend(*value);
    }
    let len = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
    [&[code, id, len[0], len[1]][..], &[authenticator; 16], &body].concat()
}

const COLUMNS: [&str; 8] =
    ["method", "target", "status", "error_type", "id", "code", "response_code", "retransmissions"];

/// Proves that responses find their requests by identifier in any order, that a request sent again is counted and no row of its
/// own, and every column of a login.
#[test]
fn a_request_and_its_response_are_one_row() {
    let vendor = [&9u32.to_be_bytes()[..], &[1, 5, b'a', b'=', b'b']].concat();
    let login = message(
        1,
        7,
        0xab,
        &[
            (1, b"bob"),
            (2, &[1; 16]),
            (4, &[10, 0, 0, 9]),
            (5, &[0, 0, 0, 3]),
            (31, b"02-00"),
            (32, b"ap1"),
            (26, &vendor),
        ],
    );
    let accounting = message(4, 8, 1, &[(1, b"eve"), (40, &[0, 0, 0, 2]), (44, b"s1")]);
    let accept = message(2, 7, 0xcd, &[(8, &[10, 1, 2, 3]), (18, b"welcome")]);
    let rows = Talk::udp(1812)
        .client(&login)
        .client(&login)
        .client(accounting)
        .server(message(5, 8, 2, &[]))
        .server(accept)
        .rows();
    let expected = [
        ["Accounting-Request", "eve", "Accounting-Response", "", "8", "4", "5", "0"],
        ["Access-Request", "bob", "Access-Accept", "", "7", "1", "2", "1"],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    let columns = [
        "code_name",
        "nas_ip",
        "nas_port",
        "nas_identifier",
        "calling_station_id",
        "framed_ip",
        "reply_message",
        "latency_ns",
        "request_bytes",
        "response_bytes",
    ];
    let login_row = ["Access-Request", "10.0.0.9", "3", "ap1", "02-00", "10.1.2.3", "welcome", "4000000", "78", "35"];
    assert_eq!(select(&rows[1..], &columns), [login_row]);
    assert_eq!(rows[1]["request_authenticator"], "ab".repeat(16));
    assert_eq!(
        rows[1]["attributes"],
        format!(
            "{{User-Name: bob, User-Password: {}, NAS-IP-Address: 10.0.0.9, NAS-Port: 3, Calling-Station-Id: 02-00, \
             NAS-Identifier: ap1, Vendor-9-1: a=b}}",
            "01".repeat(16)
        )
    );
    assert_eq!((&*rows[0]["acct_status_type"], &*rows[0]["acct_session_id"]), ("Stop", "s1"));
}

/// Proves that halves are rows, and that the code says who the client is.
#[test]
fn a_half_is_a_row_that_says_so() {
    let talk = Talk::udp(1812).client(message(1, 7, 1, &[(1, b"bob")])).server(message(3, 7, 2, &[]));
    assert_eq!(select(&talk.rows_of_client(), &COLUMNS[..4]), [["Access-Request", "bob", "", "no_response"]]);
    let answered = talk.rows_of_server();
    assert_eq!(select(&answered, &COLUMNS[..4]), [["", "", "Access-Reject", "no_request"]]);
    assert_eq!((&*answered[0]["src_ip"], &*answered[0]["dst_ip"]), ("10.0.0.1", "10.0.0.2"), "who asked is known");
}

/// Proves that lengths which lie make a malformed row of what is before them: of an attribute, of one shorter than itself, and
/// of a vendor's.
#[test]
fn lengths_that_lie_are_malformed() {
    let mut long = message(1, 1, 1, &[(1, b"bob"), (4, &[1, 2, 3, 4])]);
    long[26] = 200;
    let mut short = message(1, 2, 1, &[(1, b"bob"), (4, &[1, 2, 3, 4])]);
    short[26] = 1;
    let vendor = message(1, 3, 1, &[(26, &[0, 0, 0, 9, 1, 200, 7])]);
    let rows = Talk::udp(1812).client(long).client(short).client(vendor).rows();
    let expected = [
        ["bob", "malformed", "{User-Name: bob}"],
        ["bob", "malformed", "{User-Name: bob}"],
        ["", "no_response", "{Vendor-9: 01c807}"],
    ];
    assert_eq!(select(&rows, &["target", "error_type", "attributes"]), expected);
}
