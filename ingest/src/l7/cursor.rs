//! Reading fields of a message one after the other. What is not there is `None`; nothing here fails.

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes, for the `from_be_bytes` and `from_le_bytes` of a number.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*array)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next `len` bytes, or those that are there.
    pub(crate) fn take_up_to(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// What is before the next zero byte, which is read too; what is left, if there is none.
    pub(crate) fn until_zero(&mut self) -> &'a [u8] {
        let len = self.rest.iter().position(|byte| *byte == 0).unwrap_or(self.rest.len());
        let taken = self.take_up_to(len);
        self.take_up_to(1);
        taken
    }
}

/// Text from the wire: at most `limit` bytes of it, with U+FFFD for what is no UTF-8.
pub(crate) fn text(bytes: &[u8], limit: usize) -> String {
    let cut = bytes.get(..limit).unwrap_or(bytes);
    match str::from_utf8(cut) {
        // The last character is cut in the middle: it goes.
        Err(e) if e.error_len().is_none() && cut.len() < bytes.len() => {
            String::from_utf8_lossy(cut.get(..e.valid_up_to()).unwrap_or_default()).into_owned()
        }
        _ => String::from_utf8_lossy(cut).into_owned(),
    }
}

/// The beginning of a text, at most `limit` bytes of it.
pub(crate) fn head(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that fields are read in order and that what is missing is `None` and reads nothing.
    #[test]
    fn fields_are_read_in_order() {
        let mut cursor = Cursor::new(b"\x01\x02\x03ab\0cd");
        assert_eq!((cursor.byte(), cursor.array()), (Some(1), Some([2, 3])));
        assert_eq!((cursor.take(9), cursor.until_zero(), cursor.take_up_to(9)), (None, &b"ab"[..], &b"cd"[..]));
        assert_eq!((cursor.byte(), cursor.until_zero()), (None, &b""[..]));
    }

    /// Proves that text is cut between characters, and that bytes which are none do not lose the rest.
    #[test]
    fn text_is_bounded_and_lossy() {
        assert_eq!(text("aäb".as_bytes(), 2), "a");
        assert_eq!(text("aäb".as_bytes(), 3), "aä");
        assert_eq!(text(b"a\xffb", 9), "a\u{fffd}b");
        assert_eq!(text(b"a\xffbcd", 3), "a\u{fffd}b");
        assert_eq!((head("aäb", 2), head("ab", 9)), ("a", "ab"));
    }
}
