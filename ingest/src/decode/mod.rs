//! From the bytes of a frame to [`Decoded`]: every header from the link layer to the transport, tunnels followed inwards,
//! IP fragments joined.
//!
//! The one fact to know: the result is a function of the frames given so far and nothing else, and no byte of a frame can
//! make it fail. What a cut or lying header still shows is kept and an [`Anomaly`] says what was wrong. Application
//! protocols are not looked at, checksums are not verified (offloading makes them wrong in every local capture).

mod anomaly;
mod cursor;
mod decoded;
mod flags;
mod fragment;
mod ip;
mod layers;
mod link;
mod path;
mod tag;
mod transport;
mod tunnel;
mod wifi;

use cursor::Cursor;
use fragment::FragmentTable;

pub use anomaly::{Anomalies, Anomaly};
pub use decoded::{Decoded, Fragment, IcmpHeader, IpHeader, TcpHeader};
pub use layers::{Layer, Layers};
pub use path::{Encapsulation, Tunnel};

use crate::Frame;

/// Bounds on the state that fragments may hold. Times are packet time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of fragments waiting for the rest of their datagrams. Default 16 MiB: 256 datagrams of the largest size.
    pub fragment_bytes: usize,
    /// Datagrams in the table. Default 4096; the oldest makes room for a new one.
    pub datagrams: usize,
    /// How long after its first fragment a datagram is given up, ns. Default 30 s, the middle of what hosts use (RFC 791
    /// says 15 s, RFC 8200 60 s).
    pub timeout_ns: i64,
}

impl Default for DecodeLimits {
    fn default() -> DecodeLimits {
        DecodeLimits { fragment_bytes: 16 << 20, datagrams: 4096, timeout_ns: 30_000_000_000 }
    }
}

/// What decode had to give up, and what it joined. Monotonic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecodeCounters {
    /// Fragments seen.
    pub fragments: u64,
    /// Datagrams joined from fragments.
    pub datagrams_joined: u64,
    /// Fragments dropped to stay within the limits.
    pub fragments_dropped_limit: u64,
    /// Fragments dropped because their datagram was not whole in time.
    pub fragments_dropped_timeout: u64,
    /// Fragments dropped because their place in the datagram is impossible.
    pub fragments_dropped_bad: u64,
    /// Fragments that claimed bytes already there with other content.
    pub fragments_overlapping: u64,
}

/// Headers of one frame that are followed. Real stacks have fewer than twenty; the limit ends made-up ones.
const MAX_HEADERS: usize = 64;
/// Datagrams joined within one frame: a fragment in a tunnel in a fragment. Each has a buffer, which the payload may borrow.
const MAX_JOINED: usize = 4;

/// Decodes frames, in the order they were captured.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: FragmentTable,
    joined: [Vec<u8>; MAX_JOINED],
}

impl Decoder {
    /// A decoder without any fragment yet.
    pub fn new(limits: DecodeLimits) -> Decoder {
        Decoder { fragments: FragmentTable::new(limits), joined: Default::default() }
    }

    /// Reads the headers of the next frame. The payload points into `frame`, or into this decoder for a datagram that the
    /// frame completes.
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        let mut out = Decoded::default();
        let wire_len = usize::try_from(frame.orig_len).unwrap_or(usize::MAX);
        let mut cursor = Cursor::new(frame.data, wire_len);
        let mut buffers = self.joined.iter_mut();
        let mut next = link::first(u32::from(frame.link_type));
        for _ in 0..MAX_HEADERS {
            next = match next {
                Next::Stop => return out,
                Next::Fragment(place) => {
                    let Some(buffer) = buffers.next() else { break };
                    match self.fragments.add(frame.ts_ns, place, cursor, &mut out, buffer) {
                        Some(joined) => {
                            cursor = Cursor::new(buffer, joined.len);
                            Next::Protocol(joined.protocol)
                        }
                        None => return out,
                    }
                }
                next => step(next, &mut cursor, &mut out),
            };
        }
        if !matches!(next, Next::Stop) {
            out.anomalies.insert(Anomaly::NestingLimit);
        }
        out
    }

    /// The counts so far.
    pub fn counters(&self) -> DecodeCounters {
        self.fragments.counters()
    }
}

/// What a header says comes after it.
#[derive(Debug, Clone, Copy)]
enum Next {
    Stop,
    /// A protocol that is named but not read further.
    Named(&'static str, Option<Layer>),
    Ethernet,
    EtherType(u16),
    Llc,
    Vlan(Layer),
    ServiceTag,
    MetaData,
    Nsh,
    Mpls,
    PppoeSession,
    Ppp,
    PppDirection {
        prefix: usize,
    },
    Chdlc,
    Null,
    Loop,
    Raw,
    Sll,
    Sll2,
    Nflog,
    Radiotap,
    Ppi,
    Prism,
    Ieee80211,
    Arp,
    Ipv4,
    Ipv6,
    /// An IP protocol number.
    Protocol(u8),
    Fragment(fragment::Place),
    Gre,
}

/// Reads one header.
#[inline]
fn step<'a>(next: Next, cursor: &mut Cursor<'a>, out: &mut Decoded<'a>) -> Next {
    match next {
        Next::Ethernet => link::ethernet(cursor, out),
        Next::EtherType(value) => link::ether_type(value, out),
        Next::Ipv4 => ip::ipv4(cursor, out),
        Next::Ipv6 => ip::ipv6(cursor, out),
        Next::Protocol(number) => ip::protocol(number, cursor, out),
        Next::Vlan(layer) => tag::vlan(cursor, out, layer),
        Next::Llc => link::llc(cursor, out),
        Next::MetaData => tag::meta_data(cursor, out),
        Next::Nsh => tag::nsh(cursor, out),
        Next::ServiceTag => tag::service_tag(cursor, out),
        Next::Mpls => tag::mpls(cursor, out),
        Next::PppoeSession => tag::pppoe_session(cursor, out),
        Next::Ppp => tag::ppp(cursor, out),
        Next::PppDirection { prefix } => tag::ppp_direction(cursor, out, prefix),
        Next::Chdlc => link::chdlc(cursor, out),
        Next::Null => link::loopback(cursor, out, link::FamilyOrder::Host),
        Next::Loop => link::loopback(cursor, out, link::FamilyOrder::Network),
        Next::Raw => link::raw(cursor, out),
        Next::Sll => link::sll(cursor, out),
        Next::Sll2 => link::sll2(cursor, out),
        Next::Nflog => link::nflog(cursor, out),
        Next::Radiotap => wifi::radiotap(cursor, out),
        Next::Ppi => wifi::ppi(cursor, out),
        Next::Prism => wifi::prism(cursor, out),
        Next::Ieee80211 => wifi::ieee80211(cursor, out),
        Next::Arp => link::arp(cursor, out),
        Next::Gre => tunnel::gre(cursor, out),
        Next::Named(name, layer) => {
            out.proto = Some(name);
            if let Some(layer) = layer {
                out.layers.insert(layer);
            }
            Next::Stop
        }
        Next::Stop | Next::Fragment(_) => Next::Stop,
    }
}

#[cfg(test)]
mod tests;
