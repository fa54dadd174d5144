//! `--bpf`: the packets that tcpdump takes with the same filter, and an account of those kept out.

use super::{
    METHODS,
    namespace::{Namespace, possible},
    program::{Program, assert_whole, exported, inside, rows},
    recorder::{BEGIN, END, Tcpdump, assert_same, between_marks},
    traffic,
};

/// Datagrams of 47 bytes on the wire, which the filter finds too short.
const KEPT_OUT: usize = 40;

/// Proves that a filter takes tcpdump's packets, whether the kernel applies it or we do before the log, and that every packet
/// seen is recorded, filtered or dropped.
#[test]
fn a_filter_takes_the_packets_tcpdump_takes_and_counts_the_others() {
    if !possible() {
        return;
    }
    let filter = "udp dst port 9009 and (greater 60 or ip6)";
    for method in METHODS {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        let alone = Namespace::new();
        let _sinks = (traffic::sink(&alone, "127.0.0.1"), traffic::sink(&alone, "::1"));
        let tcpdump = Tcpdump::start_with(&alone, "lo", &[filter]);
        let program = Program::record(&alone, &db, &["-i", "lo", "--method", method, "--bpf", filter]);
        traffic::datagrams(&alone, "127.0.0.1", [BEGIN]);
        traffic::datagrams(&alone, "127.0.0.1", [&[1; 100][..]; 20]);
        traffic::datagrams(&alone, "::1", [&b"short, but version 6"[..]; 5]);
        traffic::datagrams(&alone, "127.0.0.1", [&b"short"[..]; KEPT_OUT]);
        traffic::transfer(&alone, &alone, "127.0.0.1", 1 << 16);
        traffic::datagrams(&alone, "127.0.0.1", [END]);
        let theirs = between_marks(&tcpdump.stop());
        let said = program.stop();

        let ours: Vec<_> = exported(&db).into_iter().map(|f| f.data).collect();
        assert_same(&between_marks(&ours), &theirs, method);
        assert_eq!(ours.len(), 27, "{method}: 20 long ones, 5 of version 6 and the marks");
        assert_whole(&db, method);
        let sums = "select sum(recorded), sum(filtered) >= 40, sum(dropped_ring + dropped_limit), \
                    sum(received) = sum(recorded) + sum(filtered) + sum(dropped_ring) + sum(dropped_limit) \
                    from system.coverage";
        assert_eq!(rows(&db, sums), [["27", "true", "0", "true"]], "{method}: {said}");
        assert!(said.contains("\n27 packets captured\n") && said.contains(" kept out by the filter\n"), "{said}");
    }
}

/// Proves that a filter with a mistake is shown with the place of it, and that no database is made for it.
#[test]
fn a_wrong_filter_is_pointed_at_and_makes_no_database() {
    if !possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let alone = Namespace::new();
    let program =
        Program::start(inside(&alone, &["record", "-i", "lo", "--bpf", "udp port 53 and prot 80", "--db"]).arg(&db));
    let ended = program.end();
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    assert!(ended.said.starts_with("error: "), "{}", ended.said);
    assert!(ended.said.contains("  udp port 53 and prot 80\n                  ^\n"), "{}", ended.said);
    assert!(!db.exists(), "a database was made");
}
