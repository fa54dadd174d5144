//! HTTP in its versions, and what rides on it.

mod body;
mod content;
mod cookies;
mod fields;
mod graphql;
mod h1;
mod handover;
mod row;
mod table;
mod target;
mod trace;
mod websocket;

pub(crate) use graphql::GRAPHQL;
pub(crate) use h1::HTTP;
pub(crate) use websocket::WEBSOCKET;
