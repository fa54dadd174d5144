//! Small JSON files that vouch for themselves: `manifest.json` and `segment.json`.
//!
//! ```text
//! offset  size  content
//! 0       13    {"checksum":"
//! 13      16    XXH3-64 of everything from offset 31 on, lower-case hex
//! 29      2     ",
//! 31      …     the rest of the object, pretty-printed
//! ```
//!
//! The result is plain JSON for any reader, and every byte of it is covered.

use std::{fs, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_64;

use crate::{Error, Result};

const HEAD: &str = "{\"checksum\":\"";
const BODY_AT: usize = HEAD.len() + 16 + 2;

/// The longest such file that is read: a manifest of 50,000 segments is near 10 MB.
const MAX_BYTES: u64 = 64 << 20;

/// The bytes of `value`, which must serialise as an object with at least one field.
pub(crate) fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let json = serde_json::to_string_pretty(value).map_err(|e| Error::Columnar(e.to_string()))?;
    let body = json.strip_prefix('{').unwrap_or(&json);
    let mut bytes = format!("{HEAD}{:016x}\",{body}", xxh3_64(body.as_bytes())).into_bytes();
    bytes.push(b'\n');
    let sum = format!("{:016x}", xxh3_64(bytes.get(BODY_AT..).unwrap_or_default()));
    bytes.splice(HEAD.len()..HEAD.len() + 16, sum.into_bytes());
    Ok(bytes)
}

/// Reads and checks such a file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let size = fs::metadata(path).map_err(Error::io(path))?.len();
    if size > MAX_BYTES {
        return Err(Error::damaged(path, 0, format!("{size} bytes, over the limit of {MAX_BYTES}")));
    }
    let bytes = fs::read(path).map_err(Error::io(path))?;
    parse(path, &bytes)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    let damaged = |offset: usize, what: &str| Error::damaged(path, offset as u64, what);
    let (head, body) = bytes.split_at_checked(BODY_AT).ok_or_else(|| damaged(0, "too short to hold its checksum"))?;
    let sum = head
        .strip_prefix(HEAD.as_bytes())
        .and_then(|h| h.strip_suffix(b"\","))
        .and_then(|h| std::str::from_utf8(h).ok())
        .ok_or_else(|| damaged(0, "does not begin with its checksum"))?;
    let got = format!("{:016x}", xxh3_64(body));
    if sum != got {
        return Err(damaged(HEAD.len(), &format!("checksum is {got}, recorded is {sum}")));
    }
    serde_json::from_slice(bytes).map_err(|e| damaged(0, &format!("not the JSON of this format: {e}")))
}

/// Fuzz entry: any bytes give a value or an error.
#[doc(hidden)]
pub fn fuzz_manifest(bytes: &[u8]) {
    let _ = parse::<crate::manifest::Manifest>(Path::new("manifest.json"), bytes);
    // The checksum stops nearly every mutation, so the part behind it is fuzzed on its own.
    let _ = serde_json::from_slice::<crate::manifest::Manifest>(bytes);
    let _ = serde_json::from_slice::<crate::segment::SegmentMeta>(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        #[derive(serde::Serialize, serde::Deserialize, Debug)]
        struct T {
            name: String,
            rows: u64,
        }
        let good = to_bytes(&T { name: "a".into(), rows: 7 }).unwrap();
        let path = Path::new("t.json");
        assert_eq!(parse::<T>(path, &good).unwrap().rows, 7);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(parse::<T>(path, &bad).is_err(), "bit {bit} of byte {at} flipped unnoticed");
            }
        }
    }
}
