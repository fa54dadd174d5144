//! Variables that Kubeshark does not have.

use super::{Group, Var, flag, int, our_group, text};

pub(super) const GROUPS: &[Group] = &[
    our_group("Wiretape: calls", CALLS),
    our_group("Wiretape: protocol flags", FLAGS),
    our_group("Wiretape: TCP of the flow", TCP),
    our_group("Wiretape: ends", ENDS),
];

const CALLS: &[Var] = &[
    text(
        "app_proto",
        "Name of the protocol, in lower case, the most specific one: grpc, not the HTTP that carries it.",
    ),
    text("error_type", "Why the call is not whole: no_response, no_request, reset, gap, malformed; empty when it is."),
    text("request.body", "Body of an HTTP request, its content encoding undone; base64 where it is no text."),
    text("response.body", "Body of an HTTP response, as request.body."),
    text("http_host", "Host that an HTTP request asks for, without port."),
    text("grpc_service", "gRPC service, with its package."),
    text("graphql_operation", "GraphQL operation: query, mutation or subscription."),
    text("graphql_name", "Name of the GraphQL operation."),
    text("trace_id", "Trace id of an HTTP request, hexadecimal."),
    int("dns_rcode", "Response code of DNS: 3 is NXDOMAIN; 0 also where it is not DNS."),
    text("ja3", "JA3 fingerprint of a client hello, MD5."),
    text("ja3s", "JA3S fingerprint of a server hello, MD5."),
    text("ja4", "JA4 fingerprint of a client hello."),
];

const FLAGS: &[Var] = &[
    flag("http2", "HTTP/2, with what rides on it; http is true too."),
    flag("quic", "QUIC."),
    flag("mqtt", "MQTT."),
    flag("nats", "NATS."),
    flag("memcached", "Memcached."),
    flag("tds", "TDS, the protocol of SQL Server."),
    flag("smtp", "SMTP."),
    flag("ftp", "FTP."),
    flag("ssh", "SSH."),
    flag("sip", "SIP."),
    flag("ntp", "NTP."),
    flag("dhcp", "DHCP of IPv4."),
    flag("dhcpv6", "DHCPv6."),
];

const TCP: &[Var] = &[
    text("tcp_state", "State of TCP after the flow's last packet: syn_sent, established, closed, reset, …."),
    int("tcp_handshake_us", "First SYN to the ACK that ends the handshake, µs."),
    int(
        "tcp_rtt_us",
        "Smallest round-trip time between both ends, µs: of both halves of the path from the capture point.",
    ),
    int("tcp_ttfb_us", "First payload byte of the client to first payload byte of the server, µs."),
    int("tcp_retransmissions", "Segments sent again, of both ends."),
    int("tcp_out_of_order", "Segments that came late, of both ends."),
    int("tcp_dup_acks", "Duplicate acknowledgements, of both ends."),
    int("tcp_zero_windows", "Packets that announce a zero window, of both ends."),
    int("tcp_resets", "Packets with RST, of both ends."),
    text(
        "flow_end_reason",
        "Why the flow ended: fin, rst, idle, active, port_reuse, evicted, end; empty while it is open.",
    ),
];

const ENDS: &[Var] = &[
    int("src.pid", "Process id of the client; 0 when not known."),
    int("dst.pid", "Process id of the server; 0 when not known."),
    text("src.container_id", "Container of the client."),
    text("dst.container_id", "Container of the server."),
    text("peer_scope", "Where the server is: loopback, private, link_local, multicast, metadata or public."),
    text("community_id", "Community ID of the flow."),
    int("vlan_id", "VLAN id of the innermost tag; 0 without."),
];
