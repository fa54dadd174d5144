//! The compressed protocol: packets within packets, which are zlib's or zstd's, or as they are where that is shorter.

use std::io::Read;

use super::Mysql;
use crate::{
    flow::Way,
    l7::{
        dissector::{Chunk, Dissector, End, Gap},
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        stamp::Stamp,
    },
};

/// Bytes of a compressed packet that are kept. Servers begin a new one every 16 KiB, or with each row.
const MAX_BYTES: usize = 1 << 20;

/// Bytes before the payload of a compressed packet.
const HEADER_BYTES: usize = 7;

/// The largest window of a zstd frame that is read, as a power of two: no packet is longer than its 16 MiB.
const ZSTD_WINDOW_LOG: u32 = 24;

/// Bytes that are uncompressed at once.
const STEP_BYTES: usize = 16 << 10;

/// What packets are compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Zlib,
    Zstd,
}

/// Takes the compression off.
#[derive(Debug)]
pub(super) struct Compressed {
    inside: Framed<Mysql>,
    how: How,
}

impl Compressed {
    pub(super) fn new(inside: Framed<Mysql>, how: How) -> Compressed {
        Compressed { inside, how }
    }
}

/// Lengths of what is compressed and of what it becomes; zero for what is as it is.
fn lengths(head: &[u8]) -> Option<(u32, u32)> {
    let [a, b, c, _, d, e, f] = *head.first_chunk::<HEADER_BYTES>()?;
    Some((u32::from_le_bytes([a, b, c, 0]), u32::from_le_bytes([d, e, f, 0])))
}

fn unzstd(payload: &[u8]) -> std::io::Result<zstd::Decoder<'_, &[u8]>> {
    let mut decoder = zstd::Decoder::with_buffer(payload)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

impl Messages for Compressed {
    const MAX_BYTES: usize = MAX_BYTES;

    fn frame(&mut self, _: Way, head: &[u8]) -> Frame {
        lengths(head).map_or(Frame::Unknown, |(len, _)| Frame::Is(HEADER_BYTES as u64 + u64::from(len)))
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let Some((_, plain_len)) = lengths(message.bytes) else { return };
        let payload = message.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let at = message.span.last;
        if message.len > message.bytes.len() as u64 {
            return self.lost(way, at, out);
        }
        if plain_len == 0 {
            return self.inside.data(Chunk { way, at, bytes: payload }, out);
        }
        let plain: Box<dyn Read + '_> = match self.how {
            How::Zlib => Box::new(flate2::read::ZlibDecoder::new(payload)),
            How::Zstd => match unzstd(payload) {
                Ok(decoder) => Box::new(decoder),
                Err(_) => return self.lost(way, at, out),
            },
        };
        let mut plain = plain.take(u64::from(plain_len));
        let mut step = vec![0; STEP_BYTES.min(plain_len as usize)];
        let mut left = u64::from(plain_len);
        while left > 0 {
            match plain.read(&mut step) {
                Ok(read @ 1..) => {
                    left -= read as u64;
                    self.inside.data(Chunk { way, at, bytes: step.get(..read).unwrap_or_default() }, out);
                }
                _ => return self.lost(way, at, out),
            }
        }
    }

    fn lost(&mut self, way: Way, at: Stamp, out: &mut Out<'_>) {
        // How many bytes are missing inside is not known: more than a packet may have.
        self.inside.gap(Gap { way, at, bytes: u64::MAX }, out);
    }

    fn begins(&self, _: Way, head: &[u8]) -> bool {
        // Compressed bytes look like nothing else; zlib's begin with its mark, others with the header of a packet.
        let Some((len, plain_len)) = lengths(head) else { return false };
        let payload = head.get(HEADER_BYTES..).unwrap_or_default();
        let fits = payload.len() <= len as usize;
        fits && match self.how {
            _ if plain_len == 0 => matches!(payload, [_, _, 0, 0 | 1, ..]),
            How::Zlib => payload.first() == Some(&0x78),
            How::Zstd => payload.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        }
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.inside.end(end, out);
    }

    fn size_bytes(&self) -> usize {
        self.inside.size_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a frame which asks for a larger window than a packet can need is not given the memory for it.
    #[test]
    fn windows_are_bounded() {
        let frame = |log: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 5 << 3 | 1, 0, 0][..], b"hello"].concat();
        let read = |log: u8| std::io::read_to_string(unzstd(&frame(log)).unwrap()).ok();
        assert_eq!((read(24).as_deref(), read(25)), (Some("hello"), None));
    }
}
