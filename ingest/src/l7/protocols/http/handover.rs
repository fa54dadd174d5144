//! Where HTTP/1 ends and another protocol goes on in the same connection.

use super::{
    fields::Fields,
    h2::Http2,
    row::{Request, Response},
    websocket::WebSocket,
};
use crate::l7::dissector::Dissector;

/// Who reads on behind `101 Switching Protocols` (RFC 9110 section 15.2.2): the protocol is what the response says, or else the
/// request. Who takes the request answers it. `None` for a protocol that is not read.
pub(super) fn switched(request: &mut Option<Request>, response: &Response) -> Option<Box<dyn Dissector>> {
    let upgrade = |fields: &Fields| fields.joined("upgrade").map(|protocol| protocol.to_ascii_lowercase());
    let asked = || request.as_ref().and_then(|request| upgrade(&request.said.fields));
    let protocol = upgrade(&response.said.fields).or_else(asked)?;
    match protocol.trim() {
        // The request is answered on stream 1 (RFC 7540 section 3.2).
        "h2c" => Some(Box::new(request.take().map_or_else(Http2::default, Http2::upgraded))),
        "websocket" => Some(Box::new(WebSocket::new(request.as_ref(), response))),
        _ => None,
    }
}
