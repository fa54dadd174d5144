//! Messages in frames: masked, in pieces, compressed.

use flate2::{Compress, Compression, FlushCompress};

use crate::l7::testing::{Row, Talk, select};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame: first byte, payload; masked if the client's.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let len = payload.len();
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match u16::try_from(len) {
        Ok(short @ ..126) => bytes.push(mask | u8::try_from(short).unwrap()),
        Ok(len) => bytes.extend([&[mask | 126][..], &len.to_be_bytes()].concat()),
        Err(_) => bytes.extend([&[mask | 127][..], &(len as u64).to_be_bytes()].concat()),
    }
    if masked {
        bytes.extend(KEY);
        bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        bytes.extend(payload);
    }
    bytes
}

fn asks(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, true)
}

fn says(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, false)
}

fn upgraded(extensions: &str) -> Talk {
    let request =
        "GET /chat?x HTTP/1.1\r\nHost: Chat.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let response =
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{extensions}\r\n");
    Talk::tcp(80).client(request).server(response)
}

const COLUMNS: [&str; 8] =
    ["opcode", "is_request", "payload", "length", "frames", "compressed", "status", "error_type"];

/// The rows behind that of the upgrade.
fn messages(rows: &[Row]) -> Vec<Vec<&str>> {
    assert_eq!(select(rows, &["table", "status", "error_type"])[0], ["http", "101", ""]);
    select(&rows[1..], &COLUMNS)
}

/// Proves that messages of both ends are rows with what they say, in one frame or several, with control frames between.
#[test]
fn messages_are_rows() {
    let fragments = [asks(0x01, b"Hel"), asks(0x89, b"there?"), asks(0x80, b"lo")].concat();
    let talk = upgraded("")
        .client(fragments)
        .server([says(0x8a, b"there?"), says(0x82, b"\0\x01"), says(0x81, b"")].concat())
        .server(says(0x81, &[b'x'; 300]))
        .client(asks(0x88, b"\x03\xe8bye"))
        .server(says(0x88, b"\x03\xe8"));
    let rows = talk.rows();
    let long = "x".repeat(300);
    let expected = [
        ["ping", "true", "there?", "6", "1", "false", "", ""],
        ["text", "true", "Hello", "5", "2", "false", "", ""],
        ["pong", "false", "there?", "6", "1", "false", "", ""],
        ["binary", "false", "AAE=", "2", "1", "false", "", ""],
        ["text", "false", "", "0", "1", "false", "", ""],
        ["text", "false", &long, "300", "1", "false", "", ""],
        ["close", "true", "bye", "5", "1", "false", "1000", ""],
        ["close", "false", "", "2", "1", "false", "1000", ""],
    ];
    assert_eq!(messages(&rows), expected);
    let common = [
        "app_proto",
        "method",
        "target",
        "host",
        "src_port",
        "masked",
        "close_code",
        "request_bytes",
        "response_bytes",
    ];
    let expected = ["websocket", "close", "/chat?x", "chat.test", "40000", "true", "1000", "11", ""];
    assert_eq!(select(&rows, &common)[7], expected);
}

/// Compresses as one direction does, with or without taking its context over.
fn deflated(messages: &[&[u8]], takeover: bool) -> Vec<Vec<u8>> {
    let mut compress = Compress::new(Compression::default(), false);
    let one = |message: &&[u8]| {
        let mut bytes = Vec::with_capacity(message.len() + 64);
        if !takeover {
            compress.reset();
        }
        compress.compress_vec(message, &mut bytes, FlushCompress::Sync).unwrap();
        bytes.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
    };
    messages.iter().map(one).collect()
}

/// Proves that compressed messages are inflated, with what came before and without, and in fragments.
#[test]
fn compressed_messages_say_what_they_say() {
    let said: [&[u8]; 3] = [b"a message to be repeated", b"a message to be repeated", b"and another one"];
    for (extensions, takeover) in [
        ("Sec-WebSocket-Extensions: permessage-deflate\r\n", true),
        (
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=15\r\n",
            false,
        ),
    ] {
        let sent = deflated(&said, takeover);
        let (head, tail) = sent[2].split_at(4);
        let talk = upgraded(extensions)
            .server([says(0xc1, &sent[0]), says(0x81, b"plain"), says(0xc1, &sent[1])].concat())
            .server([says(0x41, head), says(0x80, tail)].concat());
        let rows = talk.rows();
        let length = sent.iter().map(|s| s.len().to_string()).collect::<Vec<_>>();
        let expected = [
            ["text", "false", "a message to be repeated", &length[0], "1", "true", "", ""],
            ["text", "false", "plain", "5", "1", "false", "", ""],
            ["text", "false", "a message to be repeated", &length[1], "1", "true", "", ""],
            ["text", "false", "and another one", &length[2], "2", "true", "", ""],
        ];
        assert_eq!(messages(&rows), expected);
        assert_eq!(length[1].parse::<usize>().unwrap() < 10, takeover, "it does refer to what was said before");
        let holed = talk.rows_without(2);
        let last = holed.last().unwrap();
        assert_eq!((&*last["opcode"], last.get("payload").is_some()), ("text", !takeover), "what it refers to is lost");
    }
}

/// Proves that after a hole the next message is found, and that halves and ends are said.
#[test]
fn holes_are_said_and_passed_over() {
    let talk = upgraded("")
        .client(asks(0x81, b"one"))
        .client(asks(0x81, b"two"))
        .client(asks(0x81, b"three"))
        .server(says(0x01, b"begun"));
    let whole = talk.rows();
    let expected = ["text", "false", "begun", "5", "1", "false", "", "gap"];
    assert_eq!(messages(&whole)[3], expected, "its end is not in the capture");
    let holed = talk.rows_without(3);
    let said: Vec<&str> = select(&holed, &["payload"]).concat();
    assert_eq!(
        said.iter().filter(|said| ["one", "two", "three"].contains(said)).copied().collect::<Vec<_>>(),
        ["one", "three"]
    );
}

/// Proves that hostile input does no harm: lengths that lie, opcodes that are none, fragments out of turn, and a bomb.
#[test]
fn hostile_input_is_bounded() {
    let lies = [&[0x82, 0xff][..], &(i64::MAX as u64).to_be_bytes(), &KEY, b"abc"].concat();
    let rows = upgraded("").client(lies).rows();
    assert_eq!(messages(&rows), [["binary", "true", "VphC", "9223372036854775807", "1", "false", "", "gap"]]);
    for garbage in [&[0x83, 0x80][..], &[0xf1, 0x80], &[0x89, 0xfe, 1, 0], &[0x09, 0x80], &[0x81, 0xff, 0xff]] {
        upgraded("").client(garbage).rows();
    }
    let out_of_turn = upgraded("").client([asks(0x01, b"a"), asks(0x81, b"b")].concat()).rows();
    assert_eq!(messages(&out_of_turn), [["text", "true", "a", "1", "1", "false", "", "malformed"]]);
    let bomb = deflated(&[&vec![b'0'; 40 << 20]], true).remove(0);
    let talk = upgraded("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let rows = talk.client([asks(0xc1, &bomb), asks(0xc1, &bomb), asks(0x81, b"after")].concat()).rows_from(0);
    let shown = select(&rows, &["payload_truncated", "compressed"]);
    assert_eq!(shown[1..], [["true", "true"], ["", "true"], ["false", "false"]]);
    assert_eq!(rows[1]["payload"].len(), 64 << 10);
}

/// Proves that what rides on a connection on which a subprotocol of GraphQL was agreed is read, with its operations and errors, and that
/// what is no message of it stays one of WebSocket, as does everything where nothing was agreed on.
#[test]
fn graphql_is_read_where_it_was_agreed_on() {
    let talk = |agreed: &str| {
        upgraded(agreed)
            .client(asks(0x81, br#"{"type":"connection_init"}"#))
            .client(asks(
                0x81,
                br#"{"id":"1","type":"subscribe","payload":{"query":"subscription S { added { id } }"}}"#,
            ))
            .server(says(0x81, br#"{"id":"1","type":"next","payload":{"data":null,"errors":[{"message":"late"}]}}"#))
            .server(says(0x81, br#"{"id":"1","type":"error","payload":[{"message":"no"},{"message":"x"}]}"#))
            .server(says(0x81, br#"{"id":"2","type":"error","payload":{"message":"old"}}"#))
            .server(says(0x81, br#"{"type":"rows"}"#))
            .server(says(0x82, b"\0"))
            .rows()
    };
    let columns = ["app_proto", "graphql_type", "graphql_id", "graphql_name", "graphql_fields", "graphql_error"];
    let rows = talk("Sec-WebSocket-Protocol: graphql-transport-ws\r\n");
    assert_eq!(
        select(&rows[1..], &columns),
        [
            ["graphql", "connection_init", "", "", "", ""],
            ["graphql", "subscribe", "1", "S", "added", ""],
            ["graphql", "next", "1", "", "", "late"],
            ["graphql", "error", "1", "", "", "no"],
            ["graphql", "error", "2", "", "", "old"],
            ["websocket", "", "", "", "", ""],
            ["websocket", "", "", "", "", ""],
        ]
    );
    for rows in ["", "Sec-WebSocket-Protocol: chat\r\n"].map(talk) {
        assert!(rows[1..].iter().all(|row| row["app_proto"] == "websocket"), "{rows:?}");
    }
}
