//! Replies of three digits and text, of one line or several, as SMTP (RFC 5321 section 4.2.1) and FTP (RFC 959 section 4.2) share
//! them, and the lines that they answer.

use crate::l7::{framed::Frame, text};

/// Bytes of a reply's text kept.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// A reply.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Its lines without the code.
    pub(super) text: String,
}

/// How long the line is that begins here, with its end.
pub(super) fn line(head: &[u8]) -> Frame {
    head.iter().position(|byte| *byte == b'\n').map_or(Frame::Unknown, |at| Frame::Is(at as u64 + 1))
}

/// Without the end of its line.
pub(super) fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a reply may begin here; unknown by less than four bytes.
pub(super) fn begins(head: &[u8]) -> Option<bool> {
    match head {
        [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9', after, ..] => Some(matches!(after, b' ' | b'-' | b'\r' | b'\n')),
        [] => None,
        [b'1'..=b'5'] | [b'1'..=b'5', b'0'..=b'9'] | [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => None,
        _ => Some(false),
    }
}

/// How long the reply is that begins here, with all its lines.
pub(super) fn frame(head: &[u8]) -> Frame {
    match begins(head) {
        None => return Frame::Unknown,
        Some(false) => return Frame::Garbage,
        Some(true) => {}
    }
    let code = head.get(..3);
    let mut end = 0;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            return Frame::Unknown;
        }
        end += line.len();
        if line.get(..3) == code && line.get(3) != Some(&b'-') {
            return Frame::Is(end as u64);
        }
    }
    Frame::Unknown
}

/// Reads what [`frame`] has found.
pub(super) fn read(bytes: &[u8]) -> Option<Reply> {
    let code = bytes.get(..3)?;
    let number = std::str::from_utf8(code).ok()?.parse().ok()?;
    let mut shown = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = trim(line);
        let said = if line.starts_with(code) { line.get(4..).unwrap_or_default() } else { line };
        if !shown.is_empty() {
            shown.push('\n');
        }
        shown.push_str(&text::lossy(said, MAX_TEXT_BYTES.saturating_sub(shown.len())));
    }
    Some(Reply { code: number, text: shown })
}

/// The word that a line begins with, in upper case, and what comes after it.
pub(super) fn words(line: &[u8]) -> (String, &[u8]) {
    let line = trim(line);
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (text::lossy(word, 32).to_ascii_uppercase(), rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves where replies end, of one line and several, and that what is none is known as soon as it can be.
    #[test]
    fn a_reply_ends_with_its_last_line() {
        for (head, expected) in [
            (&b"220 hi\r\n250"[..], Frame::Is(8)),
            (b"250-a\r\n250-b\r\n250 c\r\n", Frame::Is(21)),
            (b"211-a\r\n 211 not yet\r\n212 nor this\r\n211\r\n", Frame::Is(40)),
            (b"250-a\r\n250 b", Frame::Unknown),
            (b"25", Frame::Unknown),
            (b"2500 x\r\n", Frame::Garbage),
            (b"EHLO x\r\n", Frame::Garbage),
        ] {
            assert_eq!(frame(head), expected, "{head:?}");
        }
        let reply = read(b"211-a\r\n x\r\n211 end\r\n").unwrap();
        assert_eq!((reply.code, &*reply.text), (211, "a\n x\nend"));
    }
}
