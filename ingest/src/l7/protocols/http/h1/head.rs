//! Header sections of HTTP/1 (RFC 9112 sections 2 to 5), read as leniently as servers and browsers do: a line that is no field is
//! passed over and said, since what an attacker sends is worth more here than what the grammar allows.

use super::super::fields::Fields;

/// What a message says before its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) start: Start,
    pub(super) version: &'static str,
    pub(super) fields: Fields,
    /// Something in it is not as it should be.
    pub(super) malformed: bool,
}

/// Its first line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    Request { method: String, target: String },
    Response { status: u16 },
}

/// Whether a message begins with some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// By all that can be seen.
    Yes,
    /// Not enough of it is here to tell.
    Perhaps,
    No,
}

/// Bytes of a method at most; the longest one registered has 17 (UPDATEREDIRECTREF).
const MAX_METHOD_BYTES: usize = 24;

/// Bytes of a first line at most by which a request is known that has an unknown method.
const MAX_LINE_BYTES: usize = 16 << 10;

/// The methods by which a request is known even where its first line is cut off or wrong.
const METHODS: [&str; 17] = [
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
];

/// Whether a request or a response begins with these bytes, of which there is at least one.
pub(super) fn begins(bytes: &[u8]) -> Begins {
    if bytes.starts_with(b"HTTP/") {
        return Begins::Yes;
    }
    if b"HTTP/".starts_with(bytes) {
        return Begins::Perhaps;
    }
    let method = bytes.iter().take(MAX_METHOD_BYTES + 1).take_while(|b| is_token(**b)).count();
    let (name, rest) = bytes.split_at_checked(method).unwrap_or_default();
    match rest {
        [] if method <= MAX_METHOD_BYTES => Begins::Perhaps,
        [b' ' | b'\t'] if method > 0 => Begins::Perhaps,
        [b' ' | b'\t', next, ..] if method > 0 && (b' '..0x7f).contains(next) => {
            match rest.iter().position(|b| *b == b'\n') {
                Some(end)
                    if METHODS.iter().any(|m| m.as_bytes() == name)
                        || has_version(rest.get(..end).unwrap_or_default()) =>
                {
                    Begins::Yes
                }
                None if rest.len() <= MAX_LINE_BYTES => Begins::Yes,
                _ => Begins::No,
            }
        }
        _ => Begins::No,
    }
}

fn has_version(line: &[u8]) -> bool {
    line.windows(6).any(|window| window == b" HTTP/")
}

/// Whether a request or a response begins with these bytes, seen by no more than them: asked where it could be anything. A line
/// that is whole must say its version; of one that is cut off the method is known, and the target not that of SIP or RTSP, which
/// share some.
pub(super) fn begins_here(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"HTTP/1.") || bytes.starts_with(b"PRI * HTTP/2.0") {
        return true;
    }
    let method = bytes.iter().take(MAX_METHOD_BYTES).take_while(|b| is_token(**b)).count();
    let (name, rest) = bytes.split_at_checked(method).unwrap_or_default();
    let Some(rest) = rest.strip_prefix(b" ").filter(|_| method > 0) else { return false };
    match rest.iter().position(|b| *b == b'\n') {
        Some(end) => rest.get(..end).is_some_and(|line| line.windows(8).any(|window| window == b" HTTP/1.")),
        None => {
            // Of a target that is cut off within such a scheme, no more than that is known.
            let is_ours = |target: &[u8]| {
                [&b"sip:"[..], b"sips:", b"rtsp:"].iter().all(|s| !target.starts_with(s) && !s.starts_with(target))
            };
            let is_text = rest.first().is_some_and(u8::is_ascii_graphic) && !rest.contains(&0);
            METHODS.iter().any(|known| known.as_bytes() == name) && is_text && is_ours(rest)
        }
    }
}

/// Where the header section ends that these bytes begin with: behind its empty line, or behind the one line of an HTTP/0.9
/// request. What is before `from` was searched before.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(2);
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|b| *b == b'\n')? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
        let line = bytes.get(..at).filter(|line| from < at && is_simple_request(line));
        if line.is_some() {
            return Some(at);
        }
    }
}

/// The whole request of HTTP/0.9: `GET /path` and the line's end.
pub(super) fn is_simple_request(line: &[u8]) -> bool {
    let target = line.strip_prefix(b"GET /").map(<[u8]>::trim_ascii_end);
    target.is_some_and(|target| line.ends_with(b"\n") && target.iter().all(u8::is_ascii_graphic))
}

/// Reads a header section, or the beginning of one. `None` where its first line is that of neither request nor response.
pub(super) fn parse(bytes: &[u8]) -> Option<Head> {
    let mut lines = bytes.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next()?;
    let (start, version, mut malformed) = match first {
        status if status.starts_with(b"HTTP/") => status_line(status)?,
        cut if cut.len() == bytes.len() => cut_request_line(cut)?,
        line => request_line(line)?,
    };
    let mut fields = Fields::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            malformed |= fields.is_empty();
            fields.fold(line.trim_ascii());
            continue;
        }
        let colon = line.iter().position(|b| *b == b':');
        let Some((name, value)) = colon.and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?))) else {
            malformed = true;
            continue;
        };
        let trimmed = name.trim_ascii_end();
        malformed |= trimmed.len() < name.len() || trimmed.is_empty() || !trimmed.iter().all(|b| is_token(*b));
        fields.push_wire(trimmed, value.trim_ascii());
    }
    Some(Head { start, version, fields, malformed })
}

fn status_line(line: &[u8]) -> Option<(Start, &'static str, bool)> {
    let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
    let (version, known) = version(words.next()?);
    let code = words.next()?;
    let status = std::str::from_utf8(code).ok()?.parse().ok().filter(|status| (100..1000).contains(status))?;
    Some((Start::Response { status }, version, !known))
}

/// Of a request line that is cut off: its method, and its target as far as it goes.
fn cut_request_line(line: &[u8]) -> Option<(Start, &'static str, bool)> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some((Start::Request { method, target }, "HTTP/1.1", true))
}

fn request_line(line: &[u8]) -> Option<(Start, &'static str, bool)> {
    let text = String::from_utf8_lossy(line);
    let (method, rest) = text.split_once([' ', '\t'])?;
    let rest = rest.trim();
    let (target, named) = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => (target.trim_end(), Some(version)),
        _ => (rest, None),
    };
    let (version, known) = match named {
        Some(named) => version(named.as_bytes()),
        None if METHODS.contains(&method) => ("HTTP/0.9", method == "GET"),
        None => return None,
    };
    let malformed = !known
        || target.is_empty()
        || target.contains(char::is_whitespace)
        || target.contains(char::REPLACEMENT_CHARACTER);
    Some((Start::Request { method: method.to_owned(), target: target.to_owned() }, version, malformed))
}

/// The version by its name, and whether that is one; HTTP/1.1 where it is not, since that is what most take it for.
fn version(name: &[u8]) -> (&'static str, bool) {
    match name {
        b"HTTP/1.1" => ("HTTP/1.1", true),
        b"HTTP/1.0" => ("HTTP/1.0", true),
        b"HTTP/0.9" => ("HTTP/0.9", true),
        _ => ("HTTP/1.1", false),
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &[u8]) -> Option<(String, String, &'static str, bool)> {
        match parse(head)? {
            Head { start: Start::Request { method, target }, version, malformed, .. } => {
                Some((method, target, version, malformed))
            }
            Head { start: Start::Response { .. }, .. } => None,
        }
    }

    /// Proves what is read of first lines, right and wrong.
    #[test]
    fn first_lines_are_read_as_they_are_meant() {
        for (line, method, target, version, malformed) in [
            (&b"GET /a HTTP/1.1\r\n\r\n"[..], "GET", "/a", "HTTP/1.1", false),
            (b"PURGE  /a  HTTP/1.0\n\n", "PURGE", "/a", "HTTP/1.0", false),
            (b"GET /a b HTTP/1.1\r\n\r\n", "GET", "/a b", "HTTP/1.1", true),
            (b"GET /a HTTP/7.3\r\n\r\n", "GET", "/a", "HTTP/1.1", true),
            (b"GET /a\r\n", "GET", "/a", "HTTP/0.9", false),
            (b"GET /a HTT", "GET", "/a", "HTTP/1.1", true),
            (b"POST /a\r\n\r\n", "POST", "/a", "HTTP/0.9", true),
        ] {
            let expected = (method.to_owned(), target.to_owned(), version, malformed);
            assert_eq!(request(line), Some(expected), "{line:?}");
        }
        assert_eq!(request(b"hello world\r\n\r\n"), None);
        let status = |line: &[u8]| parse(line).map(|head| (head.start, head.malformed));
        assert_eq!(status(b"HTTP/1.1  204\r\n\r\n"), Some((Start::Response { status: 204 }, false)));
        assert_eq!(status(b"HTTP/1.7 404\r\n\r\n"), Some((Start::Response { status: 404 }, true)));
        assert_eq!(status(b"HTTP/1.1 20\r\n\r\n"), None);
        assert_eq!(status(b"HTTP/1.1 OK\r\n\r\n"), None);
    }

    /// Proves that fields are found whatever stands between them, and that it is said when something does.
    #[test]
    fn fields_are_read_around_what_is_none() {
        let good = parse(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: b\r\n  c\r\nempty:\r\n\r\nbody: x").unwrap();
        assert_eq!(good.fields.pairs(), [("host", "a"), ("x-long", "b c"), ("empty", "")]);
        assert!(!good.malformed);
        for bad in [
            &b"GET / HTTP/1.1\r\nno field\r\nA: b\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\n: x\r\nA: b",
            b"GET / HTTP/1.1\r\nA : b",
        ] {
            let head = parse(bad).unwrap();
            assert_eq!((head.fields.get("a"), head.malformed), (Some("b"), true));
        }
    }

    /// Proves where header sections end, found from any place that was searched before.
    #[test]
    fn the_end_is_found_from_wherever_the_search_goes_on() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest"[..], Some(24)),
            (b"GET / HTTP/1.1\nA: b\n\nrest", Some(21)),
            (b"GET /a\r\nrest", Some(8)),
            (b"GET / HTTP/1.1\r\nA: b\r\n", None),
        ] {
            for from in 0..bytes.len() {
                let seen = bytes.get(..from).unwrap();
                if end(seen, 0).is_none() {
                    assert_eq!(end(bytes, from), expected, "from {from}");
                }
            }
        }
    }

    /// Proves what may be the beginning of a message, from its first byte on.
    #[test]
    fn beginnings_are_told_from_noise() {
        for (bytes, expected) in [
            (&b"H"[..], Begins::Perhaps),
            (b"HTTP/1", Begins::Yes),
            (b"PROPFIND", Begins::Perhaps),
            (b"GET ", Begins::Perhaps),
            (b"GET /", Begins::Yes),
            (b"PURGE /a HTTP/1.1\r\n", Begins::Yes),
            (b"dolor sit amet\n", Begins::No),
            (b"\x81\x05", Begins::No),
            (b"{\"a\": 1}", Begins::No),
            (b"GET\0", Begins::No),
            (b" x", Begins::No),
            (b"abcdefghijklmnopqrstuvwxyz", Begins::No),
        ] {
            assert_eq!(begins(bytes), expected, "{bytes:?}");
        }
        assert!(begins_here(b"GET /a HTTP/1.1\r\n") && begins_here(b"POST /very/lo") && begins_here(b"HTTP/1.1 2"));
        assert!(
            begins_here(b"SUBSCRIBE /e HTTP/1.1\r\n") && !begins_here(b"OPTIONS rtsp://a") && !begins_here(b"GET \0")
        );
        assert!(!begins_here(b"OPTIONS s") && !begins_here(b"OPTIONS sip") && begins_here(b"OPTIONS sit"));
        assert!(!begins_here(b"GET to know us\n") && !begins_here(b"G") && !begins_here(b"dolor sit amet"));
    }
}
