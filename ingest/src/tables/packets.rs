//! `packets`: one row per frame.

use wiretape_engine::{
    column::{Bool, I64, Ip, Mac, Symbol, Ts, U8, U16, U32},
    table,
    table::Encoding,
};

table! {
    /// One row per captured frame, in capture order. The addresses are those of the innermost IP header; frame(packet_id) gives the bytes.
    pub static PACKETS: "packets", row PacketRow, builder PacketBuilder {
        /// Arrival time, ns precision, UTC.
        ts: Ts [encoded(Encoding::Delta)],
        /// Stable id of the frame: segment << 32 | row.
        packet_id: I64 [encoded(Encoding::Delta)],
        /// The flow it belongs to; NULL for frames without an IP header.
        flow_id: Option<I64> [key()],
        /// Name of the capturing node; NULL for capture files that do not say.
        node: Option<Symbol>,
        /// Name of the capturing interface, where known.
        iface: Option<Symbol>,
        /// Which way it passed the interface: in or out, where known.
        direction: Option<Symbol>,
        /// How it was captured: file, af_packet, ebpf or ebpf_tls.
        capture_source: Symbol,
        /// LINKTYPE_ number of the first header (tcpdump.org/linktypes.html).
        link_type: U16,
        /// Bytes on the wire.
        orig_len: U32,
        /// Bytes captured.
        cap_len: U32,
        /// Source MAC address of the innermost Ethernet (or 802.11) header.
        src_mac: Option<Mac>,
        /// Destination MAC address of the innermost Ethernet (or 802.11) header.
        dst_mac: Option<Mac>,
        /// VLAN id of the innermost 802.1Q or 802.1ad tag.
        vlan_id: Option<U16> [key()],
        /// EtherType of the innermost link layer payload.
        eth_type: Option<U16>,
        /// Protocol headers passed, outer ones too, by name in a fixed order, joined by ',': eth,ip,tcp or eth,vlan,ipv6,udp. NULL in segments of older versions.
        layers: Option<Symbol> [key()],
        /// Encapsulations passed to reach the innermost IP header, outermost first, joined by '/': mpls, pppoe, gre, erspan, vxlan, geneve, gtp, ipip, teredo.
        tunnel: Option<Symbol>,
        /// 4 or 6.
        ip_version: Option<U8>,
        /// Sender's IP address, canonical text.
        src_ip: Option<Ip> [mirrors("dst_ip")],
        /// Receiver's IP address, canonical text.
        dst_ip: Option<Ip> [mirrors("src_ip")],
        /// IP protocol number of the transport header (IANA protocol-numbers).
        ip_proto: Option<U8>,
        /// Name of the innermost protocol decoded below the application: tcp, udp, sctp, icmp, icmpv6, igmp, arp, ….
        proto: Option<Symbol> [key()],
        /// IPv4 time to live or IPv6 hop limit.
        ttl: Option<U8>,
        /// Differentiated services code point (RFC 2474), 0 to 63.
        dscp: Option<U8>,
        /// IPv4 identification, or that of an IPv6 fragment header.
        ip_id: Option<U32>,
        /// Fragment offset in bytes; NULL when the packet is not a fragment.
        frag_offset: Option<U16>,
        /// Sender's port (TCP, UDP, SCTP).
        src_port: Option<U16> [mirrors("dst_port")],
        /// Receiver's port (TCP, UDP, SCTP).
        dst_port: Option<U16> [mirrors("src_port")],
        /// TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128 (RFC 9293).
        tcp_flags: Option<U8> [row_index()],
        /// TCP sequence number, as on the wire.
        tcp_seq: Option<U32>,
        /// TCP acknowledgement number, as on the wire.
        tcp_ack: Option<U32>,
        /// TCP window, as on the wire (not scaled).
        tcp_window: Option<U16>,
        /// ICMP or ICMPv6 type.
        icmp_type: Option<U8>,
        /// ICMP or ICMPv6 code.
        icmp_code: Option<U8>,
        /// Bytes of transport payload by the headers' lengths, even where the capture cut them.
        payload_len: Option<U32>,
        /// Application protocol of the packet's flow, by content; NULL where not recognised.
        app_proto: Option<Symbol> [key()],
        /// What is wrong with the headers, names joined by ','; NULL when nothing is.
        anomalies: Option<Symbol>,
        /// True for a packet made up from other evidence (TLS plaintext), not seen on a wire.
        synthetic: Bool,
    }
    entry "udp" when "proto = 'udp' AND app_proto IS NULL" with { "first_packet_id" = "packet_id", "last_packet_id" = "packet_id" } {
        "udp" = "true",
        "udp_length" = "payload_len + 8",
        "protocol" = "'UDP'",
        "src.ip" = "src_ip",
        "src.port" = "src_port",
        "dst.ip" = "dst_ip",
        "dst.port" = "dst_port",
        "id" = "packet_id",
        "timestamp" = "ts",
        "conn_id" = "flow_id",
        "flow_id" = "flow_id",
        "stream" = "to_hex(flow_id)",
        "has_pcap" = "has_frame(packet_id)",
        "node_id" = "node",
        "node_name" = "node",
        "node" = "kfl_map('name', node)",
        "capture_source" = "capture_source",
        "vlan_id" = "vlan_id",
        "capture_backend" = "CASE WHEN capture_source IN ('af_packet', 'ebpf') THEN capture_source WHEN capture_source = 'ebpf_tls' THEN 'ebpf' END",
        "capture_source_code" = "CASE capture_source WHEN 'af_packet' THEN 1 WHEN 'ebpf' THEN 2 WHEN 'ebpf_tls' THEN 3 ELSE 0 END",
        "capture" = "kfl_map('source', capture_source, 'backend', CASE WHEN capture_source IN ('af_packet', 'ebpf') THEN capture_source WHEN capture_source = 'ebpf_tls' THEN 'ebpf' END)",
    }
}
