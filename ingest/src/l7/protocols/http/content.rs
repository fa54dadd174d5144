//! Content codings undone (RFC 9110 section 8.4.1, RFC 9659 for zstd), no further than asked: a few bytes may promise gigabytes.

use std::{borrow::Cow, io::Read};

/// Codings of one body at most: one is usual, two are a mistake of somebody's.
const MAX_CODINGS: usize = 3;

/// The largest window of a zstd frame in HTTP, as a power of two: 8 MiB (RFC 9659 section 3).
const ZSTD_WINDOW_LOG: u32 = 23;

/// Bytes taken out of a decoder at once.
const STEP_BYTES: usize = 8 << 10;

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Whether it is all.
    pub(super) whole: bool,
}

/// Undoes the codings that a Content-Encoding lists, the last one first, into `limit` bytes at most. `None` where that is not
/// possible: a coding is unknown, or nothing came out of what is none of it.
pub(super) fn undo<'a>(codings: &str, bytes: &'a [u8], limit: usize) -> Option<Content<'a>> {
    let listed = codings.split(',').map(str::trim).filter(|c| !c.is_empty() && !c.eq_ignore_ascii_case("identity"));
    let mut content = Content { bytes: Cow::Borrowed(bytes), whole: true };
    for (n, coding) in listed.rev().enumerate() {
        if n == MAX_CODINGS {
            return None;
        }
        let (undone, whole) = undo_one(coding, &content.bytes, limit)?;
        if undone.is_empty() && !whole {
            return None;
        }
        content = Content { bytes: Cow::Owned(undone), whole: content.whole && whole };
    }
    Some(content)
}

fn undo_one(coding: &str, bytes: &[u8], limit: usize) -> Option<(Vec<u8>, bool)> {
    let is = |name: &str| coding.eq_ignore_ascii_case(name);
    if is("gzip") || is("x-gzip") {
        Some(read(flate2::read::MultiGzDecoder::new(bytes), limit))
    } else if is("deflate") {
        // Meant with a zlib header, sent without by some (RFC 9110 section 8.4.1.2).
        let is_zlib = matches!(bytes, [cmf, flg, ..] if cmf & 0xf == 8 && u16::from_be_bytes([*cmf, *flg]) % 31 == 0);
        Some(match is_zlib {
            true => read(flate2::read::ZlibDecoder::new(bytes), limit),
            false => read(flate2::read::DeflateDecoder::new(bytes), limit),
        })
    } else if is("br") {
        Some(read(brotli_decompressor::Decompressor::new(bytes, STEP_BYTES), limit))
    } else if is("zstd") {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).ok()?;
        decoder.window_log_max(ZSTD_WINDOW_LOG).ok()?;
        Some(read(decoder, limit))
    } else {
        None
    }
}

/// Up to `limit` bytes, and whether that is all there is and the end was as it should be.
fn read(mut reader: impl Read, limit: usize) -> (Vec<u8>, bool) {
    let (mut bytes, mut step) = (Vec::new(), [0; STEP_BYTES]);
    loop {
        match reader.read(&mut step) {
            Ok(0) => return (bytes, true),
            Ok(n) => {
                let room = limit - bytes.len();
                bytes.extend_from_slice(step.get(..n.min(room)).unwrap_or_default());
                if n > room {
                    return (bytes, false);
                }
            }
            Err(_) => return (bytes, false),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    pub(in super::super) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// "hello" in one uncompressed meta-block and an empty last one (RFC 7932 section 9.2).
    const BROTLI: &[u8] = b"\x0b\x02\x80hello\x03";

    /// Proves that every coding is undone, several in the order they were done, and that what is none of it is not.
    #[test]
    fn codings_are_undone() {
        let twice = gzip(&zlib(b"hello"));
        let raw = zlib(b"hello");
        let raw = &raw[2..raw.len() - 4];
        let zstd = zstd::encode_all(&b"hello"[..], 3).unwrap();
        for (codings, bytes) in [
            ("gzip", &gzip(b"hello")[..]),
            ("X-GZIP", &gzip(b"hello")),
            ("deflate", &zlib(b"hello")),
            ("deflate", raw),
            ("br", BROTLI),
            ("zstd", &zstd),
            ("deflate , identity,gzip", &twice),
            ("identity", b"hello"),
        ] {
            let content = undo(codings, bytes, 100);
            assert_eq!(content, Some(Content { bytes: Cow::Borrowed(b"hello"), whole: true }), "{codings}");
        }
        assert_eq!(undo("gzip", b"hello", 100), None);
        assert_eq!(undo("zstd", b"hello", 100), None);
        assert_eq!(undo("compress", b"hello", 100), None);
        assert_eq!(undo("gzip,gzip,gzip,gzip", &gzip(b"hello"), 100), None);
        let cut = gzip(&[b'x'; 5000]);
        let cut = undo("gzip", &cut[..cut.len() - 8], 10_000).unwrap();
        assert_eq!((cut.bytes.len(), cut.whole), (5000, false), "what there is of it");
    }

    /// Proves that a bomb gives what was asked for and no more, through any number of layers.
    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = gzip(&vec![0; 50 << 20]);
        for (codings, bomb) in [("gzip", &bomb), ("gzip, gzip", &gzip(&bomb))] {
            let content = undo(codings, bomb, 64 << 10).unwrap();
            assert_eq!((content.bytes.len(), content.whole), (64 << 10, false));
        }
        let zstd = zstd::encode_all(&vec![0; 50 << 20][..], 3).unwrap();
        assert_eq!(undo("zstd", &zstd, 1000).map(|c| (c.bytes.len(), c.whole)), Some((1000, false)));
    }
}
