//! Requests, answers and their attributes.

use crate::l7::testing::{Row, Talk, select};

fn avp(code: u32, value: &[u8]) -> Vec<u8> {
    let len = u32::try_from(8 + value.len()).unwrap().to_be_bytes();
    let mut bytes = [&code.to_be_bytes()[..], &[0x40], &len[1..], value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn vendor_avp(vendor: u32, code: u32, value: &[u8]) -> Vec<u8> {
    let len = u32::try_from(12 + value.len()).unwrap().to_be_bytes();
    let mut bytes = [&code.to_be_bytes()[..], &[0xc0], &len[1..], &vendor.to_be_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(flags: u8, command: u32, application: u32, hop_by_hop: u32, avps: &[Vec<u8>]) -> Vec<u8> {
    let body = avps.concat();
    let len = u32::try_from(20 + body.len()).unwrap().to_be_bytes();
    let command = command.to_be_bytes();
    let head = [
        &[1],
        &len[1..],
        &[flags],
        &command[1..],
        &application.to_be_bytes(),
        &hop_by_hop.to_be_bytes(),
        &[0, 0, 0, 9],
    ];
    [&head.concat()[..], &body].concat()
}

fn update_location(hop_by_hop: u32) -> Vec<u8> {
    let avps = [
        avp(263, b"s;1"),
        avp(264, b"mme.test"),
        avp(296, b"test"),
        avp(293, b"hss.test"),
        avp(283, b"home"),
        avp(1, b"001010000000001"),
        avp(260, &[avp(266, &[0, 0, 0x28, 0xaf]), avp(258, &16_777_251u32.to_be_bytes())].concat()),
        vendor_avp(10415, 1405, &[0, 0, 0, 34]),
        vendor_avp(9, 7, b"\xff"),
    ];
    message(0xc0, 316, 16_777_251, hop_by_hop, &avps)
}

const COLUMNS: [&str; 7] = ["method", "target", "status", "error_type", "hop_by_hop_id", "application", "src_ip"];

/// Proves that answers find requests by hop-by-hop identifier, out of order and asked from both ends, with every column.
#[test]
fn a_request_and_its_answer_are_one_row() {
    let watchdog = message(0x80, 280, 0, 1, &[avp(264, b"hss.test")]);
    let unknown = avp(297, &[avp(266, &[0, 0, 0x28, 0xaf]), avp(298, &5420u32.to_be_bytes())].concat());
    let rows = Talk::tcp(3868)
        .client([update_location(1), update_location(2)].concat())
        .server(&watchdog)
        .server(message(0x40, 316, 16_777_251, 2, &[avp(268, &2001u32.to_be_bytes()), avp(264, b"hss.test")]))
        .client(message(0, 280, 0, 1, &[avp(268, &3004u32.to_be_bytes()), avp(281, b"busy")]))
        .server(message(0x60, 316, 16_777_251, 1, &[unknown]))
        .rows();
    let expected = [
        ["Update-Location", "hss.test", "DIAMETER_SUCCESS", "", "2", "S6a", "10.0.0.1"],
        ["Device-Watchdog", "", "DIAMETER_TOO_BUSY", "", "1", "base", "10.0.0.2"],
        ["Update-Location", "hss.test", "DIAMETER_ERROR_UNKNOWN_EPS_SUBSCRIPTION", "", "1", "S6a", "10.0.0.1"],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    let columns = [
        "session_id",
        "origin_host",
        "origin_realm",
        "destination_host",
        "destination_realm",
        "answer_origin_host",
        "user_name",
        "result_code",
        "error",
        "end_to_end_id",
        "command_code",
        "application_id",
    ];
    let first = [
        "s;1",
        "mme.test",
        "test",
        "hss.test",
        "home",
        "hss.test",
        "001010000000001",
        "2001",
        "false",
        "9",
        "316",
        "16777251",
    ];
    assert_eq!(select(&rows[..1], &columns), [first]);
    assert_eq!(
        rows[0]["avps"],
        "{Session-Id: s;1, Origin-Host: mme.test, Origin-Realm: test, Destination-Host: hss.test, \
         Destination-Realm: home, User-Name: 001010000000001, Vendor-Specific-Application-Id.Vendor-Id: 10415, \
         Vendor-Specific-Application-Id.Auth-Application-Id: 16777251, ULR-Flags: 34, AVP-9-7: ff}"
    );
    assert_eq!((&*rows[1]["error_message"], &*rows[2]["error"]), ("busy", "true"));
}

/// Proves that halves are rows, and that after a gap reading goes on with the next message.
#[test]
fn halves_are_rows_and_a_gap_ends_nothing() {
    let answer = |id| message(0, 316, 16_777_251, id, &[avp(268, &2001u32.to_be_bytes())]);
    let talk =
        Talk::tcp(3868).client(update_location(1)).server(answer(1)).client(update_location(2)).server(answer(2));
    let half = |rows: &[Row]| -> String { select(rows, &["hop_by_hop_id", "error_type"]).concat().join(" ") };
    assert_eq!(half(&talk.rows_of_client()), "1 no_response 2 no_response");
    assert_eq!(half(&talk.rows_of_server()), "1 no_request 2 no_request");
    assert_eq!(half(&talk.rows_without(1)), "2  1 no_response");
    assert_eq!(half(&talk.rows_from(2)), "2 ");
}

/// Proves that lengths which lie, groups without end and a header that is none do no harm.
#[test]
fn lengths_that_lie_are_malformed() {
    let mut long = message(0x80, 280, 0, 1, &[avp(264, b"a"), avp(296, b"bcde")]);
    long[20 + 12 + 6] = 9;
    let short = message(0x80, 280, 0, 2, &[vec![0, 0, 1, 8, 0, 0, 0, 7]]);
    let nested = (0..60).fold(avp(298, &[0, 0, 0, 1]), |inner, _| avp(279, &inner));
    let rows = Talk::tcp(3868)
        .client(long)
        .client(short)
        .client(message(0x80, 280, 0, 3, &[nested]))
        .client([&[1, 0, 0, 3][..], &[0; 30]].concat())
        .rows();
    let expected = [["1", "malformed"], ["2", "malformed"], ["3", "no_response"]];
    assert_eq!(select(&rows, &["hop_by_hop_id", "error_type"]), expected);
}
