//! Bytes of one direction that a dissector has not read yet, and the packets they came in.

use std::collections::VecDeque;

use super::stamp::{Span, Stamp};

/// Bytes by which it is told at last whether a message begins with them, after a loss.
const TELLING_BYTES: usize = 256;

/// Unread bytes of one direction.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Those before are read.
    start: usize,
    /// Where each packet's bytes begin, counted from the first byte that ever came in.
    marks: VecDeque<(u64, Stamp)>,
    /// How many were read.
    read: u64,
}

impl Inbox {
    /// Appends bytes of one packet.
    pub(crate) fn push(&mut self, at: Stamp, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.marks.back().is_none_or(|(_, last)| *last != at) {
            self.marks.push_back((self.read + self.unread().len() as u64, at));
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// What is not read yet.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The packet of the next byte.
    pub(crate) fn at(&self) -> Option<Stamp> {
        if self.unread().is_empty() { None } else { self.marks.front().map(|(_, stamp)| *stamp) }
    }

    /// The packets of the next `len` bytes, or of all if there are fewer. `None` for none.
    pub(crate) fn span(&self, len: usize) -> Option<Span> {
        let len = len.min(self.unread().len());
        let first = self.at().filter(|_| len > 0)?;
        let end = self.read + len as u64;
        let last = self.marks.iter().take_while(|(begin, _)| *begin < end).last();
        Some(Span { first, last: last.map_or(first, |(_, stamp)| *stamp) })
    }

    /// Reads `len` bytes, or all if there are fewer: their packets. `None` for none.
    pub(crate) fn read(&mut self, len: usize) -> Option<Span> {
        let span = self.span(len)?;
        let len = len.min(self.unread().len());
        let end = self.read + len as u64;
        // The packet of the next byte stays: that byte may be in the middle of it.
        while self.marks.get(1).is_some_and(|(next, _)| *next <= end) {
            self.marks.pop_front();
        }
        self.start += len;
        self.read = end;
        if self.unread().is_empty() {
            self.marks.clear();
            self.bytes.clear();
            self.start = 0;
            // A large message must not leave its room behind in every idle flow.
            self.bytes.shrink_to(4096);
            self.marks.shrink_to(16);
        }
        Some(span)
    }

    /// Reads what is left of the packet of the next byte: its packet. `None` where nothing is left.
    pub(crate) fn read_packet(&mut self) -> Option<Span> {
        let end = self.begins().find(|at| *at > 0);
        self.read(end.unwrap_or(usize::MAX))
    }

    /// What is not read, packet by packet.
    pub(crate) fn packets(&self) -> impl Iterator<Item = (Stamp, &[u8])> {
        let ends = self.marks.iter().skip(1).map(|(begin, _)| *begin).chain([u64::MAX]);
        self.marks.iter().zip(ends).map(move |((begin, at), end)| {
            let place = |of: u64| usize::try_from(of.saturating_sub(self.read)).unwrap_or(usize::MAX);
            let rest = self.unread().get(place(*begin)..).unwrap_or_default();
            (*at, rest.get(..place(end) - place(*begin)).unwrap_or(rest))
        })
    }

    /// Takes in a chunk after a loss, when what comes may begin in the middle of a message: whether one begins where a packet
    /// does, by all that can be seen. All before it is then read. As long as little is there, `begins` is asked again when there
    /// is more.
    pub(crate) fn search(&mut self, at: Stamp, bytes: &[u8], begins: impl Fn(&[u8]) -> bool) -> bool {
        if self.unread().is_empty() && bytes.len() >= TELLING_BYTES && !begins(bytes) {
            return false;
        }
        self.push(at, bytes);
        self.find(begins)
    }

    /// The same for what is there.
    pub(crate) fn find(&mut self, begins: impl Fn(&[u8]) -> bool) -> bool {
        let found = self.begins().find(|at| begins(self.unread().get(*at..).unwrap_or_default()));
        match found {
            Some(at) => {
                self.read(at);
            }
            None => while self.unread().len() >= TELLING_BYTES && self.read_packet().is_some() {},
        }
        found.is_some()
    }

    /// Where packets begin in what is not read.
    fn begins(&self) -> impl Iterator<Item = usize> {
        self.marks.iter().filter_map(move |(begin, _)| usize::try_from(begin.checked_sub(self.read)?).ok())
    }

    /// Forgets what is not read.
    pub(crate) fn clear(&mut self) {
        self.read(usize::MAX);
    }

    /// Bytes of memory held.
    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes.capacity() + self.marks.capacity() * size_of::<(u64, Stamp)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(n: usize) -> Stamp {
        Stamp { ts_ns: 0, packet_id: i64::try_from(n).unwrap() }
    }

    /// Proves that bytes come out in order, each with the packet it came in, however they are cut on their way in and out.
    #[test]
    fn every_byte_comes_out_with_its_packet() {
        proptest!(|(pushes in proptest::collection::vec(0usize..9, 0..30), reads in proptest::collection::vec(0usize..12, 0..60))| {
            let (mut inbox, mut all, mut done) = (Inbox::default(), Vec::new(), 0);
            let (mut pushes, mut packet) = (pushes.into_iter(), 0);
            for len in reads {
                if let Some(n) = pushes.next() {
                    packet += 1;
                    let bytes = vec![u8::try_from(packet % 251).unwrap(); n];
                    inbox.push(at(packet), &bytes);
                    all.extend(std::iter::repeat_n(packet, n));
                }
                let unread = all.len() - done;
                prop_assert_eq!(inbox.unread().len(), unread);
                let len = len.min(unread);
                let read = inbox.read(len);
                let expected = (len > 0).then(|| Span { first: at(all[done]), last: at(all[done + len - 1]) });
                prop_assert_eq!(read, expected);
                done += len;
                prop_assert_eq!(inbox.at(), all.get(done).map(|n| at(*n)));
            }
        });
    }
}
