//! What the table promises, packet by packet. `property` checks it against a plain GROUP BY, `corpus` against tshark.

mod corpus;
mod merged;
mod property;

use arrow::record_batch::RecordBatch;

use self::merged::{Row, merge};
use super::{
    FlowConfig, FlowTable, Observed,
    tcp::flag::{ACK, FIN, RST, SYN},
    testing::{Made, bare, icmp, tcp, udp},
};
use crate::decode::Decoded;

const S: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;
const A: &str = "10.0.0.1:40000";
const B: &str = "10.0.0.2:80";

/// A table that packets are given to, with all that was sealed.
struct Capture {
    table: FlowTable,
    batches: Vec<RecordBatch>,
    segment: u32,
}

impl Capture {
    fn new() -> Capture {
        Capture::with(FlowConfig::default())
    }

    fn with(config: FlowConfig) -> Capture {
        Capture { table: FlowTable::new(config), batches: Vec::new(), segment: 0 }
    }

    /// A packet at `ts` with the length its payload and 54 bytes of headers have.
    fn see(&mut self, ts: i64, packet: &Decoded<'_>) -> Observed {
        let orig_len = 54 + packet.payload_len.unwrap_or(0);
        self.table.observe(ts, orig_len, packet).unwrap()
    }

    fn tcp(&mut self, ts: i64, made: Made) -> Observed {
        self.see(ts, &made.packet())
    }

    /// Three packets from 100 ms before `ts` on: SYN 100, SYN-ACK 500, ACK. Data begins at 101 and 501.
    fn handshake(&mut self, ts: i64) {
        self.tcp(ts - 100 * MS, tcp(A, B).flags(SYN).seq(100));
        self.tcp(ts - 40 * MS, tcp(B, A).flags(SYN | ACK).seq(500).ack(101));
        self.tcp(ts, out().seq(101).ack(501));
    }

    fn next_segment(&mut self) -> Vec<Option<&'static str>> {
        let mut sealed = self.table.seal();
        self.batches.push(sealed.rows.finish().unwrap());
        self.segment += 1;
        self.table.begin_segment(self.segment);
        sealed.app_protos
    }

    /// The rows users see, by flow_id.
    fn rows(mut self) -> Vec<Row> {
        self.table.finish();
        self.next_segment();
        merge(&self.batches)
    }
}

fn out() -> Made {
    tcp(A, B).flags(ACK)
}

fn back() -> Made {
    tcp(B, A).flags(ACK)
}

#[test]
fn frames_without_ip_have_no_flow() {
    let mut table = FlowTable::new(FlowConfig::default());
    assert_eq!(table.observe(0, 60, &Decoded::default()), None);
    assert_eq!(table.counters().without_ip, 1);
}

#[test]
fn ids_hold_the_segment_and_slots_are_dense_in_it() {
    let mut c = Capture::new();
    let one = c.see(0, &udp(A, B).packet());
    let two = c.see(0, &udp("10.0.0.9:1", B).packet());
    assert_eq!((one.flow_id, one.slot, two.flow_id, two.slot), (0, 0, 1, 1));
    c.next_segment();
    let three = c.see(S, &udp("10.0.0.8:1", B).packet());
    let two_again = c.see(S, &udp(B, "10.0.0.9:1").packet());
    assert_eq!((three.flow_id, three.slot), (1 << 32, 0));
    assert_eq!((two_again.flow_id, two_again.slot), (1, 1));
}

#[test]
fn parts_say_what_their_segment_saw() {
    let mut c = Capture::new();
    c.see(S, &udp(A, B).payload(b"abc").packet());
    c.next_segment();
    c.see(2 * S, &udp(B, A).payload(b"abcde").packet());
    c.next_segment();
    c.next_segment();
    c.see(100 * S, &icmp("10.0.0.1", "10.0.0.2", 8, 0, Some(1)));
    c.next_segment();
    let parts: Vec<Row> = c.batches.iter().flat_map(|b| merge(std::slice::from_ref(b))).collect();
    let shape: Vec<[i64; 5]> = parts
        .iter()
        .map(|r| ["flow_id", "part", "packets_out", "bytes_in", "end_ts"].map(|column| r.int(column)))
        .collect();
    assert_eq!(
        shape,
        [
            [0, 1, 1, 0, S],
            [0, 0, 0, 59, 2 * S],
            // Nothing in the third segment; in the fourth it is found idle, and the echo request begins.
            [0, 2, 0, 0, 2 * S],
            [3 << 32, 1, 1, 0, 100 * S],
        ]
    );
    assert_eq!(parts[2].text("end_reason"), Some("idle"));
}

#[test]
fn initiator_is_the_sender_of_the_syn_the_receiver_of_a_syn_ack_or_the_first_sender() {
    for (made, src) in [
        (tcp(A, B).flags(SYN), "10.0.0.1"),
        (tcp(B, A).flags(SYN | ACK), "10.0.0.1"),
        (tcp(B, A).flags(ACK), "10.0.0.2"),
        (udp(B, A), "10.0.0.2"),
    ] {
        let mut c = Capture::new();
        c.tcp(0, made);
        assert_eq!(c.rows()[0].text("src_ip"), Some(src));
    }
}

#[test]
fn a_connection_goes_through_its_states_to_fin() {
    let mut c = Capture::new();
    let mut states = Vec::new();
    let packets = [
        tcp(A, B).flags(SYN).seq(100),
        tcp(B, A).flags(SYN | ACK).seq(500).ack(101),
        out().seq(101).ack(501),
        out().flags(FIN | ACK).seq(101).ack(501),
        back().flags(FIN | ACK).seq(501).ack(102),
        out().seq(102).ack(502),
    ];
    for (n, made) in packets.into_iter().enumerate() {
        c.tcp(n as i64 * MS, made);
        c.next_segment();
        states.push(merge(&c.batches)[0].text("tcp_state").unwrap().to_owned());
    }
    assert_eq!(states, ["syn_sent", "syn_received", "established", "closing", "closing", "closed"]);
    let row = &c.rows()[0];
    assert_eq!(row.text("end_reason"), Some("fin"));
    assert_eq!((row.int("fin_count"), row.int("completeness")), (2, 1 | 2 | 4 | 16));
    assert_eq!((row.int("tcp_flags_out"), row.int("tcp_flags_in")), (19, 19));
}

#[test]
fn a_reset_ends_the_flow_unless_it_is_out_of_the_window() {
    let mut c = Capture::new();
    c.handshake(S);
    c.tcp(S, back().flags(RST).seq(0x7000_0000));
    c.next_segment();
    assert_eq!(merge(&c.batches)[0].text("tcp_state"), Some("established"));
    c.tcp(S, back().flags(RST).seq(501));
    let row = &c.rows()[0];
    assert_eq!((row.text("tcp_state"), row.text("end_reason")), (Some("reset"), Some("rst")));
    assert_eq!(row.int("rst_count"), 2);
}

#[test]
fn a_refused_syn_is_reset() {
    let mut c = Capture::new();
    c.tcp(0, tcp(A, B).flags(SYN).seq(100));
    c.tcp(1, back().flags(RST | ACK).seq(0).ack(101));
    assert_eq!(c.rows()[0].text("end_reason"), Some("rst"));
}

#[test]
fn stragglers_of_a_closed_connection_belong_to_it_for_a_while() {
    let mut c = Capture::new();
    c.handshake(S);
    c.tcp(S, back().flags(RST).seq(501));
    let straggler = c.tcp(10 * S, out().seq(101).ack(501).payload(b"late"));
    let later = c.tcp(30 * S, out().seq(101).ack(501).payload(b"late"));
    assert_eq!((straggler.flow_id, later.flow_id), (0, 1));
    let rows = c.rows();
    assert_eq!((rows[0].text("end_reason"), rows[1].text("tcp_state")), (Some("rst"), Some("midstream")));
}

#[test]
fn a_new_syn_starts_a_flow_and_a_retransmitted_one_does_not() {
    let mut c = Capture::new();
    c.tcp(0, tcp(A, B).flags(SYN).seq(100));
    assert_eq!(c.tcp(S, tcp(A, B).flags(SYN).seq(100)).flow_id, 0);
    assert_eq!(c.tcp(2 * S, tcp(A, B).flags(SYN).seq(7_000_000)).flow_id, 1);
    let rows = c.rows();
    assert_eq!(rows[0].text("end_reason"), Some("port_reuse"));
    assert_eq!((rows[0].int("packets_out"), rows[0].int("retransmissions_out")), (2, 1));
}

#[test]
fn a_syn_behind_its_syn_ack_is_the_same_connection() {
    let mut c = Capture::new();
    c.tcp(0, tcp(B, A).flags(SYN | ACK).seq(500).ack(101));
    assert_eq!(c.tcp(1, tcp(A, B).flags(SYN).seq(100)).flow_id, 0);
    assert_eq!(c.tcp(2, out().seq(101).ack(501)).flow_id, 0);
    let row = &c.rows()[0];
    assert_eq!((row.text("src_ip"), row.text("tcp_state")), (Some("10.0.0.1"), Some("established")));
    assert_eq!((row.int("out_of_order_out"), row.int("retransmissions_out")), (1, 0));
}

#[test]
fn roles_swap_when_the_port_is_reused_the_other_way() {
    let mut c = Capture::new();
    c.handshake(S);
    c.tcp(S, back().flags(RST).seq(501));
    c.tcp(2 * S, tcp(B, A).flags(SYN).seq(9));
    let rows = c.rows();
    assert_eq!((rows.len(), rows[1].text("src_ip")), (2, Some("10.0.0.2")));
}

#[test]
fn quiet_time_ends_flows_by_class_on_packet_time() {
    for (packet, quiet) in [
        (udp(A, B).packet(), 60),
        (tcp(A, B).flags(SYN).packet(), 90),
        (tcp(A, B).flags(ACK).packet(), 300),
        (icmp("10.0.0.1", "10.0.0.2", 8, 0, Some(1)), 30),
        (bare(89, "10.0.0.1", "10.0.0.2"), 60),
    ] {
        let mut c = Capture::new();
        c.see(0, &packet);
        assert_eq!(c.see(quiet * S - 1, &packet).flow_id, 0);
        assert_eq!(c.see(2 * quiet * S - 1, &packet).flow_id, 1);
        let rows = c.rows();
        assert_eq!((rows[0].text("end_reason"), rows[1].text("end_reason")), (Some("idle"), Some("end")));
    }
}

#[test]
fn idle_flows_end_without_a_packet_of_theirs() {
    let mut c = Capture::new();
    c.see(0, &udp(A, B).packet());
    c.see(62 * S, &udp("10.0.0.9:1", B).packet());
    assert_eq!(c.table.counters().open, 1);
}

#[test]
fn times_that_go_back_end_nothing_and_widen_the_flow() {
    let mut c = Capture::new();
    c.see(500 * S, &udp(A, B).packet());
    assert_eq!(c.see(10 * S, &udp(A, B).packet()).flow_id, 0);
    let row = &c.rows()[0];
    assert_eq!((row.int("start_ts"), row.int("end_ts")), (10 * S, 500 * S));
}

#[test]
fn an_active_flow_is_taken_over_with_its_roles_and_sequence() {
    let mut c = Capture::with(FlowConfig { active_ns: 100 * S, ..FlowConfig::default() });
    c.handshake(S);
    c.tcp(50 * S, out().seq(101).ack(501).payload(b"GET / HTTP/1.1\r\n\r\n"));
    c.tcp(101 * S, back().seq(501).ack(119).payload(b"x"));
    c.tcp(102 * S, out().seq(101).ack(501).payload(b"GET / HTTP/1.1\r\n\r\n"));
    let rows = c.rows();
    assert_eq!((rows.len(), rows[0].text("end_reason")), (2, Some("active")));
    assert_eq!((rows[1].text("src_ip"), rows[1].text("app_proto")), (Some("10.0.0.1"), Some("http")));
    assert_eq!((rows[1].text("tcp_state"), rows[1].int("retransmissions_out")), (Some("midstream"), 1));
}

#[test]
fn losses_are_counted_by_direction() {
    let mut c = Capture::new();
    c.handshake(S);
    c.tcp(S, out().seq(101).ack(501).payload(&[1; 10]));
    c.tcp(S, out().seq(121).ack(501).payload(&[1; 10]));
    c.tcp(S, back().seq(501).ack(111));
    c.tcp(S, out().seq(131).ack(501).payload(&[1; 10]));
    c.tcp(S, back().seq(501).ack(111));
    c.tcp(S, out().seq(111).ack(501).payload(&[1; 10]));
    c.tcp(S, out().seq(111).ack(501).payload(&[1; 10]));
    c.tcp(S, back().seq(501).ack(141).window(0));
    c.tcp(S, out().seq(141).ack(501).payload(&[1; 1]));
    c.tcp(S, out().seq(140).ack(501));
    let row = &c.rows()[0];
    let counted = ["retransmissions_out", "out_of_order_out", "dup_acks_in", "zero_windows_in", "dup_acks_out"];
    assert_eq!(counted.map(|column| row.int(column)), [1, 1, 1, 1, 0]);
    assert_eq!(row.int("payload_bytes_out"), 51);
}

#[test]
fn times_are_taken_from_the_right_packets() {
    let mut c = Capture::new();
    c.handshake(S);
    c.tcp(2 * S, out().seq(101).ack(501).payload(&[1; 10]));
    c.tcp(2 * S + 30 * MS, back().seq(501).ack(111));
    c.tcp(2 * S + 80 * MS, back().seq(501).ack(111).payload(&[2; 20]));
    c.tcp(2 * S + 85 * MS, out().seq(111).ack(521));
    let row = &c.rows()[0];
    let times = ["handshake_ns", "rtt_out_ns", "rtt_in_ns", "ttfb_ns"];
    assert_eq!(times.map(|column| row.int(column) / MS), [100, 30, 5, 80]);
}

#[test]
fn retransmitted_data_gives_no_rtt() {
    let mut c = Capture::new();
    c.handshake(S);
    c.tcp(2 * S, out().seq(101).ack(501).payload(&[1; 10]));
    c.tcp(3 * S, out().seq(101).ack(501).payload(&[1; 10]));
    c.tcp(3 * S + 1, back().seq(501).ack(111));
    assert_eq!(c.rows()[0].value("rtt_out_ns"), None);
}

#[test]
fn app_protos_are_by_slot_and_come_with_the_segment_that_knows() {
    let mut c = Capture::new();
    c.see(0, &udp(A, B).packet());
    c.handshake(S);
    assert_eq!(c.next_segment(), [None, None]);
    c.tcp(S, out().seq(101).ack(501).payload(b"GET / HTTP/1.1\r\n\r\n"));
    assert_eq!(c.next_segment(), [Some("http")]);
    c.tcp(S, back().seq(501).ack(119));
    assert_eq!(c.next_segment(), [Some("http")]);
    assert_eq!(c.rows()[1].text("app_proto"), Some("http"));
}

#[test]
fn names_and_nulls_of_a_row() {
    let mut c = Capture::with(FlowConfig { node: Some("edge-1".to_owned()), ..FlowConfig::default() });
    c.see(0, &icmp("10.0.0.1", "10.0.0.2", 8, 0, Some(1)));
    let row = &c.rows()[0];
    assert_eq!((row.text("proto"), row.text("node")), (Some("icmp"), Some("edge-1")));
    for column in
        ["src_port", "dst_port", "vlan_id", "tunnel", "tcp_flags_out", "tcp_state", "completeness", "app_proto"]
    {
        assert_eq!(row.value(column), None, "{column}");
    }
}

/// Proves that what is made of flows when the capture ends comes in one order, that in which they began: a run that ends them
/// in the order of a hash table numbers its calls otherwise than the next one.
#[test]
fn flows_end_in_the_order_they_began() {
    let mut c = Capture::new();
    c.table.leave_recognition();
    let places: Vec<u32> = (1..=99).map(|n| c.tcp(S, tcp(&format!("10.0.0.{n}:1"), B)).place).collect();
    c.table.finish();
    let ended: Vec<u32> = std::iter::from_fn(|| c.table.take_ended()).map(|ended| ended.place).collect();
    assert_eq!(ended, places);
}

#[test]
fn a_flood_of_half_open_connections_stays_within_the_limit() {
    let max_flows = 1000;
    let mut c = Capture::with(FlowConfig { max_flows, ..FlowConfig::default() });
    c.handshake(S);
    let mut peak = 0;
    for n in 0..200_000u32 {
        let src = format!("172.{}.{}.{}:1", 16 + (n >> 16), (n >> 8) & 255, n & 255);
        let ts = S + i64::from(n) * 100_000;
        c.tcp(ts, tcp(&src, B).flags(SYN).seq(n));
        if n % 10 == 0 {
            c.tcp(ts, out().seq(101).ack(501));
        }
        if n % 5000 == 0 {
            c.next_segment();
        }
        peak = peak.max(c.table.size_bytes());
    }
    let counters = c.table.counters();
    assert!(peak < 8 << 20, "{peak} bytes");
    assert_eq!((counters.open_peak, counters.started, counters.open), (1000, 200_001, 1000));
    assert_eq!(counters.evicted + counters.open, counters.started);
    let rows = c.rows();
    assert_eq!(rows.len(), 200_001);
    let packets: i64 = rows.iter().map(|r| r.int("packets_out") + r.int("packets_in")).sum();
    assert_eq!(packets, 220_003);
}
