//! Parquet's hybrid of run lengths and bit packing, for codes and for definition levels.
//!
//! ```text
//!  run     │ varint: length << 1       │ value, in as few bytes as the width needs     │
//!  literal │ varint: groups << 1 | 1   │ groups of 8 values, `width` bytes each, LSB first │
//! ```

use arrow::buffer::NullBuffer;

/// Values that are packed together.
const GROUP: usize = 8;

/// Equal values that make a run. For levels it is where a run gets shorter than a literal: three bytes, with the header of
/// what follows, to one for eight rows. For codes, which are compressed, it is measured (`docs/adr/0006-columns-encoded-by-us.md`).
const RUN: usize = 32;

/// Bits for each of `codes`, 0 to 32: as few as hold them, but whole bytes from five bits on. A compressor sees bytes, and
/// finds again what it saw only when the same codes are the same bytes.
pub(super) fn width(codes: &[u32]) -> u8 {
    let bits = u32::BITS - codes.iter().fold(0, |all, code| all | code).leading_zeros();
    match bits {
        5..=8 => 8,
        9..=16 => 16,
        _ => u8::try_from(bits).unwrap_or(u8::MAX),
    }
}

/// Appends `codes`, each of which `width` bits hold.
pub(super) fn put_codes(codes: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut literal, mut at) = (0, 0);
    while let Some(group) = codes.get(at..).and_then(<[u32]>::first_chunk::<GROUP>) {
        let [first, ..] = group;
        if group.iter().fold(0, |other, code| other | (code ^ first)) == 0 {
            let run = codes.iter().skip(at).take_while(|code| *code == first).count();
            if run >= RUN {
                put_literal(codes.get(literal..at).unwrap_or_default(), width, out);
                put_run(*first, run, width, out);
                at += run;
                literal = at;
                continue;
            }
        }
        at += GROUP;
    }
    put_literal(codes.get(literal..).unwrap_or_default(), width, out);
}

/// Appends `count` times `value`.
pub(super) fn put_run(value: u32, count: usize, width: u8, out: &mut Vec<u8>) {
    put_varint(count << 1, out);
    out.extend(value.to_le_bytes().iter().take(usize::from(width).div_ceil(8)));
}

/// Appends a page's definition levels: 0 for a row that is NULL, 1 for one that is not.
pub(super) fn put_levels(rows: usize, nulls: Option<&NullBuffer>, out: &mut Vec<u8>) {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() < rows) else {
        return put_run(u32::from(nulls.is_none()), rows, 1, out);
    };
    let bits = Bits { words: nulls.inner().bit_chunks().iter_padded().collect(), len: rows };
    let (mut literal, mut at) = (0, 0);
    while at < rows {
        let (level, run) = bits.run(at);
        if run >= RUN {
            bits.put_literal(literal, at, out);
            put_run(level, run, 1, out);
            at += run;
            literal = at;
        } else {
            at += GROUP;
        }
    }
    bits.put_literal(literal, rows, out);
}

/// A page's levels, a bit each; bits past the end are 0.
struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    /// The 64 bits from `at` on.
    fn window(&self, at: usize) -> u64 {
        let word = |n: usize| u128::from(self.words.get(n).copied().unwrap_or(0));
        let two = word(at / 64) | word(at / 64 + 1) << 64;
        u64::try_from(two >> (at % 64) & u128::from(u64::MAX)).unwrap_or(0)
    }

    /// The level at `at` and how many rows from there on have it.
    fn run(&self, at: usize) -> (u32, usize) {
        let level = self.window(at) & 1;
        let mut run = 0;
        while at + run < self.len {
            let window = self.window(at + run);
            let same = if level == 1 { window.trailing_ones() } else { window.trailing_zeros() };
            run += same as usize;
            if same < u64::BITS {
                break;
            }
        }
        (u32::from(level == 1), run.min(self.len - at))
    }

    /// Appends the levels of the rows from `from` to `to` as a literal; none when there are none.
    fn put_literal(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        if from >= to {
            return;
        }
        let groups = (to - from).div_ceil(GROUP);
        put_varint(groups << 1 | 1, out);
        out.extend((0..groups).map(|group| {
            let [first, ..] = self.window(from + group * GROUP).to_le_bytes();
            first
        }));
    }
}

/// Appends `codes` bit-packed, the last group filled up with zeros; nothing when there are none.
fn put_literal(codes: &[u32], width: u8, out: &mut Vec<u8>) {
    if codes.is_empty() {
        return;
    }
    put_varint(codes.len().div_ceil(GROUP) << 1 | 1, out);
    let Some(pack) = PACK.get(usize::from(width)) else { return };
    let (groups, rest) = codes.as_chunks::<GROUP>();
    pack(groups, out);
    if !rest.is_empty() {
        let mut group = [0; GROUP];
        group.iter_mut().zip(rest).for_each(|(slot, code)| *slot = *code);
        pack(&[group], out);
    }
}

fn put_varint(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Packs groups of codes of one width.
type Pack = fn(&[[u32; GROUP]], &mut Vec<u8>);

macro_rules! packs {
    ($($width:literal)*) => { [$(pack::<$width>),*] };
}

/// A packer for each width: with the width known, every shift in it is a constant.
const PACK: [Pack; 33] =
    packs!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);

fn pack<const WIDTH: usize>(groups: &[[u32; GROUP]], out: &mut Vec<u8>) {
    out.reserve(groups.len() * WIDTH);
    for group in groups {
        let mut packed = [0; 4 * GROUP];
        let (words, _) = packed.as_chunks_mut::<4>();
        let mut words = words.iter_mut();
        let (mut pending, mut bits) = (0u64, 0);
        for &code in group {
            pending |= u64::from(code) << bits;
            bits += WIDTH;
            if bits >= 32 {
                put_word(pending, words.next());
                pending >>= 32;
                bits -= 32;
            }
        }
        put_word(pending, words.next());
        out.extend_from_slice(packed.get(..WIDTH).unwrap_or_default());
    }
}

fn put_word(pending: u64, word: Option<&mut [u8; 4]>) {
    if let (Some(word), [a, b, c, d, ..]) = (word, pending.to_le_bytes()) {
        *word = [a, b, c, d];
    }
}
