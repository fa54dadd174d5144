//! Where HTTP/1 ends and another protocol goes on in the same connection.

use super::{
    fields::Fields,
    h2::Http2,
    row::{Request, Response},
    websocket::WebSocket,
};
use crate::{
    flow::{Pair, TCP, Way},
    l7::{
        Hint, at,
        dissector::{Chunk, Dissector, End, Gap},
        framed::pass_on,
        inbox::Inbox,
        out::Out,
        recognise,
    },
};

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

/// Bytes of one direction that are looked at to tell the protocol inside a tunnel.
const MAX_HEAD_BYTES: usize = 2048;

/// What goes through a proxy behind CONNECT, or behind an upgrade to a protocol that is not read: any protocol, known by its
/// first bytes as in a connection of its own.
#[derive(Debug, Default)]
pub(super) struct Tunnel {
    heads: Pair<Inbox>,
    /// Nobody reads it.
    is_silent: bool,
}

impl Dissector for Tunnel {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        if self.is_silent {
            return;
        }
        let head = self.heads.of_mut(chunk.way);
        head.push(chunk.at, chunk.bytes);
        let hint = Hint { src_port: 0, dst_port: 0, ip_proto: TCP, len: head.unread().len() };
        let inner = recognise(&hint, head.unread()).and_then(at);
        if let Some(inner) = inner {
            out.speaks(inner.name);
            self.is_silent = inner.dissect.is_none();
            if let Some(dissect) = inner.dissect {
                out.hand_over(dissect());
                pass_on([(Way::Out, &self.heads.out), (Way::In, &self.heads.back)], out);
            }
        }
        self.is_silent |= head_is_full(&self.heads);
        if self.is_silent {
            self.heads = Pair::default();
        }
    }

    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {
        (self.is_silent, self.heads) = (true, Pair::default());
    }

    fn end(&mut self, _: End, _: &mut Out<'_>) {}

    fn size_bytes(&self) -> usize {
        self.heads.out.size_bytes() + self.heads.back.size_bytes()
    }
}

fn head_is_full(heads: &Pair<Inbox>) -> bool {
    heads.out.unread().len().max(heads.back.unread().len()) > MAX_HEAD_BYTES
}
