//! Protocols whose messages are the units that the transport carries: datagrams of UDP, user messages of SCTP.

use super::{
    dissector::{Chunk, Dissector, End, Gap},
    framed::{Message, Messages},
    out::Out,
    stamp::Span,
};

/// Reads each chunk as one message, whatever length it says of itself.
#[derive(Debug)]
pub(crate) struct Datagrams<M>(pub(crate) M);

impl<M: Messages> Dissector for Datagrams<M> {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let bytes = chunk.bytes.get(..M::MAX_BYTES).unwrap_or(chunk.bytes);
        let message = Message { span: Span::at(chunk.at), bytes, len: chunk.bytes.len() as u64 };
        self.0.message(chunk.way, message, out);
    }

    /// The rest of a datagram that the capture cut: what was there is read.
    fn gap(&mut self, _: Gap, _: &mut Out<'_>) {}

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.0.end(end, out);
    }

    fn size_bytes(&self) -> usize {
        self.0.size_bytes()
    }
}
