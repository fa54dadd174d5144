//! HTTP/1.1 and 1.0 (RFC 9110, RFC 9112), and 0.9 as far as it is still sent.
//!
//! ```text
//! each direction:  Head ─► Body ─► Head …       a message is a request or a response by its first line
//!                   │        └─► Lost ─► Head   at the next chunk that looks like one
//!                   └─► Held                    behind a request that asks for another protocol, until it is answered
//! ```

mod framing;
mod head;
mod pending;
mod read;
#[cfg(test)]
mod tests;

use framing::Framing;
use pending::{Part, Queue};

use super::table::{HTTP as TABLE, HttpBuilder};
use crate::{
    flow::{Pair, Way},
    l7::{
        call::ErrorType,
        dissector::{Chunk, Dissector, End, Gap},
        inbox::Inbox,
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::{Span, Stamp},
    },
};

/// Bytes of a header section at most; common servers take 8 to 32 KiB.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// HTTP/1, and the table of all versions.
pub(crate) static HTTP: Protocol = Protocol {
    name: "http",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Http1::default())),
    tables: &[(&TABLE, || Box::new(HttpBuilder::default()))],
};

/// Request line or status line (RFC 9112 sections 3 and 4), or the whole of an HTTP/0.9 request.
fn probe(_: &Hint, p: &[u8]) -> bool {
    !p.starts_with(b"PRI ") && head::begins_here(p) || head::is_simple_request(p)
}

/// One connection.
#[derive(Debug, Default)]
struct Http1 {
    sides: Pair<Side>,
    queue: Queue,
}

/// One direction of it.
#[derive(Debug, Default)]
struct Side {
    state: State,
    /// What is not read yet: the beginning of a header section, or what is held.
    unread: Vec<u8>,
    /// The packet of its first byte.
    first: Option<Stamp>,
    /// Bytes are missing before what comes next.
    after_loss: bool,
    /// What came since then and is not known to be a message.
    lost: Inbox,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Between messages, or in a header section.
    #[default]
    Head,
    /// In a body.
    Body(Part, Framing),
    /// What comes waits for the answer to a request that asks for another protocol.
    Held,
    /// What comes may begin in the middle of a message.
    Lost,
}

/// A header section, or the beginning of one, with the packets that carried it.
#[derive(Debug, Clone, Copy)]
struct Section<'a> {
    span: Span,
    bytes: &'a [u8],
    /// Why it is not whole.
    broken: Option<ErrorType>,
}

impl Dissector for Http1 {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let side = self.sides.of_mut(chunk.way);
        if !matches!(side.state, State::Lost) {
            let rest = self.read(chunk, out);
            if out.next.is_some() {
                self.pass_on(Chunk { bytes: rest, ..chunk }, out);
            }
        } else if side.lost.search(chunk.at, chunk.bytes, head::begins_here) {
            side.state = State::Head;
            let found = std::mem::take(&mut side.lost);
            for (at, bytes) in found.packets() {
                let piece = Chunk { at, bytes, ..chunk };
                match out.next.take() {
                    Some(mut next) => {
                        next.data(piece, out);
                        out.next = out.next.take().or(Some(next));
                    }
                    None => self.data(piece, out),
                }
            }
        }
    }

    fn gap(&mut self, gap: Gap, out: &mut Out<'_>) {
        match &mut self.sides.of_mut(gap.way).state {
            State::Body(part, framing) => {
                let (part, inside, done) = (*part, framing.lose(gap.bytes), framing.is_done());
                let bytes = if inside { gap.bytes } else { 0 };
                if let Some(pending) = self.queue.open(gap.way, part) {
                    pending.fail(ErrorType::Gap);
                    pending.lose(part, bytes, Some(gap.at));
                }
                if done || !inside {
                    self.done(gap.way, part, out);
                }
                if !inside {
                    self.lost(gap.way);
                }
            }
            State::Head | State::Held => {
                if !self.cut_off(gap.way, ErrorType::Gap, out)
                    && let Some(pending) = self.queue.unanswered(gap.way)
                {
                    pending.response_done = true;
                    pending.fail(ErrorType::Gap);
                }
                self.lost(gap.way);
                self.queue.emit_done(out);
            }
            State::Lost => self.sides.of_mut(gap.way).lost.clear(),
        }
    }

    fn closed(&mut self, way: Way, _at: Stamp, out: &mut Out<'_>) {
        self.cut_off(way, ErrorType::Malformed, out);
        if let State::Body(part, framing) = self.sides.of(way).state {
            if framing != Framing::Close {
                self.truncate(way, part);
            }
            self.done(way, part, out);
        }
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        let error = if end == End::Reset { ErrorType::Reset } else { ErrorType::Gap };
        for way in [Way::Out, Way::In] {
            self.cut_off(way, error, out);
            if let State::Body(part, _) = self.sides.of(way).state {
                self.truncate(way, part);
            }
            self.lost(way);
        }
        while let Some(mut pending) = self.queue.take() {
            if pending.response.is_none() && end == End::Reset {
                pending.fail(ErrorType::Reset);
            }
            pending.emit(out);
        }
    }

    fn size_bytes(&self) -> usize {
        let side = |side: &Side| side.unread.capacity() + side.lost.size_bytes();
        side(&self.sides.out) + side(&self.sides.back) + self.queue.size_bytes()
    }
}

impl Http1 {
    /// Bytes are missing in this direction, or not understood: what comes may begin in the middle.
    fn lost(&mut self, way: Way) {
        *self.sides.of_mut(way) = Side { state: State::Lost, after_loss: true, ..Side::default() };
    }

    /// What is left of a body does not come.
    fn truncate(&mut self, way: Way, part: Part) {
        if let Some(pending) = self.queue.open(way, part) {
            pending.lose(part, 0, None);
        }
    }

    /// A header section does not go on: whether there was one, and it is read as far as it goes.
    fn cut_off(&mut self, way: Way, why: ErrorType, out: &mut Out<'_>) -> bool {
        let side = self.sides.of_mut(way);
        let unread = std::mem::take(&mut side.unread);
        let Some(first) = side.first.filter(|_| matches!(side.state, State::Head) && !unread.is_empty()) else {
            return false;
        };
        let section = Section { span: Span::at(first), bytes: &unread, broken: Some(why) };
        let is_message = unread.contains(&b'\n') || head::begins_here(&unread);
        if is_message {
            self.begin(way, section, out);
        } else if self.queue.unanswered(way).is_some_and(|pending| pending.version == "HTTP/0.9") {
            self.not_http(way, section, out);
        }
        is_message
    }

    /// A message is over.
    fn done(&mut self, way: Way, part: Part, out: &mut Out<'_>) {
        let side = self.sides.of_mut(way);
        side.state = State::Head;
        if let Some(pending) = self.queue.open(way, part) {
            match part {
                Part::Request => {
                    pending.request_done = true;
                    if pending.response.is_none() && pending.asks_for_another_protocol() {
                        side.state = State::Held;
                    }
                }
                Part::Response => pending.response_done = true,
            }
        }
        self.queue.emit_done(out);
    }

    /// Gives what is not read to the dissector that goes on.
    fn pass_on(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let Some(mut next) = out.next.take() else { return };
        let mut give = |way: Way, at: Option<Stamp>, bytes: &[u8]| {
            if let Some(at) = at.filter(|_| !bytes.is_empty()) {
                next.data(Chunk { way, at, bytes }, out);
                if let Some(another) = out.next.take() {
                    next = another;
                }
            }
        };
        let (way, back) = (chunk.way, chunk.way.back());
        give(way, self.sides.of(way).first, &self.sides.of(way).unread);
        give(way, Some(chunk.at), chunk.bytes);
        give(back, self.sides.of(back).first, &self.sides.of(back).unread);
        out.next = Some(next);
    }
}
