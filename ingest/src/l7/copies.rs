//! Connections that a capture shows on two flows: inside and outside a tunnel, or in two VLANs. They are told by the packet in
//! which something is said first: the same in both, within a moment. The flow that was seen first is then read, and the other is
//! not as long as that one is. Copies with other addresses, before and after translation, are not known as such.

use xxhash_rust::xxh3::Xxh3;

use super::shown::{Said, Shown};
use crate::flow::Observed;

/// First packets that are remembered: of connections that began a moment ago.
const MAX_FIRSTS: usize = 4096;

/// Packet time within which a copy comes, ns: far longer than a packet takes from one interface of a machine to the next.
const NEAR_NS: i64 = 100_000_000;

/// Bytes of payload that are compared; sequence numbers or identifiers are in them, or before them.
const COMPARED_BYTES: usize = 256;

/// The first packet of a conversation.
#[derive(Debug, Clone, Copy)]
struct First {
    said: u64,
    ts_ns: i64,
    flow: Observed,
}

/// The first packets of the latest conversations, each in the place that its hash says: a later one takes an earlier one's.
#[derive(Debug)]
pub(super) struct Firsts {
    places: Vec<Option<First>>,
}

/// A flow whose packets are those of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    /// The place of the other flow, and its id.
    pub(super) place: u32,
    pub(super) flow_id: i64,
    /// The protocol that the flow was told to speak.
    pub(super) told: Option<u8>,
}

impl Default for Firsts {
    fn default() -> Firsts {
        Firsts { places: vec![None; MAX_FIRSTS] }
    }
}

impl Firsts {
    /// The flow of which this one, in which something is said first in this packet, is a copy. Otherwise it is remembered.
    pub(super) fn original(&mut self, shown: &Shown<'_>) -> Option<Copied> {
        let (flow, ts_ns, said) = (shown.flow, shown.at.ts_ns, hash(&shown.said));
        let at = usize::try_from(said % MAX_FIRSTS as u64).unwrap_or(0);
        let place = self.places.get_mut(at)?;
        let near = |first: &First| ts_ns.saturating_sub(first.ts_ns).saturating_abs() <= NEAR_NS;
        match place {
            Some(first) if first.said == said && first.flow.flow_id != flow.flow_id && near(first) => {
                Some(Copied { place: first.flow.place, flow_id: first.flow.flow_id, told: None })
            }
            _ => {
                *place = Some(First { said, ts_ns, flow });
                None
            }
        }
    }
}

/// What makes a packet the same wherever it is seen: addresses, ports, numbers, and the beginning of what it says.
fn hash(said: &Said<'_>) -> u64 {
    let mut hasher = Xxh3::new();
    for address in [said.ips.0, said.ips.1] {
        match address {
            std::net::IpAddr::V4(v4) => hasher.update(&v4.octets()),
            std::net::IpAddr::V6(v6) => hasher.update(&v6.octets()),
        }
    }
    hasher.update(&[said.ip_proto]);
    for port in [said.ports.0, said.ports.1].into_iter().flatten() {
        hasher.update(&port.to_be_bytes());
    }
    if let Some(tcp) = &said.tcp {
        hasher.update(&tcp.seq.to_be_bytes());
        hasher.update(&tcp.ack.to_be_bytes());
    }
    if let Some(icmp) = &said.icmp {
        hasher.update(&[icmp.kind, icmp.code]);
        hasher.update(&icmp.word.to_be_bytes());
    }
    hasher.update(&said.payload_len.unwrap_or(0).to_be_bytes());
    hasher.update(said.payload.get(..COMPARED_BYTES).unwrap_or(said.payload));
    hasher.digest()
}
