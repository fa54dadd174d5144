//! HPACK (RFC 7541): the fields of a header block, by what both ends have put into the table of one direction before.
//!
//! What was put there before the capture began, or while bytes of it are missing, is not known. An entry that is not known has
//! the name and the value [`UNKNOWN`]: positions are counted from the newest entry, so those that are known stay true.

use std::{borrow::Cow, collections::VecDeque};

use super::{fields::STATIC, huffman};

/// Stands for a name or a value that was said before the capture.
pub(super) const UNKNOWN: &str = "?";

/// Bytes of the table until an end says otherwise (RFC 9113 section 6.5.2).
const DEFAULT_TABLE_BYTES: usize = 4096;

/// Bytes of the table at most, whatever an end says: browsers and gRPC use up to 64 KiB.
const MAX_TABLE_BYTES: usize = 64 << 10;

/// What each entry counts beside its texts (RFC 7541 section 4.1).
const ENTRY_BYTES: usize = 32;

/// A block cannot be read on from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads the header blocks of one direction.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The dynamic table, newest first.
    entries: VecDeque<(Box<str>, Box<str>)>,
    /// Bytes of its texts, and [`ENTRY_BYTES`] for each.
    used: usize,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { entries: VecDeque::new(), used: 0, limit: DEFAULT_TABLE_BYTES }
    }
}

impl Decoder {
    /// Blocks are missing: what they put into the table is not known, nor is the size they may have given it.
    pub(super) fn lose(&mut self) {
        *self = Decoder { limit: MAX_TABLE_BYTES, ..Decoder::default() };
    }

    /// Reads a block: gives its fields to `field`, in order. After a malformed one the table is lost.
    pub(super) fn block(&mut self, mut block: &[u8], field: &mut dyn FnMut(&str, &str)) -> Result<(), Malformed> {
        let read = loop {
            match self.next(block, field) {
                Some([]) => break Ok(()),
                Some(rest) => block = rest,
                None if block.is_empty() => break Ok(()),
                None => break Err(Malformed),
            }
        };
        if read.is_err() {
            self.lose();
        }
        read
    }

    /// Reads one representation (section 6) and returns what follows it.
    fn next<'b>(&mut self, block: &'b [u8], field: &mut dyn FnMut(&str, &str)) -> Option<&'b [u8]> {
        let first = *block.first()?;
        if first & 0x80 != 0 {
            let (index, rest) = integer(block, 7)?;
            let (name, value) = self.entry(index)?;
            field(name, value);
            return Some(rest);
        }
        if first & 0xe0 == 0x20 {
            let (size, rest) = integer(block, 5)?;
            self.limit = size.min(MAX_TABLE_BYTES);
            self.evict();
            return Some(rest);
        }
        // With indexing, or without or never.
        let indexed = first & 0xc0 == 0x40;
        let (index, rest) = integer(block, if indexed { 6 } else { 4 })?;
        let (name, rest) = if index == 0 { string(rest)? } else { (Cow::Owned(self.entry(index)?.0.to_owned()), rest) };
        let (value, rest) = string(rest)?;
        field(&name, &value);
        if indexed {
            self.insert(&name, &value);
        }
        Some(rest)
    }

    /// `None` for the index 0, which is none.
    fn entry(&self, index: usize) -> Option<(&str, &str)> {
        let at = index.checked_sub(1)?;
        let dynamic = || self.entries.get(at - STATIC.len()).map(|(name, value)| (&**name, &**value));
        Some(STATIC.get(at).copied().or_else(dynamic).unwrap_or((UNKNOWN, UNKNOWN)))
    }

    fn insert(&mut self, name: &str, value: &str) {
        let size = name.len() + value.len() + ENTRY_BYTES;
        if size > self.limit {
            // Section 4.4: it empties the table.
            self.entries.clear();
            self.used = 0;
            return;
        }
        self.used += size;
        self.entries.push_front((name.into(), value.into()));
        self.evict();
    }

    fn evict(&mut self) {
        while self.used > self.limit
            && let Some((name, value)) = self.entries.pop_back()
        {
            self.used -= name.len() + value.len() + ENTRY_BYTES;
        }
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        self.used
    }
}

/// An integer behind a prefix of so many bits (section 5.1), and what follows it.
fn integer(bytes: &[u8], prefix: u32) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Some((value, rest));
    }
    // Five groups of seven bits say more than any index or length here may be.
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first()?;
        rest = after;
        value = value.checked_add(usize::from(byte & 0x7f) << shift)?;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// A string (section 5.2), and what follows it.
fn string(bytes: &[u8]) -> Option<(Cow<'_, str>, &[u8])> {
    let (len, rest) = integer(bytes, 7)?;
    let (text, rest) = rest.split_at_checked(len)?;
    let text = if bytes.first()? & 0x80 == 0 {
        String::from_utf8_lossy(text)
    } else {
        let text = huffman::decode(text)?;
        Cow::Owned(String::from_utf8(text).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    };
    // A text column of SQL has no NUL, nor has a field of HTTP (RFC 9110 section 5.5).
    let text = if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text };
    Some((text, rest))
}

#[cfg(test)]
mod tests {
    use httlib_hpack::Encoder;
    use proptest::prelude::*;

    use super::*;

    type Fields = Vec<(String, String)>;

    fn read(decoder: &mut Decoder, block: &[u8]) -> (Fields, Result<(), Malformed>) {
        let mut fields = Fields::new();
        let read = decoder.block(block, &mut |name, value| fields.push((name.to_owned(), value.to_owned())));
        (fields, read)
    }

    fn fields(all: &[(&str, &str)]) -> Fields {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// Proves the examples of RFC 7541 C.6: responses with Huffman coding in a table of 256 bytes, from which they evict.
    #[test]
    fn the_examples_of_the_standard_are_read() {
        let mut decoder = Decoder { limit: 256, ..Decoder::default() };
        let first = "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3";
        let expected = [
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ];
        assert_eq!(read(&mut decoder, &hex(first)), (fields(&expected), Ok(())));
        assert_eq!(decoder.used, 222);
        let [_, control, date, location] = expected;
        let second = fields(&[(":status", "307"), control, date, location]);
        assert_eq!(read(&mut decoder, &hex("4883640effc1c0bf")), (second, Ok(())));
        assert_eq!((decoder.used, decoder.entries.len()), (222, 4));
    }

    /// Proves that whatever another implementation encodes, with and without indexing and Huffman coding and with changes of
    /// the table's size, is read as it was meant, block after block.
    #[test]
    fn what_others_encode_is_read() {
        let name = prop_oneof![Just("cookie".to_owned()), Just(":path".to_owned()), "[a-z-]{1,12}"];
        let field = (name, "[ -~é]{0,40}", 0u8..16);
        let block = (proptest::collection::vec(field, 0..12), proptest::option::of(0u32..400));
        proptest!(|(blocks in proptest::collection::vec(block, 0..12))| {
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            for (all, size) in blocks {
                let mut bytes = Vec::new();
                if let Some(size) = size {
                    encoder.update_max_dynamic_size(size, &mut bytes).unwrap();
                }
                for (name, value, flags) in &all {
                    // The oracle takes one way of indexing at most.
                    let flags = if flags & 0xc == 0xc { flags & !0x8 } else { *flags };
                    let flags = [(1, Encoder::HUFFMAN_NAME), (2, Encoder::HUFFMAN_VALUE), (4, Encoder::WITH_INDEXING),
                        (8, Encoder::NEVER_INDEXED)].iter().filter(|(bit, _)| flags & bit != 0).fold(0, |all, (_, f)| all | f);
                    encoder.encode((name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags | Encoder::BEST_FORMAT), &mut bytes).unwrap();
                }
                let expected: Fields = all.into_iter().map(|(name, value, _)| (name, value)).collect();
                prop_assert_eq!(read(&mut decoder, &bytes), (expected, Ok(())));
            }
        });
    }

    /// Proves that an entry which is not known has a placeholder, as a field and as a name, and that those put in since are
    /// known by their positions.
    #[test]
    fn what_was_said_before_has_a_placeholder() {
        let mut decoder = Decoder::default();
        let _ = read(&mut decoder, b"\x40\x01a\x01b");
        decoder.lose();
        // The entry 62; a literal with its name, which becomes an entry; a new entry; both of these; the one before them.
        let block = b"\xbe\x7e\x01c\x40\x01d\x01e\xbe\xbf\xc0";
        let expected = fields(&[("?", "?"), ("?", "c"), ("d", "e"), ("d", "e"), ("?", "c"), ("?", "?")]);
        assert_eq!(read(&mut decoder, block), (expected, Ok(())));
    }

    /// Proves that what is no text of SQL is replaced.
    #[test]
    fn texts_are_texts() {
        let (all, _) = read(&mut Decoder::default(), b"\x00\x01a\x03b\0\xff");
        assert_eq!(all, fields(&[("a", "b\u{fffd}\u{fffd}")]));
    }

    /// Proves that no bytes are more than malformed, and that the table stays within its limit: lengths and integers that
    /// lie, the index 0, sizes beyond the limit, and anything at all.
    #[test]
    fn hostile_blocks_are_malformed_and_no_more() {
        for block in
            [&b"\x80"[..], b"\x40\x05ab", b"\xff\xff\xff\xff\xff\xff", b"\x7f", b"\x40\x01a\xff\xff\xff\xff\xff\x7f"]
        {
            assert_eq!(read(&mut Decoder::default(), block).1, Err(Malformed), "{block:?}");
        }
        let mut decoder = Decoder::default();
        let _ = read(&mut decoder, b"\x3f\xff\xff\xff\xff\x07");
        for _ in 0..1000 {
            let _ = read(&mut decoder, &[&b"\x40\x01a\x7f\xff\x07"[..], &[b'x'; 1150]].concat());
        }
        assert!(decoder.used <= MAX_TABLE_BYTES && decoder.entries.len() > 40, "{}", decoder.used);
        proptest!(|(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20))| {
            let mut decoder = Decoder::default();
            for block in blocks {
                let _ = read(&mut decoder, &block);
                prop_assert!(decoder.used <= MAX_TABLE_BYTES);
                let entries: usize = decoder.entries.iter().map(|(n, v)| n.len() + v.len() + ENTRY_BYTES).sum();
                prop_assert_eq!(decoder.used, entries);
            }
        });
    }
}
