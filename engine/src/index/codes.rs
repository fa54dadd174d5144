//! The codes of one column in memory, in the smallest integers that hold them, and the search in them.

use arrow::buffer::BooleanBuffer;

use super::codec::{Cursor, Lane, join_planes};

/// One code per key or per row.
#[derive(Debug)]
pub(super) enum Codes {
    Narrow(Vec<u8>),
    Middle(Vec<u16>),
    Wide(Vec<u32>),
}

/// Runs of wanted codes up to which each is searched by comparison, which the processor does for many codes at once; above
/// it, each code is looked up in a table.
const COMPARED_RUNS: usize = 4;
/// Codes compared before asking whether any matched.
const STRETCH_CODES: usize = 64;

impl Codes {
    /// Reads a section of `n` codes, all less than `limit`.
    pub(super) fn decode(raw: &[u8], n: usize, limit: usize) -> Result<Codes, String> {
        let mut cursor = Cursor::new(raw);
        let (width, planes) = cursor.planes(n, 4).ok_or("codes that are cut off")?;
        if !cursor.is_at_end() {
            return Err("bytes after the end of the codes".to_owned());
        }
        let (codes, largest) = match width {
            0 | 1 => {
                let codes: Vec<u8> = join_planes(planes, n);
                let largest = codes.iter().max().map(|&c| u32::from(c));
                (Codes::Narrow(codes), largest)
            }
            2 => {
                let codes: Vec<u16> = join_planes(planes, n);
                let largest = codes.iter().max().map(|&c| u32::from(c));
                (Codes::Middle(codes), largest)
            }
            _ => {
                let codes: Vec<u32> = join_planes(planes, n);
                let largest = codes.iter().max().copied();
                (Codes::Wide(codes), largest)
            }
        };
        match largest {
            Some(largest) if largest as usize >= limit => Err(format!("code {largest} in a dictionary of {limit}")),
            _ => Ok(codes),
        }
    }

    /// Number of positions.
    pub(super) fn len(&self) -> usize {
        match self {
            Codes::Narrow(codes) => codes.len(),
            Codes::Middle(codes) => codes.len(),
            Codes::Wide(codes) => codes.len(),
        }
    }

    /// Whether the code at `position` is set in `mask`.
    pub(super) fn is_in(&self, position: u32, mask: &BooleanBuffer) -> bool {
        let at = position as usize;
        let code = match self {
            Codes::Narrow(codes) => codes.get(at).map(|&code| usize::from(code)),
            Codes::Middle(codes) => codes.get(at).map(|&code| usize::from(code)),
            Codes::Wide(codes) => codes.get(at).map(|&code| code as usize),
        };
        code.is_some_and(|code| code < mask.len() && mask.value(code))
    }

    /// Positions whose code is set in `mask`, ascending.
    pub(super) fn positions(&self, mask: &BooleanBuffer) -> Vec<u32> {
        match self {
            Codes::Narrow(codes) => positions(codes, mask),
            Codes::Middle(codes) => positions(codes, mask),
            Codes::Wide(codes) => positions(codes, mask),
        }
    }

    /// For each of `values` codes the positions that have it, ascending.
    pub(super) fn positions_by_code(&self, values: usize) -> Vec<Vec<u32>> {
        match self {
            Codes::Narrow(codes) => positions_by_code(codes, values),
            Codes::Middle(codes) => positions_by_code(codes, values),
            Codes::Wide(codes) => positions_by_code(codes, values),
        }
    }

    /// Bytes of memory held.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Codes::Narrow(codes) => codes.capacity(),
            Codes::Middle(codes) => codes.capacity() * 2,
            Codes::Wide(codes) => codes.capacity() * 4,
        }
    }
}

fn positions<T: Lane + Ord + TryFrom<usize> + Into<u32>>(codes: &[T], mask: &BooleanBuffer) -> Vec<u32> {
    let runs: Vec<(usize, usize)> = mask.set_slices().take(COMPARED_RUNS + 1).collect();
    let mut found = Vec::new();
    if runs.len() > COMPARED_RUNS {
        let wanted: Vec<bool> = mask.iter().collect();
        let is_wanted = |code: T| wanted.get(code.into() as usize).copied().unwrap_or_default();
        found.extend((0..).zip(codes).filter(|(_, code)| is_wanted(**code)).map(|(position, _)| position));
        return found;
    }
    for (from, to) in &runs {
        // A run that starts past what T holds matches nothing; one that ends past it matches all above its start.
        let Ok(first) = T::try_from(*from) else { continue };
        match T::try_from(to - 1) {
            Ok(last) => search(codes, |code| (code >= first) & (code <= last), &mut found),
            Err(_) => search(codes, |code| code >= first, &mut found),
        }
    }
    if runs.len() > 1 {
        found.sort_unstable();
    }
    found
}

fn positions_by_code<T: Lane + Into<u32>>(codes: &[T], values: usize) -> Vec<Vec<u32>> {
    let mut positions = vec![Vec::new(); values];
    for (position, code) in (0u32..).zip(codes) {
        if let Some(of_code) = positions.get_mut((*code).into() as usize) {
            of_code.push(position);
        }
    }
    positions
}

#[inline]
fn search<T: Copy>(codes: &[T], is_wanted: impl Fn(T) -> bool, found: &mut Vec<u32>) {
    for (stretch, start) in codes.chunks(STRETCH_CODES).zip((0u32..).step_by(STRETCH_CODES)) {
        if stretch.iter().fold(false, |any, &code| any | is_wanted(code)) {
            let matches = (start..).zip(stretch).filter(|(_, code)| is_wanted(**code));
            found.extend(matches.map(|(position, _)| position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::codec::put_planes, *};

    #[test]
    fn positions_agree_with_a_lookup_at_every_width_and_number_of_runs() {
        for values in [3usize, 200, 300, 70_000] {
            let codes: Vec<u64> = (0..5000u64).map(|i| i * 7919 % values as u64).chain([values as u64 - 1]).collect();
            let mut raw = Vec::new();
            put_planes(&codes, &mut raw);
            let decoded = Codes::decode(&raw, codes.len(), values).unwrap();
            for step in [1, 2, 40, values / 3 + 1, values] {
                let mask = BooleanBuffer::from_iter((0..values).map(|v| v % step == step - 1));
                let expected: Vec<u32> = (0u32..)
                    .zip(&codes)
                    .filter(|(_, c)| mask.value(usize::try_from(**c).unwrap()))
                    .map(|(p, _)| p)
                    .collect();
                assert_eq!(decoded.positions(&mask), expected, "{values} values, every {step}th wanted");
            }
        }
    }

    #[test]
    fn a_code_past_the_dictionary_is_refused() {
        let mut raw = Vec::new();
        put_planes(&[0, 1, 2], &mut raw);
        assert_eq!(Codes::decode(&raw, 3, 2).unwrap_err(), "code 2 in a dictionary of 2");
        assert_eq!(Codes::decode(&raw, 4, 3).unwrap_err(), "codes that are cut off");
        assert_eq!(Codes::decode(&raw, 2, 3).unwrap_err(), "bytes after the end of the codes");
    }
}
