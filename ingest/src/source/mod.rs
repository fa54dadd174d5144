//! Capture files: pcap and pcapng of every common variant, plain or compressed, from a file or a pipe, as a stream of frames.
//!
//! [`CaptureFile`] recognises format and compression by content, holds a window of the file and nothing more, and lends each
//! frame out of it. A damaged file gives every whole packet before the damage and then says where it is; nothing after it is
//! guessed at. It does not look into packets.
//!
//! The formats are read by code of our own: the `pcap-file` crate knows neither the "modified" magic nor the old length orders,
//! refuses packets longer than the snap length, and cannot say at which byte a file is damaged.
//!
//! ```
//! use wiretape_ingest::source::{CaptureFile, Event};
//!
//! # fn main() -> Result<(), wiretape_ingest::source::SourceError> {
//! let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]; // pcap, µs, little-endian, version 2.4
//! file.extend([0; 8]);
//! file.extend([0, 0, 4, 0, 1, 0, 0, 0]); // snap length 262,144, Ethernet
//! file.extend([5, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 60, 0, 0, 0, 0xca, 0xfe]); // one packet of 60 bytes, cut at 2
//! let mut capture = CaptureFile::from_reader("example".to_owned(), Box::new(std::io::Cursor::new(file)))?;
//! assert!(matches!(capture.next_event()?, Some(Event::Interface(_))));
//! let Some(Event::Frame(frame)) = capture.next_event()? else { panic!("one packet") };
//! assert_eq!((frame.ts_ns, frame.data, frame.orig_len), (5_000_007_000, &[0xca, 0xfe][..], 60));
//! assert!(capture.next_event()?.is_none());
//! # Ok(())
//! # }
//! ```

mod buffer;
mod compress;
mod error;
mod fingerprint;
mod gzip;
mod options;
mod order;
mod pcap;
mod pcapng;
mod recognise;
#[cfg(test)]
mod tests;
mod ticks;

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Cursor, Read},
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

pub use error::SourceError;
pub use fingerprint::{Fingerprint, fingerprint};

use self::{
    buffer::{Buffer, Stop},
    compress::Compression,
    error::Fault,
    pcap::Pcap,
    pcapng::Pcapng,
    recognise::Content,
};
use crate::frame::{Direction, Frame, Interface};

/// Most captured bytes of one packet, libpcap's and Wireshark's limit: a record that says more is damage, not an allocation.
pub const MAX_CAPTURED_BYTES: u32 = 262_144;

/// Bytes of compressed input held.
const COMPRESSED_BYTES: usize = 256 * 1024;

/// What a capture file yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The next interface, before any frame of it.
    Interface(Interface),
    /// A log of TLS secrets (SSLKEYLOGFILE) that the file carries, before the packets that it opens.
    Secrets(&'a [u8]),
    /// A packet. Its `interface` counts the interfaces announced so far from 0, over all sections of a file.
    Frame(Frame<'a>),
}

/// An open capture.
pub struct CaptureFile {
    name: String,
    buffer: Buffer,
    format: Format,
    compression: Option<Compression>,
    raw: Arc<RawState>,
    size_bytes: Option<u64>,
    frames: u64,
    /// The end was reached, or damage reported.
    ended: bool,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// What a format's reader found: as an [`Event`], with the frame's data still a place in the buffer.
enum Item {
    Interface(Interface),
    Secrets(Range<usize>),
    Frame(FrameAt),
}

struct FrameAt {
    ts_ns: i64,
    interface: u32,
    link_type: u16,
    orig_len: u32,
    data: Range<usize>,
    direction: Option<Direction>,
}

impl CaptureFile {
    /// Opens a file, or anything a path can name that can be read (a named pipe).
    ///
    /// # Errors
    /// Anything in [`SourceError`]; the file header, but no record, has been read then.
    pub fn open(path: &Path) -> Result<CaptureFile, SourceError> {
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = match open() {
            Ok(opened) => opened,
            Err(source) => return Err(SourceError::Io { name, source }),
        };
        if metadata.is_dir() {
            return Err(SourceError::NotACapture { name, looks_like: "a directory".to_owned() });
        }
        let mut capture = Self::from_reader(name, Box::new(file))?;
        capture.size_bytes = metadata.is_file().then_some(metadata.len());
        Ok(capture)
    }

    /// Reads a stream, such as standard input, that messages call `name`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_reader(name: String, reader: Box<dyn Read + Send>) -> Result<CaptureFile, SourceError> {
        let raw = Arc::new(RawState::default());
        let mut buffer = Buffer::new(Box::new(Raw { reader, state: Arc::clone(&raw) }));
        buffer.fill(4);
        let compression = Compression::of(buffer.window());
        if let Some(codec) = compression {
            let (head, rest) = buffer.into_parts();
            let input = BufReader::with_capacity(COMPRESSED_BYTES, Cursor::new(head).chain(rest));
            buffer = match codec.decoder(input) {
                Ok(decoder) => Buffer::new(decoder),
                Err(source) => return Err(SourceError::Io { name, source }),
            };
            buffer.fill(4);
        }
        let format = if Pcap::is_at(buffer.window()) {
            Pcap::open(&mut buffer).map(Format::Pcap)
        } else if Pcapng::is_at(buffer.window()) {
            Pcapng::open(&mut buffer).map(Format::Pcapng)
        } else {
            Err(Fault::NotThisFormat)
        };
        match format {
            Ok(format) => {
                Ok(CaptureFile { name, buffer, format, compression, raw, size_bytes: None, frames: 0, ended: false })
            }
            Err(fault) => {
                Err(Place { name: &name, offset: 0, frames: 0, compression, raw: &raw }.error(fault, &mut buffer))
            }
        }
    }

    /// The next interface or frame; `None` at the end, also after an error.
    ///
    /// # Errors
    /// [`SourceError::Damaged`] after the last whole packet of a cut or damaged file, [`SourceError::Io`] when reading fails,
    /// [`SourceError::Unsupported`] at a section of another version.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        let mut offset = self.buffer.offset();
        let next = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.buffer),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.buffer, &mut offset),
        };
        match next {
            Ok(Some(Item::Frame(at))) => {
                self.frames += 1;
                let data = self.buffer.slice(at.data);
                let FrameAt { ts_ns, interface, link_type, orig_len, direction, .. } = at;
                Ok(Some(Event::Frame(Frame { ts_ns, interface, link_type, orig_len, data, direction })))
            }
            Ok(Some(Item::Interface(interface))) => Ok(Some(Event::Interface(interface))),
            Ok(Some(Item::Secrets(at))) => Ok(Some(Event::Secrets(self.buffer.slice(at)))),
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(fault) => Err(self.fail(fault, offset)),
        }
    }

    #[cold]
    fn fail(&mut self, fault: Fault, offset: u64) -> SourceError {
        self.ended = true;
        let place =
            Place { name: &self.name, offset, frames: self.frames, compression: self.compression, raw: &self.raw };
        place.error(fault, &mut self.buffer)
    }

    /// The name that messages use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes read so far of the file as stored: of [`size_bytes`](Self::size_bytes) this much is done, give or take a window.
    pub fn bytes_read(&self) -> u64 {
        self.raw.bytes.load(Ordering::Relaxed)
    }

    /// Size in bytes of the file as stored; `None` for a stream.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    /// `pcap` or `pcapng`.
    pub fn format(&self) -> &'static str {
        match self.format {
            Format::Pcap(_) => "pcap",
            Format::Pcapng(_) => "pcapng",
        }
    }

    /// `gzip`, `zstd` or `lz4`; `None` for a plain file.
    pub fn compression(&self) -> Option<&'static str> {
        self.compression.map(Compression::name)
    }
}

impl fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFile")
            .field("name", &self.name)
            .field("format", &self.format())
            .field("compression", &self.compression())
            .field("offset", &self.buffer.offset())
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// The stored bytes: counted, and with the knowledge whether reading them, rather than decompressing them, failed.
struct Raw {
    reader: Box<dyn Read + Send>,
    state: Arc<RawState>,
}

#[derive(Default)]
struct RawState {
    bytes: AtomicU64,
    failed: AtomicBool,
}

impl Read for Raw {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(out) {
                Ok(n) => {
                    self.state.bytes.fetch_add(n as u64, Ordering::Relaxed);
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.state.failed.store(true, Ordering::Relaxed);
                    return Err(e);
                }
            }
        }
    }
}

/// Where a fault was met, for the message.
struct Place<'a> {
    name: &'a str,
    offset: u64,
    frames: u64,
    compression: Option<Compression>,
    raw: &'a RawState,
}

impl Place<'_> {
    fn error(&self, fault: Fault, buffer: &mut Buffer) -> SourceError {
        let name = self.name.to_owned();
        if matches!(fault, Fault::NotThisFormat) {
            buffer.fill(recognise::SAMPLE_BYTES);
        }
        match (fault, buffer.take_stop()) {
            // A failed read outweighs what the bytes before it look like.
            (_, Some(Stop::Failed(source))) if self.raw.failed.load(Ordering::Relaxed) => {
                SourceError::Io { name, source }
            }
            (Fault::Unsupported(what), _) => SourceError::Unsupported { name, what },
            (Fault::Broken(what), _) => self.damaged(what),
            (Fault::Short(_), Some(Stop::Failed(e))) => self.damaged(e.to_string()),
            (Fault::Short(what), _) => self.damaged(format!("the {} ends inside {what}", self.what_ends())),
            // Too little decompressed to tell what it is.
            (Fault::NotThisFormat, Some(Stop::Failed(e))) if buffer.window().len() < 4 => self.damaged(e.to_string()),
            (Fault::NotThisFormat, _) => {
                let codec = self.compression.map(|c| format!("{} of ", c.name())).unwrap_or_default();
                match recognise::content(buffer.window()) {
                    Content::OtherCapture(what) => SourceError::Unsupported { name, what: format!("{codec}{what}") },
                    Content::NoCapture(what) => SourceError::NotACapture { name, looks_like: format!("{codec}{what}") },
                }
            }
        }
    }

    fn what_ends(&self) -> &'static str {
        if self.compression.is_some() { "decompressed content" } else { "file" }
    }

    fn damaged(&self, what: String) -> SourceError {
        SourceError::Damaged {
            name: self.name.to_owned(),
            offset: self.offset,
            what,
            frames: self.frames,
            compression: self.compression.map(Compression::name),
        }
    }
}
