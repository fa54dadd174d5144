//! Names that mean something elsewhere: in KFL v1, in this database's SQL, in Wireshark, and in everyday speech.

/// A field of KFL v1.
#[derive(Debug)]
pub(super) struct V1Field {
    /// Its path in v1.
    pub(super) v1: &'static str,
    /// It in KFL2.
    pub(super) kfl2: &'static str,
    /// What a number compared with it counts.
    pub(super) unit: Unit,
}

/// What a number counts in v1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// The same as in KFL2.
    Same,
    /// Milliseconds; in KFL2 microseconds.
    Millis,
    /// Milliseconds since 1970; in KFL2 a timestamp.
    Epoch,
}

const fn same(v1: &'static str, kfl2: &'static str) -> V1Field {
    V1Field { v1, kfl2, unit: Unit::Same }
}

const fn millis(v1: &'static str) -> V1Field {
    V1Field { v1, kfl2: "elapsed_time", unit: Unit::Millis }
}

/// Fields of v1 that are called otherwise in KFL2, or count otherwise.
pub(super) const V1_FIELDS: &[V1Field] = &[
    same("request.method", "method"),
    same("request.path", "path"),
    same("request.url", "url"),
    same("request.uri", "url"),
    same("request.query", "query_string"),
    same("request.queryString", "query_string"),
    same("request.httpVersion", "http_version"),
    same("request.bodySize", "request_body_size"),
    same("request.headersSize", "request_headers_size"),
    same("response.status", "status_code"),
    same("response.statusCode", "status_code"),
    same("response.code", "status_code"),
    same("response.bodySize", "response_body_size"),
    same("response.headersSize", "response_headers_size"),
    millis("response.latency"),
    millis("elapsedTime"),
    V1Field { v1: "timestamp", kfl2: "timestamp", unit: Unit::Epoch },
    same("src.pod", "src.pod.name"),
    same("dst.pod", "dst.pod.name"),
    same("src.svc", "src.service.name"),
    same("dst.svc", "dst.service.name"),
    same("src.service", "src.service.name"),
    same("dst.service", "dst.service.name"),
    same("src.ns", "src.pod.namespace"),
    same("dst.ns", "dst.pod.namespace"),
];

/// The field of v1 with this path.
pub(super) fn v1(path: &str) -> Option<&'static V1Field> {
    V1_FIELDS.iter().find(|field| field.v1 == path)
}

/// Names that are none in KFL2, and what is meant. With a backquote in it, it is said as it is.
const ELSEWHERE: &[(&str, &str)] = &[
    // SQL of this database.
    ("src_ip", "src.ip"),
    ("dst_ip", "dst.ip"),
    ("src_port", "src.port"),
    ("dst_port", "dst.port"),
    ("src_name", "src.name"),
    ("dst_name", "dst.name"),
    ("ts", "timestamp"),
    ("start_ts", "timestamp"),
    ("latency_ns", "elapsed_time"),
    ("latency_us", "elapsed_time"),
    ("latency_ms", "elapsed_time"),
    ("duration", "`elapsed_time` is the latency in µs; a span of time is `duration(\"5s\")`"),
    ("duration_ns", "elapsed_time"),
    ("target", "path"),
    ("status", "status_code"),
    ("host", "http_host"),
    ("request_headers", "request.headers"),
    ("response_headers", "response.headers"),
    ("request_cookies", "request.cookies"),
    ("response_cookies", "response.cookies"),
    ("request_body", "request.body"),
    ("response_body", "response.body"),
    ("user_agent", "map_get(request.headers, \"user-agent\", \"\")"),
    ("questions", "dns_questions"),
    ("answers", "dns_answers"),
    ("question_types", "dns_question_types"),
    ("rcode", "dns_rcode"),
    ("sni", "tlsx_sni"),
    ("alpn", "tlsx_alpn"),
    ("cipher_suite", "tlsx_cipher_suite"),
    ("cipher_suites", "tlsx_cipher_suites"),
    ("proto", "protocol"),
    ("handshake_ns", "tcp_handshake_us"),
    ("rtt_out_ns", "tcp_rtt_us"),
    ("rtt_in_ns", "tcp_rtt_us"),
    ("ttfb_ns", "tcp_ttfb_us"),
    ("retransmissions", "tcp_retransmissions"),
    ("retransmissions_out", "tcp_retransmissions"),
    ("retransmissions_in", "tcp_retransmissions"),
    ("zero_windows_out", "tcp_zero_windows"),
    ("zero_windows_in", "tcp_zero_windows"),
    ("end_reason", "flow_end_reason"),
    ("bytes_out", "`flow_local_bytes` and `flow_remote_bytes` are by end, not by direction"),
    ("bytes_in", "`flow_local_bytes` and `flow_remote_bytes` are by end, not by direction"),
    // Wireshark's display filters.
    ("ip.src", "src.ip"),
    ("ip.dst", "dst.ip"),
    ("ip.addr", "write `src.ip == \"…\" || dst.ip == \"…\"`"),
    ("ipv6.src", "src.ip"),
    ("ipv6.dst", "dst.ip"),
    ("tcp.port", "write `src.port == 80 || dst.port == 80`"),
    ("udp.port", "write `src.port == 53 || dst.port == 53`"),
    ("tcp.srcport", "src.port"),
    ("tcp.dstport", "dst.port"),
    ("udp.srcport", "src.port"),
    ("udp.dstport", "dst.port"),
    ("http.request.method", "method"),
    ("http.request.uri", "url"),
    ("http.response.code", "status_code"),
    ("http.host", "http_host"),
    ("http.user_agent", "map_get(request.headers, \"user-agent\", \"\")"),
    ("dns.qry.name", "dns_questions"),
    ("dns.flags.rcode", "dns_rcode"),
    ("tls.handshake.extensions_server_name", "tlsx_sni"),
    ("frame.time", "timestamp"),
    ("tcp.analysis.retransmission", "write `tcp_retransmissions > 0`"),
    ("tcp.flags.reset", "write `tcp_resets > 0`"),
    // Everyday names.
    ("ip", "write `src.ip == \"…\" || dst.ip == \"…\"`"),
    ("port", "write `src.port == 80 || dst.port == 80`"),
    ("source", "write `src.ip`, `src.name` or `src.pod.name`"),
    ("destination", "write `dst.ip`, `dst.name` or `dst.pod.name`"),
    ("client", "write `src.ip`, `src.name` or `src.pod.name`"),
    ("server", "write `dst.ip`, `dst.name` or `dst.pod.name`"),
    ("source.ip", "src.ip"),
    ("destination.ip", "dst.ip"),
    ("source.port", "src.port"),
    ("destination.port", "dst.port"),
    ("namespace", "write `\"…\" in namespaces`, `src.namespace` or `dst.namespace`"),
    ("pod", "write `\"…\" in pods`, `src.pod.name` or `dst.pod.name`"),
    ("service", "write `\"…\" in services`, `src.service.name` or `dst.service.name`"),
    ("src.labels", "write `local_labels` or `remote_labels`"),
    ("dst.labels", "write `local_labels` or `remote_labels`"),
    ("labels", "write `local_labels` or `remote_labels`"),
    ("src.process", "write `local_process_name` or `remote_process_name`"),
    ("process", "write `local_process_name` or `remote_process_name`"),
    ("process_name", "write `local_process_name` or `remote_process_name`"),
    ("pid", "write `src.pid` or `dst.pid`"),
    ("container_id", "write `src.container_id` or `dst.container_id`"),
    ("time", "timestamp"),
    ("code", "status_code"),
    ("statusCode", "status_code"),
    ("http_status", "status_code"),
    ("http.status_code", "status_code"),
    ("http.status", "status_code"),
    ("http.method", "method"),
    ("http.path", "path"),
    ("http_method", "method"),
    ("http_path", "path"),
    ("verb", "method"),
    ("uri", "url"),
    ("endpoint", "path"),
    ("latency", "elapsed_time"),
    ("response_time", "elapsed_time"),
    ("elapsed", "elapsed_time"),
    ("headers", "write `request.headers` or `response.headers`"),
    ("header", "write `request.headers[\"name\"]` or `response.headers[\"name\"]`"),
    ("cookies", "write `request.cookies` or `response.cookies`"),
    ("body", "write `request.body` or `response.body`"),
    ("query", "query_string"),
    ("params", "query_string"),
    ("size", "write `request_body_size` or `response_body_size`; how many a list holds is `size(list)`"),
    ("https", "write `tls && http`, which is HTTP that was read although encrypted"),
    ("postgres", "postgresql"),
    ("pg", "postgresql"),
    ("mongo", "mongodb"),
    ("graphql", "gql"),
    ("websocket", "ws"),
    ("mssql", "tds"),
    ("error", "write `error_type != \"\"`"),
    ("domain", "write `src.dns`, `dst.dns`, `tlsx_sni` or `dns_questions`"),
    ("query_name", "dns_questions"),
    ("protocol.name", "write `http`, `dns` and so on, or `protocol == \"HTTP\"`"),
    ("protocol.abbr", "write `http`, `dns` and so on, or `protocol == \"HTTP\"`"),
    ("True", "true"),
    ("False", "false"),
    ("TRUE", "true"),
    ("FALSE", "false"),
    ("nil", "nothing is null: write `x == \"\"` or `x == 0`"),
    ("NULL", "nothing is null: write `x == \"\"` or `x == 0`"),
    ("None", "nothing is null: write `x == \"\"` or `x == 0`"),
    ("undefined", "nothing is null: write `x == \"\"` or `x == 0`"),
];

/// What is meant by a name that is none.
pub(super) fn elsewhere(path: &str) -> Option<&'static str> {
    ELSEWHERE.iter().find(|(wrong, _)| *wrong == path).map(|(_, right)| *right)
}

/// All that is suggested for names.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    V1_FIELDS.iter().map(|field| field.kfl2).chain(ELSEWHERE.iter().map(|(_, right)| *right))
}
