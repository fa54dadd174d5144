//! Requests and responses, their bodies, and what follows them.

use super::super::content::tests::gzip;
use crate::{
    flow::{flag, testing::tcp},
    l7::testing::{Capture, Row, Talk, select},
};

const COLUMNS: [&str; 8] = [
    "method",
    "target",
    "status",
    "error_type",
    "request_body",
    "response_body",
    "request_body_size",
    "response_body_size",
];

const GET: &str = "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn columns(rows: &[Row]) -> Vec<Vec<&str>> {
    select(rows, &COLUMNS)
}

/// Proves every column of an exchange, and that the server's address gets the name it was asked for.
#[test]
fn a_request_and_its_response_are_one_row() {
    let request = "POST /shop/orders/42?q=a%20b&x=1 HTTP/1.1\r\nHost: Shop.test:8080\r\nUser-Agent: t/1\r\n\
        Cookie: sid=7; theme=dark\r\nContent-Type: application/json; charset=utf-8\r\n\
        traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nContent-Length: 9\r\n\r\n{\"a\": 42}";
    let body = gzip(b"hello hello");
    let head = format!(
        "HTTP/1.1 201 Created\r\nSet-Cookie: sid=8; Path=/\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let rows = Talk::tcp(8080).client(request).server([head.as_bytes(), &body].concat()).rows();
    let common = ["table", "app_proto", "ts", "src_port", "dst_port", "latency_ns", "dst_name", "dst_name_source"];
    assert_eq!(select(&rows, &common), [["http", "http", "1", "40000", "8080", "1000000", "Shop.test", "host"]]);
    let asked = ["method", "target", "http_version", "host", "path", "path_template", "query_string", "user_agent"];
    let expected =
        ["POST", "/shop/orders/42?q=a%20b&x=1", "HTTP/1.1", "shop.test", "/shop/orders/42", "/shop/orders/{id}"];
    assert_eq!(select(&rows, &asked), [[&expected[..], &["{q: a b, x: 1}", "t/1"]].concat()]);
    let of_request =
        ["request_body", "request_content_type", "request_cookies", "trace_id", "span_id", "request_body_size"];
    let ids = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
    let expected = ["{\"a\": 42}", "application/json", "{sid: 7, theme: dark}", ids[0], ids[1], "9"];
    assert_eq!(select(&rows, &of_request), [expected]);
    let of_response = ["status", "status_code", "response_body", "response_body_truncated", "response_cookies"];
    assert_eq!(select(&rows, &of_response), [["201", "201", "hello hello", "false", "{sid: 8}"]]);
    let sizes =
        ["request_headers_size", "request_bytes", "response_headers_size", "response_bytes", "response_body_size"];
    let size = |n: usize| n.to_string();
    let (request_head, all) = (request.len() - 9, head.len() + body.len());
    let expected = [request_head, request.len(), head.len(), all, body.len()].map(size);
    assert_eq!(select(&rows, &sizes), [expected.each_ref().map(String::as_str)]);
    assert_eq!(rows[0]["request_head"], request.strip_suffix("{\"a\": 42}").unwrap());
    assert!(rows[0]["response_headers"].starts_with("{set-cookie: sid=8; Path=/, content-type: text/plain, "));
}

/// Proves each way of delimiting a body, several exchanges on one connection, and pipelining.
#[test]
fn bodies_end_where_they_end() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: x\r\n\r\n";
    let put = "PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let head = GET.replace("GET", "HEAD");
    let rows = Talk::tcp(80)
        .client(GET)
        .server(chunked)
        .client([put, GET, &head, GET].concat())
        .server(OK)
        .server(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
        )
        .server("HTTP/1.0 200 OK\r\n\r\nuntil the end")
        .rows();
    let expected = [
        ["GET", "/a", "200", "", "", "abcde", "0", "5"],
        ["PUT", "/b", "200", "", "hi", "ok", "2", "2"],
        ["GET", "/a", "304", "", "", "", "0", "0"],
        ["HEAD", "/a", "200", "", "", "", "0", "0"],
        ["GET", "/a", "200", "", "", "until the end", "0", "13"],
    ];
    assert_eq!(columns(&rows), expected);
}

/// Proves that interim responses are no answers, and that an early final one does not end the request.
#[test]
fn expectations_and_early_answers() {
    let head = "POST /up HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let go_on = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let expected = Talk::tcp(80).client(head).server(go_on).client("data").server(OK).rows();
    assert_eq!(columns(&expected), [["POST", "/up", "200", "", "data", "ok", "4", "2"]]);
    assert_eq!(expected[0]["latency_ns"], "3000000", "up to the final response");
    let early = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    let early = Talk::tcp(80).client(head).server(early).client("data").client(GET).server(OK).rows();
    let expected = [["POST", "/up", "413", "", "data", "", "4", "0"], ["GET", "/a", "200", "", "", "ok", "0", "2"]];
    assert_eq!(columns(&early), expected);
}

/// Proves that halves are rows and say what is missing: nothing came, nobody asked, or bytes are not in the capture.
#[test]
fn a_half_is_a_row_that_says_so() {
    let talk = Talk::tcp(80).client(GET).server(OK).client(GET.replace("/a", "/b")).server(OK);
    let asked = talk.rows_of_client();
    let expected =
        [["GET", "/a", "", "no_response", "", "", "0", ""], ["GET", "/b", "", "no_response", "", "", "0", ""]];
    assert_eq!(columns(&asked), expected);
    let answered = talk.rows_of_server();
    let expected = ["", "", "200", "no_request", "", "ok", "", "2"];
    assert_eq!(columns(&answered), [expected, expected]);
    assert_eq!(
        (&*answered[0]["src_ip"], &*answered[0]["http_version"]),
        ("10.0.0.1", "HTTP/1.1"),
        "who asked is known"
    );
    let without_answer = talk.rows_without(1);
    let expected = [["GET", "/a", "", "gap", "", "", "0", ""], ["GET", "/b", "200", "", "", "ok", "0", "2"]];
    assert_eq!(columns(&without_answer), expected, "the second answer is not taken for the first");
    let without_request = talk.rows_without(0);
    let expected = [["", "", "200", "no_request", "", "ok", "", "2"], ["GET", "/b", "200", "", "", "ok", "0", "2"]];
    assert_eq!(columns(&without_request), expected);
}

/// Proves that a capture which begins anywhere gives the exchanges that are whole from there on.
#[test]
fn a_capture_may_begin_midstream() {
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n{}", "x".repeat(1000));
    let talk =
        Talk::tcp(80).client(GET).server(long).server("y".repeat(2000)).client(GET.replace("/a", "/b")).server(OK);
    let rows = talk.rows_from(2);
    assert_eq!(columns(&rows), [["GET", "/b", "200", "", "", "ok", "0", "2"]]);
    let rows = talk.rows_without(2);
    assert_eq!(columns(&rows)[1], ["GET", "/b", "200", "", "", "ok", "0", "2"]);
    let hole = ["status", "error_type", "response_body_size", "response_body_truncated"];
    assert_eq!(select(&rows, &hole)[0], ["200", "gap", "3000", "true"], "a hole within a counted body is passed over");
}

/// Proves what is read of requests and responses that are not as they should be.
#[test]
fn what_is_malformed_is_a_row_as_far_as_it_goes() {
    let bad = "GET /a b HTTP/1.1\r\nHost: a.test\r\nno field\r\n\r\n";
    let rows = Talk::tcp(80).client(bad).server("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").rows();
    assert_eq!(columns(&rows), [["GET", "/a b", "400", "malformed", "", "", "0", "0"]]);
    let rows = Talk::tcp(80).client(GET).server("I do not speak HTTP\r\n\r\n").rows();
    assert_eq!(columns(&rows), [["GET", "/a", "", "malformed", "", "", "0", ""]]);
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz";
    let rows = Talk::tcp(80).client(GET).server(chunks).rows();
    assert_eq!(columns(&rows), [["GET", "/a", "200", "malformed", "", "ab", "0", "2"]]);
    assert_eq!(rows[0]["response_body_truncated"], "true");
    let cut = Talk::tcp(80).client(GET).server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").rows();
    assert_eq!(columns(&cut), [["GET", "/a", "200", "", "", "ab", "0", "2"]]);
    assert_eq!(cut[0]["response_body_truncated"], "true", "the connection ended before the body");
}

/// Proves that the first version is read too: a line, and what comes until the end.
#[test]
fn the_first_version_is_a_line_and_what_comes() {
    let rows = Talk::tcp(80).client("GET /old\r\n").server("<html>").server("old</html>").rows();
    assert_eq!(columns(&rows), [["GET", "/old", "", "", "", "<html>old</html>", "0", "16"]]);
    assert_eq!(rows[0]["http_version"], "HTTP/0.9");
}

/// Proves that a proxy's name is not taken for its target's, and that what goes through it is read.
#[test]
fn proxies_pass_on_what_they_are_asked_to() {
    let absolute = "GET http://b.test:81/x?y HTTP/1.1\r\nHost: b.test:81\r\n\r\n";
    let rows = Talk::tcp(3128).client(absolute).server(OK).rows();
    assert_eq!(select(&rows, &["target", "host", "path", "dst_name"]), [["http://b.test:81/x?y", "b.test", "/x", ""]]);
    let connect = "CONNECT b.test:80 HTTP/1.1\r\nHost: b.test:80\r\n\r\n";
    let refused = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    let connected = "HTTP/1.1 200 Connection established\r\n\r\n";
    let rows =
        Talk::tcp(3128).client(connect).server(refused).client(connect).server(connected).client(GET).server(OK).rows();
    let expected = [["CONNECT", "407", "b.test"], ["CONNECT", "200", "b.test"], ["GET", "200", "a.test"]];
    assert_eq!(select(&rows, &["method", "status", "host"]), expected);
}

/// Proves that what goes through a proxy and is known but not read takes no memory.
#[test]
fn a_tunnel_of_what_is_not_read_holds_nothing() {
    let mut capture = Capture::new();
    let mut seq = 0;
    let connect =
        tcp("10.0.0.1:40000", "10.0.0.2:3128").flags(flag::ACK).payload(b"CONNECT b.test:110 HTTP/1.1\r\n\r\n");
    capture.show(1, &connect);
    let said = std::iter::once(&b"HTTP/1.1 200 OK\r\n\r\n"[..]).chain([&b"+OK POP3 ready\r\n"[..]]);
    for said in said.chain(std::iter::repeat_n(&[b'x'; 1000][..], 100)) {
        capture.show(2, &tcp("10.0.0.2:3128", "10.0.0.1:40000").flags(flag::ACK).seq(seq).payload(said));
        seq += u32::try_from(said.len()).unwrap();
    }
    let pending = capture.counters().pending_bytes;
    assert!(pending < 1000, "{pending}");
}

/// Proves that hostile input does no harm: lengths that lie, heads without end, chunks without size, no end of requests.
#[test]
fn hostile_input_is_bounded() {
    let lies = "POST /a HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\nx";
    let rows =
        Talk::tcp(80).client(lies).server("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n").rows();
    assert_eq!(select(&rows, &["status", "error_type", "request_body_truncated"]), [["200", "malformed", "true"]]);
    let mut capture = Capture::new();
    let sent = |seq: usize, payload: &str| {
        let seq = u32::try_from(seq).unwrap();
        tcp("10.0.0.1:40000", "10.0.0.2:80").flags(flag::ACK).seq(seq).payload(payload.as_bytes())
    };
    let (mut seq, field) = (0, format!("X: {}\r\n", "x".repeat(1000)));
    for piece in std::iter::once("GET / HTTP/1.1\r\n").chain(std::iter::repeat_n(field.as_str(), 100)) {
        capture.show(1, &sent(seq, piece));
        seq += piece.len();
        assert!(capture.counters().pending_bytes < 400_000);
    }
    for _ in 0..3000 {
        capture.show(2, &sent(seq, GET));
        seq += GET.len();
    }
    let pending = capture.counters().pending_bytes;
    assert!(pending < 1_500_000, "{pending}");
    let (rows, counters) = capture.end();
    assert_eq!((rows.len(), counters.calls_dropped, counters.pending_bytes), (3001, 2001, 0));
    assert_eq!(select(&rows, &["error_type"])[0], ["malformed"]);
}

proptest::proptest! {
    /// Proves that no bytes, however they come, make it panic or hold anything at the end.
    #[test]
    fn no_bytes_harm(pieces: Vec<(bool, Vec<u8>)>, lines in proptest::collection::vec(0usize..12, 0..20)) {
        const LINES: [&str; 12] = [
            "GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "\r\n", "5\r\nhello\r\n",
            "0\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n", "HTTP/1.1 101 x\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n", "PRI * HTTP/2.0\r\n", "GET /\r\n",
        ];
        let mut capture = Capture::new();
        let (mut seqs, mut lines) = ([0u32; 2], lines.into_iter());
        for (is_client, noise) in std::iter::once((true, GET.into())).chain(pieces) {
            let line = lines.next().and_then(|line| LINES.get(line)).map_or(noise, |line| line.as_bytes().to_vec());
            let (made, seq) = match is_client {
                true => (tcp("10.0.0.1:40000", "10.0.0.2:80"), &mut seqs[0]),
                false => (tcp("10.0.0.2:80", "10.0.0.1:40000"), &mut seqs[1]),
            };
            capture.show(1, &made.flags(flag::ACK).seq(*seq).payload(&line));
            *seq += u32::try_from(line.len()).unwrap();
        }
        proptest::prop_assert_eq!(capture.end().1.pending_bytes, 0);
    }
}
