//! The protocol byte by byte: which messages answer which, where no driver would show the difference.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Running;

/// A client that speaks raw messages.
struct Raw(TcpStream);

impl Raw {
    async fn connect(server: &Running) -> (Self, Vec<(u8, Vec<u8>)>) {
        let mut raw = Self::start(server).await;
        let greeting = raw.until(b'Z').await;
        (raw, greeting)
    }

    /// The first message, which may be a refusal.
    async fn greeting(server: &Running) -> Vec<(u8, Vec<u8>)> {
        vec![Self::start(server).await.next().await]
    }

    async fn start(server: &Running) -> Self {
        let mut raw = Raw(TcpStream::connect(server.address).await.unwrap());
        let body = b"\0\x03\0\0user\0ann\0database\0any\0\0";
        raw.0.write_all(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()).await.unwrap();
        raw.0.write_all(body).await.unwrap();
        raw
    }

    async fn send(&mut self, messages: &[(u8, &[u8])]) {
        let mut bytes = Vec::new();
        for (kind, body) in messages {
            bytes.push(*kind);
            bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            bytes.extend(*body);
        }
        self.0.write_all(&bytes).await.unwrap();
    }

    async fn query(&mut self, sql: &str) -> Vec<(u8, Vec<u8>)> {
        self.send(&[(b'Q', format!("{sql}\0").as_bytes())]).await;
        self.until(b'Z').await
    }

    async fn next(&mut self) -> (u8, Vec<u8>) {
        let kind = self.0.read_u8().await.unwrap();
        let length = usize::try_from(self.0.read_u32().await.unwrap()).unwrap();
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).await.unwrap();
        (kind, body)
    }

    async fn until(&mut self, last: u8) -> Vec<(u8, Vec<u8>)> {
        let mut messages = Vec::new();
        loop {
            messages.push(self.next().await);
            if messages.last().unwrap().0 == last {
                return messages;
            }
        }
    }
}

fn kinds(messages: &[(u8, Vec<u8>)]) -> String {
    messages.iter().map(|(kind, _)| char::from(*kind)).collect()
}

/// The codes of ErrorResponses among `messages`.
fn codes(messages: &[(u8, Vec<u8>)]) -> Vec<String> {
    let errors = messages.iter().filter(|(kind, _)| *kind == b'E');
    let fields = errors.flat_map(|(_, body)| body.split(|byte| *byte == 0));
    fields
        .filter(|field| field.first() == Some(&b'C'))
        .map(|field| String::from_utf8_lossy(&field[1..]).into())
        .collect()
}

fn parse(sql: &str) -> Vec<u8> {
    format!("\0{sql}\0\0\0").into_bytes()
}

const BIND: &[u8] = b"\0\0\0\0\0\0\0\0";
const DESCRIBE_PORTAL: &[u8] = b"P\0";
const EXECUTE_ALL: &[u8] = b"\0\0\0\0\0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_greeting_reports_every_parameter_clients_need() {
    let server = Running::start().await;
    let (_raw, greeting) = Raw::connect(&server).await;
    assert_eq!(kinds(&greeting), format!("R{}KZ", "S".repeat(13)));
    let parameters: String =
        greeting.iter().map(|(_, body)| String::from_utf8_lossy(body).replace('\0', "=")).collect();
    for expected in
        ["server_version=15.0 (Wiretape ", "client_encoding=UTF8=", "TimeZone=UTC=", "session_authorization=ann="]
    {
        assert!(parameters.contains(expected), "{expected} in {parameters}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_nothing_get_an_empty_response() {
    let server = Running::start().await;
    let (mut raw, _) = Raw::connect(&server).await;
    for sql in ["", ";", " ; ; ", "-- ping", "/* x */"] {
        assert_eq!(kinds(&raw.query(sql).await), "IZ", "{sql:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_statements_are_answered_in_order_up_to_an_error() {
    let server = Running::start().await;
    let (mut raw, _) = Raw::connect(&server).await;
    assert_eq!(kinds(&raw.query("select 1; set work_mem = '1MB'; select 2").await), "TDCCTDCZ");
    let answer = raw.query("select 1; select nothing; select 2").await;
    assert_eq!(kinds(&answer), "TDCEZ");
    assert_eq!(codes(&answer), ["42703"]);
    // A text that does not parse runs none of its statements.
    assert_eq!(kinds(&raw.query("select 1; select 'open").await), "EZ");
    assert_eq!(raw.query("begin").await.last().unwrap().1, b"T");
    assert_eq!(raw.query("select nothing").await.last().unwrap().1, b"E");
    assert_eq!(raw.query("rollback").await.last().unwrap().1, b"I");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_parameter_is_announced_before_its_tag() {
    let server = Running::start().await;
    let (mut raw, _) = Raw::connect(&server).await;
    assert_eq!(kinds(&raw.query("set application_name = 'me'").await), "SCZ");
    assert_eq!(kinds(&raw.query("set work_mem = '1MB'").await), "CZ");
    assert_eq!(kinds(&raw.query("discard all").await), "SCZ");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_answers_without_sync() {
    let server = Running::start().await;
    let (mut raw, _) = Raw::connect(&server).await;
    raw.send(&[(b'P', &parse("select 1")), (b'D', b"S\0"), (b'H', b"")]).await;
    assert_eq!(kinds(&raw.until(b'T').await), "1tT");
    raw.send(&[(b'B', BIND), (b'E', EXECUTE_ALL), (b'S', b"")]).await;
    assert_eq!(kinds(&raw.until(b'Z').await), "2DCZ");
    // The unnamed statement outlives Sync.
    raw.send(&[(b'B', BIND), (b'D', DESCRIBE_PORTAL), (b'E', EXECUTE_ALL), (b'S', b"")]).await;
    assert_eq!(kinds(&raw.until(b'Z').await), "2TDCZ");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_rows_suspends_the_portal() {
    let server = Running::start().await;
    let (mut raw, _) = Raw::connect(&server).await;
    let two = b"\0\0\0\0\x02";
    raw.send(&[(b'P', &parse("select value from generate_series(1, 3)")), (b'B', BIND), (b'E', two), (b'H', b"")])
        .await;
    assert_eq!(kinds(&raw.until(b's').await), "12DDs");
    raw.send(&[(b'E', two), (b'S', b"")]).await;
    let rest = raw.until(b'Z').await;
    assert_eq!(kinds(&rest), "DCZ");
    assert_eq!(rest[1].1, b"SELECT 1\0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_error_everything_up_to_sync_is_left_out() {
    let server = Running::start().await;
    let (mut raw, _) = Raw::connect(&server).await;
    raw.send(&[(b'P', &parse("select nothing")), (b'B', BIND), (b'E', EXECUTE_ALL), (b'S', b"")]).await;
    assert_eq!(kinds(&raw.until(b'Z').await), "EZ");
    raw.send(&[(b'P', &parse("")), (b'B', BIND), (b'D', DESCRIBE_PORTAL), (b'E', EXECUTE_ALL), (b'S', b"")]).await;
    assert_eq!(kinds(&raw.until(b'Z').await), "12nIZ");
    raw.send(&[(b'B', b"\0missing\0\0\0\0\0\0\0"), (b'S', b"")]).await;
    assert_eq!(codes(&raw.until(b'Z').await), ["26000"]);
    raw.send(&[(b'P', &parse("select 1; select 2")), (b'S', b"")]).await;
    assert_eq!(codes(&raw.until(b'Z').await), ["42601"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_runs_by_the_extended_protocol_too() {
    let server = Running::start().await;
    let (mut raw, _) = Raw::connect(&server).await;
    let sql = parse("copy (select 1, 'x') to stdout csv header");
    raw.send(&[(b'P', &sql), (b'B', BIND), (b'D', DESCRIBE_PORTAL), (b'E', EXECUTE_ALL), (b'S', b"")]).await;
    let answer = raw.until(b'Z').await;
    assert_eq!(kinds(&answer), "12nHddcCZ");
    assert_eq!(answer[5].1, b"1,x\n");
    assert_eq!(answer[7].1, b"COPY 1\0");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encryption_is_declined_and_an_absurd_length_ends_the_connection() {
    let server = Running::start().await;
    let mut raw = Raw(TcpStream::connect(server.address).await.unwrap());
    raw.0.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
    assert_eq!(raw.0.read_u8().await.unwrap(), b'N');
    let (mut raw, _) = Raw::connect(&server).await;
    raw.0.write_all(b"Q\x7f\xff\xff\xff").await.unwrap();
    assert_eq!(codes(&raw.until(b'E').await), ["08P01"]);
    assert_eq!(raw.0.read(&mut [0; 1]).await.unwrap(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_takes_its_query_with_it() {
    let server = Running::with_limit(1).await;
    let (mut raw, _) = Raw::connect(&server).await;
    let silent = "select count(*) from generate_series(1, 10000000) a cross join generate_series(1, 10000000) b \
                  where a.value + b.value < 0\0";
    raw.send(&[(b'Q', silent.as_bytes())]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(raw);
    // The only place is free again once the query has ended.
    let mut waited = 0;
    while codes(&Raw::greeting(&server).await) == ["53300"] {
        waited += 1;
        assert!(waited < 100, "the query runs on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}
