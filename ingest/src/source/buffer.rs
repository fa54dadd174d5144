//! The window over a byte stream that records are parsed in: refilled in large reads, lent out without a copy.
//!
//! The one fact to know: bytes taken from the window stay where they are until the next [`fill`](Buffer::fill), so a record's
//! data can be a range of it. What is read ahead is at most [`WINDOW_BYTES`], or the largest record asked for.

use std::{
    io::{self, Read},
    ops::Range,
};

/// Bytes asked for in one read: large enough that system calls do not show, small enough to stay in the second-level cache.
const WINDOW_BYTES: usize = 512 * 1024;

/// How the stream ended.
#[derive(Debug)]
pub(super) enum Stop {
    Eof,
    Failed(io::Error),
}

pub(super) struct Buffer {
    reader: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of `bytes[0]`.
    base: u64,
    stop: Option<Stop>,
}

impl Buffer {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Buffer {
        Buffer { reader, bytes: vec![0; WINDOW_BYTES], start: 0, end: 0, base: 0, stop: None }
    }

    /// Makes at least `want` bytes available; false when the stream ends or fails before. The caller bounds `want`.
    #[inline]
    pub(super) fn fill(&mut self, want: usize) -> bool {
        self.end - self.start >= want || self.refill(want)
    }

    #[cold]
    fn refill(&mut self, want: usize) -> bool {
        if self.stop.is_some() {
            return false;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if want > self.bytes.len() {
            self.bytes.resize(want, 0);
        }
        while self.end < want {
            let room = self.bytes.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(room) {
                Ok(0) => self.stop = Some(Stop::Eof),
                Ok(n) => self.end += n,
                Err(e) => self.stop = Some(Stop::Failed(e)),
            }
            if self.stop.is_some() {
                return self.end >= want;
            }
        }
        true
    }

    /// What is available now.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Offset in the stream of the window's first byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Moves past `n` available bytes and says where they are, for [`slice`](Self::slice) before the next fill.
    #[inline]
    pub(super) fn take(&mut self, n: usize) -> Range<usize> {
        let from = self.start;
        self.start = self.end.min(from + n);
        from..self.start
    }

    /// Bytes that were taken since the last fill.
    #[inline]
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Moves past `n` bytes of the stream without keeping them; false when it ends before.
    pub(super) fn skip(&mut self, mut n: u64) -> bool {
        loop {
            let available = (self.end - self.start) as u64;
            let step = available.min(n);
            // Not above `available`, which came from a usize.
            self.start += usize::try_from(step).unwrap_or(self.end - self.start);
            n -= step;
            if n == 0 {
                return true;
            }
            if !self.fill(1) {
                return false;
            }
        }
    }

    /// Whether the stream ended, without a failure, at the window's first byte.
    pub(super) fn is_clean_end(&mut self) -> bool {
        !self.fill(1) && matches!(self.stop, Some(Stop::Eof))
    }

    /// Why the last fill gave too little.
    pub(super) fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes read ahead, and the rest of the stream.
    pub(super) fn into_parts(mut self) -> (Vec<u8>, Box<dyn Read + Send>) {
        self.bytes.truncate(self.end);
        self.bytes.drain(..self.start);
        (self.bytes, self.reader)
    }
}
