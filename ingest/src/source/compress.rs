//! Compressed captures, recognised by their first bytes: gzip, zstd and lz4 frames, several in a row included.
//!
//! The one fact to know: a decoder here hands out every byte that decompressed before it reports damage, so that no whole packet
//! before the damage is lost. The libraries' own readers lose what the failing call had already produced.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::gzip::Gzip;

/// Largest zstd window accepted, as a power of two: what `zstd` itself takes without `--long=31`. It bounds memory to 128 MiB.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// How a capture's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    Lz4,
}

impl Compression {
    /// By the first four bytes; `None` when they are of no compression read here.
    pub(super) fn of(content: &[u8]) -> Option<Compression> {
        match *content.first_chunk::<4>()? {
            [0x1f, 0x8b, 8, _] => Some(Compression::Gzip),
            // The second is a skippable frame (RFC 8878 section 3.1.2), which parallel compressors put first.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstd),
            // The second is the legacy frame of `lz4 -l`.
            [0x04 | 0x02, 0x22 | 0x21, 0x4d | 0x4c, 0x18] => Some(Compression::Lz4),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
        }
    }

    pub(super) fn decoder<R: BufRead + Send + 'static>(self, input: R) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Compression::Gzip => Box::new(Gzip::new(input)),
            Compression::Zstd => Box::new(Zstd::new(input)?),
            Compression::Lz4 => Box::new(Lz4::new(input)),
        })
    }
}

/// zstd frames (RFC 8878), fed block by block: a call that fails then has no output of its own to lose.
struct Zstd<R> {
    input: R,
    decoder: Decoder<'static>,
    /// What the decoder wants next; 0 between frames.
    wanted: usize,
    /// The last call filled the output, so there may be more without input.
    unflushed: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(input: R) -> io::Result<Zstd<R>> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_ZSTD_WINDOW_LOG))?;
        Ok(Zstd { input, decoder, wanted: 0, unflushed: false })
    }

    /// Bytes to feed: never past the end of a block. The library's wish counts the next block's header of 3 bytes in, and the
    /// first 5 bytes of a frame hold no block.
    fn portion(&self) -> usize {
        match self.wanted {
            0 => 5,
            n @ 1..=3 => n,
            n => n - 3,
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let portion = self.portion();
            let available = if self.unflushed { &[] } else { self.input.fill_buf()? };
            if available.is_empty() && !self.unflushed {
                return if self.wanted == 0 { Ok(0) } else { Err(cut_short("zstd")) };
            }
            let fed = available.get(..portion).unwrap_or(available);
            let status = self.decoder.run_on_buffers(fed, out).map_err(invalid)?;
            self.input.consume(status.bytes_read);
            self.wanted = status.remaining;
            self.unflushed = status.remaining > 0 && status.bytes_written == out.len();
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
        }
    }
}

/// lz4 frames. The library takes a cut between two blocks for the end, so where the input ends is watched here.
struct Lz4<R: Read> {
    /// Always there; an `Option` so that a decoder can give its input to the next frame's.
    decoder: Option<lz4_flex::frame::FrameDecoder<Watched<R>>>,
    between_frames: bool,
}

/// A reader that remembers what became of it.
struct Watched<R> {
    input: R,
    read: u64,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(out)?;
        self.read += n as u64;
        self.ended |= n == 0 && !out.is_empty();
        Ok(n)
    }
}

impl<R: BufRead> Lz4<R> {
    fn new(input: R) -> Lz4<R> {
        let watched = Watched { input, read: 0, ended: false };
        Lz4 { decoder: Some(lz4_flex::frame::FrameDecoder::new(watched)), between_frames: true }
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = self.decoder.as_mut() else { return Ok(0) };
            let before = decoder.get_ref().read;
            match decoder.read(out) {
                Ok(0) => {}
                Ok(n) => {
                    self.between_frames = false;
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(cut_short("lz4")),
                Err(e) => return Err(invalid(e)),
            }
            let watched = decoder.get_ref();
            if watched.ended {
                let clean = self.between_frames && watched.read == before;
                return if clean { Ok(0) } else { Err(cut_short("lz4")) };
            }
            // A frame ended. The next one gets a decoder of its own: the library's buffers are sized for one frame.
            self.between_frames = true;
            self.decoder = self.decoder.take().map(|d| lz4_flex::frame::FrameDecoder::new(d.into_inner()));
        }
    }
}

/// The input ended where the format says it goes on.
pub(super) fn cut_short(codec: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the {codec} stream is cut short"))
}

fn invalid(e: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e.to_string())
}
