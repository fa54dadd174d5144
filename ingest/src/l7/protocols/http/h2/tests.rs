//! Streams, blocks of fields, and what is not HTTP/2.

use std::io::Write;

use proptest::prelude::*;

use super::frame::{PREFACE, flags, kind};
use crate::l7::testing::{Talk, select};

fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals with indexing (RFC 7541 section 6.2.1): each goes into the table.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0x40], text(name), text(value)].concat()).collect()
}

fn headers(stream: u32, more: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, flags::END_HEADERS | more, stream, block(fields))
}

fn data(stream: u32, flags: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    frame(kind::DATA, flags, stream, bytes)
}

fn settings() -> Vec<u8> {
    frame(kind::SETTINGS, 0, 0, b"\0\x03\0\0\0\x64")
}

/// What a client says first, and then this.
fn first(rest: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE, &settings(), &rest.concat()].concat()
}

fn get(path: &str) -> Vec<(&'static str, &str)> {
    vec![(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "shop.test:8080")]
}

const END: u8 = flags::END_STREAM;
const OK: [(&str, &str); 1] = [(":status", "200")];
const COLUMNS: [&str; 7] = ["app_proto", "stream_id", "method", "target", "status", "error_type", "response_body"];

/// Two streams whose frames are mixed.
fn interleaved() -> Talk {
    let post = block(&[
        (":method", "POST"),
        (":path", "/cart/42?x=1&y"),
        ("content-type", "text/plain; charset=x"),
        ("cookie", "a=1"),
    ]);
    let (begin, rest) = post.split_at(30);
    // Padding of two bytes, and priority.
    let begin =
        frame(kind::HEADERS, flags::PADDED | flags::PRIORITY, 3, [&[2, 0, 0, 0, 0, 15], begin, &[0, 0]].concat());
    Talk::tcp(8080)
        .client(first(&[headers(1, END, &get("/")), begin]))
        .client(
            [frame(kind::CONTINUATION, flags::END_HEADERS, 3, rest), data(3, flags::PADDED, b"\x03hel\0\0\0")].concat(),
        )
        .server(
            [settings(), headers(3, 0, &[(":status", "100")]), headers(1, 0, &[(":status", "200"), ("etag", "7")])]
                .concat(),
        )
        .client(data(3, END, b"lo"))
        // All of it by reference, the newest first: etag, :status 200, :status 100.
        .server(
            [data(1, 0, b"ab"), frame(kind::HEADERS, flags::END_HEADERS, 3, b"\xbf\xbe"), data(1, 0, b"c")].concat(),
        )
        .server([headers(1, END, &[("x-sum", "9")]), data(3, END, b"done"), frame(kind::PING, 0, 0, [0; 8])].concat())
}

/// Proves that streams which are interleaved are a row each, with every column: padding and priority, a block in several frames,
/// an interim response, fields by reference, trailers, and a body in several frames, padded too.
#[test]
fn streams_are_rows() {
    let rows = interleaved().rows();
    let get = &rows[0];
    let expected = [
        ("app_proto", "http2"),
        ("http_version", "HTTP/2"),
        ("stream_id", "1"),
        ("method", "GET"),
        ("target", "/"),
        ("host", "shop.test"),
        ("dst_name", "shop.test"),
        ("status", "200"),
        ("request_headers", "{}"),
        ("response_headers", "{etag: 7, x-sum: 9}"),
        ("request_head", ":method: GET\n:scheme: http\n:path: /\n:authority: shop.test:8080\n"),
        ("response_head", ":status: 200\netag: 7\nx-sum: 9\n"),
        ("response_body", "abc"),
        ("response_body_size", "3"),
        ("response_body_truncated", "false"),
        ("latency_ns", "2000000"),
        ("request_headers_size", "63"),
        ("request_bytes", "72"),
        // Blocks of 21 and of 9 bytes, a body of 3 in two frames, and four heads of frames.
        ("response_bytes", "69"),
    ];
    for (column, value) in expected {
        assert_eq!(get.get(column).map(String::as_str), Some(value), "{column}");
    }
    let post = &rows[1];
    let expected = [
        ("target", "/cart/42?x=1&y"),
        ("path_template", "/cart/{id}"),
        ("query_string", "{x: 1, y: }"),
        ("request_cookies", "{a: 1}"),
        ("request_content_type", "text/plain"),
        ("request_body", "hello"),
        ("request_body_size", "5"),
        ("response_body", "done"),
        ("response_headers", "{etag: 7}"),
        ("status", "200"),
        // The interim response is none.
        ("latency_ns", "4000000"),
    ];
    for (column, value) in expected {
        assert_eq!(post.get(column).map(String::as_str), Some(value), "{column}");
    }
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| !row.contains_key("error_type")), "{rows:?}");
}

/// Proves that each half alone is a row which says so and knows who asked.
#[test]
fn halves_are_rows() {
    let talk = Talk::tcp(8080)
        .client(first(&[headers(1, END, &get("/a"))]))
        .server([settings(), headers(1, 0, &OK), data(1, END, b"hi")].concat());
    assert_eq!(select(&talk.rows_of_client(), &COLUMNS), [["http2", "1", "GET", "/a", "", "no_response", ""]]);
    let rows = talk.rows_of_server();
    assert_eq!(select(&rows, &COLUMNS), [["http2", "1", "", "", "200", "no_request", "hi"]]);
    assert_eq!(rows[0]["dst_port"], "8080");
}

/// Proves that a connection is read from the middle on: fields that refer to what was said before have a placeholder, those said
/// since do not, and the client is found by content.
#[test]
fn a_connection_is_read_from_the_middle_on() {
    let talk = Talk::tcp(8080)
        .client(first(&[headers(1, END, &get("/first"))]))
        .server([settings(), headers(1, END, &OK)].concat())
        // The authority and, before it, the path of the first; a method of the static table; a new field.
        .client(frame(
            kind::HEADERS,
            flags::END_HEADERS | END,
            3,
            [&b"\x82\xbe\xbf"[..], &block(&[("x-new", "1")])].concat(),
        ))
        .server(frame(kind::HEADERS, flags::END_HEADERS | END, 3, b"\x88"))
        .client(frame(kind::HEADERS, flags::END_HEADERS | END, 5, b"\x82\xbe\xc0"))
        .server(frame(kind::HEADERS, flags::END_HEADERS | END, 5, b"\x88"));
    let columns = ["stream_id", "method", "target", "host", "status", "error_type", "request_headers"];
    let whole = ["3", "GET", "/first", "shop.test", "200", "", "{x-new: 1}"];
    assert_eq!(select(&talk.rows(), &columns)[1], whole);
    let rows = talk.rows_from(2);
    let expected = [
        ["3", "GET", "?", "", "200", "", "{?: ?, ?: ?, x-new: 1}"],
        ["5", "GET", "?", "", "200", "", "{x-new: 1, ?: ?}"],
    ];
    assert_eq!(select(&rows, &columns), expected);
    assert_eq!(rows[0]["dst_port"], "8080");
}

/// Proves that a hole within a body costs what is missing of it and no more, and that frames are found again behind any other.
#[test]
fn holes_are_survived() {
    let body = data(1, END, [b'x'; 90]);
    let talk = Talk::tcp(8080)
        .client(first(&[headers(1, END, &get("/a")), headers(3, END, &get("/b"))]))
        .server([&settings()[..], &headers(1, 0, &OK), &body[..39]].concat())
        .server(&body[39..59])
        .server([&body[59..], &headers(3, END, &OK)].concat())
        .client(headers(5, END, &get("/c")))
        .server(headers(5, END, &OK))
        .client(headers(7, END, &get("/d")))
        .server(headers(7, END, &OK));
    assert_eq!(talk.rows().len(), 4);
    let columns = ["target", "status", "error_type", "response_body_size", "response_body_truncated"];
    let mut expected = [
        ["/a", "200", "gap", "90", "true"],
        ["/b", "200", "", "0", ""],
        ["/c", "200", "", "0", ""],
        ["/d", "200", "", "0", ""],
    ];
    assert_eq!(select(&talk.rows_without(2), &columns), expected, "within a body");
    assert_eq!(talk.rows_without(2)[0]["response_body"].len(), 30);
    // A request is missing: its response is a row all the same.
    expected[0] = ["/a", "200", "", "90", "false"];
    expected[2][0] = "";
    expected[2][2] = "no_request";
    assert_eq!(select(&talk.rows_without(4), &columns), expected, "a request");
    // A response is missing, and the one behind it is read.
    let rows = talk.rows_without(5);
    let told = select(&rows, &["target", "status", "error_type"]);
    assert_eq!(told[2..], [["/d", "200", ""], ["/c", "", "gap"]], "a response");
}

/// Proves that a request which the server makes up is a row with its response, and that what is given up by either end or never
/// answered says so.
#[test]
fn promises_and_resets_are_rows() {
    let promise = [&2u32.to_be_bytes()[..], &block(&get("/style.css"))].concat();
    let reset = |stream| frame(kind::RST_STREAM, 0, stream, b"\0\0\0\x08");
    let talk = Talk::tcp(8080)
        .client(first(&[headers(1, END, &get("/")), headers(3, END, &get("/slow")), headers(5, 0, &get("/refused"))]))
        .server([settings(), frame(kind::PUSH_PROMISE, flags::END_HEADERS, 1, promise)].concat())
        .server([headers(1, END, &OK), headers(2, 0, &OK), data(2, END, b"css")].concat())
        .server([headers(3, 0, &OK), data(3, 0, b"so f"), headers(5, END, &[(":status", "413")]), reset(5)].concat())
        .client([reset(3), headers(7, END, &get("/late"))].concat())
        .server(frame(kind::GOAWAY, 0, 0, b"\0\0\0\x05\0\0\0\0"));
    let expected = [
        ["http2", "1", "GET", "/", "200", "", ""],
        ["http2", "2", "GET", "/style.css", "200", "", "css"],
        ["http2", "5", "GET", "/refused", "413", "", ""],
        ["http2", "3", "GET", "/slow", "200", "reset", "so f"],
        ["http2", "7", "GET", "/late", "", "no_response", ""],
    ];
    let rows = talk.rows();
    assert_eq!(select(&rows, &COLUMNS), expected);
    let cut: Vec<_> = rows.iter().filter_map(|row| row.get("response_body_truncated").map(String::as_str)).collect();
    assert_eq!(cut, ["false", "true"], "what is given up is cut");
    assert!(rows.iter().all(|row| row["dst_port"] == "8080"), "the client is the one who is promised");
}

/// Proves that a body is kept so far and counted beyond, also in frames longer than any that are collected.
#[test]
fn a_long_body_is_counted() {
    let talk = Talk::tcp(8080).client(first(&[headers(1, END, &get("/big"))])).server(
        [settings(), headers(1, 0, &OK), data(1, 0, vec![b'a'; 70_000]), data(1, END, vec![b'b'; 30_000])].concat(),
    );
    let rows = talk.rows();
    assert_eq!(rows[0]["response_body"], "a".repeat(64 << 10));
    assert_eq!(
        select(&rows, &["response_body_size", "response_body_truncated", "error_type"]),
        [["100000", "true", ""]]
    );
}

/// Proves that bytes the protocol does not allow cost the stream or the connection and nothing else: fields that unfold to
/// megabytes, padding longer than its frame, a block that never ends, one that cannot be read, frames of impossible sizes.
#[test]
fn hostile_frames_do_no_harm() {
    let long = ("x".repeat(100), "y".repeat(120));
    let bomb = [block(&get("/bomb")), block(&[(&long.0, &long.1)]), vec![0xbe; 16_000]].concat();
    let bomb = frame(kind::HEADERS, flags::END_HEADERS | END, 1, bomb);
    let rows = Talk::tcp(8080).client(first(&[bomb])).rows_of_client();
    assert!(rows[0]["request_head"].len() <= 64 << 10, "{}", rows[0]["request_head"].len());

    let unreadable = frame(kind::HEADERS, flags::END_HEADERS | END, 1, [&block(&get("/a"))[..], b"\x40\x7f"].concat());
    let rows = Talk::tcp(8080).client(first(&[unreadable])).server([settings(), headers(1, END, &OK)].concat()).rows();
    assert_eq!(select(&rows, &["target", "status", "error_type"]), [["/a", "200", "malformed"]]);

    // What is no frame costs what was under way its end, and says so.
    let talk = Talk::tcp(8080)
        .client(first(&[headers(1, END, &get("/a"))]))
        .server([settings(), headers(1, 0, &OK), frame(kind::PING, 0, 0, b"short")].concat());
    assert_eq!(select(&talk.rows(), &["target", "status", "error_type"]), [["/a", "200", "malformed"]]);

    for frames in [
        frame(kind::HEADERS, flags::PADDED | flags::END_HEADERS, 3, b"\xffabc"),
        frame(kind::HEADERS, flags::PRIORITY | flags::END_HEADERS, 3, b"\0\0"),
        frame(kind::PUSH_PROMISE, flags::END_HEADERS | flags::PADDED, 1, b"\x02abcd"),
        frame(kind::DATA, flags::PADDED, 1, b"\x05ab"),
        frame(kind::DATA, flags::PADDED, 1, b""),
        frame(kind::SETTINGS, 0, 0, b"12345"),
        frame(kind::RST_STREAM, 0, 0, b"1234"),
        frame(kind::CONTINUATION, flags::END_HEADERS, 9, b"\x82"),
        [frame(kind::HEADERS, 0, 3, b"\x82"), vec![frame(kind::CONTINUATION, 0, 3, vec![0; 16_000]); 20].concat()]
            .concat(),
        frame(kind::HEADERS, flags::END_HEADERS, 3, vec![0x82; 70_000]),
        frame(0x2a, 0xff, 7, [7; 30]),
    ] {
        let rows = Talk::tcp(8080)
            .client(first(&[headers(1, END, &get("/a")), frames]))
            .client(headers(5, END, &get("/b")))
            .server([settings(), headers(1, END, &OK), headers(5, END, &OK)].concat())
            .rows_from(0);
        let mut read = select(&rows, &["stream_id", "status"]);
        read.retain(|row| row[0] == "1" || row[0] == "5");
        assert_eq!(read, [["1", "200"], ["5", "200"]]);
    }
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..300), back in proptest::collection::vec(any::<u8>(), 0..300))| {
        let talk = Talk::tcp(8080).client(first(&[headers(1, END, &get("/a")), bytes])).server([settings(), back].concat());
        prop_assert!(!talk.rows_from(0).is_empty());
    });
}

/// Proves that a connection goes on after an upgrade from HTTP/1.1: the request that asked for it is one row, with its answer
/// on stream 1, and others follow.
#[test]
fn an_upgraded_connection_goes_on() {
    let asked = "GET /a?b HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let talk = Talk::tcp(8080)
        .client(asked)
        .server([&switched[..], &settings(), &headers(1, 0, &OK)].concat())
        .client(first(&[headers(3, END, &get("/c"))]))
        .server([data(1, END, b"one"), headers(3, END, &[(":status", "404")])].concat());
    let columns = ["http_version", "stream_id", "method", "target", "host", "status", "error_type", "response_body"];
    let expected = [
        ["HTTP/2", "1", "GET", "/a?b", "shop.test", "200", "", "one"],
        ["HTTP/2", "3", "GET", "/c", "shop.test", "404", "", ""],
    ];
    assert_eq!(select(&talk.rows(), &columns), expected);
}

const GRPC: [(&str, &str); 4] = [
    (":method", "POST"),
    (":path", "/shop.v1.Catalog/GetItem"),
    ("content-type", "application/grpc+proto"),
    ("te", "trailers"),
];

/// A message of gRPC behind its prefix.
fn message(flags: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flags], &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

const GRPC_COLUMNS: [&str; 12] = [
    "app_proto",
    "target",
    "status",
    "status_code",
    "error_type",
    "grpc_service",
    "grpc_method",
    "grpc_message",
    "grpc_request_messages",
    "grpc_response_messages",
    "request_body",
    "response_body",
];

/// Proves that calls of gRPC are rows with service, method, status of the trailers and messages: several in a frame, one across
/// frames, compressed ones, and a response of trailers only.
#[test]
fn calls_of_grpc_are_rows() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"\x0a\x03tea").unwrap();
    let messages = [message(0, b"\x0a\x06coffee\x10\x05"), message(1, &gzip.finish().unwrap())].concat();
    let (begin, rest) = messages.split_at(9);
    let answer = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
    let denied = [answer[0], answer[1], ("grpc-status", "7"), ("grpc-message", "no%20way+")];
    let talk = Talk::tcp(50051)
        .client(first(&[
            headers(1, 0, &GRPC),
            data(1, END, message(0, b"\x08\x2a")),
            headers(3, 0, &GRPC),
            data(3, END, ""),
        ]))
        .server([settings(), headers(1, 0, &answer), data(1, 0, begin)].concat())
        .server([data(1, 0, rest), headers(1, END, &[("grpc-status", "0")]), headers(3, END, &denied)].concat());
    let (service, method) = ("shop.v1.Catalog", "GetItem");
    let path = "/shop.v1.Catalog/GetItem";
    let shown = "{\"1\":\"coffee\",\"2\":5}\n{\"1\":\"tea\"}";
    let expected = [
        ["grpc", path, "OK", "200", "", service, method, "", "1", "2", r#"{"1":42}"#, shown],
        ["grpc", path, "PERMISSION_DENIED", "200", "", service, method, "no way+", "0", "0", "", ""],
    ];
    let rows = talk.rows();
    assert_eq!(select(&rows, &GRPC_COLUMNS), expected);
    assert_eq!(select(&rows, &["grpc_status"]), [["0"], ["7"]]);
}

/// Proves that a call without a status is one all the same, and that messages which cannot be shown, are cut or are of another
/// format do no harm.
#[test]
fn calls_of_grpc_that_are_not_whole_are_rows() {
    let json = [GRPC[0], GRPC[1], ("content-type", "application/grpc+json"), GRPC[3]];
    let answer = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
    let talk = Talk::tcp(50051)
        .client(first(&[headers(1, 0, &GRPC), data(1, 0, message(0, b"\x08\x01\x12\x7fcut"))]))
        .client([headers(3, 0, &json), data(3, END, message(0, b"{\"a\":1}"))].concat())
        .server([settings(), headers(1, 0, &answer), data(1, 0, message(1, b"no gzip"))].concat())
        .server([headers(3, END, &[(":status", "503")]), data(1, 0, b"\0\xff\xff\xff\xff\x08\x01\x12\x30")].concat())
        .client(frame(kind::RST_STREAM, 0, 1, b"\0\0\0\x08"));
    let columns = ["status", "error_type", "grpc_status", "request_body", "response_body", "response_body_truncated"];
    let expected = [
        ["503", "", "", r#"{"a":1}"#, "", ""],
        ["", "reset", "", r#""CAESf2N1dA==""#, "\"bm8gZ3ppcA==\"\n{\"1\":1}", "true"],
    ];
    assert_eq!(select(&talk.rows(), &columns), expected);
}
