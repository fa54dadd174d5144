//! TLS and the key logs that open it: `import --keylog`, `record --keylog`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use wiretape::{
    demo,
    ingest::source::{CaptureFile, Event},
};

use super::{Desk, text};
use crate::support::{corpus, tls};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is inside, as a query's line.
const INSIDE: &str = "keylog,shop.test,/orders/7,404";

fn inside(desk: &Desk) -> String {
    desk.value("select capture_source, host, path, status_code from http")
}

/// Proves that a connection is a row of `tls` without its key log and one of what is inside besides with it; and that the secrets
/// are with the packets: a segment's raw component opens it again.
#[test]
fn a_key_log_opens_what_is_imported() {
    let desk = Desk::new();
    let capture = desk.write("tls.pcap", &demo::pcap(&tls::packets()));
    desk.run(&["import", text(&capture)]).ok();
    assert_eq!(desk.value("select sni, cipher_suite from tls"), "shop.test,47");
    assert_eq!(desk.value("select count(*) from http"), "0");

    let keys = desk.write("keys.log", format!("# made\nnonsense\n{}", tls::KEY_LOG).as_bytes());
    let opened = Desk::new();
    let ran = opened.run(&["import", "--keylog", text(&keys), text(&capture)]).ok();
    assert!(ran.stderr.contains("1 of 3 lines passed over; line 2 does not begin with the label"), "{}", ran.stderr);
    assert_eq!(inside(&opened), INSIDE);
    opened.run(&["verify"]).ok();
    let calls = opened.run(&["calls", "--format", "csv"]).ok();
    assert!(calls.text().contains("/orders/7"), "{}", calls.text());
}

#[test]
fn a_key_log_of_no_use_is_refused_with_the_reason() {
    let desk = Desk::new();
    let capture = desk.write("tls.pcap", &demo::pcap(&tls::packets()));
    let import = |keys: &str| desk.run(&["import", "--keylog", keys, text(&capture)]);
    import("none.log").failed_saying(&["none.log", "No such file", "SSLKEYLOGFILE"]);
    desk.write("empty.log", b"# nothing yet\n");
    import("empty.log").failed_saying(&["empty.log", "no line has a TLS secret"]);
    desk.write("wrong.log", b"\n# x\nCLIENT_RANDOM 0102 0304\n");
    import("wrong.log").failed_saying(&["wrong.log", "line 3: the client random", "no line of 3"]);
    assert!(!desk.path("db").exists(), "nothing was begun");
    let record = desk.run_with(&["record", "-r", "-", "--keylog", "none.log"], &demo::pcap(&[]));
    record.failed_saying(&["none.log", "No such file"]);
}

/// Proves that a recorder takes in what a program logs while it is recorded, a moment after the packets, and that the rows are
/// the same when the recorder is killed then and its log recovered without the key log.
#[test]
fn a_key_log_that_grows_opens_what_is_recorded() {
    for killed in [false, true] {
        let desk = Desk::new();
        let keys = desk.write("keys.log", b"# SSL/TLS secrets log file\n");
        let mut command = desk.command(&["record", "-r", "-", "--keylog", text(&keys)]);
        let mut recorder = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut pipe = recorder.stdin.take().unwrap();
        pipe.write_all(&demo::pcap(&tls::packets())).unwrap();
        while !desk.path("db/open/0000000001/raw.pcapng").exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        std::fs::OpenOptions::new().append(true).open(&keys).unwrap().write_all(tls::KEY_LOG.as_bytes()).unwrap();
        let began = Instant::now();
        while desk.value("select count(*) from packets") == "0" || desk.value("select count(*) from tls") == "0" {
            assert!(began.elapsed() < PATIENCE, "nothing becomes visible");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(inside(&desk), INSIDE, "while it is recorded");
        if killed {
            recorder.kill().unwrap();
            recorder.wait().unwrap();
            desk.run_with(&["record", "-r", "-"], &demo::pcap(&[])).ok();
        } else {
            drop(pipe);
            assert!(recorder.wait().unwrap().success());
        }
        assert_eq!(inside(&desk), INSIDE, "sealed; killed: {killed}");
        desk.run(&["verify"]).ok();
    }
}

/// The log of secrets that a capture carries, and its frames as a capture without.
fn taken_apart(capture: &Path, desk: &Desk) -> (PathBuf, PathBuf) {
    let mut file = CaptureFile::open(capture).unwrap();
    let (mut log, mut packets, mut link_type) = (Vec::new(), Vec::new(), 1);
    while let Some(event) = file.next_event().unwrap() {
        match event {
            Event::Secrets(lines) => log.extend_from_slice(lines),
            Event::Frame(f) => packets.push(demo::Packet { ts_ns: f.ts_ns, data: f.data.to_vec() }),
            Event::Interface(interface) => link_type = interface.link_type,
        }
    }
    let mut without = demo::pcap(&packets);
    without[20..22].copy_from_slice(&link_type.to_le_bytes());
    (desk.write("keys.log", &log), desk.write("without.pcap", &without))
}

/// Proves on captures of others, with the key logs that they carry, that a key log beside a capture opens what one inside does:
/// imported, and recorded from a stream of either.
#[test]
fn a_key_log_beside_a_capture_opens_what_one_inside_does() {
    let Some(corpus) = corpus() else { return };
    let questions = ["tls", "http", "calls"].map(|table| {
        let of_capture = "count(*), count(distinct flow_id), sum(request_bytes), sum(response_bytes), min(ts), max(ts)";
        format!("select '{table}', capture_source, {of_capture} from {table} group by 2 order by 2")
    });
    for name in ["tls12-dsb.pcapng", "h2-tls-keys.pcapng", "derived-tls-dsb.pcapng"] {
        let capture = corpus.join(name);
        let answers = |args: &[&str], stdin: &[u8]| {
            let desk = Desk::new();
            desk.run_with(args, stdin).ok();
            questions.each_ref().map(|sql| desk.run(&["query", "--format", "csv", sql]).ok().text().to_owned())
        };
        let desk = Desk::new();
        let (keys, without) = taken_apart(&capture, &desk);
        let inside = answers(&["import", text(&capture)], b"");
        assert!(inside[2].contains("keylog"), "{name}: {inside:?}");
        assert_eq!(answers(&["import", text(&without), "--keylog", text(&keys)], b""), inside, "{name}");
        let closed = answers(&["import", text(&without)], b"");
        assert!(!closed[2].contains("keylog"), "{name}: {closed:?}");
        let stream = std::fs::read(&without).unwrap();
        assert_eq!(answers(&["record", "-r", "-", "--keylog", text(&keys)], &stream), inside, "{name}, recorded");
        let stream = std::fs::read(&capture).unwrap();
        assert_eq!(answers(&["record", "-r", "-"], &stream), inside, "{name}, recorded with secrets inside");
    }
}
