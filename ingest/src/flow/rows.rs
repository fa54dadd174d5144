//! From an open or ended flow to its row of `flows`: the part that this segment saw.

use super::{
    community_id::CommunityId,
    key::{FlowKey, ICMP, ICMPV6, Sender, TCP, UDP},
    pair::{Pair, Way},
    record::{EndReason, Flow, part},
};
use crate::tables::{FlowBuilder, FlowRow};

/// Appends rows, with the buffer that tunnel names are written in.
#[derive(Debug, Default)]
pub(crate) struct RowWriter {
    pub(crate) rows: FlowBuilder,
    tunnel: String,
}

impl RowWriter {
    /// Appends the part of a flow. `ended` is why it ended, if it did.
    pub(crate) fn push(&mut self, flow: &Flow, ended: Option<EndReason>, node: Option<&str>) {
        let (src, dst) = match flow.initiator {
            Sender::Low => (flow.key.low(), flow.key.high()),
            Sender::High => (flow.key.high(), flow.key.low()),
        };
        let seen = &flow.part;
        let Pair { out, back } = &seen.sides;
        let has_ports = flow.key.has_ports();
        let is_tcp = flow.key.ip_proto() == TCP;
        let community_id = CommunityId::of(&flow.key);
        self.rows.push(FlowRow {
            start_ts: seen.first_ts,
            end_ts: seen.last_ts,
            flow_id: flow.id,
            part: seen.bits | if ended.is_some() { part::END } else { 0 },
            community_id: community_id.as_str(),
            node,
            src_ip: src.ip,
            dst_ip: dst.ip,
            src_port: has_ports.then_some(src.port),
            dst_port: has_ports.then_some(dst.port),
            ip_proto: flow.key.ip_proto(),
            proto: proto_name(&flow.key),
            vlan_id: flow.key.vlan_id(),
            tunnel: flow.tunnel.map(|tunnel| tunnel.name(&mut self.tunnel)),
            packets_out: i64::from(out.packets),
            packets_in: i64::from(back.packets),
            bytes_out: out.bytes.cast_signed(),
            bytes_in: back.bytes.cast_signed(),
            payload_bytes_out: out.payload_bytes.cast_signed(),
            payload_bytes_in: back.payload_bytes.cast_signed(),
            tcp_flags_out: is_tcp.then_some(out.tcp_flags),
            tcp_flags_in: is_tcp.then_some(back.tcp_flags),
            tcp_state: is_tcp.then(|| flow.tcp.state().name()),
            end_reason: ended.map(EndReason::name),
            completeness: is_tcp.then(|| flow.tcp.completeness()),
            handshake_ns: flow.tcp.handshake_ns(),
            rtt_out_ns: flow.tcp.rtt_ns(Way::Out),
            rtt_in_ns: flow.tcp.rtt_ns(Way::In),
            ttfb_ns: flow.ttfb_ns.get(),
            retransmissions_out: i64::from(out.retransmissions),
            retransmissions_in: i64::from(back.retransmissions),
            out_of_order_out: i64::from(out.out_of_order),
            out_of_order_in: i64::from(back.out_of_order),
            dup_acks_out: i64::from(out.dup_acks),
            dup_acks_in: i64::from(back.dup_acks),
            zero_windows_out: i64::from(out.zero_windows),
            zero_windows_in: i64::from(back.zero_windows),
            rst_count: i64::from(seen.rst),
            fin_count: i64::from(seen.fin),
            app_proto: flow.app_proto(),
        });
    }
}

/// The transport's name by its number, as decode names it; the network protocol's where decode reads no further.
fn proto_name(key: &FlowKey) -> &'static str {
    match key.ip_proto() {
        ICMP => "icmp",
        2 => "igmp",
        TCP => "tcp",
        UDP => "udp",
        33 => "dccp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        ICMPV6 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ if key.is_ipv4() => "ip",
        _ => "ipv6",
    }
}
