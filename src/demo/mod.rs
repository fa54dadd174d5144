//! The demo's capture: an hour of a small office's traffic with an incident in it, made by packet builders, so that the
//! demo needs nothing but the binary and the tests nothing but the source.
//!
//! [`Conversation`] builds what two hosts say to each other; [`packets`] tells the story; [`pcap`] writes any packets down
//! as a capture file. The same build gives the same bytes, always. No packet is larger than Ethernet allows, every
//! checksum is right, and all addresses and names are private or set aside for documentation.

mod conversation;
mod incident;
mod office;
pub mod packet;
pub mod payload;
mod random;

pub use conversation::Conversation;
pub use incident::{CONTROLLER, SUSPECT, VICTIM};
pub use packet::{Endpoint, Packet};
pub use random::Random;

/// First moment of the story: 2026-11-20 17:00:00 UTC.
pub const START_NS: i64 = 1_795_194_000_000_000_000;
/// How long it lasts: an hour.
pub const DURATION_NS: i64 = 3_600_000_000_000;
/// The name the demo's capture file goes by.
pub const FILE_NAME: &str = "office.pcap";

/// Bytes captured of each packet at most: all of them.
const SNAPLEN: u32 = 262_144;
/// The pcap file header's magic number for timestamps in nanoseconds.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const NS_PER_SECOND: i64 = 1_000_000_000;
/// What makes this office this office: another seed would be another hour.
const SEED: u64 = 0x1723;

/// Every packet of the story in time order.
pub fn packets() -> Vec<Packet> {
    let mut random = Random::new(SEED);
    let mut packets = office::traffic(START_NS, &mut random);
    packets.extend(incident::traffic(START_NS, &mut random));
    packets.retain(|p| p.ts_ns < START_NS + DURATION_NS);
    packets.sort_by_key(|p| p.ts_ns);
    packets
}

/// `packets` as a capture file: pcap 2.4, little-endian, nanoseconds, Ethernet. Times must be after 1970 and before 2106.
pub fn pcap(packets: &[Packet]) -> Vec<u8> {
    let mut file = Vec::with_capacity(24 + packets.iter().map(|p| 16 + p.data.len()).sum::<usize>());
    file.extend_from_slice(&MAGIC_NANOSECONDS.to_le_bytes());
    file.extend_from_slice(&2u16.to_le_bytes());
    file.extend_from_slice(&4u16.to_le_bytes());
    for word in [0, 0, SNAPLEN, 1] {
        file.extend_from_slice(&u32::to_le_bytes(word));
    }
    for packet in packets {
        let len = packet.data.len();
        for word in [packet.ts_ns.div_euclid(NS_PER_SECOND), packet.ts_ns.rem_euclid(NS_PER_SECOND)] {
            file.extend_from_slice(&u32::try_from(word).unwrap_or(u32::MAX).to_le_bytes());
        }
        for len in [len, len] {
            file.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        }
        file.extend_from_slice(&packet.data);
    }
    file
}

#[cfg(test)]
mod tests;
