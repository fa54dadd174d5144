//! Sequences of frames as bytes that a fuzzer mutates well: every byte string is some sequence.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | link type: position in [`LINK_TYPES`], modulo its length |
//! | 1 | 1 | time since the frame before: 2ⁿ ns with *n* = low 6 bits, back if bit 6 is set, 0 if *n* = 0 |
//! | 2 | 1 | bit 0: more on the wire than captured; bit 1: the segment is sealed after this frame |
//! | 3 | 2 | captured bytes, little-endian; cut at the end of the input |
//! | 5 | … | the frame |

use wiretape_ingest::Frame;

/// Link types with a decoder, and one without.
pub const LINK_TYPES: [u16; 22] =
    [1, 0, 9, 12, 50, 51, 101, 104, 105, 108, 113, 119, 127, 163, 166, 192, 204, 228, 229, 239, 276, 147];

/// Bits of the third byte.
const CUT: u8 = 1;
const SEAL: u8 = 2;

/// What is done after a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The next frame follows.
    Go,
    /// The segment ends.
    Seal,
}

/// Walks the frames of an input.
pub fn read(mut input: &[u8]) -> impl Iterator<Item = (Frame<'_>, Then)> {
    let mut ts_ns = 1_700_000_000_000_000_000i64;
    std::iter::from_fn(move || {
        let ([link, time, bits, low, high], rest) = input.split_first_chunk()?;
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (data, rest) = rest.split_at(len);
        input = rest;
        let step = if time & 63 == 0 { 0 } else { 1i64.checked_shl(u32::from(time & 63)).unwrap_or(i64::MAX) };
        ts_ns = if time & 64 == 0 { ts_ns.saturating_add(step) } else { ts_ns.saturating_sub(step) };
        let link_type = LINK_TYPES[usize::from(*link) % LINK_TYPES.len()];
        let orig_len = len as u32 + if bits & CUT == 0 { 0 } else { 1000 };
        let frame = Frame { ts_ns, interface: 0, link_type, orig_len, data, direction: None };
        Some((frame, if bits & SEAL == 0 { Then::Go } else { Then::Seal }))
    })
}

/// Appends a frame, one microsecond or so after the one before. One whose link type is not in the list is left out.
pub fn push(out: &mut Vec<u8>, link_type: u16, orig_len: u32, data: &[u8], then: Then) {
    let (Some(link), Ok(len)) = (LINK_TYPES.iter().position(|l| *l == link_type), u16::try_from(data.len())) else {
        return;
    };
    let cut = if orig_len as usize > data.len() { CUT } else { 0 };
    let seal = if then == Then::Seal { SEAL } else { 0 };
    out.extend([link as u8, 10, cut | seal]);
    out.extend(len.to_le_bytes());
    out.extend(data);
}
