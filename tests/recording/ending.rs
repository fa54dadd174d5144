//! How a recording ends: told to, by count, by time; and what it says on the way.

use std::{
    io::Write,
    thread::sleep,
    time::{Duration, Instant},
};

use wiretape::demo;

use super::{
    namespace::{Namespace, possible},
    program::{Program, assert_whole, number},
    traffic,
};

/// What a person who knows tcpdump looks for at the end.
fn assert_totals(said: &str, captured: u64) {
    let totals =
        format!("{captured} packets captured\n{captured} packets received by filter\n0 packets dropped by kernel\n");
    assert!(said.ends_with(&totals), "{said}");
}

/// Proves that Ctrl-C and SIGTERM seal what is in, say tcpdump's three lines and end in success.
#[test]
fn ctrl_c_and_sigterm_seal_and_tell() {
    if !possible() {
        return;
    }
    for signal in ["INT", "TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        let alone = Namespace::new();
        let _sink = traffic::sink(&alone, "127.0.0.1");
        let program = Program::record(&alone, &db, &["-i", "lo"]);
        traffic::datagrams(&alone, "127.0.0.1", [&b"x"[..]; 70]);
        program.signal(signal);
        let ended = program.end();
        assert_eq!(ended.code, Some(0), "{signal}: {}", ended.said);
        assert_totals(&ended.said, 70);
        assert_whole(&db, signal);
        assert_eq!(number(&db, "select count(*) from packets"), 70, "{signal}: sent before the signal, so recorded");
        assert_eq!(
            std::fs::read_dir(db.join("open")).map_or(0, Iterator::count),
            0,
            "{signal}: something is not sealed"
        );
    }
}

/// Proves that SIGUSR1 prints the counters and ends nothing.
#[test]
fn sigusr1_tells_and_goes_on() {
    if !possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let alone = Namespace::new();
    let _sink = traffic::sink(&alone, "127.0.0.1");
    let program = Program::record(&alone, &db, &["-i", "lo"]);
    traffic::datagrams(&alone, "127.0.0.1", [&b"x"[..]; 30]);
    // Counters are what the recorder has taken by now; the ring is read every few ms.
    sleep(Duration::from_millis(500));
    program.signal("USR1");
    program.wait_for("30 packets captured\n30 packets received by filter\n0 packets dropped by kernel\n");
    traffic::datagrams(&alone, "127.0.0.1", [&b"x"[..]; 12]);
    assert_totals(&program.stop(), 42);
    assert_eq!(number(&db, "select count(*) from packets"), 42);
}

/// Proves that `--count` gives exactly so many packets, the first ones, from the kernel and from a stream, and that the
/// program ends by itself.
#[test]
fn a_count_is_exact() {
    if !possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (live, stream) = (dir.path().join("live"), dir.path().join("stream"));
    let alone = Namespace::new();
    let _sink = traffic::sink(&alone, "127.0.0.1");
    let program = Program::record(&alone, &live, &["-i", "lo", "--count", "33"]);
    traffic::datagrams(&alone, "127.0.0.1", [&b"x"[..]; 100]);
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(ended.said.contains("\n33 packets captured\n"), "{}", ended.said);
    assert_eq!(number(&live, "select count(*) from packets"), 33);

    let (program, mut stdin) = Program::record_stream(&stream, &["-c", "500"]);
    let all = demo::packets();
    // It does not wait for the end of the stream: the pipe is held open until it has ended.
    stdin.write_all(&demo::pcap(&all[..600])).unwrap();
    stdin.flush().unwrap();
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_eq!(number(&stream, "select count(*) from packets"), 500);
    assert_eq!(number(&stream, "select max(cast(ts as bigint)) from packets"), all[499].ts_ns);
    drop(stdin);
}

/// Proves that `--duration` ends the recording without help, not before its time.
#[test]
fn a_duration_ends_by_itself() {
    if !possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let alone = Namespace::new();
    let _sink = traffic::sink(&alone, "127.0.0.1");
    let began = Instant::now();
    let program = Program::record(&alone, &db, &["-i", "lo", "--duration", "2s"]);
    traffic::datagrams(&alone, "127.0.0.1", [&b"x"[..]; 5]);
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(began.elapsed() >= Duration::from_secs(2), "ended after {:?}", began.elapsed());
    assert_totals(&ended.said, 5);
    assert_eq!(number(&db, "select count(*) from packets"), 5);
}
