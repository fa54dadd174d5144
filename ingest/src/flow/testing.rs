//! Packets for the tests of this module, made as decode would make them.

use std::net::{IpAddr, SocketAddr};

use super::key::{TCP, UDP};
use crate::decode::{Decoded, IcmpHeader, IpHeader, TcpHeader};

/// A packet to be.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    proto: u8,
    src: SocketAddr,
    dst: SocketAddr,
    tcp: TcpHeader,
    payload: Vec<u8>,
}

/// A TCP packet without flags.
pub(crate) fn tcp(src: &str, dst: &str) -> Made {
    ports(TCP, src, dst)
}

/// A UDP packet.
pub(crate) fn udp(src: &str, dst: &str) -> Made {
    ports(UDP, src, dst)
}

/// A packet of any protocol with ports.
pub(crate) fn ports(proto: u8, src: &str, dst: &str) -> Made {
    let tcp = TcpHeader { flags: 0, seq: 0, ack: 0, window: 1000 };
    Made { proto, src: src.parse().unwrap(), dst: dst.parse().unwrap(), tcp, payload: Vec::new() }
}

impl Made {
    pub(crate) fn flags(mut self, flags: u8) -> Made {
        self.tcp.flags = flags;
        self
    }

    pub(crate) fn seq(mut self, seq: u32) -> Made {
        self.tcp.seq = seq;
        self
    }

    pub(crate) fn ack(mut self, ack: u32) -> Made {
        self.tcp.ack = ack;
        self
    }

    pub(crate) fn window(mut self, window: u16) -> Made {
        self.tcp.window = window;
        self
    }

    pub(crate) fn payload(mut self, payload: &[u8]) -> Made {
        self.payload = payload.to_vec();
        self
    }

    pub(crate) fn packet(&self) -> Decoded<'_> {
        Decoded {
            ip: Some(header(self.proto, self.src.ip(), self.dst.ip())),
            src_port: Some(self.src.port()),
            dst_port: Some(self.dst.port()),
            tcp: (self.proto == TCP).then_some(self.tcp),
            payload_len: Some(u32::try_from(self.payload.len()).unwrap()),
            payload: &self.payload,
            ..Decoded::default()
        }
    }
}

/// An ICMP or ICMPv6 packet, by the addresses.
pub(crate) fn icmp(src: &str, dst: &str, kind: u8, code: u8, id: Option<u16>) -> Decoded<'static> {
    let proto = if src.contains(':') { 58 } else { 1 };
    Decoded { icmp: Some(IcmpHeader { kind, code, id, word: 0 }), ..bare(proto, src, dst) }
}

/// A packet without transport header.
pub(crate) fn bare(proto: u8, src: &str, dst: &str) -> Decoded<'static> {
    Decoded { ip: Some(header(proto, src.parse().unwrap(), dst.parse().unwrap())), ..Decoded::default() }
}

fn header(proto: u8, src: IpAddr, dst: IpAddr) -> IpHeader {
    IpHeader { src, dst, proto, ttl: 64, dscp: 0, id: None, fragment: None }
}
