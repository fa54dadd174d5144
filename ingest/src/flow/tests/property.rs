//! Random packets against a plain GROUP BY, and against themselves with other seal points.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};

use super::{Capture, MS, Row, S, tcp, udp};
use crate::flow::{FlowConfig, testing::Made};

#[derive(Debug, Clone)]
struct Random {
    /// Since the packet before; may go back.
    step_ms: i64,
    made: Made,
}

fn packets() -> impl Strategy<Value = Vec<Random>> {
    let endpoints = ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3"];
    let step = prop_oneof![8 => -5i64..50, 1 => 5_000i64..40_000, 1 => 50_000i64..2_000_000];
    let flags = prop_oneof![Just(2u8), Just(18), Just(16), Just(16), Just(17), Just(4), any::<u8>()];
    let seq = prop_oneof![6 => 0u32..40, 1 => any::<u32>()];
    let one = (step, 0..3usize, 1..3usize, any::<bool>(), flags, seq.clone(), seq, 0u16..3, 0usize..9).prop_map(
        move |(step_ms, from, to, is_tcp, flags, seq, ack, window, len)| {
            let (src, dst) = (endpoints[from], endpoints[(from + to) % 3]);
            let made = if is_tcp { tcp(src, dst) } else { udp(src, dst) };
            let made = made.flags(flags).seq(seq).ack(ack).window(window).payload(&b"GET / HTTP/1.1\r\n"[..len]);
            Random { step_ms, made }
        },
    );
    vec(one, 1..200)
}

/// Counts of a flow as GROUP BY flow_id would give them, direction by sender's port.
type Grouped = HashMap<(i64, u16), (i64, i64)>;

/// Ids in the order of first packets, so that they can be compared when segments differ.
fn run(packets: &[Random], seals: &[bool]) -> (Vec<Row>, Grouped, Vec<usize>) {
    let config = FlowConfig { max_flows: 4, ..FlowConfig::default() };
    let mut capture = Capture::with(config);
    let (mut grouped, mut ids, mut order) = (Grouped::new(), Vec::new(), Vec::new());
    let mut ts = 1000 * S;
    for (n, random) in packets.iter().enumerate() {
        ts += random.step_ms * MS;
        let packet = random.made.packet();
        let observed = capture.see(ts, &packet);
        let (count, bytes) = grouped.entry((observed.flow_id, packet.src_port.unwrap())).or_default();
        *count += 1;
        *bytes += 54 + i64::from(packet.payload_len.unwrap());
        let place = ids.iter().position(|id| *id == observed.flow_id).unwrap_or_else(|| {
            ids.push(observed.flow_id);
            ids.len() - 1
        });
        order.push(place);
        if seals.get(n) == Some(&true) {
            capture.next_segment();
        }
    }
    assert!(capture.table.counters().open_peak <= 4);
    (capture.rows(), grouped, order)
}

proptest! {
    #[test]
    fn parts_add_up_to_the_packets_whatever_the_seal_points(packets in packets(), seals in vec(any::<bool>(), 200)) {
        let (whole, _, order) = run(&packets, &[]);
        let (parts, grouped, order_of_parts) = run(&packets, &seals);
        prop_assert_eq!(order, order_of_parts, "every packet is in the same flow");

        let mut expected = grouped;
        for row in &parts {
            let id = row.int("flow_id");
            for (port, suffix) in [("src_port", "out"), ("dst_port", "in")] {
                let port = u16::try_from(row.int(port)).unwrap();
                let counted = expected.remove(&(id, port)).unwrap_or_default();
                let shown = (row.int(&format!("packets_{suffix}")), row.int(&format!("bytes_{suffix}")));
                prop_assert_eq!(counted, shown);
            }
            prop_assert_eq!(row.int("part"), 3);
            prop_assert!(row.text("end_reason").is_some());
        }
        prop_assert!(expected.is_empty(), "a flow without a row: {:?}", expected);

        prop_assert_eq!(whole.len(), parts.len());
        for (a, b) in whole.iter().zip(&parts) {
            prop_assert_eq!(a.without("flow_id"), b.without("flow_id"));
        }
    }
}
