//! Mutations of talks that keep the turns apart: a byte put into one must not make the next one begin a byte earlier, or
//! hardly any mutation would leave the rest of the talk as good as it was.

use libfuzzer_sys::fuzzer_mutate;

use crate::{
    demo::Random,
    talk::{self, Turn},
};

/// Mutates the talk in `data[..size]`, in place; returns its new size.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random::new(u64::from(seed));
    let (first, turns) = talk::split(&data[..size]);
    let mut turns: Vec<(u8, Vec<u8>)> = talk::turns(turns).map(|t| (t.bits, t.bytes.to_vec())).collect();
    if turns.is_empty() || random.size(0, 16) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let at = random.size(0, turns.len());
    match random.size(0, 16) {
        0 => turns[at].0 ^= 1 << random.size(0, 8),
        1 => {
            turns.remove(at);
        }
        2 => turns.insert(at, turns[at].clone()),
        3 => {
            let other = random.size(0, turns.len());
            turns.swap(at, other);
        }
        4 => {
            let (bits, bytes) = &mut turns[at];
            let rest = bytes.split_off(random.size(0, bytes.len() + 1));
            let second = (*bits, rest);
            turns.insert(at + 1, second);
        }
        5 if at + 1 < turns.len() => {
            let (_, next) = turns.remove(at + 1);
            turns[at].1.extend(next);
        }
        // What is said changes most often.
        _ => mutate_bytes(&mut turns[at].1, max_size.saturating_sub(size)),
    }
    write(first, &turns, data, max_size)
}

/// Lets libFuzzer change the bytes of one turn, which may grow by `room`.
fn mutate_bytes(bytes: &mut Vec<u8>, room: usize) {
    let len = bytes.len();
    // It does not take an empty input that may not grow.
    let most = (len + room.min(256)).max(1);
    bytes.resize(most, 0);
    let new_len = fuzzer_mutate(bytes, len, most);
    bytes.truncate(new_len);
}

fn write(first: u8, turns: &[(u8, Vec<u8>)], data: &mut [u8], max_size: usize) -> usize {
    let mut out = vec![first];
    for (bits, bytes) in turns {
        Turn { bits: *bits, bytes }.write(&mut out);
    }
    let len = out.len().min(max_size);
    data[..len].copy_from_slice(&out[..len]);
    len
}
