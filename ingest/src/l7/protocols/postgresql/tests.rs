//! The simple and the extended protocol, and errors.

use crate::l7::testing::{Talk, select};

/// A message with its kind and length.
fn message(kind: char, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).unwrap();
    [&[kind as u8][..], &len.to_be_bytes(), body].concat()
}

/// A client's first message.
fn first(code: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 8).unwrap();
    [&len.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}

fn ready() -> Vec<u8> {
    message('Z', b"I")
}

fn tag(tag: &str) -> Vec<u8> {
    message('C', format!("{tag}\0").as_bytes())
}

fn query(text: &str) -> Vec<u8> {
    message('Q', format!("{text}\0").as_bytes())
}

fn error(code: &str) -> Vec<u8> {
    message('E', format!("SFEHLER\0VERROR\0C{code}\0Mno such thing\0\0").as_bytes())
}

fn login(talk: Talk) -> Talk {
    let auth = |kind: u32, rest: &[u8]| message('R', &[&kind.to_be_bytes()[..], rest].concat());
    talk.client(first(196_608, b"user\0app\0database\0shop\0application_name\0psql\0\0"))
        .server(auth(10, b"SCRAM-SHA-256\0\0"))
        .client(message('p', b"SCRAM-SHA-256\0\0\0\0\x05n,,n="))
        .server(
            [
                auth(12, b"v="),
                auth(0, b""),
                message('S', b"server_version\x0017.2\0"),
                message('K', &[0, 0, 1, 2, 9, 9, 9, 9]),
                ready(),
            ]
            .concat(),
        )
}

/// Proves that a login behind a refused request for encryption is read, and that what it says of the session is in later rows.
#[test]
fn a_login_and_its_session() {
    let talk = login(Talk::tcp(7777).client(first(80_877_103, b"")).server("N"))
        .client(query("select 1"))
        .server([message('T', b"\0\0"), message('D', b"\0\0"), tag("SELECT 1"), ready()].concat());
    let rows = talk.rows();
    assert_eq!(
        select(
            &rows,
            &["app_proto", "method", "target", "status", "auth", "database", "user", "application_name", "error_type"]
        ),
        [
            ["postgresql", "SSLRequest", "", "N", "", "", "", "", ""],
            ["postgresql", "Startup", "shop", "OK", "SCRAM-SHA-256", "shop", "app", "psql", ""],
            ["postgresql", "SELECT", "select 1", "OK", "", "shop", "app", "psql", ""],
        ]
    );
    assert_eq!((&*rows[2]["server_version"], &*rows[2]["backend_pid"], &*rows[2]["row_count"]), ("17.2", "258", "1"));
}

/// Proves that nothing is made of what is encrypted.
#[test]
fn an_encrypted_connection_is_left_alone() {
    let talk =
        Talk::tcp(5432).client(first(80_877_103, b"")).server("S").client("\x16\x03\x01\0\x05hello").server([0x16; 90]);
    assert_eq!(select(&talk.rows(), &["command", "status", "error_type"]), [["SSLRequest", "S", ""]]);
}

const COLUMNS: [&str; 7] = ["command", "method", "query", "tag", "row_count", "status", "success"];

/// Proves that simple queries are paired with their completion, several statements and errors with it.
#[test]
fn simple_queries() {
    let talk = Talk::tcp(5432)
        .client(query("begin; update t set a = 1"))
        .server([tag("BEGIN"), tag("UPDATE 3"), ready()].concat())
        .client(query("select * from gone"))
        .server([error("42P01"), ready()].concat())
        .client(query(""))
        .server([message('I', b""), ready()].concat());
    let rows = talk.rows();
    assert_eq!(
        select(&rows, &COLUMNS),
        [
            ["Query", "BEGIN", "begin; update t set a = 1", "UPDATE 3", "3", "OK", "true"],
            ["Query", "SELECT", "select * from gone", "", "", "42P01", "false"],
            ["Query", "Query", "", "", "", "OK", "true"],
        ]
    );
    let said = select(&rows, &["error_code", "error_severity", "error_message"]);
    assert_eq!(said[1], ["42P01", "ERROR", "no such thing"]);
}

/// Proves that the messages of an extended query are one row; that preparing alone is one too; that a prepared statement is known
/// by name later; and that what follows an error in its turn has no answer.
#[test]
fn extended_queries() {
    let parse = message('P', b"s1\0select $1\0\0\0");
    let bind = message('B', b"\0s1\0\0\0\0\0\0\0");
    let describe = message('D', b"Ss1\0");
    let execute = message('E', b"\0\0\0\0\0");
    let sync = message('S', b"");
    let [parsed, bound] = ['1', '2'].map(|kind| message(kind, b""));
    let described = [message('t', b"\0\0"), message('T', b"\0\0")].concat();
    let talk = Talk::tcp(5432)
        .client([&parse[..], &describe, &sync].concat())
        .server([&parsed[..], &described, &ready()].concat())
        .client([&bind[..], &execute, &bind, &execute, &sync].concat())
        .server([&bound[..], &tag("SELECT 2"), &error("22012"), &ready()].concat())
        .client([&parse[..], &bind, &message('D', b"P\0"), &execute, &bind, &execute, &sync].concat())
        .server([&parsed[..], &bound, &message('n', b""), &error("57014"), &ready()].concat());
    let rows = talk.rows();
    let columns = ["command", "query", "statement", "tag", "status", "error_type", "request_bytes"];
    assert_eq!(
        select(&rows, &columns),
        [
            ["Parse", "select $1", "s1", "", "OK", "", "20"],
            ["Execute", "select $1", "s1", "SELECT 2", "OK", "", "25"],
            ["Bind", "select $1", "s1", "", "22012", "", "15"],
            ["Execute", "select $1", "s1", "", "", "no_response", "25"],
            ["Execute", "select $1", "s1", "", "57014", "", "52"],
            ["Execute", "select $1", "s1", "", "", "no_response", "25"],
        ]
    );
}

/// Proves that COPY is counted both ways, and that a notification is a row of its own.
#[test]
fn copies_and_notifications() {
    let data = message('d', b"1\ta\n");
    let talk = Talk::tcp(5432)
        .client(query("copy t from stdin"))
        .server(message('G', b"\0\0\0"))
        .client([&data[..], &data, &message('c', b"")].concat())
        .server([tag("COPY 2"), ready(), message('A', b"\0\0\0\x07jobs\0new\0")].concat())
        .client(query("copy t to stdout"))
        .server([message('H', b"\0\0\0"), data.clone(), message('c', b""), tag("COPY 1"), ready()].concat());
    assert_eq!(
        select(&talk.rows(), &["method", "target", "row_count", "copy_bytes", "payload", "error_type"]),
        [
            ["COPY", "copy t from stdin", "2", "8", "", ""],
            ["Notification", "jobs", "", "", "new", ""],
            ["COPY", "copy t to stdout", "1", "4", "", ""],
        ]
    );
}

/// Proves that a cancel request is whole without an answer, and says what it cancels.
#[test]
fn a_cancel_request_has_no_answer() {
    let rows = Talk::tcp(5432).client(first(80_877_102, &[0, 0, 0, 7, 1, 2, 3, 4])).rows();
    assert_eq!(select(&rows, &["command", "backend_pid", "error_type"]), [["CancelRequest", "7", ""]]);
}

/// Proves what is made of halves and of the middle of a connection: the client is found by what is said.
#[test]
fn halves_and_the_middle() {
    let answer = [tag("SELECT 1"), ready()].concat();
    let talk =
        login(Talk::tcp(5432)).client(query("select 1")).server(&answer).client(query("select 2")).server(&answer);
    let columns = ["query", "tag", "error_type", "src_port"];
    let whole = ["select 2", "SELECT 1", "", "40000"];
    assert_eq!(select(&talk.rows_from(5), &columns), [["", "SELECT 1", "no_request", "40000"], whole]);
    assert_eq!(select(&talk.rows_from(6), &columns), [whole]);
    let rows = talk.rows_of_client();
    let asked = select(&rows, &["method", "error_type"]).concat();
    assert_eq!(asked, ["Startup", "no_response", "SELECT", "no_response", "SELECT", "no_response"]);
}

/// Proves that hostile input does no harm: lengths and texts that lie, and noise; what comes behind is found again.
#[test]
fn hostile_input_is_survived() {
    for noise in [
        &b"D\xff\xff\xff\xff"[..],
        b"D\0\0\0\x01",
        b"\0\0\0\0\0\0\0\0",
        &[0xff; 300],
        b"E\0\0\0\x05S",
        b"T\x3f\xff\xff\xff",
    ] {
        let rows = Talk::tcp(5432).client(query("select 1")).server(noise).client(query("select 2")).rows();
        assert_eq!(rows.len(), 2, "{noise:?}");
    }
    let talk = Talk::tcp(5432)
        .client(query("select 1"))
        .server([0xff; 30])
        .client(query("select 2"))
        .server([tag("SELECT 2"), ready()].concat());
    assert_eq!(
        select(&talk.rows(), &["query", "tag", "error_type"]),
        [["select 1", "", "gap"], ["select 2", "SELECT 2", ""]]
    );
}
