//! What the fuzz targets share: the forms their inputs take, a file to hand bytes over in, and the seeds they start from.
//!
//! The one fact to know: checksums stop nearly every mutation, so inputs of the formats that have them come in two forms.
//! Bytes as they lie on disk are taken as they are; in the other form the target works out the checksums, and what is
//! behind them is reached.

#[path = "../../sql/src/bpf/mod.rs"]
pub mod bpf;
#[path = "../../src/demo/mod.rs"]
pub mod demo;
pub mod frames;
pub mod index_file;
#[path = "../../sql/src/kfl/mod.rs"]
pub mod kfl;
pub mod protocols;
pub mod raw_file;
pub mod seeds;
pub mod talk;
pub mod talk_mutator;
mod talk_seeds;
pub mod wire;

use std::{fs, path::Path, sync::LazyLock};

use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("wiretape-fuzz-").tempdir_in(parent).expect("a temporary folder")
});

/// Calls `f` with the path of a file that holds `bytes`.
pub fn with_file<T>(bytes: &[u8], f: impl FnOnce(&Path) -> T) -> T {
    with_files(&[("input", bytes)], |folder| f(&folder.join("input")))
}

/// Calls `f` with the path of a folder of these files, which nothing else is in if their names are always the same.
pub fn with_files<T>(files: &[(&str, &[u8])], f: impl FnOnce(&Path) -> T) -> T {
    for (name, bytes) in files {
        fs::write(FOLDER.path().join(name), bytes).expect("room for the input");
    }
    f(FOLDER.path())
}

/// The four bytes at `at`, little-endian.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

/// Overwrites the bytes at `at`; nothing happens if they are not there.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|b| b.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}
