//! What is said inside an opened connection: recognised by its content and read as if it had come in the clear.

use crate::{
    flow::{Pair, TCP, Way},
    l7::{
        dissector::{Chunk, Dissector, End, Gap},
        out::Out,
        protocol::{self, Hint},
        stamp::Stamp,
    },
};

/// Bytes of each direction that are looked at to tell the protocol.
const MAX_HEAD_BYTES: usize = 2048;

/// Bytes that a hole is taken for: how much is missing cannot be known, and no body is longer.
const HOLE_BYTES: u64 = 1 << 40;

/// The conversation inside.
#[derive(Debug)]
pub(super) enum Inner {
    /// Nobody knows what it is yet.
    Probing(Pair<Vec<u8>>, Vec<(Way, Stamp, usize)>),
    /// It is being read.
    Read(Box<dyn Dissector>),
    /// It is not read.
    Silent,
}

impl Default for Inner {
    fn default() -> Inner {
        Inner::Probing(Pair::default(), Vec::new())
    }
}

impl Inner {
    /// The next bytes of one direction.
    pub(super) fn data(&mut self, way: Way, at: Stamp, bytes: &[u8], out: &mut Out<'_>) {
        match self {
            Inner::Read(dissector) => {
                let mut inside = out.opened();
                dissector.data(Chunk { way, at, bytes }, &mut inside);
                if let Some(next) = inside.next.take() {
                    *dissector = next;
                }
            }
            Inner::Probing(heads, pieces) => {
                let head = heads.of_mut(way);
                head.extend_from_slice(bytes);
                pieces.push((way, at, bytes.len()));
                let (out_port, in_port) = out.ports();
                let ports = if way == Way::Out { (out_port, in_port) } else { (in_port, out_port) };
                let (src_port, dst_port) = (ports.0.unwrap_or(0), ports.1.unwrap_or(0));
                let hint = Hint { src_port, dst_port, ip_proto: TCP, len: head.len() };
                if let Some(place) = protocol::recognise(&hint, head) {
                    self.recognised(place, out);
                } else if head.len() >= MAX_HEAD_BYTES {
                    *self = Inner::Silent;
                }
            }
            Inner::Silent => {}
        }
    }

    /// The protocol is known: it is read from its first byte on.
    fn recognised(&mut self, place: u8, out: &mut Out<'_>) {
        let reading = protocol::at(place).and_then(|p| p.dissect).map_or(Inner::Silent, |new| Inner::Read(new()));
        let Inner::Probing(heads, pieces) = std::mem::replace(self, reading) else { return };
        let mut starts = Pair::<usize>::default();
        for (way, at, len) in pieces {
            let start = starts.of_mut(way);
            let bytes = heads.of(way).get(*start..*start + len).unwrap_or_default();
            *start += len;
            self.data(way, at, bytes, out);
        }
    }

    /// Bytes of one direction are missing.
    pub(super) fn gap(&mut self, way: Way, at: Stamp, out: &mut Out<'_>) {
        match self {
            Inner::Read(dissector) => dissector.gap(Gap { way, at, bytes: HOLE_BYTES }, &mut out.opened()),
            Inner::Probing(heads, pieces) => {
                heads.of_mut(way).clear();
                pieces.retain(|(of, ..)| *of != way);
            }
            Inner::Silent => {}
        }
    }

    /// One direction is closed.
    pub(super) fn closed(&mut self, way: Way, at: Stamp, out: &mut Out<'_>) {
        if let Inner::Read(dissector) = self {
            dissector.closed(way, at, &mut out.opened());
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, end: End, out: &mut Out<'_>) {
        if let Inner::Read(mut dissector) = std::mem::replace(self, Inner::Silent) {
            dissector.end(end, &mut out.opened());
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Inner::Probing(heads, _) => heads.out.capacity() + heads.back.capacity(),
            Inner::Read(dissector) => dissector.size_bytes(),
            Inner::Silent => 0,
        }
    }
}
