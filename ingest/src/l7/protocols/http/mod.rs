//! HTTP in its versions, and what rides on it.

mod body;
mod content;
mod cookies;
mod fields;
mod graphql;
mod grpc;
mod h1;
mod h2;
mod handover;
mod protobuf;
mod row;
mod table;
mod target;
mod trace;
mod websocket;

pub(crate) use graphql::GRAPHQL;
pub(crate) use grpc::GRPC;
pub(crate) use h1::HTTP;
pub(crate) use h2::HTTP2;
pub(crate) use websocket::WEBSOCKET;
