//! Protocols whose messages say how long they are: cutting a stream into messages, once for all of them.

use super::{
    dissector::{Chunk, Dissector, End, Gap},
    inbox::Inbox,
    out::Out,
    stamp::{Span, Stamp},
};
use crate::flow::{Pair, Way};

/// A protocol of messages.
pub(crate) trait Messages: std::fmt::Debug + Send {
    /// Bytes of a message that are read at most; the rest of a longer one is passed over.
    const MAX_BYTES: usize;

    /// How long the message is that begins here. At least one byte is given.
    fn frame(&mut self, way: Way, head: &[u8]) -> Frame;

    /// Reads a message.
    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>);

    /// Bytes are missing or not understood, beside or in this packet: what came before has no end, and what comes next may begin
    /// in the middle. After this, bytes are given to [`frame`](Self::frame) from the next packet on that
    /// [`begins`](Self::begins) with a message.
    fn lost(&mut self, way: Way, at: Stamp, out: &mut Out<'_>);

    /// Whether a message begins here by all that can be seen: asked after a loss, of the beginnings of packets, and again as long
    /// as little of them is there. Answering no for ever gives a direction up.
    fn begins(&self, way: Way, head: &[u8]) -> bool;

    /// One direction is closed.
    fn closed(&mut self, _way: Way, _out: &mut Out<'_>) {}

    /// Nothing more comes.
    fn end(&mut self, end: End, out: &mut Out<'_>);

    /// Bytes of memory held.
    fn size_bytes(&self) -> usize;
}

/// What the first bytes of a message say of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Nothing yet: more bytes are needed to tell.
    Unknown,
    /// It takes so many bytes in all.
    Is(u64),
    /// This is no message.
    Garbage,
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Its packets; of one that is too long, those of the part that is read.
    pub(crate) span: Span,
    /// Its bytes, or the first [`Messages::MAX_BYTES`] of them.
    pub(crate) bytes: &'a [u8],
    /// How many it has.
    pub(crate) len: u64,
}

/// Reads messages as a [`Dissector`].
#[derive(Debug)]
pub(crate) struct Framed<M> {
    messages: M,
    sides: Pair<Side>,
}

#[derive(Debug, Default)]
struct Side {
    inbox: Inbox,
    /// Bytes of a long message that are passed over.
    skip: u64,
    /// What is in the inbox may begin in the middle of a message.
    lost: bool,
}

impl<M: Messages> Framed<M> {
    pub(crate) fn new(messages: M) -> Framed<M> {
        Framed { messages, sides: Pair::default() }
    }

    fn read(&mut self, way: Way, out: &mut Out<'_>) {
        let Framed { messages, sides } = self;
        let side = sides.of_mut(way);
        while out.next.is_none() && !side.inbox.unread().is_empty() {
            let unread = side.inbox.unread();
            let len = match messages.frame(way, unread) {
                Frame::Is(len) => len.max(1),
                Frame::Unknown if unread.len() < M::MAX_BYTES => return,
                Frame::Unknown | Frame::Garbage => {
                    let Some(span) = side.inbox.read_packet() else { return };
                    side.lost = true;
                    messages.lost(way, span.first, out);
                    if !side.inbox.find(|bytes| messages.begins(way, bytes)) {
                        return;
                    }
                    side.lost = false;
                    continue;
                }
            };
            let read = usize::try_from(len).unwrap_or(usize::MAX).min(M::MAX_BYTES);
            let (Some(bytes), Some(span)) = (unread.get(..read), side.inbox.span(read)) else { return };
            messages.message(way, Message { span, bytes, len }, out);
            side.inbox.read(read);
            side.skip = len - read as u64;
            let passed = side.skip.min(side.inbox.unread().len() as u64);
            side.inbox.read(usize::try_from(passed).unwrap_or(usize::MAX));
            side.skip -= passed;
        }
    }
}

/// Gives what is not read to the dissector that was handed over to, if any.
pub(crate) fn pass_on(unread: [(Way, &Inbox); 2], out: &mut Out<'_>) {
    let Some(mut next) = out.next.take() else { return };
    for (way, inbox) in unread {
        if let Some(at) = inbox.at() {
            next.data(Chunk { way, at, bytes: inbox.unread() }, out);
        }
    }
    // It may have handed over in its turn.
    out.next = out.next.take().or(Some(next));
}

impl<M: Messages> Dissector for Framed<M> {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let side = self.sides.of_mut(chunk.way);
        let skip = side.skip.min(chunk.bytes.len() as u64);
        side.skip -= skip;
        let bytes = chunk.bytes.get(usize::try_from(skip).unwrap_or(usize::MAX)..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        if !side.lost {
            side.inbox.push(chunk.at, bytes);
        } else if !side.inbox.search(chunk.at, bytes, |bytes| self.messages.begins(chunk.way, bytes)) {
            return;
        }
        side.lost = false;
        self.read(chunk.way, out);
        pass_on([(Way::Out, &self.sides.out.inbox), (Way::In, &self.sides.back.inbox)], out);
    }

    fn gap(&mut self, gap: Gap, out: &mut Out<'_>) {
        let side = self.sides.of_mut(gap.way);
        let skipped = side.skip.min(gap.bytes);
        side.skip -= skipped;
        if skipped < gap.bytes {
            side.inbox.clear();
            side.lost = true;
            self.messages.lost(gap.way, gap.at, out);
        }
    }

    fn closed(&mut self, way: Way, _at: Stamp, out: &mut Out<'_>) {
        self.messages.closed(way, out);
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.messages.end(end, out);
    }

    fn size_bytes(&self) -> usize {
        self.messages.size_bytes() + self.sides.out.inbox.size_bytes() + self.sides.back.inbox.size_bytes()
    }
}
