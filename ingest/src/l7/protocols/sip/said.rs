//! What a SIP message says (RFC 3261 section 7).

use crate::l7::{
    framed::{Frame, Message},
    text,
};

/// Headers kept of a message; a request through many proxies has some fifty.
const MAX_HEADERS: usize = 128;

/// Bytes of a header's value, or of a URI, kept.
const MAX_TEXT_BYTES: usize = 4 << 10;

#[derive(Debug)]
pub(super) enum Start {
    Request { method: String, uri: String },
    Response { code: u16, reason: String },
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) start: Start,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) cseq_method: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
    /// Without the headers that every message has.
    pub(super) malformed: bool,
}

/// Where the headers end: the length of all up to the empty line.
fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// How long the message is that begins here, over a stream.
pub(super) fn frame(bytes: &[u8]) -> Frame {
    // Empty lines between messages keep connections alive (RFC 5626 section 3.5.1).
    match bytes {
        [b'\r', b'\n', ..] => return Frame::Is(2),
        [b'\r'] => return Frame::Unknown,
        [first, ..] if !first.is_ascii_alphabetic() => return Frame::Garbage,
        _ => {}
    }
    let Some(len) = head_len(bytes) else { return Frame::Unknown };
    let head = bytes.get(..len).unwrap_or_default();
    let body = lines(head).filter_map(header).find(|(name, _)| name == "content-length");
    let body = body.and_then(|(_, value)| value.parse::<u32>().ok()).unwrap_or(0);
    Frame::Is(len as u64 + u64::from(body))
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).skip(1)
}

/// Name, in lower case and its long form, and value.
fn header(line: &[u8]) -> Option<(String, String)> {
    let at = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(at)?;
    let name = text::lossy(name.trim_ascii(), 64).to_ascii_lowercase();
    let name = match name.as_str() {
        "i" => "call-id",
        "f" => "from",
        "t" => "to",
        "m" => "contact",
        "v" => "via",
        "c" => "content-type",
        "l" => "content-length",
        "e" => "content-encoding",
        "k" => "supported",
        "s" => "subject",
        "o" => "event",
        "r" => "refer-to",
        "u" => "allow-events",
        "x" => "session-expires",
        other => other,
    }
    .to_owned();
    Some((name, text::lossy(value.get(1..)?.trim_ascii(), MAX_TEXT_BYTES)))
}

impl Said {
    /// `None` for what begins with no start line.
    pub(super) fn parse(message: &Message<'_>, body_limit: usize) -> Option<Said> {
        let bytes = message.bytes;
        let (head, body) = bytes.split_at_checked(head_len(bytes).unwrap_or(bytes.len()))?;
        let line = head.split(|byte| *byte == b'\n').next()?;
        let mut said = Said {
            start: Start::parse(&text::lossy(line.trim_ascii(), MAX_TEXT_BYTES))?,
            call_id: String::new(),
            cseq: 0,
            cseq_method: String::new(),
            headers: Vec::new(),
            body: (!body.is_empty()).then(|| text::text_or_hex(body.get(..body_limit).unwrap_or(body), body_limit)),
            malformed: false,
        };
        for line in lines(head) {
            if let [b' ' | b'\t', ..] = line {
                // Folded.
                if let Some((_, value)) = said.headers.last_mut()
                    && value.len() < MAX_TEXT_BYTES
                {
                    value.push(' ');
                    value.push_str(&text::lossy(line.trim_ascii(), MAX_TEXT_BYTES));
                }
            } else if said.headers.len() < MAX_HEADERS {
                said.headers.extend(header(line));
            }
        }
        said.call_id = said.header("call-id").unwrap_or_default().to_owned();
        let cseq = said.header("cseq").and_then(|cseq| cseq.split_once(' '));
        let cseq = cseq.and_then(|(number, method)| Some((number.parse().ok()?, method.trim().to_owned())));
        said.malformed = said.call_id.is_empty() || cseq.is_none();
        if let Some((number, method)) = cseq {
            (said.cseq, said.cseq_method) = (number, method);
        }
        Some(said)
    }

    /// The value of the first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn size_bytes(&self) -> usize {
        let start = match &self.start {
            Start::Request { method, uri } => method.capacity() + uri.capacity(),
            Start::Response { reason, .. } => reason.capacity(),
        };
        start + text::map_size_bytes(&self.headers) + text::size_bytes(self.body.iter().chain([&self.call_id]))
    }
}

impl Start {
    fn parse(line: &str) -> Option<Start> {
        if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            return Some(Start::Response { code: code.parse().ok()?, reason: reason.to_owned() });
        }
        let (method, rest) = line.split_once(' ')?;
        let (uri, _) = rest.rsplit_once(" SIP/2.0")?;
        Some(Start::Request { method: method.to_owned(), uri: uri.to_owned() })
    }
}
