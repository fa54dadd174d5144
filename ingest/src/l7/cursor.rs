//! Reading numbers and pieces of bytes from front to back, never past their end.

/// What is left to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor(bytes)
    }

    /// All that is left, which stays.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `len` bytes, if there are so many.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `len` bytes, or those there are.
    pub(crate) fn take_some(&mut self, len: usize) -> &'a [u8] {
        self.take(len.min(self.0.len())).unwrap_or_default()
    }

    /// The next bytes, as many as the caller's pattern has.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// What is before the next zero byte, which is read too; what is left, if there is none.
    pub(crate) fn until_zero(&mut self) -> &'a [u8] {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let taken = self.take_some(len);
        self.take_some(1);
        taken
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Big-endian, as all below.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that numbers come in network order, and that a read past the end takes nothing.
    #[test]
    fn reads_stop_at_the_end() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(
            (cursor.u8(), cursor.u16(), cursor.u32(), cursor.u24()),
            (Some(1), Some(0x0203), None, Some(0x040506))
        );
        assert_eq!((cursor.is_empty(), cursor.take_some(9), cursor.u64()), (true, &[][..], None));
        let mut cursor = Cursor::new(b"ab\0cd");
        assert_eq!((cursor.until_zero(), cursor.until_zero(), cursor.until_zero()), (&b"ab"[..], &b"cd"[..], &b""[..]));
    }
}
