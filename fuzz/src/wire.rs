//! Talks on the wire: their turns as raw IP packets, with the sequence numbers that the ends would give them. Checksums are 0,
//! which nobody looks at.

use crate::{
    protocols::{Carrier, Protocol},
    talk::{Act, FLOWS, Turn},
};

/// LINKTYPE_RAW: IPv4 or IPv6 without a link header.
pub const LINK_TYPE: u16 = 101;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Bytes of a turn that fit in a packet.
const MAX_BYTES: usize = 65_000;

/// A packet, and how much of it is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub bytes: Vec<u8>,
    pub captured: usize,
}

/// The wire of one talk.
#[derive(Debug)]
pub struct Wire {
    protocol: &'static Protocol,
    flows: [Option<Numbers>; FLOWS],
    late: Option<Packet>,
}

/// The sequence numbers that client and server use next.
#[derive(Debug, Clone, Copy)]
struct Numbers([u32; 2]);

/// One packet to be made.
struct Made<'a> {
    flow: usize,
    by_server: bool,
    flags: u8,
    seq: u32,
    ack: u32,
    bytes: &'a [u8],
}

impl Wire {
    pub fn new(protocol: &'static Protocol) -> Wire {
        Wire { protocol, flows: [None; FLOWS], late: None }
    }

    /// The packets of a turn, in the order they are captured.
    pub fn packets(&mut self, turn: &Turn<'_>) -> Vec<Packet> {
        let bytes = &turn.bytes[..turn.bytes.len().min(MAX_BYTES)];
        let (flow, by_server) = (turn.flow(), turn.is_servers());
        let is_tcp = matches!(self.protocol.carrier(flow), Carrier::Tcp(_));
        let mut packets = Vec::new();
        if self.flows[flow].is_none() && is_tcp && flow % 2 == 0 {
            // Flows of odd number are caught in the middle; numbers come around soon, so that this is met too.
            for (by_server, flags) in [(false, SYN), (true, SYN | ACK)] {
                packets.push(self.packet(&Made { flow, by_server, flags, seq: u32::MAX - 100, ack: 0, bytes: b"" }));
            }
        }
        let numbers = self.flows[flow].get_or_insert(Numbers([u32::MAX - 99; 2]));
        let seq = numbers.0[usize::from(by_server)];
        let ack = numbers.0[usize::from(!by_server)];
        numbers.0[usize::from(by_server)] = seq.wrapping_add(bytes.len() as u32);
        let made = Made { flow, by_server, flags: ACK, seq, ack, bytes };
        match turn.act() {
            Act::Say => packets.push(self.packet(&made)),
            Act::Lose | Act::Learn => {}
            Act::Cut => {
                let whole = self.packet(&made);
                packets.push(Packet { captured: whole.bytes.len() - bytes.len().div_ceil(2), ..whole });
            }
            Act::Late => {
                let packet = self.packet(&made);
                packets.extend(self.late.replace(packet));
                return packets;
            }
            Act::Again => {
                packets.extend([self.packet(&made), self.packet(&made)]);
                let longer = [b"?", bytes].concat();
                packets.push(self.packet(&Made { seq: seq.wrapping_sub(1), bytes: &longer, ..made }));
            }
            Act::Close => packets.push(self.packet(&Made { flags: FIN | ACK, ..made })),
            Act::Reset => packets.push(self.packet(&Made { flags: RST | ACK, ..made })),
        }
        packets.extend(self.late.take());
        packets
    }

    /// What is still on its way.
    pub fn last(&mut self) -> Option<Packet> {
        self.late.take()
    }

    fn packet(&self, made: &Made<'_>) -> Packet {
        let carrier = self.protocol.carrier(made.flow);
        let (number, header) = match carrier {
            Carrier::Tcp(port) => (6, tcp(made, port)),
            Carrier::Udp(port) => (17, udp(made, port)),
            Carrier::Sctp(port) => (132, [&ports(made, port)[..], &[0; 8]].concat()),
            Carrier::Icmp => (1, Vec::new()),
            Carrier::Icmpv6 => (58, Vec::new()),
        };
        let mut ends = [[10, 0, 0, 1], [10, 0, 0, 2]];
        if made.by_server {
            ends.reverse();
        }
        let len = header.len() + made.bytes.len();
        let mut bytes = if carrier == Carrier::Icmpv6 { ipv6(number, len, ends) } else { ipv4(number, len, ends) };
        bytes.extend(header);
        bytes.extend(made.bytes);
        Packet { captured: bytes.len(), bytes }
    }
}

fn ipv4(number: u8, len: usize, [src, dst]: [[u8; 4]; 2]) -> Vec<u8> {
    let [high, low] = (len as u16 + 20).to_be_bytes();
    [&[0x45, 0, high, low, 0, 1, 0x40, 0, 64, number, 0, 0][..], &src, &dst].concat()
}

fn ipv6(number: u8, len: usize, ends: [[u8; 4]; 2]) -> Vec<u8> {
    let [high, low] = (len as u16).to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, high, low, number, 64];
    for end in ends {
        header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        header.extend(end);
    }
    header
}

/// Of the sender, then of the receiver.
fn ports(made: &Made<'_>, server: u16) -> [u8; 4] {
    let client = 40_000 + made.flow as u16;
    let [src, dst] = if made.by_server { [server, client] } else { [client, server] };
    let ([a, b], [c, d]) = (src.to_be_bytes(), dst.to_be_bytes());
    [a, b, c, d]
}

fn tcp(made: &Made<'_>, port: u16) -> Vec<u8> {
    let (seq, ack) = (made.seq.to_be_bytes(), made.ack.to_be_bytes());
    [&ports(made, port)[..], &seq, &ack, &[0x50, made.flags, 0xff, 0xff, 0, 0, 0, 0]].concat()
}

fn udp(made: &Made<'_>, port: u16) -> Vec<u8> {
    let [high, low] = (made.bytes.len() as u16 + 8).to_be_bytes();
    [&ports(made, port)[..], &[high, low, 0, 0]].concat()
}
