//! The identity of a capture file's content, taken in well under a second from a file of any size, so that the same file is not
//! imported twice by accident.
//!
//! Two files with different fingerprints differ. Two with the same have the same length and the same bytes in every sampled
//! place; up to [`WHOLE_BYTES`] that is every byte, beyond it a difference between the samples goes unseen. For captures that
//! suffices: records carry times, so two recordings differ everywhere. It is no proof against someone who wants to deceive.

use std::{
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use xxhash_rust::xxh3::Xxh3;

use super::SourceError;

/// Bytes taken from each end.
const END_BYTES: u64 = 1 << 20;
/// Bytes of each piece between the ends.
const PIECE_BYTES: u64 = 64 << 10;
/// Pieces between the ends, evenly spaced.
const PIECES: u64 = 64;
/// Files up to this size are taken whole: the samples would cover as much.
const WHOLE_BYTES: u64 = 2 * END_BYTES + PIECES * PIECE_BYTES;

/// Length and sampled XXH3-128 of a file as stored, so a capture and its compressed copy differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Length of the file in bytes.
    pub size_bytes: u64,
    /// XXH3-128 over the sampled bytes, in file order.
    pub hash: u128,
}

impl fmt::Display for Fingerprint {
    /// `SIZE-HASH` in hexadecimal: what is stored and compared.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:032x}", self.size_bytes, self.hash)
    }
}

/// Takes the fingerprint of a regular file; `None` of anything else (a pipe), which cannot be read twice.
///
/// # Errors
/// [`SourceError::Io`] when the file cannot be opened or read, also when it shrinks meanwhile.
pub fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, SourceError> {
    let io = |source| SourceError::Io { name: path.display().to_string(), source };
    // Not opened before it is known to be a file: opening a pipe waits for its writer.
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let size_bytes = metadata.len();
    let mut file = File::open(path).map_err(io)?;
    let mut hash = Xxh3::new();
    let mut bytes = Vec::new();
    for (offset, length) in samples(size_bytes) {
        // At most `WHOLE_BYTES`.
        bytes.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut bytes)).map_err(io)?;
        hash.update(&bytes);
    }
    Ok(Some(Fingerprint { size_bytes, hash: hash.digest128() }))
}

/// Offsets and lengths to hash, in file order and without overlap.
fn samples(size: u64) -> Vec<(u64, u64)> {
    if size <= WHOLE_BYTES {
        return vec![(0, size)];
    }
    let between = size - 2 * END_BYTES;
    // Not below `PIECE_BYTES`, because the file is larger than all samples together.
    let step = between / PIECES;
    let pieces = (0..PIECES).map(|i| (END_BYTES + i * step, PIECE_BYTES));
    std::iter::once((0, END_BYTES)).chain(pieces).chain([(size - END_BYTES, END_BYTES)]).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    fn of(bytes: &[u8]) -> Fingerprint {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        fingerprint(file.path()).unwrap().unwrap()
    }

    #[test]
    fn samples_are_in_order_without_overlap_and_within_the_file() {
        for size in [0, 1, WHOLE_BYTES, WHOLE_BYTES + 1, WHOLE_BYTES + 12_345, 10 << 30, u64::MAX] {
            let mut end = 0;
            for (offset, length) in samples(size) {
                assert!(offset >= end, "{size}");
                end = offset + length;
            }
            assert_eq!(end, size, "the last byte of {size} is sampled");
        }
    }

    #[test]
    fn equal_content_is_equal_and_any_byte_of_a_small_file_counts() {
        let mut bytes = vec![7u8; 300_000];
        let first = of(&bytes);
        assert_eq!(first, of(&bytes));
        bytes[150_000] ^= 1;
        assert_ne!(first, of(&bytes));
        assert_ne!(of(b""), of(b"\0"));
    }

    #[test]
    fn a_large_file_counts_its_length_its_ends_and_its_pieces() {
        let size = usize::try_from(WHOLE_BYTES).unwrap() + 4_000_000;
        let mut bytes: Vec<u8> = (0..size).map(|i| (i % 251).to_le_bytes()[0]).collect();
        let first = of(&bytes);
        for at in [0, size - 1, usize::try_from(samples(size as u64)[20].0).unwrap()] {
            bytes[at] ^= 0x80;
            assert_ne!(first, of(&bytes), "byte {at}");
            bytes[at] ^= 0x80;
        }
        assert_eq!(first, of(&bytes));
        bytes.pop();
        assert_ne!(first, of(&bytes));
    }

    #[test]
    fn a_folder_has_none_and_a_missing_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(fingerprint(dir.path()).unwrap(), None);
        let missing = dir.path().join("none.pcap");
        assert!(matches!(fingerprint(&missing), Err(SourceError::Io { .. })));
        fs::write(&missing, b"x").unwrap();
        assert_eq!(fingerprint(&missing).unwrap().unwrap().to_string().split('-').next(), Some("1"));
    }
}
