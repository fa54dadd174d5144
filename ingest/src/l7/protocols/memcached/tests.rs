//! The text form and the binary one.

use crate::l7::testing::{Talk, select};

const COLUMNS: [&str; 9] =
    ["method", "target", "status", "error_type", "keys", "hits", "flags", "value_bytes", "value"];

/// Proves the text protocol: values with line ends in them, several keys, meta commands, what nobody answers, errors, pipelined.
#[test]
fn text_requests_are_rows_with_their_responses() {
    let rows = Talk::tcp(11211)
        .client("set a 5 60 4\r\nx\r\ny\r\nget a b c\r\nset q 0 0 1 noreply\r\nz\r\n")
        .server("STORED\r\nVALUE a 5 4\r\nx\r\ny\r\nVALUE c 0 1\r\n!\r\nEND\r\n")
        .client("get none\r\nincr n 2\r\nmg a v\r\nmg b v\r\nms a 2 T0\r\nok\r\nset a b c d\r\n")
        .server("END\r\n7\r\nVA 2\r\nhi\r\nEN\r\nHD\r\nCLIENT_ERROR bad\r\n")
        .client("bogus x\r\nstats\r\nquit\r\n")
        .server("ERROR\r\nSTAT pid 1\r\nSTAT uptime 2\r\nEND\r\n")
        .rows();
    let expected = [
        ["set", "q", "", "", "[q]", "", "0", "1", "z"],
        ["set", "a", "STORED", "", "[a]", "", "5", "4", "x\r\ny"],
        ["get", "a", "VALUE", "", "[a, b, c]", "2", "5", "5", "x\r\ny"],
        ["get", "none", "END", "", "[none]", "0", "", "", ""],
        ["incr", "n", "OK", "", "[n]", "", "", "", ""],
        ["mg", "a", "VA", "", "[a]", "1", "", "2", "hi"],
        ["mg", "b", "EN", "", "[b]", "0", "", "", ""],
        ["ms", "a", "HD", "", "[a]", "", "", "2", "ok"],
        ["set", "a", "CLIENT_ERROR", "", "[a]", "", "", "", ""],
        ["quit", "", "", "", "", "", "", "", ""],
        ["bogus", "", "ERROR", "", "", "", "", "", ""],
        ["stats", "", "END", "", "", "", "", "", ""],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    assert_eq!((&*rows[1]["expiry"], &*rows[1]["form"]), ("60", "text"));
}

fn binary(magic: u8, opcode: u8, status: u8, opaque: u8, extras: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = [extras, key, value].concat();
    let (key_len, extras_len) = (u8::try_from(key.len()).unwrap(), u8::try_from(extras.len()).unwrap());
    let mut bytes = vec![magic, opcode, 0, key_len, extras_len, 0, 0, status];
    bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend([0, 0, 0, opaque]);
    bytes.extend([0; 8]);
    [bytes, body].concat()
}

/// Proves the binary protocol: responses by their number, misses, quiet requests without an answer.
#[test]
fn binary_requests_are_rows_with_their_responses() {
    let set = binary(0x80, 1, 0, 1, &[0, 0, 0, 5, 0, 0, 0, 60], b"a", b"xy");
    let rows = Talk::tcp(11211)
        .client([set, binary(0x80, 9, 0, 2, &[], b"q", b""), binary(0x80, 0, 0, 3, &[], b"a", b"")].concat())
        .server([binary(0x81, 0, 0, 3, &[0, 0, 0, 5], b"", b"xy"), binary(0x81, 1, 2, 1, &[], b"", b"exists")].concat())
        .rows();
    let expected = [
        ["get", "a", "No error", "", "[a]", "1", "5", "2", "xy"],
        ["set", "a", "Key exists", "", "[a]", "", "5", "2", "xy"],
        ["getq", "q", "", "", "[q]", "0", "", "", ""],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    assert_eq!((&*rows[1]["expiry"], &*rows[1]["form"]), ("60", "binary"));
}

/// Proves that halves say so, that a gap ends nothing, and that lengths which lie and lines without end do no harm.
#[test]
fn halves_and_hostile_lines() {
    let talk =
        Talk::tcp(11211).client("set a 0 0 1\r\nx\r\n").server("STORED\r\n").client("get a\r\n").server("END\r\n");
    let columns = ["method", "status", "error_type"];
    let server = talk.rows_of_server();
    assert_eq!(select(&server, &columns), [["", "STORED", "no_request"], ["", "END", "no_request"]]);
    let gap = talk.rows_without(1);
    assert_eq!(select(&gap, &columns), [["set", "", "gap"], ["get", "", "gap"], ["", "END", "no_request"]]);
    let rows = talk.client("set b 0 0 4294967295\r\nx").rows();
    assert_eq!(select(&rows, &columns), [["set", "STORED", ""], ["get", "END", ""]]);
    let endless = Talk::tcp(11211).client("get a\r\n").client(vec![b'x'; 40_000]).client("get b\r\n");
    assert_eq!(select(&endless.rows_from(0), &["target"]), [["a"], ["b"]]);
}
