//! What an application protocol is to ingest: a name, a way to recognise it, and a dissector that makes rows of it.

use super::{PROTOCOLS, dissector::Dissector};
use crate::{
    decode::Decoded,
    flow::{TCP, UDP},
};
use wiretape_engine::{TableDef, table::Builder};

/// An application protocol.
#[derive(Debug)]
pub struct Protocol {
    /// Its name in `app_proto`.
    pub name: &'static str,
    /// What carries it.
    pub(crate) over: Over,
    /// Whether these are the first bytes that one end says in it. Certain, or no: the first protocol that says yes has
    /// the flow. Bytes may be the beginning of what is said and no more.
    pub(crate) probe: fn(&Hint, &[u8]) -> bool,
    /// Begins to read a flow of it; none for a protocol that is recognised and not read.
    pub(crate) dissect: Option<fn() -> Box<dyn Dissector>>,
    /// Its tables, and what collects their rows.
    pub(crate) tables: &'static [Table],
}

/// A table, and what collects its rows.
pub(crate) type Table = (&'static TableDef, fn() -> Box<dyn Builder>);

impl Protocol {
    /// A protocol that is recognised and not read.
    pub(crate) const fn named(name: &'static str, over: Over, probe: fn(&Hint, &[u8]) -> bool) -> Protocol {
        Protocol { name, over, probe, dissect: None, tables: &[] }
    }
}

/// Transports a protocol runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Any of the two.
    Any,
    /// It is not recognised from its first bytes: another protocol becomes it.
    Another,
}

/// What is known beside the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint {
    /// Port of the end that sent them.
    pub(crate) src_port: u16,
    /// Port of the other end.
    pub(crate) dst_port: u16,
    /// IP protocol number.
    pub(crate) ip_proto: u8,
    /// Bytes sent, captured or not.
    pub(crate) len: usize,
}

impl Hint {
    /// What the packet's headers say.
    pub(crate) fn of(packet: &Decoded<'_>) -> Option<Hint> {
        Some(Hint {
            src_port: packet.src_port?,
            dst_port: packet.dst_port?,
            ip_proto: packet.ip?.proto,
            len: packet.payload_len.unwrap_or(0) as usize,
        })
    }

    /// Whether one of the ports is this one.
    pub(crate) fn port(&self, port: u16) -> bool {
        self.src_port == port || self.dst_port == port
    }
}

/// The place in [`PROTOCOLS`] of the first protocol whose probe is certain of these bytes.
pub(crate) fn recognise(hint: &Hint, bytes: &[u8]) -> Option<u8> {
    let carries = |over: Over| match over {
        Over::Tcp => hint.ip_proto == TCP,
        Over::Udp => hint.ip_proto == UDP,
        Over::Any => true,
        Over::Another => false,
    };
    let place = PROTOCOLS.iter().position(|p| carries(p.over) && (p.probe)(hint, bytes));
    place.and_then(|place| u8::try_from(place).ok())
}

/// The protocol in that place.
pub(crate) fn at(place: u8) -> Option<&'static Protocol> {
    PROTOCOLS.get(usize::from(place)).copied()
}

/// The place of the protocol of that name.
pub(crate) fn place(name: &str) -> Option<u8> {
    PROTOCOLS.iter().position(|p| p.name == name).and_then(|place| u8::try_from(place).ok())
}
