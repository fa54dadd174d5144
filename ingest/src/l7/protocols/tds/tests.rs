//! Logins, batches, calls and tokens.

use crate::l7::testing::{Talk, select};

fn packet(kind: u8, status: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    [&[kind, status, len[0], len[1], 0, 0, 1, 0][..], payload].concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

const HEADERS: &[u8] = &[4, 0, 0, 0];

fn prelogin() -> Vec<u8> {
    packet(18, 1, &[0, 0, 6, 0, 6, 0xff, 15, 0, 0, 0, 0, 0])
}

fn batch(text: &str) -> Vec<u8> {
    packet(1, 1, &[HEADERS, &utf16(text)].concat())
}

fn login() -> Vec<u8> {
    let mut bytes = vec![0; 94];
    for (at, text) in [(36, "pc"), (40, "sa"), (44, "secret"), (48, "app"), (68, "shop")] {
        let (start, len) = (u16::try_from(bytes.len()).unwrap(), u16::try_from(text.len()).unwrap());
        bytes[at..at + 2].copy_from_slice(&start.to_le_bytes());
        bytes[at + 2..at + 4].copy_from_slice(&len.to_le_bytes());
        bytes.extend(utf16(text));
    }
    packet(16, 1, &bytes)
}

fn done(status: u8, rows: u8) -> Vec<u8> {
    vec![0xfd, status, 0, 0xc1, 0, rows, 0, 0, 0, 0, 0, 0, 0]
}

fn error(code: u32, message: &str) -> Vec<u8> {
    let chars = u16::try_from(message.len()).unwrap().to_le_bytes();
    let body = [&code.to_le_bytes()[..], &[1, 16], &chars, &utf16(message), &[0, 0, 1, 0, 0, 0]].concat();
    [&[0xaa][..], &u16::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
}

const COLUMNS: [&str; 7] = ["method", "target", "status", "error_type", "row_count", "error_code", "error_message"];

/// Proves a session: login, a batch in two packets with a result set, errors, procedures by number and by name; no password.
#[test]
fn a_session_is_a_row_per_request() {
    let text = utf16("select * from t");
    let (first, second) = text.split_at(10);
    let select_packets = [packet(1, 0, &[HEADERS, first].concat()), packet(1, 1, second)].concat();
    let results = [&[0x81, 1, 0, 9, 9, 9][..], &done(0x10, 3)].concat();
    let statement = utf16("select @p");
    let parameter =
        [&[0, 0, 0xe7, 64, 0, 1, 2, 3, 4, 5][..], &[u8::try_from(statement.len()).unwrap(), 0], &statement].concat();
    let execute = packet(3, 1, &[HEADERS, &[0xff, 0xff, 10, 0, 0, 0], &parameter].concat());
    let chunked = [
        &[0, 0, 0x26, 4, 0][..],
        &[0, 0, 0xe7, 0xff, 0xff, 1, 2, 3, 4, 5],
        &[0xfe; 8],
        &[4, 0, 0, 0],
        &utf16("ab"),
        &[0; 4],
    ];
    let prepare = packet(3, 1, &[HEADERS, &[0xff, 0xff, 13, 0, 0, 0], &chunked.concat()].concat());
    let named = packet(3, 1, &[HEADERS, &[4, 0], &utf16("proc"), &[0, 0]].concat());
    let rows = Talk::tcp(1433)
        .client(prelogin())
        .server(packet(4, 1, &[0, 0, 6, 0, 6, 0xff]))
        .client(packet(18, 1, &[22, 3, 1, 0, 1, 1]))
        .server(packet(18, 1, &[22, 3, 1, 0, 1, 2]))
        .client(login())
        .server(packet(4, 1, &[&[0xe3, 2, 0, 1, 2][..], &done(0, 0)].concat()))
        .client(select_packets)
        .server(packet(4, 1, &results))
        .client(batch("select 1/0"))
        .server(packet(4, 1, &[error(8134, "Divide by zero"), done(2, 0)].concat()))
        .client(execute)
        .server(packet(4, 1, &[&[0x79, 0, 0, 0, 0][..], &done(0x10, 1)].concat()))
        .client(prepare)
        .server(packet(4, 1, &done(0, 0)))
        .client(named)
        .server(packet(4, 1, &done(0, 0)))
        .rows();
    let expected = [
        ["prelogin", "", "ok", "", "", "", ""],
        ["login", "shop", "ok", "", "", "", ""],
        ["batch", "select * from t", "ok", "", "3", "", ""],
        ["batch", "select 1/0", "8134", "", "", "8134", "Divide by zero"],
        ["rpc", "select @p", "ok", "", "1", "", ""],
        ["rpc", "ab", "ok", "", "", "", ""],
        ["rpc", "proc", "ok", "", "", "", ""],
    ];
    assert_eq!(select(&rows, &COLUMNS), expected);
    let columns = ["user_name", "database", "application", "client_host", "procedure", "error_class"];
    assert_eq!(select(&rows[3..5], &columns[..4]), [["sa", "shop", "app", "pc"], ["sa", "shop", "app", "pc"]]);
    assert_eq!(
        (&*rows[4]["procedure"], &*rows[5]["procedure"], &*rows[3]["error_class"]),
        ("sp_executesql", "sp_prepexec", "16")
    );
}

/// Proves that halves say so, and that a hole ends what waits and nothing else.
#[test]
fn halves_are_rows_and_a_gap_ends_nothing() {
    let fine = || packet(4, 1, &done(0, 0));
    let talk = Talk::tcp(1433).client(batch("a")).server(fine()).client(batch("b")).server(fine());
    let columns = ["method", "target", "error_type"];
    let of_client = talk.rows_of_client();
    assert_eq!(select(&of_client, &columns), [["batch", "a", "no_response"], ["batch", "b", "no_response"]]);
    let from = talk.rows_from(2);
    assert_eq!(select(&from, &columns), [["batch", "b", ""]]);
    let gap = talk.rows_without(1);
    assert_eq!(select(&gap, &columns), [["batch", "a", "gap"], ["batch", "b", "gap"], ["", "", "no_request"]]);
}

/// Proves that lengths which lie do no harm: of headers, of texts in a login, of tokens, of packets.
#[test]
fn lengths_that_lie_do_no_harm() {
    let mut lies = login();
    lies[8 + 42] = 0xff;
    lies[8 + 43] = 0xff;
    let rows = Talk::tcp(1433)
        .client(prelogin())
        .server(packet(4, 1, &[0xaa, 0xff, 0xff, 1]))
        .client(lies)
        .server(packet(4, 1, &[0xfd, 1]))
        .client(packet(1, 1, &[0xff, 0xff, 0xff, 0x7f, b'a', 0]))
        .client(packet(3, 1, &[4, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0, 0, 0, 0xe7]))
        .client([1, 1, 0, 3, 0, 0, 0, 0])
        .rows();
    let expected = [["prelogin", ""], ["login", ""], ["batch", "gap"], ["rpc", "gap"]];
    assert_eq!(select(&rows, &["method", "error_type"]), expected);
}
