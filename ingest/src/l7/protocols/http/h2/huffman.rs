//! The Huffman code of HPACK (RFC 7541 Appendix B). It is canonical: codes of one length are consecutive and in the order of
//! their symbols, so the lengths are all there is to know.

/// The symbols with a code of so many bits, in the order of their codes.
struct Group {
    bits: u32,
    symbols: &'static [u8],
}

const GROUPS: [Group; 21] = [
    Group { bits: 5, symbols: b"012aceiost" },
    Group { bits: 6, symbols: b" %-./3456789=A_bdfghlmnpru" },
    Group { bits: 7, symbols: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz" },
    Group { bits: 8, symbols: b"&*,;XZ" },
    Group { bits: 10, symbols: b"!\"()?" },
    Group { bits: 11, symbols: b"'+|" },
    Group { bits: 12, symbols: b"#>" },
    Group { bits: 13, symbols: b"\0$@[]~" },
    Group { bits: 14, symbols: b"^}" },
    Group { bits: 15, symbols: b"<`{" },
    Group { bits: 19, symbols: &[92, 195, 208] },
    Group { bits: 20, symbols: &[128, 130, 131, 162, 184, 194, 224, 226] },
    Group { bits: 21, symbols: &[153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230] },
    Group {
        bits: 22,
        symbols: &[
            129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190,
            196, 198, 228, 232, 233,
        ],
    },
    Group {
        bits: 23,
        symbols: &[
            1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180,
            182, 183, 188, 191, 197, 231, 239,
        ],
    },
    Group { bits: 24, symbols: &[9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237] },
    Group { bits: 25, symbols: &[199, 207, 234, 235] },
    Group { bits: 26, symbols: &[192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255] },
    Group {
        bits: 27,
        symbols: &[203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254],
    },
    Group {
        bits: 28,
        symbols: &[
            2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220,
            249,
        ],
    },
    // What is left of 30 bits is the end of the string, which no string may contain.
    Group { bits: 30, symbols: &[10, 13, 22] },
];

/// The text behind these bytes; `None` if they are none of the code.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(bytes.len() * 8 / 5);
    // The bits not yet read, from the top.
    let (mut bits, mut have) = (0u64, 0u32);
    let mut rest = bytes.iter();
    loop {
        while have <= 56
            && let Some(byte) = rest.next()
        {
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        if have == 0 {
            return Some(text);
        }
        match symbol(bits) {
            Some((symbol, len)) if len <= have => {
                text.push(symbol);
                bits <<= len;
                have -= len;
            }
            // What fills the last byte is the beginning of a code of ones (section 5.2).
            _ => return (have < 8 && bits == !(u64::MAX >> have)).then_some(text),
        }
    }
}

/// The symbol whose code these bits begin with, and the bits of its code.
#[inline]
fn symbol(bits: u64) -> Option<(u8, u32)> {
    // The first code of the group, from the top.
    let mut first = 0u64;
    for group in &GROUPS {
        let at = (bits - first) >> (64 - group.bits);
        if let Some(symbol) = usize::try_from(at).ok().and_then(|at| group.symbols.get(at)) {
            return Some((*symbol, group.bits));
        }
        first += (group.symbols.len() as u64) << (64 - group.bits);
    }
    None
}

#[cfg(test)]
mod tests {
    use httlib_hpack::Encoder;
    use proptest::prelude::*;

    use super::*;

    /// The value of a literal field with a Huffman-coded value, as another implementation writes it.
    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut field = Vec::new();
        let flags = Encoder::HUFFMAN_VALUE;
        Encoder::default().encode((b"n".to_vec(), text.to_vec(), flags), &mut field).unwrap();
        // Prefix, name's length, name, value's length in one byte.
        assert!(field[3] & 0x80 != 0 && field[3] & 0x7f < 0x7f, "{field:?}");
        field[4..].to_vec()
    }

    /// Proves that every symbol has the code that another implementation gives it, alone and beside every other.
    #[test]
    fn every_symbol_has_its_code() {
        for a in 0..=u8::MAX {
            for b in [a, b'e', b'Z', 0, u8::MAX, a.wrapping_add(1)] {
                assert_eq!(decode(&encoded(&[a, b])), Some(vec![a, b]));
            }
        }
        proptest!(|(text in proptest::collection::vec(any::<u8>(), 0..30))| {
            prop_assert_eq!(decode(&encoded(&text)), Some(text));
        });
    }

    /// Proves that what is not of the code is refused: padding of a byte or more, padding with zeros, the end of the string.
    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(decode(&[0b0000_0111]), Some(b"0".to_vec()));
        assert_eq!(decode(&[0b0000_0111, 0xff]), None);
        assert_eq!(decode(&[0b0000_0110]), None);
        assert_eq!(decode(&[0xff; 4]), None);
    }
}
