//! Methods, messages and their content.

use crate::l7::testing::{Talk, select};

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    [&[kind][..], &channel.to_be_bytes(), &len.to_be_bytes(), payload, &[0xce]].concat()
}

fn method(channel: u16, class: u16, number: u16, arguments: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes()[..], &number.to_be_bytes(), arguments].concat())
}

/// Properties with a content type, headers and a mode, and a body in two frames.
fn content(channel: u16, body: &[u8]) -> Vec<u8> {
    let headers = b"\x01nI\0\0\0\x07\x01tF\0\0\0\x02\x01a\x01sS\0\0\0\x01x";
    let len = u64::try_from(body.len()).unwrap().to_be_bytes();
    let head = [&[0, 60, 0, 0][..], &len, &[0xb0, 0], b"\x0atext/plain", &[0, 0, 0, 24], &headers[..], &[2]].concat();
    let (first, second) = body.split_at(body.len() / 2);
    [frame(2, channel, &head), frame(3, channel, first), frame(3, channel, second)].concat()
}

fn publish(channel: u16) -> Vec<u8> {
    [method(channel, 60, 40, b"\0\0\x02ex\x03a.b\0"), content(channel, b"hello")].concat()
}

fn deliver(channel: u16) -> Vec<u8> {
    [method(channel, 60, 60, b"\x02c1\0\0\0\0\0\0\0\x09\x01\x02ex\x03a.b"), content(channel, b"hello")].concat()
}

const COLUMNS: [&str; 7] = ["method", "channel", "target", "status", "error_type", "latency_ns", "src_port"];

/// Proves that methods are paired with their replies by channel, whoever asks, and that a refusal says why.
#[test]
fn methods_and_their_replies() {
    let talk = Talk::tcp(7777)
        .client(b"AMQP\0\0\x09\x01")
        .server(method(0, 10, 10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US"))
        .client(method(0, 10, 11, b"\0\0\0\0\x05PLAIN\0\0\0\0\x05en_US"))
        .client(
            [
                method(1, 20, 10, b"\0"),
                method(2, 50, 10, b"\0\0\0\0\0\0\0\0"),
                method(3, 50, 20, b"\0\0\x01q\x02ex\x03a.b\0\0\0\0\0"),
            ]
            .concat(),
        )
        .server(
            [
                method(2, 50, 11, b"\x03gen\0\0\0\x04\0\0\0\x01"),
                method(1, 20, 11, b"\0\0\0\0"),
                method(3, 20, 40, b"\x01\x94\x09NOT_FOUND\0\x32\0\x14"),
            ]
            .concat(),
        )
        .client([method(3, 20, 41, b""), method(1, 50, 30, b"\0\0\x01q\x01")].concat());
    let rows = talk.rows();
    assert_eq!(
        select(&rows, &COLUMNS),
        [
            ["connection.start", "0", "", "OK", "", "1000000", "7777"],
            ["queue.declare", "2", "gen", "OK", "", "1000000", "40000"],
            ["channel.open", "1", "", "OK", "", "1000000", "40000"],
            ["channel.close", "3", "", "404", "", "1000000", "7777"],
            ["queue.purge", "1", "q", "", "", "", "40000"],
            ["queue.bind", "3", "a.b", "", "no_response", "", "40000"],
        ]
    );
    assert_eq!(
        (&*rows[1]["message_count"], &*rows[1]["consumer_count"], &*rows[3]["reply_text"]),
        ("4", "1", "NOT_FOUND")
    );
}

/// Proves that messages are whole with their content, that those that nobody answers wait for nothing, and that channels whose
/// frames mix do not mix their messages.
#[test]
fn messages_with_content() {
    let (one, two) = (publish(1), publish(2));
    let method_len = method(1, 60, 40, b"\0\0\x02ex\x03a.b\0").len();
    let mixed = [&one[..method_len], &two[..method_len], &one[method_len..], &two[method_len..]].concat();
    let talk = Talk::tcp(5672)
        .client(mixed)
        .server([method(1, 60, 80, b"\0\0\0\0\0\0\0\x01\0"), deliver(1)].concat())
        .client(method(1, 60, 70, b"\0\0\x01q\0"))
        .server([method(1, 60, 71, b"\0\0\0\0\0\0\0\x0a\0\x02ex\x03a.b\0\0\0\x05"), content(1, b"got")].concat())
        .client(method(1, 60, 70, b"\0\0\x01q\0"))
        .server(method(1, 60, 72, b"\0"));
    let rows = talk.rows();
    assert_eq!(
        select(
            &rows,
            &[
                "method",
                "channel",
                "exchange",
                "routing_key",
                "delivery_tag",
                "body",
                "status",
                "error_type",
                "src_port"
            ]
        ),
        [
            ["basic.publish", "1", "ex", "a.b", "", "hello", "", "", "40000"],
            ["basic.publish", "2", "ex", "a.b", "", "hello", "", "", "40000"],
            ["basic.ack", "1", "", "", "1", "", "", "", "40000"],
            ["basic.deliver", "1", "ex", "a.b", "9", "hello", "", "", "40000"],
            ["basic.get", "1", "ex", "a.b", "10", "got", "OK", "", "40000"],
            ["basic.get", "1", "", "", "", "", "EMPTY", "", "40000"],
        ]
    );
    assert_eq!((&*rows[3]["redelivered"], &*rows[3]["consumer_tag"], &*rows[3]["body_bytes"]), ("true", "c1", "5"));
    assert_eq!(
        (&*rows[0]["content_type"], &*rows[0]["properties"]),
        ("text/plain", "{headers.n: 7, headers.s: x, delivery_mode: 2}")
    );
    assert_eq!((rows[0].contains_key("response_bytes"), rows[3].contains_key("request_bytes")), (false, false));
}

/// Proves what is made of the middle of a connection, and of content that is missing: a row that says so.
#[test]
fn the_middle_and_gaps() {
    let talk = Talk::tcp(5672).client(publish(1)).server(deliver(1)).client(publish(1)).client(publish(1));
    let columns = ["method", "body", "error_type", "src_port"];
    let publish_row = ["basic.publish", "hello", "", "40000"];
    let deliver_row = ["basic.deliver", "hello", "", "40000"];
    assert_eq!(select(&talk.rows(), &columns), [publish_row, deliver_row, publish_row, publish_row]);
    assert_eq!(select(&talk.rows_from(1), &columns), [deliver_row, publish_row, publish_row]);
    let cut = Talk::tcp(5672).client(method(1, 60, 40, b"\0\0\x02ex\x03a.b\0")).client(publish(1)).client(method(
        1,
        60,
        40,
        b"\0\0\0\x01z\0",
    ));
    let rows = cut.rows();
    assert_eq!(
        select(&rows, &["target", "body", "error_type"]),
        [["a.b", "", "gap"], ["a.b", "hello", ""], ["z", "", "gap"]]
    );
}

/// Proves that hostile input does no harm: lengths that lie, tables that go on for ever, content that was not announced, AMQP 1.0.
#[test]
fn hostile_input_is_survived() {
    let table =
        [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0x20, 0, 0xff, 0xff, 0xff, 0xff][..], b"\x01aF\xff\xff\xff\xff"]
            .concat();
    for noise in [
        frame(2, 1, &table),
        frame(3, 1, b"body"),
        b"\x01\0\x01\xff\xff\xff\xff".to_vec(),
        b"\x01\0\x01\0\0\0\x05abcdef".to_vec(),
        method(1, 60, 40, b"\0\0\xff"),
        method(1, 999, 1, b""),
        vec![0xce; 300],
    ] {
        let talk =
            Talk::tcp(5672).client(b"AMQP\0\0\x09\x01").client(publish(1)).client(noise.clone()).server(deliver(1));
        let rows = talk.rows();
        assert!((2..=3).contains(&rows.len()), "{noise:?}: {rows:?}");
    }
    assert_eq!(Talk::tcp(5672).client(b"AMQP\0\x01\0\0").server(b"AMQP\0\x01\0\0").client(publish(1)).rows().len(), 0);
}
