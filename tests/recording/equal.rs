//! What was recorded and is exported is what tcpdump saw, byte for byte.

use std::path::Path;

use super::{
    METHODS,
    namespace::{Namespace, joined, possible},
    program::{Program, assert_whole, exported, rows},
    recorder::{BEGIN, END, Tcpdump, assert_same, between_marks, holds},
    traffic::{self, Tun},
};

/// The frames between the marks of what the program recorded, after what holds for every recording was asserted.
fn recorded(db: &Path) -> Vec<Vec<u8>> {
    assert_whole(db, "recorded");
    let times = rows(db, "select iface, cast(ts as bigint) from packets order by packet_id");
    let mut last = std::collections::BTreeMap::new();
    for row in times {
        let ts: i64 = row[1].parse().unwrap();
        let before = last.insert(row[0].clone(), ts).unwrap_or(ts);
        assert!(before <= ts, "times of {} go back", row[0]);
    }
    let frames = exported(db);
    assert!(frames.iter().any(|f| f.ts_ns % 1000 != 0), "times are cut to microseconds");
    assert!(frames.iter().all(|f| f.orig_len as usize == f.data.len()), "a frame is cut");
    between_marks(&frames.into_iter().map(|f| f.data).collect::<Vec<_>>())
}

/// Proves with each way in that IPv4, IPv6, ARP, tagged frames and TCP super-packets of both directions, recorded over veth
/// and exported, are tcpdump's.
#[test]
fn a_recording_over_veth_exports_what_tcpdump_saw() {
    if !possible() {
        return;
    }
    for method in METHODS {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        let (west, east) = joined();
        let _sinks =
            (traffic::sink(&east, "10.7.0.2"), traffic::sink(&east, "fd07::2"), traffic::sink(&west, "10.7.0.1"));
        let tcpdump = Tcpdump::start(&east, "east");
        let program = Program::record(&east, &db, &["-i", "east", "--method", method]);

        traffic::datagrams(&west, "10.7.0.2", [BEGIN, b"four", &[7; 1200]]);
        traffic::datagrams(&west, "fd07::2", [&b"six"[..], &[8; 1300]]);
        traffic::datagrams(&east, "10.7.0.1", [&b"back"[..]]);
        let tags: [&[(u16, u16)]; 3] = [&[(0x8100, 5)], &[(0x88a8, 7), (0x8100, 8)], &[(0x8100, 0)]];
        let tagged: Vec<_> = tags.iter().map(|tags| traffic::tagged_frame(tags)).collect();
        traffic::raw_frames(&west, "west", &tagged);
        traffic::raw_frames(&east, "east", &tagged);
        traffic::transfer(&west, &east, "10.7.0.2", 4 << 20);
        traffic::transfer(&east, &west, "fd07::1", 1 << 20);
        traffic::datagrams(&west, "10.7.0.2", [END]);

        let theirs = between_marks(&tcpdump.stop());
        program.stop();
        let ours = recorded(&db);
        assert_same(&ours, &theirs, method);
        assert!(ours.iter().any(|f| f.len() > 10_000), "{method}: no super-packet was on the wire");
        for frame in tagged {
            assert_eq!(ours.iter().filter(|f| **f == frame).count(), 2, "{method}: a tagged frame each way");
        }
        let ways = rows(&db, "select distinct iface, direction, link_type from packets order by direction");
        assert_eq!(ways, [["east", "in", "1"], ["east", "out", "1"]], "{method}");
    }
}

/// Proves that on the loopback every packet is there once, as in tcpdump.
#[test]
fn a_recording_of_the_loopback_exports_what_tcpdump_saw() {
    if !possible() {
        return;
    }
    for method in METHODS {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        let alone = Namespace::new();
        let _sinks = (traffic::sink(&alone, "127.0.0.1"), traffic::sink(&alone, "::1"));
        let tcpdump = Tcpdump::start(&alone, "lo");
        let program = Program::record(&alone, &db, &["-i", "lo", "--method", method]);
        traffic::datagrams(&alone, "127.0.0.1", [BEGIN, b"once"]);
        traffic::datagrams(&alone, "::1", [&b"once more"[..]]);
        traffic::transfer(&alone, &alone, "127.0.0.1", 2 << 20);
        traffic::datagrams(&alone, "127.0.0.1", [END]);
        let theirs = between_marks(&tcpdump.stop());
        program.stop();
        let ours = recorded(&db);
        assert_same(&ours, &theirs, method);
        assert_eq!(ours.iter().filter(|f| holds(f, b"once more")).count(), 1, "{method}");
    }
}

/// Proves that a device without link header is recorded as raw IP, and exported as such.
#[test]
fn a_recording_of_a_tun_device_exports_what_tcpdump_saw() {
    if !possible() {
        return;
    }
    for method in METHODS {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        let alone = Namespace::new();
        let mut tun = Tun::new(&alone);
        let _sink = traffic::sink(&alone, "10.9.0.1");
        let tcpdump = Tcpdump::start(&alone, "tun0");
        let program = Program::record(&alone, &db, &["-i", "tun0", "--method", method]);
        traffic::datagrams(&alone, "10.9.0.2", [BEGIN, b"out"]);
        traffic::datagrams(&alone, "fd09::2", [&b"out six"[..]]);
        let packet = traffic::ipv4_datagram(b"in");
        tun.receive(&packet);
        traffic::datagrams(&alone, "10.9.0.2", [END]);
        let theirs = between_marks(&tcpdump.stop());
        program.stop();
        let ours = recorded(&db);
        assert_same(&ours, &theirs, method);
        assert!(ours.contains(&packet), "{method}: the packet that came in");
        assert_eq!(rows(&db, "select distinct link_type from packets"), [["101"]], "{method}");
    }
}
