//! What every protocol's rows have in common: who called whom, when, for how long, with what outcome, and in which packets.

use wiretape_engine::{
    column::{I64, Ip, Symbol, Text, Ts, U16},
    column_group,
    table::{self, Encoding},
};

use super::stamp::Span;
use crate::flow::Way;

column_group! {
    /// One exchange of an application protocol: a request and its response, or the half of it that was seen.
    pub group CallRow, builder CallColumns, view "calls" {
        /// Time of the request's first byte (of the response's, where only that was seen), ns precision, UTC.
        ts: Ts,
        /// Stable id of the call: segment in which its row was made << 32 | number within it. Of one sequence for all protocols.
        call_id: I64 [encoded(Encoding::Delta)],
        /// The flow that carried it.
        flow_id: I64 [key()],
        /// Name of the capturing node; NULL for capture files that do not say.
        node: Option<Symbol>,
        /// How it was captured: file, af_packet, ebpf or ebpf_tls; keylog where recorded TLS was opened with its secrets.
        capture_source: Symbol,
        /// Name of the protocol, the most specific one: grpc and graphql, not the HTTP that carries them.
        app_proto: Symbol [key()],
        /// Address of the client: of the end that asks.
        src_ip: Ip [key()],
        /// Port of the client.
        src_port: Option<U16>,
        /// Best name known for the client's address by then.
        src_name: Option<Symbol>,
        /// Address of the server.
        dst_ip: Ip [key()],
        /// Port of the server.
        dst_port: Option<U16> [key()],
        /// Best name known for the server's address by then.
        dst_name: Option<Symbol>,
        /// Where dst_name comes from: dns (an answer seen on the wire), sni (a TLS handshake), host (an HTTP header).
        dst_name_source: Option<Symbol>,
        /// Where the server is, seen by its address: loopback, private, link_local, multicast, metadata (cloud metadata services) or public.
        peer_scope: Symbol,
        /// First byte of the request to first byte of the response, ns; NULL where one of them is missing.
        latency_ns: Option<I64>,
        /// What is asked for, in the protocol's own words: GET, SELECT, Produce, bind, A, ….
        method: Option<Symbol>,
        /// What it is asked of: path and query, statement, topic, key, name, ….
        target: Option<Text>,
        /// Outcome in the protocol's own words: 200, NOERROR, OK, 42P01, ….
        status: Option<Symbol>,
        /// Why the call is not whole or could not be read: no_response, no_request, reset, gap (bytes missing in the capture), malformed; NULL when it is whole.
        error_type: Option<Symbol>,
        /// Bytes of the request, in the protocol's own framing; NULL where it was not seen.
        request_bytes: Option<I64>,
        /// Bytes of the response.
        response_bytes: Option<I64>,
        /// The packet in which it begins.
        first_packet_id: I64 [encoded(Encoding::Delta)],
        /// The packet in which it ends.
        last_packet_id: I64 [encoded(Encoding::Delta)],
    }
    variables {
        "src.ip" = "src_ip",
        "src.port" = "src_port",
        "dst.ip" = "dst_ip",
        "dst.port" = "dst_port",
        "src.name" = "src_name",
        "dst.name" = "dst_name",
        "src.dns" = "src_name",
        "dst.dns" = "dst_name",
        "dns_resolutions" = "kfl_list(src_name, dst_name)",
        "peer_scope" = "peer_scope",
        "protocol" = "upper(app_proto)",
        "app_proto" = "app_proto",
        "id" = "call_id",
        "timestamp" = "ts",
        "elapsed_time" = "latency_ns / 1000",
        "conn_id" = "flow_id",
        "flow_id" = "flow_id",
        "stream" = "to_hex(flow_id)",
        "has_pcap" = "has_frame(first_packet_id)",
        "error_type" = "error_type",
        "node_id" = "node",
        "node_name" = "node",
        "node" = "kfl_map('name', node)",
        "capture_source" = "capture_source",
        "capture_backend" = "CASE WHEN capture_source IN ('af_packet', 'ebpf') THEN capture_source WHEN capture_source = 'ebpf_tls' THEN 'ebpf' END",
        "capture_source_code" = "CASE capture_source WHEN 'af_packet' THEN 1 WHEN 'ebpf' THEN 2 WHEN 'ebpf_tls' THEN 3 ELSE 0 END",
        "capture" = "kfl_map('source', capture_source, 'backend', CASE WHEN capture_source IN ('af_packet', 'ebpf') THEN capture_source WHEN capture_source = 'ebpf_tls' THEN 'ebpf' END)",
        "tls" = "capture_source IN ('ebpf_tls', 'keylog')",
        "tls_summary" = "CASE WHEN capture_source IN ('ebpf_tls', 'keylog') THEN target END",
        "tls_info" = "CASE WHEN capture_source IN ('ebpf_tls', 'keylog') THEN app_proto END",
        "tls_request_size" = "CASE WHEN capture_source IN ('ebpf_tls', 'keylog') THEN request_bytes END",
        "tls_response_size" = "CASE WHEN capture_source IN ('ebpf_tls', 'keylog') THEN response_bytes END",
        "tls_total_size" = "CASE WHEN capture_source IN ('ebpf_tls', 'keylog') THEN coalesce(request_bytes, 0) + coalesce(response_bytes, 0) END",
    }
}

/// Why a call is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    /// The connection or the capture ended, or too much time passed.
    NoResponse,
    /// The capture began in the middle, or what was asked was not read.
    NoRequest,
    /// The connection was reset before the response.
    Reset,
    /// Bytes are missing in the capture.
    Gap,
    /// Bytes that the protocol does not allow.
    Malformed,
}

impl ErrorType {
    /// The name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ErrorType::NoResponse => "no_response",
            ErrorType::NoRequest => "no_request",
            ErrorType::Reset => "reset",
            ErrorType::Gap => "gap",
            ErrorType::Malformed => "malformed",
        }
    }
}

/// One half of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Half {
    /// Its packets.
    pub(crate) span: Span,
    /// Its bytes.
    pub(crate) bytes: u64,
}

impl Half {
    /// This and what comes next of the same half.
    pub(crate) fn and(self, next: Half) -> Half {
        Half { span: self.span.until(next.span.last), bytes: self.bytes + next.bytes }
    }
}

/// What a dissector says of a call; the rest is known of its flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Name of the protocol.
    pub(crate) app_proto: &'static str,
    /// Which way the request goes.
    pub(crate) client: Way,
    pub(crate) request: Option<Half>,
    pub(crate) response: Option<Half>,
    pub(crate) method: Option<&'a str>,
    pub(crate) target: Option<&'a str>,
    pub(crate) status: Option<&'a str>,
    /// `None` for a whole call, and for one without a request or a response: that is seen by itself.
    pub(crate) error_type: Option<ErrorType>,
}

/// The builder of a protocol's table.
pub(crate) trait CallTable: table::Builder + Default + 'static {
    /// Its own columns.
    type Row<'a>;

    /// Appends a row.
    fn push_call(&mut self, call: CallRow<'_>, row: Self::Row<'_>);
}

/// Declares the table of a protocol: its own columns, behind those of [`CallRow`]. As [`wiretape_engine::table!`] otherwise.
macro_rules! call_table {
    (
        $(#[doc = $tdoc:literal])*
        pub static $table:ident : $name:literal, row $row:ident, builder $builder:ident { $($columns:tt)* }
        $($entries:tt)*
    ) => {
        wiretape_engine::table! {
            $(#[doc = $tdoc])*
            pub static $table: $name, row $row, builder $builder, group call: CallRow, CallColumns { $($columns)* }
            $($entries)*
        }

        impl $crate::l7::call::CallTable for $builder {
            type Row<'a> = $row<'a>;

            fn push_call(&mut self, call: CallRow<'_>, row: $row<'_>) {
                self.push(call, row);
            }
        }
    };
}
pub(crate) use call_table;
