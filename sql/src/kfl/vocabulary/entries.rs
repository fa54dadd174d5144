//! Variables that any entry may have: addresses, identity, how it was captured, which protocol it is.

use super::{Group, Var, VarType, flag, group, int, list, map, text, var};

pub(super) const GROUPS: &[Group] = &[
    group("Network", NETWORK),
    group("Identity and metadata", IDENTITY),
    group("Capture source", CAPTURE),
    group("Protocol flags", FLAGS),
    group("L4 connections and flows", L4),
    group("Kubernetes", KUBERNETES),
];

const NETWORK: &[Var] = &[
    text("src.ip", "Address of the client, as text."),
    text("dst.ip", "Address of the server, as text."),
    int("src.port", "Port of the client."),
    int("dst.port", "Port of the server."),
    text("protocol", "Name of the protocol, in upper case: HTTP, DNS."),
];

const IDENTITY: &[Var] = &[
    int("id", "Number of the entry."),
    text("node_id", "Identifier of the capturing node."),
    int("index", "Position within the stream."),
    text("stream", "Identifier of the stream, hexadecimal."),
    var("timestamp", VarType::Timestamp, "Time of the event, UTC."),
    int("elapsed_time", "First byte of the request to first byte of the response, µs."),
    text("worker", "Who captured it."),
    int("conn_id", "Connection that carried it; 0 without."),
    int("flow_id", "Flow that carried it; 0 without."),
    flag("has_pcap", "Its packets are there."),
];

const CAPTURE: &[Var] = &[
    text("capture_source", "How it was captured: unspecified, af_packet, ebpf, ebpf_tls; here also file and keylog."),
    text("capture_backend", "By what: af_packet, ebpf."),
    int("capture_source_code", "capture_source as a number: 0 unspecified, 1 af_packet, 2 ebpf, 3 ebpf_tls."),
    map("capture", "capture[\"source\"] and capture[\"backend\"]: the two above."),
];

const FLAGS: &[Var] = &[
    flag("http", "HTTP of any version, gRPC and GraphQL included."),
    flag("dns", "DNS."),
    flag("tls", "Read in the clear although it was encrypted on the wire; not the protocol TLS."),
    flag("tlsx", "A TLS handshake, as read from the wire."),
    flag("tcp", "TCP whose payload was not recognised, or an error of TCP; not all that runs over TCP."),
    flag("udp", "UDP whose payload was not recognised; not all that runs over UDP."),
    flag("sctp", "SCTP."),
    flag("icmp", "ICMP of IPv4 or IPv6."),
    flag("grpc", "gRPC; http is true too."),
    flag("redis", "Redis."),
    flag("kafka", "Kafka."),
    flag("amqp", "AMQP 0-9-1."),
    flag("ldap", "LDAP."),
    flag("ws", "WebSocket."),
    flag("gql", "GraphQL; http is true too."),
    flag("gqlv1", "GraphQL over HTTP/1."),
    flag("gqlv2", "GraphQL over HTTP/2."),
    flag("mongodb", "MongoDB."),
    flag("mysql", "MySQL."),
    flag("postgresql", "PostgreSQL."),
    flag("radius", "RADIUS."),
    flag("diameter", "Diameter."),
    flag("conn", "A connection of TCP or UDP."),
    flag("flow", "A flow of TCP or UDP."),
    flag("tcp_conn", "A TCP connection."),
    flag("udp_conn", "A UDP connection."),
    flag("tcp_flow", "A TCP flow."),
    flag("udp_flow", "A UDP flow."),
];

const L4: &[Var] = &[
    text("conn_state", "State of the connection: open, in_progress, closed."),
    int("conn_local_pkts", "Packets that the local end of the connection sent."),
    int("conn_local_bytes", "Bytes that the local end of the connection sent."),
    int("conn_remote_pkts", "Packets that the remote end of the connection sent."),
    int("conn_remote_bytes", "Bytes that the remote end of the connection sent."),
    list("conn_l7_detected", "Protocols recognised in the connection, in upper case."),
    int("conn_group_id", "Group of the connection."),
    text("flow_state", "State of the flow: open, in_progress, closed."),
    int("flow_local_pkts", "Packets that the local end of the flow sent."),
    int("flow_local_bytes", "Bytes that the local end of the flow sent."),
    int("flow_remote_pkts", "Packets that the remote end of the flow sent."),
    int("flow_remote_bytes", "Bytes that the remote end of the flow sent."),
    list("flow_l7_detected", "Protocols recognised in the flow, in upper case."),
    int("flow_group_id", "Group of the flow."),
    int("flow_local_pps", "Packets per second of the local end."),
    int("flow_local_bps", "Bytes, not bits, per second of the local end."),
    int("flow_remote_pps", "Packets per second of the remote end."),
    int("flow_remote_bps", "Bytes, not bits, per second of the remote end."),
];

const KUBERNETES: &[Var] = &[
    text("src.pod.name", "Pod of the client; its service where no pod is known."),
    text("src.pod.namespace", "Namespace of the client's pod; of its service where no pod is known."),
    text("dst.pod.name", "Pod of the server; its service where no pod is known."),
    text("dst.pod.namespace", "Namespace of the server's pod; of its service where no pod is known."),
    text("src.service.name", "Service of the client."),
    text("src.service.namespace", "Namespace of the client's service."),
    text("dst.service.name", "Service of the server."),
    text("dst.service.namespace", "Namespace of the server's service."),
    text("src.name", "Best name of the client: pod, else service, else DNS name, else process."),
    text("dst.name", "Best name of the server: pod, else service, else DNS name, else process."),
    text("src.namespace", "Namespace of the client: of its pod, else of its service."),
    text("dst.namespace", "Namespace of the server: of its pod, else of its service."),
    list("namespaces", "Namespaces of both ends."),
    list("pods", "Pods of both ends."),
    list("services", "Services of both ends."),
    map("local_labels", "Labels of the local end's pod."),
    map("local_annotations", "Annotations of the local end's pod."),
    map("remote_labels", "Labels of the remote end's pod."),
    map("remote_annotations", "Annotations of the remote end's pod."),
    map("node", "node[\"name\"] and node[\"ip\"] of the capturing node."),
    text("node_name", "Name of the capturing node."),
    text("node_ip", "Address of the capturing node."),
    text("local_node_name", "Node of the local end."),
    text("remote_node_name", "Node of the remote end."),
    text("local_process_name", "Process of the local end."),
    text("remote_process_name", "Process of the remote end."),
    text("src.dns", "Host name of the client's address, from earlier DNS answers."),
    text("dst.dns", "Host name of the server's address, from earlier DNS answers."),
    list("dns_resolutions", "Host names of both ends, from earlier DNS answers."),
    text(
        "local_resolution_status",
        "Why the local end has no name: no_node_mapping, rpc_error, rpc_empty, cache_miss, queue_full; empty when it has.",
    ),
    text("remote_resolution_status", "Why the remote end has no name, as local_resolution_status."),
];
