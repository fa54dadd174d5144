//! `wiretape calls` and `wiretape show`: what was said, one of it whole, and its packets.

use super::{Desk, text};
use crate::support::frames;

/// Proves that calls are listed, the newest so many in the order of time, and that `show` prints one of them whole: its own columns,
/// its maps and its packets.
#[test]
fn calls_are_listed_and_one_is_shown_whole() {
    let desk = Desk::with_packets();
    let list = desk.run(&["calls", "-n", "3", "--where", "app_proto = 'http'", "--format", "csv"]).ok();
    let lines: Vec<&str> = list.text().lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("ts,src,dst,dst_port,app_proto,method,target,status"), "{lines:?}");
    assert!(lines[1..].is_sorted(), "{lines:?}");
    let id = lines[3].rsplit(',').next().unwrap();
    let newest = "select max(call_id) from http where ts = (select max(ts) from http)";
    assert_eq!(id, desk.value(newest));

    let shown = desk.run(&["show", id]).ok();
    let out = shown.text();
    let host = desk.value(&format!("select host from http where call_id = {id}"));
    for said in
        ["http\n", &format!("  call_id: {id}\n"), &format!("  host: {host}\n"), "  request_headers:\n    host: "]
    {
        assert!(out.contains(said), "no \"{said}\" in\n{out}");
    }
    let packets = desk.value(&format!(
        "select count(*) from packets p join http h using (flow_id) where call_id = {id} and p.packet_id between \
         first_packet_id and last_packet_id"
    ));
    assert!(packets.parse::<u32>().unwrap() >= 2 && out.contains(&format!("({packets} rows)")), "{packets} in\n{out}");
    desk.run(&["show", "1"]).failed_saying(&["there is no call 1", "wiretape calls lists them"]);
    desk.run(&["calls", "--follow", "-n", "3"]).code.filter(|code| *code == 2).expect("one or the other");
}

/// Proves that `show --pcap` writes the packets of the call and no others, exact and in order, whatever the file is called.
#[test]
fn the_packets_of_a_call_are_written_exactly() {
    let desk = Desk::with_packets();
    let id = desk.value("select max(call_id) from http");
    let bytes = format!(
        "select encode(frame(p.packet_id), 'hex') from packets p join http h using (flow_id) where h.call_id = {id} \
         and p.packet_id between h.first_packet_id and h.last_packet_id order by p.packet_id"
    );
    let expected = desk.run(&["query", "--format", "csv", &bytes]).ok();
    let expected: Vec<&str> = expected.text().lines().skip(1).collect();
    for name in ["call.pcap", "call.pcapng", "evidence", "o'clock.pcap"] {
        let ran = desk.run(&["show", &id, "--pcap", name]).ok();
        assert!(ran.stderr.contains(&format!("{} packets written to", expected.len())), "{}", ran.stderr);
        assert!(ran.text().is_empty());
        let written = frames::read(&desk.path(name));
        let hex = |data: &[u8]| data.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(written.iter().map(|f| hex(&f.data)).collect::<Vec<_>>(), expected, "{name}");
    }
    let missing = desk.path("no/folder.pcap");
    desk.run(&["show", &id, "--pcap", text(&missing)]).failed_saying(&["/no: No such file"]);
}
