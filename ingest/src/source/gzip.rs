//! gzip members (RFC 1952), several in a row included. Inflating is the library's; the frame around it is read here, because the
//! library's own reader drops what it had inflated in the call that meets the damage.

use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::compress::cut_short;

// Flags of a member header (RFC 1952 section 2.3.1).
const HAS_CRC: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

pub(super) struct Gzip<R> {
    input: R,
    inflate: Decompress,
    /// Of the current member's output.
    crc: Crc,
    next: Part,
}

/// What comes next in the input.
#[derive(Clone, Copy)]
enum Part {
    Header,
    Body,
    Trailer,
    Nothing,
    /// Damage that was met after output, to be reported now.
    Damage,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(input: R) -> Gzip<R> {
        Gzip { input, inflate: Decompress::new(false), crc: Crc::new(), next: Part::Header }
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.bytes::<1>().map(|[b]| b)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => cut_short("gzip"),
            _ => e,
        })?;
        Ok(bytes)
    }

    /// Reads a member's header; only zero bytes, which tapes and block devices pad with, may stand in its place before the end.
    fn header(&mut self) -> io::Result<Part> {
        loop {
            match self.input.fill_buf()? {
                [] => return Ok(Part::Nothing),
                [0, ..] => self.input.consume(1),
                _ => break,
            }
        }
        let [id1, id2, method, flags, ..] = self.bytes::<10>()?;
        if [id1, id2, method] != [0x1f, 0x8b, 8] || flags & RESERVED != 0 {
            return Err(invalid("what follows a gzip member is no other"));
        }
        if flags & HAS_EXTRA != 0 {
            let length = u16::from_le_bytes(self.bytes()?);
            for _ in 0..length {
                self.byte()?;
            }
        }
        for text in [HAS_NAME, HAS_COMMENT] {
            while flags & text != 0 && self.byte()? != 0 {}
        }
        if flags & HAS_CRC != 0 {
            self.bytes::<2>()?;
        }
        self.inflate.reset(false);
        self.crc.reset();
        Ok(Part::Body)
    }

    /// Inflates into `out`; 0 when the member's data ended, or the input gave nothing yet.
    fn body(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let input = self.input.fill_buf()?;
        let ended = input.is_empty();
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, out, FlushDecompress::None);
        // Both counters are kept up when the call fails.
        let used = usize::try_from(self.inflate.total_in() - read).unwrap_or(usize::MAX);
        let made = usize::try_from(self.inflate.total_out() - written).unwrap_or(usize::MAX);
        self.input.consume(used);
        self.crc.update(out.get(..made).unwrap_or_default());
        match status {
            Ok(Status::StreamEnd) => self.next = Part::Trailer,
            Ok(_) if made > 0 || used > 0 => {}
            Ok(_) if ended => return Err(cut_short("gzip")),
            Ok(_) | Err(_) => self.next = Part::Damage,
        }
        Ok(made)
    }

    fn trailer(&mut self) -> io::Result<Part> {
        let sum = u32::from_le_bytes(self.bytes()?);
        let length = u32::from_le_bytes(self.bytes()?);
        if sum == self.crc.sum() && length == self.crc.amount() {
            Ok(Part::Header)
        } else {
            Err(invalid("a gzip member's checksum does not hold"))
        }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            match self.next {
                Part::Header => self.next = self.header()?,
                Part::Body => match self.body(out)? {
                    0 => {}
                    n => return Ok(n),
                },
                Part::Trailer => self.next = self.trailer()?,
                Part::Nothing => return Ok(0),
                Part::Damage => return Err(invalid("the gzip stream is corrupt")),
            }
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
