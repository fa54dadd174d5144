//! What a file that is no pcap and no pcapng looks like, so that the message can say it. First bytes only; it decides nothing else.

/// Capture formats by the bytes they start with.
const CAPTURES: &[(&[u8], &str)] = &[
    (b"snoop\0\0\0", "a snoop capture"),
    (b"btsnoop\0", "a btsnoop (Bluetooth) capture"),
    (b"GMBU", "a Microsoft Network Monitor 2 capture"),
    (b"RTSS", "a Microsoft Network Monitor 1 capture"),
    (b"TRSNIFF data    \x1a", "a Sniffer (DOS) capture"),
    (b"XCP\0", "a Sniffer (Windows) capture"),
    (b"\x7fver", "an OmniPeek capture"),
    (b"iptrace 1.0", "an AIX iptrace capture"),
    (b"iptrace 2.0", "an AIX iptrace capture"),
    (b"\x54\x52\x00\x64\x00", "an HP-UX nettl capture"),
    (b"\x05VNF", "a Visual Networks capture"),
    (b"LOGG", "a Vector BLF capture"),
];

/// Other files by the bytes they start with.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "gzip data inside compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd data inside compressed data"),
    (b"\x04\x22\x4d\x18", "lz4 data inside compressed data"),
    (b"\xfd7zXZ\0", "xz-compressed data (gzip, zstd and lz4 are read)"),
    (b"BZh", "bzip2-compressed data (gzip, zstd and lz4 are read)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x7fELF", "an ELF program"),
    (b"MZ", "a Windows program"),
    (b"\xca\xfe\xba\xbe", "a macOS program or Java class"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (b"<!DOCTYPE html", "an HTML page"),
    (b"<html", "an HTML page"),
];

/// Bytes looked at, so that the answer does not depend on how many happened to be read.
pub(super) const SAMPLE_BYTES: usize = 4096;

/// What the content is, when it is neither pcap nor pcapng.
pub(super) enum Content {
    OtherCapture(&'static str),
    NoCapture(&'static str),
}

/// Looks at the first [`SAMPLE_BYTES`], or at all when there are fewer.
pub(super) fn content(window: &[u8]) -> Content {
    let sample = window.get(..SAMPLE_BYTES).unwrap_or(window);
    let named = |list: &[(&[u8], &'static str)]| {
        list.iter().find(|(magic, _)| sample.starts_with(magic)).map(|(_, name)| *name)
    };
    if let Some(name) = named(CAPTURES) {
        return Content::OtherCapture(name);
    }
    if let Some(name) = named(OTHERS) {
        return Content::NoCapture(name);
    }
    if is_erf(sample) {
        return Content::OtherCapture("an Endace ERF capture");
    }
    Content::NoCapture(match sample {
        [] => "an empty file",
        _ if sample.get(257..262) == Some(b"ustar") => "a tar archive",
        _ if is_text(sample) => "text",
        _ => "unknown binary data",
    })
}

fn is_text(sample: &[u8]) -> bool {
    let valid = match std::str::from_utf8(sample) {
        Ok(_) => true,
        // The sample's end may cut a character.
        Err(e) => e.error_len().is_none(),
    };
    valid && sample.iter().all(|b| !b.is_ascii_control() || matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
}

/// ERF has no magic: a record is a 64-bit little-endian time, type, flags, and big-endian lengths. Two in a row that fit, with
/// times of one day after 1990, are taken for it.
fn is_erf(content: &[u8]) -> bool {
    let seconds = |record: &[u8]| record.get(4..)?.first_chunk().map(|b| u32::from_le_bytes(*b));
    let length = |record: &[u8]| record.get(10..)?.first_chunk().map(|b| usize::from(u16::from_be_bytes(*b)));
    let fits = |record: &[u8]| record.get(8).is_some_and(|kind| (1..=48).contains(&(kind & 0x7f)));
    let (Some(first_length), Some(first_seconds)) = (length(content), seconds(content)) else { return false };
    let Some(second) = content.get(first_length..) else { return false };
    let (Some(second_length), Some(second_seconds)) = (length(second), seconds(second)) else { return false };
    first_length >= 18
        && second_length >= 18
        && fits(content)
        && fits(second)
        && first_seconds > 631_152_000
        && first_seconds.abs_diff(second_seconds) < 86_400
}
