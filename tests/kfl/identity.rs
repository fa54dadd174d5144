//! A table of calls whose ends are known by name, as tables will have it once identity is recorded: the declaration is all
//! that KFL needs.

use wiretape::engine::{
    column::{Bool, I64, Symbol, TextMap, Ts},
    table,
};

table! {
    /// One row per call.
    pub static IDENTITY: "identity", row IdentityRow, builder IdentityBuilder {
        /// When.
        ts: Ts,
        /// Which.
        call_id: I64,
        /// Whether it is HTTP.
        http: Option<Bool>,
        /// Whether it is DNS.
        dns: Option<Bool>,
        /// Whether the response was seen.
        dns_response: Option<Bool>,
        /// Method.
        method: Option<Symbol>,
        /// Status.
        status_code: Option<I64>,
        /// Pod of the client.
        src_pod: Option<Symbol> [key()],
        /// Its namespace.
        src_namespace: Option<Symbol> [key()],
        /// Service of the client.
        src_service: Option<Symbol> [key()],
        /// Pod of the server.
        dst_pod: Option<Symbol> [key()],
        /// Its namespace.
        dst_namespace: Option<Symbol> [key()],
        /// Service of the server.
        dst_service: Option<Symbol> [key()],
        /// Labels of the near end.
        local_labels: Option<TextMap>,
        /// Labels of the far end.
        remote_labels: Option<TextMap>,
        /// Process of the near end.
        local_process: Option<Symbol>,
        /// Why the near end has no name.
        local_resolution: Option<Symbol>,
    }
    entry "call" {
        "timestamp" = "ts",
        "http" = "http",
        "dns" = "dns",
        "dns_response" = "dns_response",
        "method" = "method",
        "status_code" = "status_code",
        "src.pod.name" = "src_pod",
        "src.pod.namespace" = "src_namespace",
        "src.service.name" = "src_service",
        "dst.pod.name" = "dst_pod",
        "dst.pod.namespace" = "dst_namespace",
        "dst.service.name" = "dst_service",
        "namespaces" = "kfl_list(src_namespace, dst_namespace)",
        "pods" = "kfl_list(src_pod, dst_pod)",
        "local_labels" = "local_labels",
        "remote_labels" = "remote_labels",
        "local_process_name" = "local_process",
        "local_resolution_status" = "local_resolution",
    }
}
