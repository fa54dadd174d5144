//! Requests and responses, of whatever version, into rows of `http`.

use std::borrow::Cow;

use crate::{
    flow::Way,
    l7::{
        call::{Call, ErrorType, Half},
        names::NameSource,
        out::Out,
    },
};

use super::{
    body::{Body, Shown},
    cookies,
    fields::Fields,
    graphql::{self, GRAPHQL},
    table::{HttpBuilder, HttpRow},
    target::{self, Target},
    trace,
};

/// What both halves have.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// Its packets and bytes, with all framing.
    pub(super) half: Half,
    /// The header section as it was sent; in HTTP/2 one field a line.
    pub(super) head: String,
    /// Bytes of it on the wire.
    pub(super) headers_size: u64,
    /// Names in lower case; without pseudo-header fields.
    pub(super) fields: Fields,
    pub(super) body: Body,
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Which way it goes.
    pub(super) way: Way,
    pub(super) method: String,
    /// Path and query, or what else the request line has.
    pub(super) target: String,
    /// Host and port: of the target, of :authority, or of the Host header.
    pub(super) authority: Option<String>,
    pub(super) said: Said,
}

/// A final response.
#[derive(Debug)]
pub(super) struct Response {
    /// Which way it goes.
    pub(super) way: Way,
    /// `None` where it has none, as in HTTP/0.9.
    pub(super) status: Option<u16>,
    pub(super) said: Said,
}

/// A request and its response, or one of them.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) app_proto: &'static str,
    /// `HTTP/1.1`, …
    pub(super) version: &'static str,
    pub(super) stream_id: Option<u32>,
    pub(super) request: Option<&'a Request>,
    pub(super) response: Option<&'a Response>,
    /// As in [`Call`].
    pub(super) error_type: Option<ErrorType>,
    pub(super) grpc: Grpc<'a>,
}

impl<'a> Exchange<'a> {
    /// The outcome as text. That HTTP has answered a call of gRPC says nothing of its outcome.
    fn status(&self) -> Option<String> {
        let status = self.response?.status?;
        (self.grpc.bodies.is_none() || status != 200).then(|| status.to_string())
    }

    /// What all protocols have in common.
    fn call<'b>(&self, status: Option<&'b str>, is_graphql: bool) -> Call<'b>
    where
        'a: 'b,
    {
        Call {
            app_proto: if is_graphql { GRAPHQL.name } else { self.app_proto },
            client: self.request.map_or_else(|| self.response.map_or(Way::Out, |r| r.way.back()), |r| r.way),
            request: self.request.map(|r| r.said.half),
            response: self.response.map(|r| r.said.half),
            method: self.request.map(|r| r.method.as_str()),
            target: self.request.map(|r| r.target.as_str()),
            status: self.grpc.status_name.or(status),
            error_type: self.error_type,
        }
    }
}

/// What makes a call one of gRPC.
#[derive(Debug, Default)]
pub(super) struct Grpc<'a> {
    pub(super) service: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) status: Option<u8>,
    /// The name of the status, which is that of the call.
    pub(super) status_name: Option<&'static str>,
    pub(super) message: Option<Cow<'a, str>>,
    pub(super) request_messages: Option<u32>,
    pub(super) response_messages: Option<u32>,
    /// The messages of the request and of the response, shown, where the bodies are made of them.
    pub(super) bodies: Option<[Option<Shown>; 2]>,
}

impl Said {
    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Said>() + self.head.capacity() + self.fields.size_bytes() + self.body.size_bytes()
    }
}

impl Request {
    /// Lets the server's address have the name that it is asked for; not that of a proxy.
    pub(super) fn learn_host(&self, out: &mut Out<'_>) {
        let to_proxy = Target::of(&self.method, &self.target).authority.is_some();
        if let Some(host) = self.authority.as_deref().and_then(target::host).filter(|_| !to_proxy) {
            out.learn(out.receiver(self.way), host, NameSource::Host);
        }
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        let texts = self.method.capacity() + self.target.capacity();
        texts + self.authority.as_ref().map_or(0, String::capacity) + self.said.size_bytes()
    }
}

impl Said {
    fn headers_size(&self) -> i64 {
        i64::try_from(self.headers_size).unwrap_or(i64::MAX)
    }

    fn body_size(&self) -> i64 {
        i64::try_from(self.body.size()).unwrap_or(i64::MAX)
    }
}

/// A body as it is shown, but no more bytes of it than `limit`.
fn shown(said: &Said, limit: usize) -> Option<Shown> {
    said.body.show(said.fields.joined("content-encoding").as_deref(), limit)
}

/// Makes a row.
pub(super) fn emit(exchange: &Exchange<'_>, out: &mut Out<'_>) {
    let Exchange { request, response, grpc, .. } = exchange;
    if request.is_none() && response.is_none() {
        return;
    }
    let limit = out.limits().body_bytes;
    let (asked, answered) = (request.map(|r| &r.said), response.map(|r| &r.said));
    let plain = if grpc.bodies.is_none() { [asked, answered].map(|said| shown(said?, limit)) } else { [None, None] };
    let [request_body, response_body] = grpc.bodies.as_ref().unwrap_or(&plain);
    let target = request.map_or_else(Target::default, |r| Target::of(&r.method, &r.target));
    let host = request.and_then(|r| r.authority.as_deref()).and_then(target::host).map(str::to_ascii_lowercase);
    let template = target.path.map(target::path_template);
    let query_string = target.query.map(target::query_string);
    let sent = asked.map(|said| cookies::sent(&said.fields)).filter(|cookies| !cookies.is_empty());
    let set = answered.map(|said| cookies::set(&said.fields)).filter(|cookies| !cookies.is_empty());
    let trace = asked.map(|said| trace::of(&said.fields)).unwrap_or_default();
    let status_code = response.and_then(|r| r.status);
    let bodies = [request_body, response_body].map(|shown| shown.as_ref().filter(|body| body.encoding.is_none()));
    let [asked_text, answered_text] = bodies.map(|body| body.map(|body| body.text.as_str()));
    let graphql = request
        .filter(|_| grpc.bodies.is_none())
        .and_then(|request| graphql::read(request, query_string.as_ref(), asked_text));
    let graphql_error = graphql.as_ref().and(answered_text).and_then(graphql::first_error);
    if graphql.is_some() {
        out.speaks(GRAPHQL.name);
    }
    out.emit::<HttpBuilder>(
        &exchange.call(exchange.status().as_deref(), graphql.is_some()),
        HttpRow {
            http_version: exchange.version,
            stream_id: exchange.stream_id,
            host: host.as_deref(),
            path: target.path,
            path_template: template.as_deref(),
            query_string: query_string.as_ref().map(Fields::pairs).as_deref(),
            status_code,
            request_headers: asked.map(|said| said.fields.pairs()).as_deref(),
            response_headers: answered.map(|said| said.fields.pairs()).as_deref(),
            request_head: asked.map(|said| said.head.as_str()),
            response_head: answered.map(|said| said.head.as_str()),
            request_cookies: sent.as_ref().map(Fields::pairs).as_deref(),
            response_cookies: set.as_ref().map(Fields::pairs).as_deref(),
            user_agent: asked.and_then(|said| said.fields.get("user-agent")),
            request_content_type: asked.and_then(content_type),
            response_content_type: answered.and_then(content_type),
            request_headers_size: asked.map(Said::headers_size),
            request_body_size: asked.map(Said::body_size),
            response_headers_size: answered.map(Said::headers_size),
            response_body_size: answered.map(Said::body_size),
            request_body: request_body.as_ref().map(|body| body.text.as_str()),
            request_body_encoding: request_body.as_ref().and_then(|body| body.encoding),
            request_body_truncated: request_body.as_ref().map(|body| body.truncated),
            response_body: response_body.as_ref().map(|body| body.text.as_str()),
            response_body_encoding: response_body.as_ref().and_then(|body| body.encoding),
            response_body_truncated: response_body.as_ref().map(|body| body.truncated),
            trace_id: trace.trace_id.as_deref(),
            span_id: trace.span_id.as_deref(),
            grpc_service: grpc.service,
            grpc_method: grpc.method,
            grpc_status: grpc.status,
            grpc_message: grpc.message.as_deref(),
            grpc_request_messages: grpc.request_messages,
            grpc_response_messages: grpc.response_messages,
            graphql_operation: graphql.as_ref().map(|graphql| graphql.operation),
            graphql_name: graphql.as_ref().and_then(|graphql| graphql.name.as_deref()),
            graphql_fields: graphql.as_ref().map(|graphql| graphql.fields.as_str()),
            graphql_error: graphql_error.as_deref(),
        },
    );
}

/// The Content-Type without parameters.
pub(super) fn content_type(said: &Said) -> Option<&str> {
    said.fields.get("content-type")?.split(';').next().map(str::trim).filter(|kind| !kind.is_empty())
}
