//! `flows`: one row per flow, stored as one part per segment that saw it.

use wiretape_engine::{
    column::{I64, Ip, Symbol, Text, Ts, U8, U16},
    table,
    table::{Encoding, Merge},
};

table! {
    /// One row per flow: a 5-tuple between its first packet and its end. src is the initiator, dst the responder; _out is src to dst, _in is dst to src.
    pub static FLOWS: "flows", row FlowRow, builder FlowBuilder, part_key "flow_id" {
        /// Time of the first packet, ns precision, UTC.
        start_ts: Ts [encoded(Encoding::Delta) merged(Merge::Min)],
        /// Time of the last packet.
        end_ts: Ts [encoded(Encoding::Delta) merged(Merge::Max)],
        /// Stable id of the flow: segment of its first packet << 32 | number within it.
        flow_id: I64 [encoded(Encoding::Delta)],
        /// Parts of a flow that spans segments: 1 holds its start, 2 its end, 3 both. 3 in every row shown.
        part: U8 [merged(Merge::Or)],
        /// Community ID version 1 of the 5-tuple (corelight/community-id-spec), seed 0.
        community_id: Text [encoded(Encoding::Plain)],
        /// Name of the capturing node; NULL for capture files that do not say.
        node: Option<Symbol>,
        /// Initiator's address.
        src_ip: Ip,
        /// Responder's address.
        dst_ip: Ip,
        /// Initiator's port; NULL where the protocol has none.
        src_port: Option<U16>,
        /// Responder's port; NULL where the protocol has none.
        dst_port: Option<U16>,
        /// IP protocol number.
        ip_proto: U8,
        /// Name of the transport protocol, as in packets.proto.
        proto: Symbol,
        /// VLAN id of the innermost tag; NULL without one and for a priority tag (0). Flows of two VLANs are never one.
        vlan_id: Option<U16>,
        /// Encapsulations around the flow, as in packets.tunnel of its first packet. But for MPLS, flows of two paths are never one.
        tunnel: Option<Symbol>,
        /// Packets from src to dst.
        packets_out: I64 [merged(Merge::Sum)],
        /// Packets from dst to src.
        packets_in: I64 [merged(Merge::Sum)],
        /// Bytes on the wire (whole frames) from src to dst.
        bytes_out: I64 [merged(Merge::Sum)],
        /// Bytes on the wire (whole frames) from dst to src.
        bytes_in: I64 [merged(Merge::Sum)],
        /// Transport payload bytes from src to dst, retransmissions included.
        payload_bytes_out: I64 [merged(Merge::Sum)],
        /// Transport payload bytes from dst to src, retransmissions included.
        payload_bytes_in: I64 [merged(Merge::Sum)],
        /// TCP flags seen from src, or-ed; NULL for other protocols.
        tcp_flags_out: Option<U8> [merged(Merge::Or)],
        /// TCP flags seen from dst, or-ed.
        tcp_flags_in: Option<U8> [merged(Merge::Or)],
        /// TCP state after the last packet: syn_sent, syn_received, established, closing, closed, reset, midstream; NULL for other protocols.
        tcp_state: Option<Symbol> [merged(Merge::Last)],
        /// Why the flow ended: fin or rst where the connection was over, whatever was noticed first; else idle or active (time-outs on packet time), port_reuse (another SYN), evicted (table full), end (of the capture); NULL while it is open.
        end_reason: Option<Symbol> [merged(Merge::Last)],
        /// TCP completeness bits, or-ed: SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, RST 32 (as in Wireshark's tcp.completeness).
        completeness: Option<U8> [merged(Merge::Or)],
        /// First SYN to the ACK that ends the handshake, ns, as seen at the capture point; SYN retransmissions included.
        handshake_ns: Option<I64> [merged(Merge::Max)],
        /// Smallest time from a data segment of src, sent once, to its acknowledgement, ns: the path from the capture point to dst and back.
        rtt_out_ns: Option<I64> [merged(Merge::Min)],
        /// Smallest time from a data segment of dst, sent once, to its acknowledgement, ns.
        rtt_in_ns: Option<I64> [merged(Merge::Min)],
        /// First payload byte of src to first payload byte of dst, ns: time to first byte. NULL where dst spoke first.
        ttfb_ns: Option<I64> [merged(Merge::Max)],
        /// Segments from src with sequence space (payload, SYN or FIN) that was seen before; keep-alives and window probes are not counted.
        retransmissions_out: I64 [merged(Merge::Sum)],
        /// Segments from dst with sequence space that was seen before.
        retransmissions_in: I64 [merged(Merge::Sum)],
        /// Segments from src that fill a hole left by later ones: late, or sent again after a loss before the capture point.
        out_of_order_out: I64 [merged(Merge::Sum)],
        /// Segments from dst that fill a hole left by later ones.
        out_of_order_in: I64 [merged(Merge::Sum)],
        /// Duplicate acknowledgements sent by src (RFC 5681 section 2: same number and window, no payload, data outstanding).
        dup_acks_out: I64 [merged(Merge::Sum)],
        /// Duplicate acknowledgements sent by dst.
        dup_acks_in: I64 [merged(Merge::Sum)],
        /// Packets from src that announce a zero window, without SYN, FIN and RST.
        zero_windows_out: I64 [merged(Merge::Sum)],
        /// Packets from dst that announce a zero window.
        zero_windows_in: I64 [merged(Merge::Sum)],
        /// Packets with RST set, both ways.
        rst_count: I64 [merged(Merge::Sum)],
        /// Packets with FIN set, both ways.
        fin_count: I64 [merged(Merge::Sum)],
        /// Application protocol by content; NULL where not recognised.
        app_proto: Option<Symbol> [merged(Merge::Last)],
    }
    variables {
        "src.ip" = "src_ip",
        "src.port" = "src_port",
        "dst.ip" = "dst_ip",
        "dst.port" = "dst_port",
        "app_proto" = "app_proto",
        "id" = "flow_id",
        "timestamp" = "start_ts",
        "conn_id" = "flow_id",
        "flow_id" = "flow_id",
        "stream" = "to_hex(flow_id)",
        "has_pcap" = "has_frame(flow_id)",
        "node_id" = "node",
        "node_name" = "node",
        "node" = "kfl_map('name', node)",
        "community_id" = "community_id",
        "vlan_id" = "vlan_id",
        "flow_end_reason" = "end_reason",
        "tcp_state" = "tcp_state",
        "tcp_handshake_us" = "handshake_ns / 1000",
        "tcp_rtt_us" = "(rtt_out_ns + rtt_in_ns) / 1000",
        "tcp_ttfb_us" = "ttfb_ns / 1000",
        "tcp_retransmissions" = "retransmissions_out + retransmissions_in",
        "tcp_out_of_order" = "out_of_order_out + out_of_order_in",
        "tcp_dup_acks" = "dup_acks_out + dup_acks_in",
        "tcp_zero_windows" = "zero_windows_out + zero_windows_in",
        "tcp_resets" = "rst_count",
    }
    entry "flow" with { "ts" = "start_ts" } {
        "flow" = "true",
        "conn" = "true",
        "tcp_flow" = "proto = 'tcp'",
        "tcp_conn" = "proto = 'tcp'",
        "udp_flow" = "proto = 'udp'",
        "udp_conn" = "proto = 'udp'",
        "protocol" = "upper(proto)",
        "conn_state" = "CASE WHEN tcp_state IN ('closed', 'reset') OR end_reason IN ('fin', 'rst', 'idle', 'port_reuse', 'evicted') THEN 'closed' WHEN tcp_state IN ('syn_sent', 'syn_received', 'closing') THEN 'in_progress' ELSE 'open' END",
        "conn_local_pkts" = "packets_out",
        "conn_local_bytes" = "bytes_out",
        "conn_remote_pkts" = "packets_in",
        "conn_remote_bytes" = "bytes_in",
        "conn_l7_detected" = "kfl_list(upper(app_proto))",
        "conn_group_id" = "flow_id",
        "flow_state" = "CASE WHEN tcp_state IN ('closed', 'reset') OR end_reason IN ('fin', 'rst', 'idle', 'port_reuse', 'evicted') THEN 'closed' WHEN tcp_state IN ('syn_sent', 'syn_received', 'closing') THEN 'in_progress' ELSE 'open' END",
        "flow_local_pkts" = "packets_out",
        "flow_local_bytes" = "bytes_out",
        "flow_remote_pkts" = "packets_in",
        "flow_remote_bytes" = "bytes_in",
        "flow_l7_detected" = "kfl_list(upper(app_proto))",
        "flow_group_id" = "flow_id",
        "flow_local_pps" = "CAST(CAST(packets_out AS DOUBLE) * 1e9 / greatest(duration_ns, 1000000000) AS BIGINT)",
        "flow_local_bps" = "CAST(CAST(bytes_out AS DOUBLE) * 1e9 / greatest(duration_ns, 1000000000) AS BIGINT)",
        "flow_remote_pps" = "CAST(CAST(packets_in AS DOUBLE) * 1e9 / greatest(duration_ns, 1000000000) AS BIGINT)",
        "flow_remote_bps" = "CAST(CAST(bytes_in AS DOUBLE) * 1e9 / greatest(duration_ns, 1000000000) AS BIGINT)",
    }
    entry "tcp" when "proto = 'tcp' AND (tcp_state = 'reset' OR (end_reason IS NOT NULL AND tcp_state IN ('syn_sent', 'syn_received', 'closing')) OR (app_proto IS NULL AND payload_bytes_out + payload_bytes_in > 0))" with { "ts" = "start_ts", "error_type" = "CASE WHEN tcp_state = 'syn_sent' OR (tcp_state = 'reset' AND completeness & 3 = 1) THEN 'SynSent' WHEN tcp_state = 'reset' THEN 'Reset' WHEN tcp_state = 'syn_received' THEN 'SynReceived' WHEN tcp_state = 'closing' THEN 'CloseWait' END" } {
        "tcp" = "true",
        "protocol" = "'TCP'",
        "tcp_method" = "tcp_state",
        "tcp_error_type" = "CASE WHEN tcp_state = 'syn_sent' OR (tcp_state = 'reset' AND completeness & 3 = 1) THEN 'SynSent' WHEN tcp_state = 'reset' THEN 'Reset' WHEN tcp_state = 'syn_received' THEN 'SynReceived' WHEN tcp_state = 'closing' THEN 'CloseWait' END",
        "tcp_error_message" = "CASE tcp_state WHEN 'syn_sent' THEN 'no answer to SYN' WHEN 'reset' THEN 'connection reset' WHEN 'syn_received' THEN 'handshake not completed' WHEN 'closing' THEN 'closed by one end only' END",
    }
}
