//! Commands and replies, in the forms of RESP2 and RESP3.

use crate::l7::testing::{Talk, select};

/// A command as clients send it.
fn command(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{words}", words.matches('$').count())
}

const COLUMNS: [&str; 8] = ["method", "target", "command", "key", "reply_type", "reply", "status", "error_type"];

/// Proves that commands are paired with their replies in order, whatever types those have, pipelined and within a transaction.
#[test]
fn commands_are_paired_with_their_replies() {
    let pipeline = [
        command(&["set", "a", "1"]),
        command(&["HGETALL", "h"]),
        command(&["GET", "none"]),
        command(&["INCR", "h"]),
        command(&["MULTI"]),
        command(&["INCRBY", "n", "2"]),
        command(&["EXEC"]),
    ];
    let replies =
        "+OK\r\n%1\r\n$1\r\nf\r\n:7\r\n$-1\r\n-WRONGTYPE Operation\r\n+OK\r\n+QUEUED\r\n*2\r\n:2\r\n*1\r\n#t\r\n";
    let rows = Talk::tcp(7777).client(pipeline.concat()).server(replies).rows();
    assert_eq!(
        select(&rows, &COLUMNS),
        [
            ["SET", "a", "SET a 1", "a", "simple_string", "OK", "OK", ""],
            ["HGETALL", "h", "HGETALL h", "h", "map", r#"{"f":7}"#, "OK", ""],
            ["GET", "none", "GET none", "none", "null", "", "OK", ""],
            ["INCR", "h", "INCR h", "h", "error", "WRONGTYPE Operation", "WRONGTYPE", ""],
            ["MULTI", "", "MULTI", "", "simple_string", "OK", "OK", ""],
            ["INCRBY", "n", "INCRBY n 2", "n", "simple_string", "QUEUED", "OK", ""],
            ["EXEC", "", "EXEC", "", "array", "[2,[true]]", "OK", ""],
        ]
    );
    assert_eq!(
        (&*rows[0]["arguments"], &*rows[3]["error"], &*rows[0]["latency_ns"]),
        ("[a, 1]", "WRONGTYPE", "1000000")
    );
}

/// Proves that inline commands are read, and that an attribute belongs to the reply behind it.
#[test]
fn inline_commands_and_attributes() {
    let rows = Talk::tcp(6379)
        .client("PING\r\n")
        .server("+PONG\r\n")
        .client("\r\nGET  a\n")
        .server("|1\r\n+x\r\n:1\r\n+b\r\n")
        .rows();
    let said = select(&rows, &["method", "key", "reply_type", "reply"]);
    assert_eq!(said, [["PING", "", "simple_string", "PONG"], ["GET", "a", "attribute", r#"["x",1,"b"]"#]]);
}

/// Proves that a subscription is one call however many channels it has, and that what comes of it is a row each, with nothing
/// missing, in RESP2 and RESP3.
#[test]
fn subscribers_are_sent_messages() {
    for kind in ['*', '>'] {
        let confirmed = |n: u8| format!("{kind}3\r\n$9\r\nsubscribe\r\n$2\r\nc{n}\r\n:{n}\r\n");
        let talk = Talk::tcp(6379)
            .client(command(&["SUBSCRIBE", "c1", "c2"]))
            .server(confirmed(1) + &confirmed(2))
            .server(format!("{kind}3\r\n$7\r\nmessage\r\n$2\r\nc2\r\n$2\r\nhi\r\n"));
        let reply_type = if kind == '*' { "array" } else { "push" };
        let rows = talk.rows();
        assert_eq!(
            select(&rows, &["method", "target", "reply_type", "reply", "error_type", "src_port"]),
            [
                ["SUBSCRIBE", "c1", reply_type, r#"["subscribe","c2",2]"#, "", "40000"],
                ["MESSAGE", "c2", reply_type, r#"["message","c2","hi"]"#, "", "40000"],
            ]
        );
    }
}

/// Proves that commands whose replies the client does not want do not take those of others.
#[test]
fn unwanted_replies_are_not_waited_for() {
    let asked = [
        command(&["CLIENT", "REPLY", "SKIP"]),
        command(&["SET", "a", "1"]),
        command(&["GET", "a"]),
        command(&["CLIENT", "REPLY", "OFF"]),
        command(&["SET", "a", "2"]),
        command(&["CLIENT", "REPLY", "ON"]),
        command(&["GET", "a"]),
    ];
    let rows = Talk::tcp(6379).client(asked.concat()).server("$1\r\n1\r\n+OK\r\n$1\r\n2\r\n").rows();
    let said: Vec<_> =
        select(&rows, &["command", "reply", "error_type"]).into_iter().map(|row| row.join("|")).collect();
    assert_eq!(
        said,
        [
            "CLIENT REPLY SKIP||",
            "SET a 1||",
            "CLIENT REPLY OFF||",
            "SET a 2||",
            "GET a|1|",
            "CLIENT REPLY ON|OK|",
            "GET a|2|"
        ]
    );
}

/// Proves that long strings are passed over, with what is kept of them bounded, and that the next command is found behind.
#[test]
fn long_values_are_bounded() {
    let long = "x".repeat(200_000);
    let talk = Talk::tcp(6379)
        .client(command(&["SET", "a", &long]) + &command(&["GET", "a"]))
        .server(format!("+OK\r\n${}\r\n{long}\r\n", long.len()));
    let rows = talk.rows_of_client();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0]["command"].len(), &*rows[1]["command"]), (4 << 10, "GET a"));
    assert_eq!(rows[0]["request_bytes"], (31 + long.len()).to_string());
    let rows = talk.rows_of_server();
    assert_eq!((&*rows[1]["reply_type"], rows[1]["reply"].len() <= 64 << 10), ("bulk_string", true));
}

/// Proves what is made of halves, and that a capture which begins midstream finds the client by what is said.
#[test]
fn halves_and_the_middle() {
    let talk = Talk::tcp(6379)
        .client(command(&["GET", "a"]))
        .server("$1\r\n1\r\n")
        .client(command(&["GET", "b"]))
        .server(":2\r\n");
    assert_eq!(select(&talk.rows_of_client(), &["key", "error_type"]), [["a", "no_response"], ["b", "no_response"]]);
    let columns = ["reply", "error_type", "src_port"];
    assert_eq!(select(&talk.rows_of_server(), &columns), [["1", "no_request", "40000"], ["2", "no_request", "40000"]]);
    assert_eq!(select(&talk.rows_from(1), &columns), [["1", "no_request", "40000"], ["2", "", "40000"]]);
    // Which of the two replies is missing is not known.
    let lost = [["a", "", "gap"], ["b", "", "gap"], ["", "2", "no_request"]];
    assert_eq!(select(&talk.rows_without(1), &["key", "reply", "error_type"]), lost);
}

/// Proves that hostile input does no harm: lengths and counts that lie, deep nesting, and no protocol at all.
#[test]
fn hostile_input_is_survived() {
    let nested = "*1\r\n".repeat(5000);
    for reply in [
        "$9999999999999999999\r\nx",
        "$99999999999999999999999999\r\n",
        "*9223372036854775807\r\n*9223372036854775807\r\n",
        "%9223372036854775807\r\n",
        "$-5\r\n",
        "$\r\n",
        "\0\0\0",
        nested.as_str(),
    ] {
        let rows = Talk::tcp(6379).client(command(&["GET", "a"])).server(reply).rows();
        assert_eq!(rows.len(), 1, "{reply:?}");
    }
}
