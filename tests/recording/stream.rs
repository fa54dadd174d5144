//! A capture stream of numbered frames that no codec makes smaller, as fast as it is wanted.

use std::{
    io::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use wiretape::demo;

/// Bytes of each frame.
const FRAME_BYTES: usize = 500;
/// Ethernet, IPv4 and UDP headers.
const HEADER_BYTES: usize = 42;
/// Frames that are written in one piece.
const BATCH: u64 = 100;
/// Time between two frames by their timestamps.
const STEP_NS: i64 = 10_000;

/// A capture being written.
#[derive(Debug)]
pub(crate) struct Stream<W> {
    out: W,
    start_ns: i64,
    next: u64,
}

impl<W: Write> Stream<W> {
    /// Writes the file header. The first frame carries the present time.
    pub(crate) fn begin(mut out: W) -> io::Result<Stream<W>> {
        out.write_all(&demo::pcap(&[]))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Ok(Stream { out, start_ns: i64::try_from(now.as_nanos()).unwrap(), next: 0 })
    }

    /// Writes at least so many bytes of frames.
    pub(crate) fn send(&mut self, bytes: usize) -> io::Result<()> {
        let until = self.next + (bytes / FRAME_BYTES) as u64;
        while self.next < until {
            let packets: Vec<_> = (self.next..self.next + BATCH).map(|n| self.packet(n)).collect();
            // All but the header of a capture of its own.
            self.out.write_all(&demo::pcap(&packets)[demo::pcap(&[]).len()..])?;
            self.next += BATCH;
        }
        self.out.flush()
    }

    /// Frames written.
    pub(crate) fn sent(&self) -> u64 {
        self.next
    }

    fn packet(&self, n: u64) -> demo::Packet {
        demo::Packet { ts_ns: self.start_ns + n as i64 * STEP_NS, data: frame(n) }
    }
}

/// Frame number `n`: a datagram between two of a thousand pairs of hosts, without checksums.
pub(crate) fn frame(n: u64) -> Vec<u8> {
    let [.., high, low] = (n % 1000).to_be_bytes();
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let ip_len = (FRAME_BYTES - 14) as u16;
    let [len_high, len_low] = ip_len.to_be_bytes();
    frame.extend([0x45, 0, len_high, len_low, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, high, low, 10, 2, high, low]);
    let [len_high, len_low] = (ip_len - 20).to_be_bytes();
    frame.extend([0x9c, 0x40, 0x27, 0x0f, len_high, len_low, 0, 0]);
    frame.extend(n.to_be_bytes());
    // SplitMix64: no two words alike, and no codec finds anything in them.
    let mut state = n << 20;
    while frame.len() < FRAME_BYTES {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        frame.extend((mixed ^ (mixed >> 31)).to_be_bytes());
    }
    frame.truncate(FRAME_BYTES);
    frame
}

/// The number of a frame, read from it; fails unless every byte is as it was sent.
#[track_caller]
pub(crate) fn number_of(data: &[u8]) -> u64 {
    let n = u64::from_be_bytes(*data[HEADER_BYTES..].first_chunk().unwrap());
    assert!(data == frame(n), "frame {n} is not as it was sent");
    n
}
