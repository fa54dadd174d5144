//! `wiretape replay` as a user runs it. What it does to segments is in `tests/replay.rs`.

use wiretape::demo;

use super::{Desk, text};
use crate::support::tls;

/// Proves that a key log which comes later opens what is in already, that the secrets stay with the packets, so that a replay
/// without them keeps the rows, and that what is not there is said.
#[test]
fn a_key_log_that_comes_later_opens_what_is_in() {
    let desk = Desk::new();
    let capture = desk.write("tls.pcap", &demo::pcap(&tls::packets()));
    let keys = desk.write("keys.log", tls::KEY_LOG.as_bytes());
    desk.run(&["replay"]).failed_saying(&["there is no database"]);
    desk.run(&["import", "--no-l7", text(&capture)]).ok();
    let whole = |sql: &str| desk.run(&["query", "--format", "csv", sql]).ok().stdout;
    let packets = "select packet_id, ts, flow_id, encode(frame(packet_id), 'hex') from packets order by 1";
    let before = whole(packets);

    let said = desk.run(&["replay"]).ok().stderr;
    assert!(said.contains("in 1 segment read: 1 changed, 0 as before"), "{said}");
    assert_eq!(desk.value("select sni from tls"), "shop.test");
    assert_eq!(desk.value("select count(*) from http"), "0");
    desk.run(&["replay", "--keylog", text(&keys), "1"]).ok();
    assert_eq!(desk.value("select capture_source, host, path from http"), "keylog,shop.test,/orders/7");
    let said = desk.run(&["replay"]).ok().stderr;
    assert!(said.contains("0 changed, 1 as before"), "{said}");
    assert_eq!(desk.value("select count(*) from http"), "1");
    assert!(whole(packets) == before, "packets are what they were");
    desk.run(&["verify"]).ok();

    desk.run(&["replay", "7"]).failed_saying(&["no segment 7", "system.segments"]);
    desk.run(&["replay", "--keylog", "none.log"]).failed_saying(&["none.log", "No such file"]);
}
