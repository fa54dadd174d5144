//! Recognition in the middle of a flow: another protocol begins where one has ended, after STARTTLS for example.

use super::{
    conversation::Probing,
    dissector::{Chunk, Dissector, End, Gap, PassedOver},
    out::Out,
    protocol::{self, Hint},
    stamp::Stamp,
};
use crate::flow::{TCP, Way};

/// Looks at what comes as at the beginning of a flow, and hands over to the dissector of what it turns out to be. What is not
/// recognised is not read.
#[derive(Debug, Default)]
pub(crate) struct Recognising {
    probing: Probing,
}

impl Dissector for Recognising {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let (src, dst) = out.ports();
        let (src, dst) = (src.unwrap_or(0), dst.unwrap_or(0));
        let (src_port, dst_port) = if chunk.way == Way::Out { (src, dst) } else { (dst, src) };
        let hint = Hint { src_port, dst_port, ip_proto: TCP, len: chunk.bytes.len() };
        let Some(place) = self.probing.push(chunk.way, chunk.at, chunk.bytes, hint) else { return };
        out.spoken = Some(place);
        let Some(mut next) = protocol::at(place).and_then(|p| p.dissect).map(|new| new()) else {
            return out.hand_over(Box::new(PassedOver));
        };
        self.probing.pieces(|way, at, bytes| {
            next.data(Chunk { way, at, bytes }, out);
            if let Some(other) = out.next.take() {
                next = other;
            }
        });
        out.hand_over(next);
    }

    fn gap(&mut self, gap: Gap, _: &mut Out<'_>) {
        self.probing.forget(gap.way);
    }

    fn closed(&mut self, _: Way, _: Stamp, _: &mut Out<'_>) {}

    fn end(&mut self, _: End, _: &mut Out<'_>) {}

    fn size_bytes(&self) -> usize {
        self.probing.size_bytes()
    }
}
