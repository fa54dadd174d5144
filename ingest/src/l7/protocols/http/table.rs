//! `http`: the one table of HTTP/1, HTTP/2, and what rides on them as requests and responses: gRPC and GraphQL.

use wiretape_engine::column::{Bool, I64, Symbol, Text, TextMap, U8, U16, U32};

use crate::l7::call::{CallColumns, CallRow, call_table};

call_table! {
    /// One row per HTTP request with its response. method is the request's method (for gRPC and GraphQL too), target its path and query, status the status code, for gRPC the name of its own status.
    pub static HTTP: "http", row HttpRow, builder HttpBuilder {
        /// HTTP/1.0, HTTP/1.1 or HTTP/2.
        http_version: Symbol,
        /// Stream of HTTP/2 that carried it; NULL in HTTP/1.
        stream_id: Option<U32>,
        /// Host asked for, without port: the Host header, :authority, or that of an absolute target.
        host: Option<Symbol> [row_index()],
        /// Path of the target, without query.
        path: Option<Text>,
        /// The path with what looks like an identifier replaced ({id}, {uuid}, {hash}), for grouping.
        path_template: Option<Symbol>,
        /// Parameters of the query, percent-decoded.
        query_string: Option<TextMap>,
        /// Status code; NULL without a response.
        status_code: Option<U16> [row_index()],
        /// Headers of the request, names in lower case, in order. In HTTP/2 without the pseudo-headers.
        request_headers: Option<TextMap>,
        /// Headers of the response, as request_headers; of the final response, not of interim ones.
        response_headers: Option<TextMap>,
        /// The request's header section as it was sent, names as written; in HTTP/2 one field a line.
        request_head: Option<Text>,
        /// The response's header section as it was sent.
        response_head: Option<Text>,
        /// Cookies of the request.
        request_cookies: Option<TextMap>,
        /// Cookies that the response sets: names and values, without attributes.
        response_cookies: Option<TextMap>,
        /// User-Agent of the request.
        user_agent: Option<Symbol>,
        /// Content-Type of the request, without parameters.
        request_content_type: Option<Symbol>,
        /// Content-Type of the response, without parameters.
        response_content_type: Option<Symbol>,
        /// Bytes of the request's header section.
        request_headers_size: Option<I64>,
        /// Bytes of its body as transferred, before decoding, without chunk sizes.
        request_body_size: Option<I64>,
        /// Bytes of the response's header section.
        response_headers_size: Option<I64>,
        /// Bytes of its body as transferred.
        response_body_size: Option<I64>,
        /// Body of the request, its content encoding undone: text, or base64 of what is no text (see request_body_encoding); NULL without a body.
        request_body: Option<Text>,
        /// base64 where request_body is; NULL where it is text.
        request_body_encoding: Option<Symbol>,
        /// The body was longer than the limit, or not all of it was captured.
        request_body_truncated: Option<Bool>,
        /// Body of the response, as request_body.
        response_body: Option<Text>,
        /// base64 where response_body is; NULL where it is text.
        response_body_encoding: Option<Symbol>,
        /// The body was longer than the limit, or not all of it was captured.
        response_body_truncated: Option<Bool>,
        /// Trace id of the request in hex (W3C traceparent, B3), NULL without.
        trace_id: Option<Text>,
        /// Span id of the caller in hex.
        span_id: Option<Text>,
        /// gRPC service, with its package: the path but its last segment.
        grpc_service: Option<Symbol>,
        /// gRPC method: the last segment of the path.
        grpc_method: Option<Symbol>,
        /// gRPC status code, 0 OK to 16; NULL where there was none.
        grpc_status: Option<U8> [row_index()],
        /// grpc-message of the status, percent-decoded.
        grpc_message: Option<Text>,
        /// Messages that the client sent in a gRPC call.
        grpc_request_messages: Option<U32>,
        /// Messages that the server sent.
        grpc_response_messages: Option<U32>,
        /// GraphQL operation: query, mutation or subscription.
        graphql_operation: Option<Symbol>,
        /// Name of the operation; NULL for an anonymous one.
        graphql_name: Option<Text>,
        /// Top-level fields of the operation, joined by commas.
        graphql_fields: Option<Text>,
        /// Message of the first of the response's GraphQL errors; NULL without errors.
        graphql_error: Option<Text>,
    }
    entry "call" {
        "http" = "true",
        "grpc" = "app_proto = 'grpc'",
        "gql" = "app_proto = 'graphql'",
        "gqlv1" = "app_proto = 'graphql' AND http_version <> 'HTTP/2'",
        "gqlv2" = "app_proto = 'graphql' AND http_version = 'HTTP/2'",
        "http2" = "http_version = 'HTTP/2'",
        "method" = "method",
        "url" = "target",
        "path" = "path",
        "status_code" = "status_code",
        "http_version" = "http_version",
        "http_host" = "host",
        "query_string" = "query_string",
        "request.headers" = "request_headers",
        "response.headers" = "response_headers",
        "request.cookies" = "request_cookies",
        "response.cookies" = "response_cookies",
        "request_headers_size" = "request_headers_size",
        "request_body_size" = "request_body_size",
        "response_headers_size" = "response_headers_size",
        "response_body_size" = "response_body_size",
        "request.body" = "request_body",
        "response.body" = "response_body",
        "grpc_service" = "grpc_service",
        "grpc_method" = "grpc_method",
        "grpc_status" = "CASE WHEN app_proto = 'grpc' THEN coalesce(grpc_status, 0) ELSE -1 END",
        "graphql_operation" = "graphql_operation",
        "graphql_name" = "graphql_name",
        "trace_id" = "trace_id",
    }
}
