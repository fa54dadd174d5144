//! Bytes of a stream that come in pieces, in any order.

use std::collections::BTreeMap;

/// Bytes that wait for those before them, with what each piece takes beside its bytes. RFC 9000 section 7.5 asks ends to hold
/// 4096; hellos with post-quantum keys come in pieces of a few kilobytes.
const MAX_WAITING_BYTES: usize = 64 << 10;

/// What a waiting piece takes beside its bytes.
const PIECE_BYTES: usize = 64;

/// The pieces of one stream.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// Those before came out.
    next: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    waiting_bytes: usize,
}

impl Pieces {
    /// Takes in a piece; gives out what is in order then. A piece that does not fit any more is let go of.
    pub(crate) fn push(&mut self, offset: u64, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        if offset > self.next {
            let more = bytes.len() + PIECE_BYTES;
            let known = self.waiting.get(&offset).map_or(0, Vec::len);
            if self.waiting_bytes + more <= MAX_WAITING_BYTES && bytes.len() > known {
                self.forget(offset);
                self.waiting_bytes += more;
                self.waiting.insert(offset, bytes.to_vec());
            }
            return;
        }
        self.give(offset, bytes, &mut out);
        while let Some((&offset, _)) = self.waiting.first_key_value().filter(|(offset, _)| **offset <= self.next) {
            let bytes = self.forget(offset);
            self.give(offset, &bytes, &mut out);
        }
    }

    fn give(&mut self, offset: u64, bytes: &[u8], out: &mut impl FnMut(&[u8])) {
        let known = usize::try_from(self.next - offset).unwrap_or(usize::MAX);
        let new = bytes.get(known..).unwrap_or_default();
        if !new.is_empty() {
            self.next = self.next.saturating_add(new.len() as u64);
            out(new);
        }
    }

    fn forget(&mut self, offset: u64) -> Vec<u8> {
        let Some(bytes) = self.waiting.remove(&offset) else { return Vec::new() };
        self.waiting_bytes -= bytes.len() + PIECE_BYTES;
        bytes
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.waiting_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Proves that pieces that overlap, repeat and come in any order give each byte once, in order.
    #[test]
    fn bytes_come_out_once_and_in_order() {
        proptest!(|(cuts in proptest::collection::vec((0usize..200, 0usize..80), 0..60))| {
            let whole: Vec<u8> = (0..=255).collect();
            let (mut pieces, mut given) = (Pieces::default(), Vec::new());
            let all = whole.chunks(40).enumerate().map(|(n, chunk)| (n * 40, chunk.len())).rev();
            for (at, len) in cuts.into_iter().chain(all) {
                let end = (at + len).min(whole.len());
                pieces.push(at as u64, &whole[at..end], |bytes| given.extend_from_slice(bytes));
                prop_assert_eq!(&given[..], &whole[..given.len()]);
            }
            prop_assert_eq!(given, whole);
            prop_assert_eq!(pieces.size_bytes(), 0);
        });
    }

    /// Proves that what waits is bounded.
    #[test]
    fn what_waits_is_bounded() {
        let mut pieces = Pieces::default();
        (1..100_000).for_each(|at| pieces.push(at * 2, b"x", |_| {}));
        assert!(pieces.size_bytes() <= MAX_WAITING_BYTES);
    }
}
