//! How soon a packet is a row, to other processes, while recording goes on.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    namespace::{Namespace, possible},
    program::{PATIENCE, Program, inside},
    traffic,
};
use crate::support::{run, store::RUNTIME, tool, wiretape};

/// Packets whose way is timed.
const PACKETS: usize = 60;
/// What a person accepts is a second; a busy machine gets more, and the times are printed.
const BOUND: Duration = Duration::from_secs(10);

/// The packet whose payload has this length, its bytes in hexadecimal.
fn question(payload_len: usize) -> String {
    format!("select encode(frame(packet_id), 'hex') from packets where dst_port = 9009 and payload_len = {payload_len}")
}

/// Sends packets one by one and asks for each until it is there. Tells the times, and fails where one was not there in time
/// or has other bytes.
fn time_packets(what: &str, packets: usize, namespace: &Namespace, mut ask: impl FnMut(&str) -> String) {
    let mut times = Vec::new();
    for n in 0..packets {
        let payload = vec![n as u8; 100 + n];
        let hex: String = payload.iter().map(|b| format!("{b:02x}")).collect();
        traffic::datagrams(namespace, "127.0.0.1", [payload.as_slice()]);
        let began = Instant::now();
        loop {
            let answer = ask(&question(payload.len()));
            if !answer.trim().is_empty() {
                assert!(answer.trim().ends_with(&hex), "{what}: packet {n} has other bytes: {answer}");
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: packet {n} never becomes visible");
            sleep(Duration::from_millis(2));
        }
        times.push(began.elapsed());
        // Not in step with whatever the recorder does at intervals.
        sleep(Duration::from_millis(n as u64 * 7 % 40));
    }
    times.sort();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    eprintln!("{what}: arrival to visible, {packets} packets: p50 {p50:?}, p99 {p99:?}");
    assert!(p99 < BOUND, "{what}: {p99:?}");
}

/// Fails unless everything is still in a segment that is open.
fn assert_unsealed(db: &Path) {
    assert_eq!(fs::read_dir(db.join("segments")).map_or(0, Iterator::count), 0, "a segment is sealed");
    assert_eq!(fs::read_dir(db.join("open")).unwrap().count(), 1);
}

/// The port of a server that says where it listens.
fn port(server: &Program) -> String {
    server.wait_for("psql -h ");
    server.said().split(" -p ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

fn psql(mut command: Command, port: &str, sql: &str) -> String {
    command.args([
        "-X",
        "-At",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        "127.0.0.1",
        "-p",
        port,
        "-U",
        "anybody",
        "-d",
        "wiretape",
    ]);
    command.args(["-c", sql]).env_remove("PGPASSWORD").env("LC_ALL", "C").stdin(Stdio::null());
    String::from_utf8(run(&mut command).stdout).unwrap()
}

/// Proves that another process that asks sees packets and their exact bytes while they are recorded, before anything is
/// sealed, and so does a server that ran before them.
#[test]
fn other_processes_see_a_packet_soon_after_it_came() {
    if !possible() || !tool("psql") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let alone = Namespace::new();
    let _sink = traffic::sink(&alone, "127.0.0.1");
    let program = Program::record(&alone, &db, &["-i", "lo"]);
    let server = Program::start(wiretape(&["serve", "--listen", "127.0.0.1:0", "--db"]).arg(&db));
    let port = port(&server);

    let (client, connection) = RUNTIME
        .block_on(tokio_postgres::connect(
            &format!("host=127.0.0.1 port={port} user=anybody dbname=wiretape"),
            tokio_postgres::NoTls,
        ))
        .unwrap();
    let connection = RUNTIME.spawn(connection);
    time_packets("wiretape serve", PACKETS, &alone, |sql| {
        let rows = RUNTIME.block_on(client.simple_query(sql)).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        rows.iter()
            .find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .unwrap_or_default()
    });
    drop(client);
    RUNTIME.block_on(connection).unwrap().unwrap();
    let counted = psql(Command::new("psql"), &port, "select count(*) from packets where dst_port = 9009");
    assert_eq!(counted, format!("{PACKETS}\n"));
    assert_unsealed(&db);
    server.stop();
    program.stop();
}

/// Proves the same of `wiretape query`, a process for each question. Its start is within the times.
#[test]
fn a_query_sees_a_packet_soon_after_it_came() {
    if !possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let alone = Namespace::new();
    let _sink = traffic::sink(&alone, "127.0.0.1");
    let program = Program::record(&alone, &db, &["-i", "lo"]);
    time_packets("wiretape query", PACKETS, &alone, |sql| {
        let output = run(wiretape(&["query", "-q", "--format", "csv", "--db"]).arg(&db).arg(sql));
        String::from_utf8(output.stdout).unwrap().lines().nth(1).unwrap_or_default().to_owned()
    });
    assert_unsealed(&db);
    program.stop();
}

/// Proves that one process records and serves what it records.
#[test]
fn serve_with_record_does_both() {
    if !possible() || !tool("psql") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let alone = Namespace::new();
    let _sink = traffic::sink(&alone, "127.0.0.1");
    let server =
        Program::start(inside(&alone, &["serve", "--record", "-i", "lo", "--listen", "127.0.0.1:0", "--db"]).arg(&db));
    let port = port(&server);
    time_packets("wiretape serve --record", 50, &alone, |sql| psql(alone.command("psql"), &port, sql));
    assert_unsealed(&db);
    let said = server.stop();
    assert!(said.contains(" packets captured\n"), "{said}");
    super::program::assert_whole(&db, "at the end");
    let own =
        super::program::number(&db, &format!("select count(*) from packets where {port} in (src_port, dst_port)"));
    assert!(own > 500, "what psql and the server say to each other is recorded as well: {own}");
}
