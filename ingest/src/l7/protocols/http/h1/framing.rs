//! Where the body of an HTTP/1 message ends (RFC 9112 sections 6 and 7).

use super::super::fields::Fields;

/// How a body is delimited, and how much of it is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes more.
    Length(u64),
    /// By chunks.
    Chunked(Chunked),
    /// By the end of the connection.
    Close,
}

/// Where in a chunked body the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the digits of a chunk's size, of which there are so many.
    Size { size: u64, digits: u8 },
    /// Behind them, on the same line.
    Extension { size: u64 },
    /// In a chunk with so many bytes to come.
    Data(u64),
    /// In the line's end behind it.
    DataEnd,
    /// In a line of the trailer section, which has bytes already or not.
    Trailer { begun: bool },
    /// Behind the end.
    Done,
}

/// What some bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes of the body.
    Body(usize),
    /// So many bytes between them.
    Between(usize),
    /// What can be no body framed so.
    Garbage,
}

/// A new chunk.
const CHUNK: Chunked = Chunked::Size { size: 0, digits: 0 };

/// Digits of a chunk's size that are read: those of 64 bits.
const MAX_SIZE_DIGITS: u8 = 16;

impl Framing {
    /// Of a request, and whether the header fields are sound.
    pub(super) fn of_request(fields: &Fields) -> (Framing, bool) {
        if is_chunked(fields) {
            return (Framing::Chunked(CHUNK), true);
        }
        let (length, sound) = content_length(fields);
        (Framing::Length(length.unwrap_or(0)), sound)
    }

    /// Of the response to a request by this method.
    pub(super) fn of_response(method: Option<&str>, status: u16, fields: &Fields) -> (Framing, bool) {
        if method == Some("HEAD") || matches!(status, 100..=199 | 204 | 304) {
            return (Framing::Length(0), true);
        }
        if is_chunked(fields) {
            return (Framing::Chunked(CHUNK), true);
        }
        let (length, sound) = content_length(fields);
        (length.map_or(Framing::Close, Framing::Length), sound)
    }

    /// Whether all of the body has been.
    pub(super) fn is_done(self) -> bool {
        matches!(self, Framing::Length(0) | Framing::Chunked(Chunked::Done))
    }

    /// Goes on over what the next bytes begin with. At least one is given, and the body is not done.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        match self {
            Framing::Close => Step::Body(bytes.len()),
            Framing::Length(left) => Step::Body(take(left, bytes)),
            Framing::Chunked(Chunked::Data(left)) => {
                let taken = take(left, bytes);
                if *left == 0 {
                    *self = Framing::Chunked(Chunked::DataEnd);
                }
                Step::Body(taken)
            }
            Framing::Chunked(chunked) => {
                let mut between = 0;
                for byte in bytes {
                    let Some(next) = chunked.next(*byte) else {
                        return if between > 0 { Step::Between(between) } else { Step::Garbage };
                    };
                    *chunked = next;
                    between += 1;
                    if matches!(next, Chunked::Data(_) | Chunked::Done) {
                        break;
                    }
                }
                Step::Between(between)
            }
        }
    }

    /// Goes on over bytes that are missing: whether it is known where it is then.
    pub(super) fn lose(&mut self, bytes: u64) -> bool {
        match self {
            Framing::Close => true,
            Framing::Length(left) | Framing::Chunked(Chunked::Data(left)) if bytes <= *left => {
                *left -= bytes;
                if *self == Framing::Chunked(Chunked::Data(0)) {
                    *self = Framing::Chunked(Chunked::DataEnd);
                }
                true
            }
            _ => false,
        }
    }
}

impl Chunked {
    /// Behind a byte between chunks; `None` where it may not stand.
    fn next(self, byte: u8) -> Option<Chunked> {
        Some(match (self, byte) {
            (Chunked::Size { digits: 0, .. }, b'\r' | b'\n') => return None,
            (Chunked::Size { size, .. } | Chunked::Extension { size }, b'\n') => match size {
                0 => Chunked::Trailer { begun: false },
                size => Chunked::Data(size),
            },
            (Chunked::Size { size, digits: 1.. }, b'\r' | b';' | b' ' | b'\t') => Chunked::Extension { size },
            (Chunked::Size { size, digits }, digit) => {
                let value = char::from(digit).to_digit(16).filter(|_| digits < MAX_SIZE_DIGITS)?;
                Chunked::Size { size: size << 4 | u64::from(value), digits: digits + 1 }
            }
            (Chunked::DataEnd, b'\r') => Chunked::DataEnd,
            (Chunked::DataEnd, b'\n') => CHUNK,
            (Chunked::Trailer { begun: false }, b'\n') => Chunked::Done,
            (Chunked::Trailer { .. }, b'\n') => Chunked::Trailer { begun: false },
            (Chunked::Trailer { begun }, byte) => Chunked::Trailer { begun: begun || byte != b'\r' },
            (Chunked::Extension { .. }, _) => self,
            (Chunked::DataEnd | Chunked::Data(_) | Chunked::Done, _) => return None,
        })
    }
}

fn take(left: &mut u64, bytes: &[u8]) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= taken as u64;
    taken
}

/// Whether the last transfer coding is chunked; another one would be undone by nobody.
fn is_chunked(fields: &Fields) -> bool {
    let coding = fields.all("transfer-encoding").last().and_then(|value| value.rsplit(',').next());
    coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

/// The length that the fields say, and whether they say one at most.
fn content_length(fields: &Fields) -> (Option<u64>, bool) {
    let mut lengths =
        fields.all("content-length").flat_map(|value| value.split(',')).map(|v| v.trim().parse::<u64>().ok());
    let Some(first) = lengths.next() else { return (None, true) };
    (first, first.is_some() && lengths.all(|other| other == first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, what is behind it, and whether it ended.
    fn read(mut framing: Framing, mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8], bool)> {
        let mut body = Vec::new();
        while !bytes.is_empty() && !framing.is_done() {
            let taken = match framing.step(bytes) {
                Step::Body(n) => {
                    body.extend_from_slice(&bytes[..n]);
                    n
                }
                Step::Between(n) => n,
                Step::Garbage => return None,
            };
            bytes = &bytes[taken..];
        }
        Some((body, bytes, framing.is_done()))
    }

    /// Proves that a chunked body ends where it ends, with extensions, trailers and bare line feeds, and what is none.
    #[test]
    fn chunks_are_taken_out_of_their_framing() {
        let chunked = Framing::Chunked(CHUNK);
        for (bytes, rest, done) in [
            (&b"5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\nGET"[..], &b"GET"[..], true),
            (b"05 \nhello\n0001\n!\n0;x\nTrailer: x\r\n\r\n", b"", true),
            (b"6\r\nhello!\r\n", b"", false),
        ] {
            assert_eq!(read(chunked, bytes), Some((b"hello!".to_vec(), rest, done)));
        }
        for bad in [&b"\r\n"[..], b"x", b"2\r\nabc", b"11111111111111111"] {
            assert_eq!(read(chunked, bad), None, "{bad:?}");
        }
    }

    /// Proves which rule of RFC 9112 section 6.3 holds.
    #[test]
    fn the_body_is_delimited_by_the_first_rule_that_applies() {
        let fields = |pairs: &[(&str, &str)]| {
            let mut fields = Fields::default();
            pairs.iter().for_each(|(name, value)| fields.push(name, value));
            fields
        };
        let chunked = fields(&[("transfer-encoding", "gzip, Chunked"), ("content-length", "3")]);
        let (three, none) = (fields(&[("content-length", "3, 3")]), fields(&[]));
        let (two, wrong) =
            (fields(&[("content-length", "3"), ("content-length", "4")]), fields(&[("content-length", "-1")]));
        assert_eq!(Framing::of_request(&chunked), (Framing::Chunked(CHUNK), true));
        assert_eq!(Framing::of_request(&three), (Framing::Length(3), true));
        assert_eq!(Framing::of_request(&none), (Framing::Length(0), true));
        assert_eq!(Framing::of_request(&two), (Framing::Length(3), false));
        assert_eq!(Framing::of_response(Some("GET"), 200, &wrong), (Framing::Close, false));
        assert_eq!(Framing::of_response(Some("HEAD"), 200, &chunked), (Framing::Length(0), true));
        assert_eq!(Framing::of_response(None, 304, &three), (Framing::Length(0), true));
        assert_eq!(Framing::of_response(None, 200, &chunked), (Framing::Chunked(CHUNK), true));
    }

    /// Proves that a hole within what is counted does no harm, and that one beyond does.
    #[test]
    fn a_hole_within_a_body_is_passed_over() {
        let (mut length, mut data) = (Framing::Length(5), Framing::Chunked(Chunked::Data(5)));
        assert!(length.lose(5) && length.is_done() && !length.lose(1));
        assert!(data.lose(5) && data == Framing::Chunked(Chunked::DataEnd) && !data.lose(1));
        assert!(Framing::Close.lose(9));
    }
}
