//! Bodies: collected as far as a row keeps them, and shown as text.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::content::{self, Content};

/// The body of a message on its way.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// Its first bytes, as transferred.
    kept: Vec<u8>,
    /// How many bytes it has so far.
    size: u64,
    /// What is kept is not all of it.
    cut: bool,
}

/// A body as a row has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    /// `base64` where the text is that.
    pub(super) encoding: Option<&'static str>,
    pub(super) truncated: bool,
}

impl Body {
    /// Its next bytes, without the framing of the transfer. `limit` of them are kept at most.
    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) {
        self.size += bytes.len() as u64;
        let room = if self.cut { 0 } else { limit.saturating_sub(self.kept.len()) };
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.cut |= bytes.len() > room;
    }

    /// Bytes of it that the capture does not have: nothing behind them is kept.
    pub(super) fn lose(&mut self, bytes: u64) {
        self.size += bytes;
        self.cut = true;
    }

    /// Bytes transferred.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Its first bytes, as transferred.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// What it says, `limit` bytes at most, with the content codings undone, if they can be. `None` for an empty one.
    pub(super) fn show(&self, codings: Option<&str>, limit: usize) -> Option<Shown> {
        if self.size == 0 {
            return None;
        }
        let as_sent = Content { bytes: (&self.kept).into(), whole: true };
        let content = codings.and_then(|codings| content::undo(codings, &self.kept, limit)).unwrap_or(as_sent);
        let truncated = self.cut || !content.whole;
        let (text, encoding) = show(&content.bytes, truncated);
        Some(Shown { text, encoding, truncated })
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.kept.capacity()
    }
}

/// Bytes as text, or as base64 where they are none, and which of the two. What is cut may end within a character.
pub(super) fn show(bytes: &[u8], cut: bool) -> (String, Option<&'static str>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(e) if cut && e.error_len().is_none() => {
            bytes.get(..e.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
        }
        Err(_) => None,
    };
    match text {
        // A text column of SQL has no NUL.
        Some(text) if !text.contains('\0') => (text.to_owned(), None),
        _ => (STANDARD.encode(bytes), Some("base64")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::content::tests::gzip, *};

    fn body(pieces: &[&[u8]], limit: usize) -> Body {
        let mut body = Body::default();
        pieces.iter().for_each(|piece| body.push(piece, limit));
        body
    }

    fn shown(text: &str, encoding: Option<&'static str>, truncated: bool) -> Option<Shown> {
        Some(Shown { text: text.to_owned(), encoding, truncated })
    }

    /// Proves what is text and what is not, that what is cut says so, and that a character cut in two does not make text binary.
    #[test]
    fn a_body_is_text_or_base64_and_says_when_it_is_cut() {
        assert_eq!(body(&[b"ab", b"c"], 3).show(None, 9), shown("abc", None, false));
        assert_eq!(body(&[b"ab", b"cd"], 3).show(None, 9), shown("abc", None, true));
        assert_eq!(body(&["aé".as_bytes(), b"!"], 2).show(None, 9), shown("a", None, true));
        assert_eq!(body(&[b"a\xc3"], 2).show(None, 9), shown("YcM=", Some("base64"), false));
        assert_eq!(body(&[b"a\0"], 2).show(None, 9), shown("YQA=", Some("base64"), false));
        assert_eq!(body(&[], 2).show(None, 9), None);
        let mut lost = body(&[b"ab"], 9);
        lost.lose(2);
        lost.push(b"ef", 9);
        assert_eq!((lost.size(), lost.show(None, 9)), (6, shown("ab", None, true)));
    }

    /// Proves that a coded body is shown as what it says, and as it came where that is not possible.
    #[test]
    fn a_coded_body_is_shown_as_what_it_says() {
        let coded = gzip(b"hello");
        assert_eq!(body(&[&coded], 99).show(Some("gzip"), 99), shown("hello", None, false));
        assert_eq!(body(&[&coded], 99).show(Some("gzip"), 3), shown("hel", None, true));
        assert_eq!(body(&[b"plain"], 99).show(Some("gzip"), 99), shown("plain", None, false));
    }
}
