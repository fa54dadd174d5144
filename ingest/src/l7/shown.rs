//! A packet as dissection sees it: what its headers and its flow say, and its payload.

use std::net::IpAddr;

use super::{protocol::Hint, reassembly::Order, stamp::Stamp, tap::Tap};
use crate::{
    decode::{Decoded, IcmpHeader, TcpHeader},
    flow::{Begin, Ends, FlowTable, Observed, Pair, flag},
};

/// Packets in order of time, over all flows, after which a capture that was seen to mix its packets is taken for one that does not.
const ORDERLY_PACKETS: u32 = 128;

/// How far times go back where packets are mixed, ns, at most. Where they go back further, another capture was appended.
const MIXED_NS: i64 = 1_000_000_000;

/// A packet and its flow, at the time it came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(super) flow: Observed,
    pub(super) at: Stamp,
    pub(super) tap: Tap,
    /// Of the packets of the capture.
    pub(super) order: Order,
    /// Who the flow is between.
    pub(super) ends: Ends,
    /// Where the bytes of each direction begin.
    pub(super) begins: Pair<Begin>,
    /// The connection was reset, by this packet or before it.
    pub(super) is_reset: bool,
    pub(super) said: Said<'a>,
}

/// What a packet says: its innermost headers and what they carry, as [`Decoded`] has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(super) ips: (IpAddr, IpAddr),
    pub(super) ip_proto: u8,
    pub(super) ports: (Option<u16>, Option<u16>),
    pub(super) tcp: Option<TcpHeader>,
    pub(super) icmp: Option<IcmpHeader>,
    /// Bytes of payload, captured or not.
    pub(super) payload_len: Option<u32>,
    pub(super) payload: &'a [u8],
}

impl<'a> Said<'a> {
    fn of(packet: &Decoded<'a>) -> Option<Said<'a>> {
        let ip = packet.ip.as_ref()?;
        Some(Said {
            ips: (ip.src, ip.dst),
            ip_proto: ip.proto,
            ports: (packet.src_port, packet.dst_port),
            tcp: packet.tcp,
            icmp: packet.icmp,
            payload_len: packet.payload_len,
            payload: packet.payload,
        })
    }

    /// The same headers over these bytes.
    pub(super) fn over(self, payload: &[u8]) -> Said<'_> {
        let Said { ips, ip_proto, ports, tcp, icmp, payload_len, payload: _ } = self;
        Said { ips, ip_proto, ports, tcp, icmp, payload_len, payload }
    }

    /// Whether it says nothing to anybody but the other end's TCP.
    pub(super) fn says_nothing(&self) -> bool {
        self.payload_len.unwrap_or(0) == 0 && self.icmp.is_none()
    }

    /// What helps to recognise the protocol.
    pub(super) fn hint(&self) -> Option<Hint> {
        let (src_port, dst_port) = (self.ports.0?, self.ports.1?);
        Some(Hint { src_port, dst_port, ip_proto: self.ip_proto, len: self.payload_len.unwrap_or(0) as usize })
    }
}

impl Shown<'_> {
    /// The same packet over these bytes.
    pub(super) fn over(self, payload: &[u8]) -> Shown<'_> {
        let Shown { flow, at, tap, order, ends, begins, is_reset, said } = self;
        Shown { flow, at, tap, order, ends, begins, is_reset, said: said.over(payload) }
    }
}

/// In which order packets come, of all flows.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// The latest packet time so far, and packets since one was earlier than one before it.
    latest_ns: i64,
    in_order: u32,
}

impl Default for Arrivals {
    fn default() -> Arrivals {
        Arrivals { latest_ns: 0, in_order: ORDERLY_PACKETS }
    }
}

impl Arrivals {
    /// Whether packets are in the order in which they passed, with one of that time: as long as their times do not go back.
    #[inline]
    pub(super) fn order(&mut self, ts_ns: i64) -> Order {
        let back_ns = self.latest_ns.saturating_sub(ts_ns);
        self.in_order = if (1..=MIXED_NS).contains(&back_ns) { 0 } else { self.in_order.saturating_add(1) };
        self.latest_ns = if back_ns > MIXED_NS { ts_ns } else { self.latest_ns.max(ts_ns) };
        if self.in_order < ORDERLY_PACKETS { Order::Mixed } else { Order::Kept }
    }
}

/// The packet at hand, of that flow of the table.
#[inline]
pub(super) fn shown<'a>(
    flows: &FlowTable,
    flow: &Observed,
    (at, tap, order): (Stamp, Tap, Order),
    packet: &Decoded<'a>,
) -> Option<Shown<'a>> {
    let said = Said::of(packet)?;
    let is_tcp = said.tcp.is_some();
    Some(Shown {
        flow: *flow,
        at,
        tap,
        order,
        ends: flows.ends(flow.place),
        begins: if is_tcp { flows.begins(flow.place) } else { Pair::default() },
        is_reset: said.tcp.is_some_and(|tcp| tcp.flags & flag::RST != 0) && flows.was_reset(flow.place),
        said,
    })
}
