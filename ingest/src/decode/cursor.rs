//! A place in a frame: the captured bytes still to be read, and how many there were on the wire.

/// What is left to read. Headers advance it, length fields narrow it; `data.len() <= len` always.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    data: &'a [u8],
    len: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first of `data`, of which the wire had `len` bytes (at least those captured).
    pub(super) fn new(data: &'a [u8], len: usize) -> Cursor<'a> {
        Cursor { data, len: len.max(data.len()) }
    }

    /// The captured bytes.
    #[inline]
    pub(super) fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Bytes by the headers' lengths, captured or not.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The next `N` bytes, without moving.
    #[inline]
    pub(super) fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.data.first_chunk()
    }

    /// The next `N` bytes; stays where it is when the capture has fewer.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.data.split_first_chunk()?;
        self.data = rest;
        self.len -= N;
        Some(head)
    }

    /// Moves `count` bytes on; when the capture has fewer, moves to the end of what it has and says `false`.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) -> bool {
        self.len = self.len.saturating_sub(count);
        match self.data.get(count..) {
            Some(rest) => {
                self.data = rest;
                true
            }
            None => {
                self.data = &[];
                false
            }
        }
    }

    /// Forgets what lies beyond the next `len` bytes (padding, trailers); `false` when there are not that many.
    #[inline]
    pub(super) fn limit(&mut self, len: usize) -> bool {
        if len > self.len {
            return false;
        }
        self.len = len;
        self.data = self.data.get(..len).unwrap_or(self.data);
        true
    }

    /// Forgets the last `count` bytes of the wire's.
    pub(super) fn trim_end(&mut self, count: usize) {
        self.limit(self.len.saturating_sub(count));
    }

    /// Whether the next half byte is `nibble`: the version field of IP.
    pub(super) fn starts_with_nibble(&self, nibble: u8) -> bool {
        self.data.first().is_some_and(|byte| byte >> 4 == nibble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_what_the_capture_cut() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5], 10);
        assert_eq!(cursor.take::<2>(), Some(&[1, 2]));
        assert_eq!((cursor.len(), cursor.data()), (8, &[3, 4, 5][..]));
        assert_eq!(cursor.take::<4>(), None);
        assert_eq!(cursor.len(), 8);
        assert!(!cursor.skip(4));
        assert_eq!((cursor.len(), cursor.data().len()), (4, 0));
    }

    #[test]
    fn limit_never_grows() {
        let mut cursor = Cursor::new(&[1, 2, 3], 8);
        assert!(!cursor.limit(9));
        assert!(cursor.limit(5));
        assert_eq!((cursor.len(), cursor.data().len()), (5, 3));
        cursor.trim_end(4);
        assert_eq!((cursor.len(), cursor.data()), (1, &[1][..]));
    }
}
