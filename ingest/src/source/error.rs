//! Why a capture could not be read, or not to its end. Each names the file; damage also says where, and how much before it is whole.

use std::io;

/// What [`CaptureFile`](super::CaptureFile) returns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The content is no capture of any kind.
    #[error("{name}: not a capture: it looks like {looks_like}")]
    NotACapture {
        /// The file, as it was given.
        name: String,
        /// What the content is, as far as its first bytes tell.
        looks_like: String,
    },
    /// A capture, in a format or version that is not read.
    #[error("{name}: {what} cannot be read (pcap and pcapng can, also in gzip, zstd or lz4)")]
    Unsupported {
        /// The file, as it was given.
        name: String,
        /// The format or version.
        what: String,
    },
    /// The file ends inside a record, or a record or its compression breaks a rule of its format. Comes after every whole
    /// packet before it was yielded; nothing after it is read.
    #[error("{name}: damaged at byte {offset}{}: {what}; packets before it: {frames}", stream(.compression))]
    Damaged {
        /// The file, as it was given.
        name: String,
        /// Where the damaged record begins, in bytes from the start of the decompressed content.
        offset: u64,
        /// The rule that does not hold.
        what: String,
        /// Packets that were yielded.
        frames: u64,
        /// What `offset` had to be decompressed from: `gzip`, `zstd` or `lz4`; `None` when it is an offset in the file.
        compression: Option<&'static str>,
    },
    /// The operating system refused to open or read.
    #[error("{name}: {source}")]
    Io {
        /// The file, as it was given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// How a message says that an offset is not one in the file.
fn stream(compression: &Option<&'static str>) -> String {
    compression.map_or_else(String::new, |codec| format!(" of the decompressed {codec} stream"))
}

/// Why a format's reader stopped, before the file's name and position are known to the message.
#[derive(Debug)]
pub(super) enum Fault {
    /// The stream ended, or its decompression failed, inside this.
    Short(&'static str),
    /// A rule of the format does not hold.
    Broken(String),
    /// A version or variant that is not read.
    Unsupported(String),
    /// The first bytes promised a capture and the next ones are none.
    NotThisFormat,
}
