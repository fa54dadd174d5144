//! gRPC over HTTP/2: the calls, their messages and their status.
//!
//! ```text
//! offset  size  field of each message in a body
//!      0     1  flags: 1 compressed by what grpc-encoding says, 0x80 trailers (gRPC-Web)
//!      1     4  length
//!      5        message
//! ```

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    body::Shown,
    content::{self, Content},
    protobuf,
    row::{Grpc, Request, Response, Said, content_type},
    target::{Plus, percent_decoded},
};
use crate::l7::protocol::{Over, Protocol};

/// What HTTP/2 turns out to carry.
pub(crate) static GRPC: Protocol = Protocol::named("grpc", Over::Another, |_, _| false);

/// Bytes before each message.
const PREFIX_BYTES: usize = 5;

/// Status codes by their numbers.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Counts the messages of a body as it passes.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Count {
    messages: u32,
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of the prefix that are here.
    have: usize,
    /// Bytes of the message that are to come.
    left: u64,
    /// Nobody knows where the next message begins.
    lost: bool,
}

impl Count {
    /// The next bytes of the body.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= passed as u64;
            bytes = bytes.get(passed..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            if let Some(slot) = self.prefix.get_mut(self.have) {
                *slot = *byte;
            }
            self.have += 1;
            if self.have == PREFIX_BYTES {
                let [flags, len @ ..] = self.prefix;
                self.messages = self.messages.saturating_add(u32::from(flags & 0x80 == 0));
                self.left = u32::from_be_bytes(len).into();
                self.have = 0;
            }
        }
    }

    /// Bytes of the body that the capture does not have. If a message begins in them, the count ends with those before.
    pub(super) fn lose(&mut self, bytes: u64) {
        self.lost |= bytes > self.left;
        self.left = self.left.saturating_sub(bytes);
    }
}

/// Whether a body of this type has messages of gRPC.
pub(super) fn is_type(content_type: &str) -> bool {
    let rest = content_type.get(..16).filter(|start| start.eq_ignore_ascii_case("application/grpc"));
    rest.is_some() && matches!(content_type.as_bytes().get(16), None | Some(b';' | b'+' | b' ' | b'-'))
}

/// What makes a call of this, if one of its halves says that it is of gRPC. `limit` bytes of its messages are shown at most.
pub(super) fn of<'a>(
    request: Option<&'a Request>,
    response: Option<&'a Response>,
    messages: [Option<Count>; 2],
    limit: usize,
) -> Option<Grpc<'a>> {
    let (asked, answered) = (request.map(|r| &r.said), response.map(|r| &r.said));
    let halves = [asked, answered];
    if !halves.iter().flatten().any(|said| content_type(said).is_some_and(is_type)) {
        return None;
    }
    let path = request.map(|r| r.target.split_once('?').map_or(&*r.target, |(path, _)| path));
    let name = path.and_then(|path| path.strip_prefix('/')?.rsplit_once('/'));
    let last = |name: &'static str| answered.and_then(|said| said.fields.all(name).last());
    let status = last("grpc-status").and_then(|status| status.trim().parse::<u8>().ok());
    let message = last("grpc-message").map(|message| Cow::Owned(percent_decoded(message, Plus::IsPlus)));
    let [request_messages, response_messages] = messages.map(|count| count.map(|count| count.messages));
    Some(Grpc {
        service: name.map(|(service, _)| service),
        method: name.map(|(_, method)| method),
        status,
        status_name: status.and_then(|status| STATUSES.get(usize::from(status)).copied()),
        message,
        request_messages: asked.and(request_messages),
        response_messages: answered.and(response_messages),
        bodies: Some(halves.map(|said| said.and_then(|said| show(said, limit)))),
    })
}

/// The messages of a body, one a line.
fn show(said: &Said, limit: usize) -> Option<Shown> {
    let body = &said.body;
    if body.size() == 0 {
        return None;
    }
    // Messages of other formats than Protocol Buffers, JSON for example, are text.
    let is_text = content_type(said).is_some_and(|kind| kind.ends_with("+json"));
    let codings = said.fields.get("grpc-encoding");
    let (mut text, mut truncated, mut rest) = (String::new(), body.is_cut(), body.kept());
    while !rest.is_empty() && text.len() <= limit {
        let Some(([flags, len @ ..], after)) = rest.split_first_chunk::<PREFIX_BYTES>() else {
            truncated = true;
            break;
        };
        let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
        let (message, cut) = after.get(..len).map_or((after, true), |message| (message, false));
        rest = after.get(len..).unwrap_or_default();
        truncated |= cut;
        let undone = match flags & 1 {
            0 => Some(Content { bytes: Cow::Borrowed(message), whole: !cut }),
            _ => codings.and_then(|codings| content::undo(codings, message, limit)),
        };
        if !text.is_empty() {
            text.push('\n');
        }
        match undone {
            Some(Content { bytes, whole }) if is_text || flags & 0x80 != 0 => {
                truncated |= !whole;
                text.push_str(&String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"));
            }
            Some(Content { bytes, whole }) => {
                truncated |= !whole;
                text.push_str(&protobuf::show(&bytes, !whole));
            }
            None => text.push_str(&format!("\"{}\"", STANDARD.encode(message))),
        }
    }
    if text.len() > limit || !rest.is_empty() {
        truncated = true;
        text.truncate(text.floor_char_boundary(limit));
    }
    Some(Shown { text, encoding: None, truncated })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that messages are counted however the body is cut, and that a hole within one costs nothing while one beyond it
    /// ends the count.
    #[test]
    fn messages_are_counted_as_they_pass() {
        let body = b"\0\0\0\0\x03abc\0\0\0\0\0\x80\0\0\0\x01t\x01\0\0\0\x02xy";
        for size in 1..body.len() {
            let mut count = Count::default();
            body.chunks(size).for_each(|bytes| count.push(bytes));
            assert_eq!((count.messages, count.left), (3, 0), "{size}");
        }
        let mut count = Count::default();
        count.push(&body[..6]);
        count.lose(2);
        count.push(&body[8..]);
        assert_eq!(count.messages, 3);
        count.lose(1);
        count.push(body);
        assert_eq!(count.messages, 3);
    }

    /// Proves which types are of gRPC.
    #[test]
    fn types_of_grpc_are_known() {
        for kind in ["application/grpc", "Application/gRPC+proto", "application/grpc;x=1", "application/grpc-web+proto"]
        {
            assert!(is_type(kind), "{kind}");
        }
        for kind in ["application/grpcx", "application/json", ""] {
            assert!(!is_type(kind), "{kind}");
        }
    }
}
