//! Bytes of the wire as text.

use std::fmt::Write as _;

/// Text as it is, what is no UTF-8 replaced, at most `limit` bytes of it and no half character.
pub(crate) fn lossy(bytes: &[u8], limit: usize) -> String {
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

/// Two digits a byte, lower case, of at most `limit` bytes.
pub(crate) fn hex(bytes: &[u8], limit: usize) -> String {
    let bytes = bytes.get(..limit).unwrap_or(bytes);
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Text if it looks like some, otherwise [`hex`].
pub(crate) fn text_or_hex(bytes: &[u8], limit: usize) -> String {
    let looks = |text: &&str| !text.chars().any(|c| c.is_control() && !c.is_whitespace());
    match std::str::from_utf8(bytes).ok().filter(looks) {
        Some(_) => lossy(bytes, limit),
        None => hex(bytes, limit),
    }
}

/// Pairs of names and values, as a map's column takes them.
pub(crate) fn pairs(map: &[(String, String)]) -> Vec<(&str, &str)> {
    map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Texts, as a list's column takes them.
pub(crate) fn refs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Bytes of memory that texts hold.
pub(crate) fn size_bytes<'a>(texts: impl IntoIterator<Item = &'a String>) -> usize {
    texts.into_iter().map(|text| size_of::<String>() + text.capacity()).sum()
}

/// Bytes of memory that a map holds.
pub(crate) fn map_size_bytes(map: &[(String, String)]) -> usize {
    map.iter().map(|(name, value)| 2 * size_of::<String>() + name.capacity() + value.capacity()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that any bytes become text within the limit, and that hex is for what is no text.
    #[test]
    fn bytes_become_text_within_the_limit() {
        assert_eq!(lossy(b"caf\xc3\xa9s", 5), "caf\u{e9}");
        assert_eq!(lossy(b"caf\xc3\xa9s", 4), "caf", "cut within a character");
        assert_eq!(lossy(b"a\xffbcd", 3), "a\u{fffd}b");
        assert_eq!((head("a\u{e4}b", 2), head("ab", 9)), ("a", "ab"));
        assert_eq!(hex(&[0, 0xab, 0xff], 2), "00ab");
        assert_eq!(text_or_hex(b"bob\t1", 9), "bob\t1");
        assert_eq!(text_or_hex(b"\x01bob", 9), "01626f62");
    }
}
