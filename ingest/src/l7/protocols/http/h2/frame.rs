//! Frames (RFC 9113 sections 4 and 6): their heads, and whether bytes look like any.
//!
//! ```text
//! offset  size  field
//!      0     3  length of the payload
//!      3     1  type
//!      4     1  flags
//!      5     4  reserved bit, stream
//!      9        payload
//! ```

/// Bytes of a frame before its payload.
pub(super) const HEAD_BYTES: usize = 9;

/// What a client says first (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (section 6).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(super) mod flags {
    pub(in super::super) const ACK: u8 = 0x1;
    pub(in super::super) const END_STREAM: u8 = 0x1;
    pub(in super::super) const END_HEADERS: u8 = 0x4;
    pub(in super::super) const PADDED: u8 = 0x8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// Payload of a frame at most where it is guessed that one begins: random bytes seldom say so little.
const MAX_GUESSED_BYTES: usize = 1 << 20;

/// Settings of a first frame at most where it is to tell the protocol: those that are defined, and some to come.
const MAX_SETTINGS: usize = 16;

/// What a frame says before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of its payload.
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    reserved: bool,
}

impl Head {
    /// The head that begins here, if all of it is here.
    pub(super) fn parse(bytes: &[u8]) -> Option<Head> {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3, ..] = bytes else { return None };
        let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
        let len = u32::from_be_bytes([0, *l0, *l1, *l2]) as usize;
        Some(Head { len, kind: *kind, flags: *flags, stream: stream & 0x7fff_ffff, reserved: stream >> 31 != 0 })
    }

    /// Whether all of these flags are set.
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Whether length and stream are such as the type allows. Types not known are allowed anything (section 5.5).
    pub(super) fn is_possible(&self) -> bool {
        match self.kind {
            kind::DATA | kind::CONTINUATION => self.stream != 0,
            kind::HEADERS => self.stream != 0 && self.len > 0,
            kind::PRIORITY => self.stream != 0 && self.len == 5,
            kind::RST_STREAM => self.stream != 0 && self.len == 4,
            kind::SETTINGS => self.stream == 0 && self.len.is_multiple_of(6),
            kind::PUSH_PROMISE => self.stream != 0 && self.len > 4,
            kind::PING => self.stream == 0 && self.len == 8,
            kind::GOAWAY => self.stream == 0 && self.len >= 8,
            kind::WINDOW_UPDATE => self.len == 4,
            _ => true,
        }
    }

    /// Whether, besides, everything is as it is commonly: for bytes that may be anything.
    fn is_likely(&self) -> bool {
        let allowed = match self.kind {
            kind::DATA => flags::END_STREAM | flags::PADDED,
            kind::HEADERS => flags::END_STREAM | flags::END_HEADERS | flags::PADDED | flags::PRIORITY,
            kind::PUSH_PROMISE => flags::END_HEADERS | flags::PADDED,
            kind::CONTINUATION => flags::END_HEADERS,
            kind::SETTINGS | kind::PING => flags::ACK,
            kind::PRIORITY | kind::RST_STREAM | kind::GOAWAY | kind::WINDOW_UPDATE => 0,
            _ => return false,
        };
        self.is_possible() && !self.reserved && self.flags & !allowed == 0 && self.len <= MAX_GUESSED_BYTES
    }
}

/// The heads of the frames that follow each other from here on, and whether all of a frame is here; up to the first bytes that
/// are no likely head, for which it gives `None`.
fn walk(mut bytes: &[u8]) -> impl Iterator<Item = Option<(Head, bool)>> {
    std::iter::from_fn(move || {
        let head = Head::parse(bytes)?;
        if !head.is_likely() {
            bytes = &[];
            return Some(None);
        }
        let rest = bytes.get(HEAD_BYTES + head.len..);
        bytes = rest.unwrap_or_default();
        Some(Some((head, rest.is_some())))
    })
}

/// Whether frames begin here, or the preface does: asked where bytes before are missing.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let mut frames = walk(bytes).peekable();
    bytes.starts_with(PREFACE) || frames.peek().is_some() && frames.all(|frame| frame.is_some())
}

/// Whether these are the first bytes of a conversation: the preface of a client or the settings of a server; or whole frames, as
/// a packet of one already under way has. Frames of data alone do not tell.
pub(super) fn shows(bytes: &[u8]) -> bool {
    const FIRST_LINE: usize = 16;
    if bytes.starts_with(PREFACE.get(..FIRST_LINE).unwrap_or_default()) {
        return true;
    }
    let Some(first) = Head::parse(bytes) else { return false };
    if first.kind == kind::SETTINGS && first.flags == 0 {
        let known = |setting: &[u8]| matches!(setting, [0, 1..=16, ..]);
        let settings = bytes.get(HEAD_BYTES..).unwrap_or_default();
        let settings = settings.get(..first.len).unwrap_or(settings);
        return first.is_likely() && first.len <= 6 * MAX_SETTINGS && settings.chunks_exact(6).all(known);
    }
    let tells = |frame: Option<(Head, bool)>| frame.is_some_and(|(head, whole)| whole && head.kind != kind::DATA);
    begins(bytes) && walk(bytes).any(tells)
}

/// The payload without padding, and without what stands before the block in frames with priority: `None` if that is longer.
pub(super) fn content(head: Head, mut payload: &[u8]) -> Option<&[u8]> {
    if head.has(flags::PADDED) {
        let (pad, rest) = payload.split_first()?;
        payload = rest.get(..rest.len().checked_sub(usize::from(*pad))?)?;
    }
    if head.kind == kind::HEADERS && head.has(flags::PRIORITY) {
        payload = payload.get(5..)?;
    }
    Some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that first bytes of both ends and packets from the middle are recognised, and neither bytes of a body nor
    /// first bytes of other protocols.
    #[test]
    fn frames_are_recognised() {
        let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64";
        let update = b"\0\0\x04\x08\0\0\0\0\0\0\x0f\0\x01";
        let headers = b"\0\0\x01\x01\x04\0\0\0\x01\x88";
        let data = b"\0\0\x05\0\x01\0\0\0\x01hello";
        for (bytes, shown) in [
            (&PREFACE[..16], true),
            (&settings[..9], true),
            (settings, true),
            (update, true),
            (headers, true),
            (&[&headers[..], &data[..12]].concat(), true),
            (data, false),
            (&headers[..9], false),
            (&[&headers[..], b"random bytes"].concat(), false),
            (b"\0\0\x06\x04\0\0\0\0\0\xff\x03\0\0\0\x64", false),
            (b"GET / HTTP/1.1\r\n\r\n", false),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", false),
            (b"\0\0\0\x23\0\x12\0\x03\0\0\0\x01\0\x09client-id", false),
        ] {
            assert_eq!(shows(bytes), shown, "{bytes:?}");
        }
        assert!(begins(data) && begins(&data[..9]) && !begins(b"hello, this is the middle of a body"));
    }
}
