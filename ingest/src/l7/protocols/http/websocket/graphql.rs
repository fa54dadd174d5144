//! GraphQL over WebSocket: messages of the subprotocols `graphql-transport-ws` ("GraphQL over WebSocket Protocol") and, before it,
//! `graphql-ws` (of subscriptions-transport-ws). Each is an object of JSON with its type and, where it is of an operation, the operation's id.

use serde_json::Value;

use super::super::graphql::{self, Operation};

/// What the server agrees to in `Sec-WebSocket-Protocol` when these messages follow.
const SUBPROTOCOLS: [&str; 2] = ["graphql-transport-ws", "graphql-ws"];

/// Types of messages, of both subprotocols.
const TYPES: [&str; 14] = [
    "connection_init",
    "connection_ack",
    "connection_error",
    "connection_terminate",
    "ping",
    "pong",
    "ka",
    "subscribe",
    "start",
    "next",
    "data",
    "error",
    "complete",
    "stop",
];

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Its type.
    pub(super) kind: &'static str,
    /// Of the operation.
    pub(super) id: Option<String>,
    /// What is asked for.
    pub(super) operation: Option<Operation>,
    /// Message of the first error.
    pub(super) error: Option<String>,
}

/// Whether messages of GraphQL follow where this subprotocol was agreed on.
pub(super) fn is_spoken(subprotocol: &str) -> bool {
    SUBPROTOCOLS.contains(&subprotocol.trim())
}

/// Reads a message. `None` for what is none.
pub(super) fn read(text: &str) -> Option<Said> {
    let json: Value = serde_json::from_str(text).ok()?;
    let kind = json.get("type")?.as_str()?;
    let kind = TYPES.into_iter().find(|known| *known == kind)?;
    let payload = json.get("payload");
    let error = match kind {
        "next" | "data" => payload.and_then(|result| result.get("errors")).and_then(graphql::message),
        "error" | "connection_error" => payload.and_then(graphql::message),
        _ => None,
    };
    Some(Said {
        kind,
        id: json.get("id").and_then(Value::as_str).map(str::to_owned),
        operation: payload.filter(|_| matches!(kind, "subscribe" | "start")).and_then(graphql::of_json),
        error: error.map(str::to_owned),
    })
}
