//! `wiretape kfl`: entries that a filter selects, their packets, and the SQL it means.

use super::{Desk, text};
use crate::support::frames;

/// Proves that the command lists the newest entries in the order of time, as the same filter in SQL selects them.
#[test]
fn entries_are_listed_by_time() {
    let desk = Desk::with_packets();
    let all = desk.value("select count(*) from kfl('dns && dns_response')");
    let list = desk.run(&["kfl", "dns && dns_response", "-n", "100000", "--format", "csv"]).ok();
    let lines: Vec<&str> = list.text().lines().collect();
    assert!(lines[0].starts_with("entry,ts,src,dst,dst_port,app_proto"), "{lines:?}");
    assert_eq!((lines.len() - 1).to_string(), all);
    assert!(lines[1..].is_sorted(), "all are calls, so lines sort by time");
    let newest = desk.run(&["kfl", "dns && dns_response", "-n", "2", "--format", "csv"]).ok();
    assert_eq!(newest.text().lines().skip(1).collect::<Vec<_>>(), lines[lines.len() - 2..]);
    let sql = desk.run(&["kfl", "--explain", "dns && dns_response"]).ok();
    let explained = desk.value(&format!("select count(*) from ({}) as explained", sql.text()));
    assert_eq!(explained, all, "what is explained can be run as it is: {}", sql.text());
    let v1 = desk.run(&["kfl", "dns and dns_response", "-n", "2", "--format", "csv"]).ok();
    assert_eq!(v1.text(), newest.text());
    assert!(v1.stderr.contains("note: read as KFL v1; in KFL2: dns && dns_response"), "{}", v1.stderr);
    desk.run(&["kfl", "dnss"]).failed_saying(&["`dnss`", "`dns`"]);
}

/// Proves that `--pcap` writes the packets of the entries, all of them once and no others.
#[test]
fn the_packets_of_entries_are_written() {
    let desk = Desk::with_packets();
    let port = desk.value("select max(src_port) from flows where proto = 'tcp'");
    let filter = format!("flow && src.port == {port}");
    let expected = desk.value(&format!(
        "select count(*) from packets where flow_id in (select flow_id from flows where src_port = {port})"
    ));
    let file = desk.path("flow.pcap");
    desk.run(&["kfl", &filter, "--pcap", text(&file)]).ok();
    assert_eq!(frames::read(&file).len().to_string(), expected);
}
