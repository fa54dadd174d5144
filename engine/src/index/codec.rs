//! The byte forms all sections share: little-endian fields, varints and byte planes. See [`super`] for where each is used.
//!
//! Byte planes (`planes`) hold `n` integers as one byte `w`, then `w` runs of `n` bytes: all lowest bytes first, then all
//! second bytes, and so on. `w` is the smallest that fits the largest, 0 to 8; like bytes lie together, which zstd likes.

use std::ops::{BitOrAssign, Shl};

/// Appends `values` as byte planes.
pub(super) fn put_planes(values: &[u64], out: &mut Vec<u8>) {
    let largest = values.iter().fold(0, |all, v| all | v);
    let width = 8 - largest.leading_zeros() / 8;
    out.push(low_byte(u64::from(width)));
    for plane in 0..width {
        out.extend(values.iter().map(|v| low_byte(v >> (8 * plane))));
    }
}

/// Appends a varint: seven bits a byte, lowest first, the high bit set in all but the last (LEB128).
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

#[expect(clippy::cast_possible_truncation, reason = "truncation is what it is for")]
fn low_byte(value: u64) -> u8 {
    value as u8
}

/// An integer that byte planes decode into.
pub(super) trait Lane: Copy + Default + From<u8> + BitOrAssign + Shl<u32, Output = Self> {}
impl<T: Copy + Default + From<u8> + BitOrAssign + Shl<u32, Output = T>> Lane for T {}

/// Puts planes of `n` bytes each back together; `T` must be as wide as there are planes.
pub(super) fn join_planes<T: Lane>(planes: &[u8], n: usize) -> Vec<T> {
    let mut values = vec![T::default(); n];
    for (plane, shift) in planes.chunks_exact(n.max(1)).zip((0u32..).step_by(8)) {
        for (value, &byte) in values.iter_mut().zip(plane) {
            *value |= T::from(byte) << shift;
        }
    }
    values
}

/// Reads fields from the front of a byte slice. `None` means that it ended.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the front of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether everything was read.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything that is left.
    pub(super) fn remaining(&mut self) -> &'a [u8] {
        self.at += self.rest.len();
        std::mem::take(&mut self.rest)
    }

    /// The next `n` bytes.
    pub(super) fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        self.at += n;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// The next two bytes.
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four bytes.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight bytes.
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next varint that fits 32 bits.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for (n, &byte) in self.rest.iter().take(MAX_VARINT_BYTES).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * n);
            if byte < 0x80 {
                self.rest = self.rest.get(n + 1..)?;
                self.at += n + 1;
                return u32::try_from(value).ok();
            }
        }
        None
    }

    /// The next `n` integers in byte planes, of at most `max_width` bytes each: the width and the planes.
    pub(super) fn planes(&mut self, n: usize, max_width: u8) -> Option<(u8, &'a [u8])> {
        let width = self.u8().filter(|&w| w <= max_width)?;
        let planes = self.bytes(n.checked_mul(usize::from(width))?)?;
        Some((width, planes))
    }
}

/// Bytes of the longest varint that fits 32 bits.
const MAX_VARINT_BYTES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_give_back_what_was_put_at_every_width() {
        for largest in [0, 1, 255, 256, 65535, 65536, u64::from(u32::MAX), u64::from(u32::MAX) + 1, u64::MAX] {
            let values = [0, largest / 2, largest, 1.min(largest)];
            let mut bytes = Vec::new();
            put_planes(&values, &mut bytes);
            let mut cursor = Cursor::new(&bytes);
            let (_, planes) = cursor.planes(4, 8).unwrap();
            assert!(cursor.is_at_end());
            assert_eq!(join_planes::<u64>(planes, 4), values);
        }
    }

    #[test]
    fn no_values_are_one_byte() {
        let mut bytes = Vec::new();
        put_planes(&[], &mut bytes);
        assert_eq!(bytes, [0]);
        assert_eq!(join_planes::<u16>(&[], 0), [0u16; 0]);
    }

    #[test]
    fn varints_give_back_what_was_put_and_refuse_more_than_32_bits() {
        for value in [0, 127, 128, 16383, 16384, (1 << 29) - 1, u32::MAX] {
            let mut bytes = Vec::new();
            put_varint(u64::from(value), &mut bytes);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varint(), Some(value));
            assert_eq!((cursor.at(), cursor.is_at_end()), (bytes.len(), true));
        }
        let mut too_large = Vec::new();
        put_varint(u64::from(u32::MAX) + 1, &mut too_large);
        assert_eq!(Cursor::new(&too_large).varint(), None);
        assert_eq!(Cursor::new(&[0x80; 9]).varint(), None);
        assert_eq!(Cursor::new(&[0x80]).varint(), None);
    }
}
