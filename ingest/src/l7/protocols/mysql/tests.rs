//! Commands, prepared statements and errors, compressed too.

use std::io::Write;

use crate::l7::testing::{Talk, select};

fn packet(seq: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[a, b, c, seq][..], payload].concat()
}

/// Packets of an answer, numbered from one.
fn packets(payloads: &[&[u8]]) -> Vec<u8> {
    payloads.iter().zip(1..).flat_map(|(payload, seq)| packet(seq, payload)).collect()
}

fn command(number: u8, body: &str) -> Vec<u8> {
    packet(0, &[&[number], body.as_bytes()].concat())
}

fn greeting() -> Vec<u8> {
    packet(0, b"\x0a8.0.33\0\x07\0\0\0saltsalt\0\xff\xff\xff\x02\0\xff\xff\x15\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0caching_sha2_password\0")
}

fn login(capabilities: u32) -> Vec<u8> {
    let head = [&capabilities.to_le_bytes()[..], &[0, 0, 0, 1, 45], &[0; 23]].concat();
    packet(1, &[&head[..], b"app\0\x02xyshop\0caching_sha2_password\0"].concat())
}

/// Protocol 4.1, with a database, a plugin and its data.
const CAPABILITIES: u32 = 1 << 3 | 1 << 9 | 1 << 15 | 1 << 19;

const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";

fn logged_in() -> Talk {
    Talk::tcp(7777)
        .server(greeting())
        .client(login(CAPABILITIES))
        .server([packet(2, b"\xfemysql_native_password\0salt\0")].concat())
        .client(packet(3, b"proof"))
        .server(packet(4, OK))
}

const COLUMNS: [&str; 8] =
    ["command", "method", "query", "row_count", "affected_rows", "status", "database", "error_type"];

/// Proves that a login is read and that what it says is in later rows; that results of every shape end where they end, in the old
/// way and the new; that a change of database counts from then on.
#[test]
fn a_login_and_commands() {
    let old = packets(&[b"\x02", b"col", b"col", EOF, b"\x01a\x01b", b"\xfb\x01b", EOF]);
    let new = packets(&[b"\x01", b"col", b"\x01a", b"\xfe\0\0\x02\0\0\0"]);
    let several = packets(&[b"\x01", b"col", EOF, b"\x01a", b"\xfe\0\0\x0a\0", b"\0\x02\x05\x02\0\0\0"]);
    let error = packets(&[b"\xff\x7a\x04#42S02Table 'shop.gone' doesn't exist"]);
    let talk = logged_in()
        .client(command(3, "select a, b from t"))
        .server(old)
        .client(command(3, "\0\x01select a from t"))
        .server(new)
        .client(command(3, "call p()"))
        .server(several)
        .client(command(3, "select * from gone"))
        .server(error)
        .client(command(3, "use other"))
        .server(packets(&[OK]))
        .client(command(14, ""))
        .server(packets(&[OK]))
        .client(command(1, ""));
    let rows = talk.rows();
    assert_eq!(
        select(&rows, &COLUMNS),
        [
            ["Login", "Login", "", "", "", "OK", "shop", ""],
            ["COM_QUERY", "SELECT", "select a, b from t", "2", "", "OK", "shop", ""],
            ["COM_QUERY", "SELECT", "select a from t", "1", "", "OK", "shop", ""],
            ["COM_QUERY", "CALL", "call p()", "1", "2", "OK", "shop", ""],
            ["COM_QUERY", "SELECT", "select * from gone", "", "", "1146", "shop", ""],
            ["COM_QUERY", "USE", "use other", "", "0", "OK", "shop", ""],
            ["COM_PING", "COM_PING", "", "", "0", "OK", "other", ""],
            ["COM_QUIT", "COM_QUIT", "", "", "", "", "other", ""],
        ]
    );
    assert_eq!(
        (&*rows[0]["user"], &*rows[0]["auth"], &*rows[0]["server_version"]),
        ("app", "mysql_native_password", "8.0.33")
    );
    assert_eq!((&*rows[4]["error_state"], &*rows[4]["error_message"]), ("42S02", "Table 'shop.gone' doesn't exist"));
    assert_eq!((&*rows[3]["insert_id"], &*rows[3]["success"], &*rows[4]["success"]), ("5", "true", "false"));
}

/// Proves that a greeting is a row where nobody logs in, and so is a refusal in place of one.
#[test]
fn connections_without_a_login() {
    let columns = ["method", "status", "success", "server_version", "error_message", "error_type", "src_port"];
    let grabbed = Talk::tcp(7777).server(greeting()).rows();
    assert_eq!(select(&grabbed, &columns), [["greeting", "OK", "true", "8.0.33", "", "", "40000"]]);
    let refused = Talk::tcp(7777).server(packet(0, b"\xff\x10\x04#08004Too many connections")).rows();
    assert_eq!(select(&refused, &columns), [["greeting", "1040", "false", "", "Too many connections", "", "40000"]]);
}

/// Proves that prepared statements are known by their number, that of the last one with it, until they are closed.
#[test]
fn prepared_statements() {
    let prepared = packets(&[b"\0\x09\0\0\0\x01\0\x01\0\0\0\0", b"param", EOF, b"col", EOF]);
    let result = packets(&[b"\x01", b"col", EOF, b"\0\0\x01a", EOF]);
    let execute = |id: u32| packet(0, &[&[23][..], &id.to_le_bytes(), &[0, 1, 0, 0, 0]].concat());
    let close = packet(0, b"\x19\x09\0\0\0");
    let talk = logged_in()
        .client(command(22, "select ?"))
        .server(prepared)
        .client(execute(9))
        .server(&result)
        .client(execute(u32::MAX))
        .server(&result)
        .client([close, execute(9)].concat())
        .server(packets(&[b"\xff\xdb\x04#HY000Unknown prepared statement"]));
    assert_eq!(
        select(&talk.rows()[1..], &["command", "query", "statement_id", "row_count", "error_code", "error_type"]),
        [
            ["COM_STMT_PREPARE", "select ?", "9", "", "", ""],
            ["COM_STMT_EXECUTE", "select ?", "9", "1", "", ""],
            ["COM_STMT_EXECUTE", "select ?", "9", "1", "", ""],
            ["COM_STMT_CLOSE", "select ?", "9", "", "", ""],
            ["COM_STMT_EXECUTE", "", "9", "", "1243", ""],
        ]
    );
}

/// Proves that the compressed protocol is read, packets as they are and those compressed by either of its ways.
#[test]
fn compressed_connections() {
    let query = command(3, "select 1 from a_table_with_a_name");
    let answer = packets(&[b"\x01", b"col", EOF, b"\x011", EOF]);
    let zlib = |plain: &[u8]| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let framed = |bytes: &[u8], plain: usize| {
        let [a, b, c, _] = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let [d, e, f, _] = u32::try_from(plain).unwrap().to_le_bytes();
        [&[a, b, c, 0, d, e, f][..], bytes].concat()
    };
    for bit in [5, 26] {
        let squeeze = |plain: &[u8]| if bit == 5 { zlib(plain) } else { zstd::bulk::compress(plain, 1).unwrap() };
        let talk = Talk::tcp(3306)
            .server(greeting())
            .client(login(CAPABILITIES | 1 << bit))
            .server(packet(2, OK))
            .client(framed(&query, 0))
            .server([framed(&squeeze(&answer[..9]), 9), framed(&squeeze(&answer[9..]), answer.len() - 9)].concat());
        let rows = talk.rows();
        let said = select(&rows, &["command", "query", "row_count", "error_type"]);
        assert_eq!(said[1], ["COM_QUERY", "select 1 from a_table_with_a_name", "1", ""], "{bit}");
    }
}

/// Proves that nothing is made of what is encrypted.
#[test]
fn an_encrypted_connection_is_left_alone() {
    let head = [&(CAPABILITIES | 1 << 11).to_le_bytes()[..], &[0; 28]].concat();
    let talk = Talk::tcp(3306)
        .server(greeting())
        .client(packet(1, &head))
        .client("\x16\x03\x01\0\x05hello")
        .server([0x16; 90]);
    assert_eq!(select(&talk.rows(), &["command", "error_type"]), [["SSLRequest", ""]]);
}

/// Proves what is made of halves and of the middle of a connection.
#[test]
fn halves_and_the_middle() {
    let talk = logged_in()
        .client(command(3, "select 1"))
        .server(packets(&[b"\x01", b"col", EOF, b"\x01a", EOF]))
        .client(command(3, "delete from t"))
        .server(packets(&[b"\0\x03\0\x02\0\0\0"]));
    let columns = ["query", "row_count", "affected_rows", "error_type", "src_port"];
    let delete = ["delete from t", "", "3", "", "40000"];
    assert_eq!(select(&talk.rows_from(5), &columns), [["select 1", "1", "", "", "40000"], delete]);
    assert_eq!(select(&talk.rows_from(6), &columns), [delete]);
    let asked = talk.rows_of_client();
    assert_eq!(
        select(&asked, &["query", "error_type"]),
        [["select 1", "no_response"], ["delete from t", "no_response"]]
    );
    let answered = talk.rows_of_server();
    assert_eq!(select(&answered, &["affected_rows", "error_type"]).last().unwrap(), &["3", "no_request"]);
}

/// Proves that hostile input does no harm: lengths and counts that lie, packets of nothing, and compression that is none.
#[test]
fn hostile_input_is_survived() {
    let columns = packets(&[b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", b"col", b""]);
    for noise in [
        &b"\xff\xff\xff\x01"[..],
        b"\0\0\0\x01\0\0\0\x02",
        &columns,
        &[0xff; 300],
        &packets(&[b"\xff"]),
        &packets(&[b"\xfe"]),
    ] {
        let rows = logged_in().client(command(3, "select 1")).server(noise).rows();
        assert_eq!(rows.len(), 2, "{noise:?}");
    }
    let lies = Talk::tcp(3306).server(greeting()).client(login(CAPABILITIES | 1 << 5)).server(packet(2, OK));
    let rows = lies.client(b"\x09\0\0\0\xff\xff\xff\x78\x9cnothing").server([0x78; 40]).rows();
    assert_eq!(rows.len(), 1);
    let attributes = logged_in().client(command(3, "\x08\x01\x7f\x7f\x7f")).server(packets(&[OK])).rows();
    assert_eq!(attributes.len(), 2);
}
