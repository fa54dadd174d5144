//! What is no capture is refused by name.

use super::{compressed_with_gzip, *};

fn message(bytes: &[u8]) -> String {
    read(bytes).error.unwrap().to_string()
}

#[test]
fn what_is_no_capture_is_named() {
    let cases: [(&[u8], &str); 12] = [
        (b"", "an empty file"),
        (b"hello\n", "text"),
        ("grüße".as_bytes(), "text"),
        (b"\x7fELF\x02\x01\x01", "an ELF program"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"PAR1....", "a Parquet file"),
        (b"\0\x01\x02\x03\x04", "unknown binary data"),
        (b"\xa1\xb2", "unknown binary data"),
        (b"\xfd7zXZ\0\0\x04", "xz-compressed data (gzip, zstd and lz4 are read)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the file it stands for"),
        (b"<!DOCTYPE html><title>404</title>", "an HTML page"),
        // A section header's type, and no byte-order magic.
        (b"\n\r\r\n and more text", "text"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(message(bytes), format!("t: not a capture: it looks like {expected}"));
    }
}

#[test]
fn what_is_compressed_is_looked_into_once() {
    assert_eq!(message(&compressed_with_gzip(b"hello")), "t: not a capture: it looks like gzip of text");
    assert_eq!(message(&compressed_with_gzip(b"")), "t: not a capture: it looks like gzip of an empty file");
    assert_eq!(
        message(&compressed_with_gzip(&compressed_with_gzip(b"hello"))),
        "t: not a capture: it looks like gzip of gzip data inside compressed data"
    );
}

#[test]
fn other_capture_formats_are_unsupported_by_name() {
    let mut erf = Vec::new();
    for i in 0..2u8 {
        erf.extend([i, 0, 0, 0]);
        erf.extend(1_700_000_000u32.to_le_bytes());
        erf.extend([2, 4, 0, 24, 0, 0, 0, 8, 0, 0, 1, 2, 3, 4, 5, 6]);
    }
    for (bytes, expected) in [
        (&b"snoop\0\0\0\0\0\0\x02"[..], "a snoop capture"),
        (b"GMBU....", "a Microsoft Network Monitor 2 capture"),
        (&erf, "an Endace ERF capture"),
    ] {
        let error = read(bytes).error.unwrap();
        assert!(matches!(error, SourceError::Unsupported { .. }));
        assert_eq!(
            error.to_string(),
            format!("t: {expected} cannot be read (pcap and pcapng can, also in gzip, zstd or lz4)")
        );
    }
}

#[test]
fn a_directory_and_a_missing_file_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let name = dir.path().display();
    let error = CaptureFile::open(dir.path()).unwrap_err();
    assert_eq!(error.to_string(), format!("{name}: not a capture: it looks like a directory"));
    let error = CaptureFile::open(&dir.path().join("none")).unwrap_err();
    assert!(matches!(error, SourceError::Io { .. }));
    assert!(error.to_string().starts_with(&format!("{name}/none: ")), "{error}");
}
