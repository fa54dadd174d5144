//! The same frames by way of the kernel and by way of a file are the same rows.

use std::{thread::sleep, time::Duration};

use wiretape::demo;

use super::{
    METHODS,
    namespace::{Namespace, possible},
    program::{Program, rows},
    traffic,
};
use crate::support::{run, wiretape};

/// Frames sent in one go, fewer than the kernel queues for a device, and the pause after them.
const BURST: usize = 200;
const PAUSE: Duration = Duration::from_millis(10);
/// Time between two frames of the file. A second for all of them, about what sending takes, so that nothing times out in
/// the one and not in the other.
const STEP_NS: i64 = 50_000;

/// Columns that tell time, or where and how a packet was captured.
const OF_THE_CAPTURE: &str = "\
    ts, start_ts, end_ts, duration_ns, handshake_ns, rtt_out_ns, rtt_in_ns, ttfb_ns, packet_id, flow_id, node, iface, \
    direction, capture_source";

/// Two namespaces joined by a veth pair, over which goes nothing but what the test sends: no addresses, no IPv6.
fn quiet() -> (Namespace, Namespace) {
    let (west, east) = (Namespace::new(), Namespace::new());
    for namespace in [&west, &east] {
        run(namespace.command("sh").args(["-c", "echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6"]));
    }
    west.ip(&format!("link add west type veth peer name east netns {}", east.name()));
    for (namespace, name) in [(&west, "west"), (&east, "east")] {
        namespace.ip(&format!("link set {name} up"));
    }
    (west, east)
}

/// Proves that a capture replayed over a wire and recorded, and the same capture imported, are the same rows of packets and
/// flows in the same order, but for time and place.
#[test]
fn recording_a_replayed_capture_gives_the_rows_of_importing_it() {
    if !possible() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut packets = demo::packets();
    for (n, packet) in packets.iter_mut().enumerate() {
        packet.ts_ns = demo::START_NS + n as i64 * STEP_NS;
    }
    let capture = dir.path().join("capture.pcap");
    std::fs::write(&capture, demo::pcap(&packets)).unwrap();
    let imported = dir.path().join("imported");
    run(wiretape(&["import", "-q", "--db"]).arg(&imported).arg(&capture));
    let frames: Vec<_> = packets.into_iter().map(|p| p.data).collect();

    let questions = ["packets", "flows"].map(|table| {
        let order = if table == "packets" { "packet_id" } else { "flow_id" };
        let all = rows(&imported, &format!("select name from system.columns where table_name = '{table}'"));
        let excluded: Vec<_> = OF_THE_CAPTURE.split(',').map(str::trim).collect();
        let kept: Vec<_> = all.into_iter().flatten().filter(|c| !excluded.contains(&c.as_str())).collect();
        assert!(kept.len() > 15, "{kept:?}");
        format!("select {} from {table} order by {order}", kept.join(", "))
    });
    let expected = questions.each_ref().map(|sql| rows(&imported, sql));
    assert!(expected[0].len() == frames.len() && expected[1].len() > 100, "there is something to compare");
    for method in METHODS {
        let db = dir.path().join(method);
        let (west, east) = quiet();
        let program = Program::record(&east, &db, &["-i", "east", "--method", method]);
        for burst in frames.chunks(BURST) {
            traffic::raw_frames(&west, "west", burst);
            sleep(PAUSE);
        }
        let said = program.stop();
        let recorded = questions.each_ref().map(|sql| rows(&db, sql));
        for (recorded, expected) in recorded.iter().zip(&expected) {
            assert_eq!(recorded.len(), expected.len(), "{method}: {said}");
            for (recorded, expected) in recorded.iter().zip(expected) {
                assert_eq!(recorded, expected, "{method}");
            }
        }
        let place = rows(&db, "select distinct iface, direction from packets");
        assert_eq!(place, [["east", "in"]], "{method}");
    }
}
