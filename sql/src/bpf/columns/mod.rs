//! What columns of `packets` say of a filter, without a look at the packet's bytes.
//!
//! [`bounds`] gives two conditions on columns: `must` implies the filter, `may` is implied by it. Where both agree the
//! columns decide; the other packets are for the compiled program.
//!
//! ```text
//!            all packets
//!   ┌────────────────────────────────┐      may:  src_ip = X OR dst_ip = X OR a stack that is not understood
//!   │  may  ┌──────────────────────┐ │      must: a stack that is understood AND (src_ip = X OR dst_ip = X)
//!   │ bytes │ must: yes            │ │
//!   │ tell  └──────────────────────┘ │
//!   └────────────────────────────────┘
//! ```
//!
//! The one fact to know: columns speak of the innermost headers, a filter of the outermost. They mean the same only for
//! stacks of headers that have one of each kind (`stacks`); `packets.layers` tells. A filter also refuses a packet that
//! ends before a byte it loads, whatever else would select it, so nothing behind such a load is decided (`Lowered`).

mod joined;
mod primitive;
mod relation;
mod stacks;

use std::net::IpAddr;

pub use stacks::STACKS;

use super::{
    ast::{Comparison, Expr},
    fold::holds,
};
use joined::{Lowered, Passed};

/// A condition on one row of `packets`. It is true or false, never unknown: a column that is NULL passes no test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Columns {
    /// The same for every row.
    Always(bool),
    /// `layers` is one of these.
    Layers(Vec<&'static str>),
    /// The column has a value.
    Known(Field),
    /// The column's number is between these, both included.
    Number(Field, u32, u32),
    /// The bits of `mask` in `tcp_flags` compare so with the value.
    Flags(u8, Comparison, u8),
    /// The address is in this network: its first so many bits are the address's.
    Network(Field, IpAddr, u8),
    /// The MAC address is this one.
    Mac(Field, [u8; 6]),
    /// Not this.
    Not(Box<Columns>),
    /// All of these; there are at least two.
    All(Vec<Columns>),
    /// Any of these; there are at least two.
    Any(Vec<Columns>),
}

/// The columns that conditions look at, besides `layers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// `src_ip`.
    SrcIp,
    /// `dst_ip`.
    DstIp,
    /// `src_mac`.
    SrcMac,
    /// `dst_mac`.
    DstMac,
    /// `ip_proto`.
    IpProto,
    /// `src_port`.
    SrcPort,
    /// `dst_port`.
    DstPort,
    /// `tcp_flags`.
    TcpFlags,
    /// `icmp_type`.
    IcmpType,
    /// `icmp_code`.
    IcmpCode,
    /// `orig_len`.
    Length,
}

impl Field {
    /// Every one.
    pub const ALL: [Field; 11] = [
        Field::SrcIp,
        Field::DstIp,
        Field::SrcMac,
        Field::DstMac,
        Field::IpProto,
        Field::SrcPort,
        Field::DstPort,
        Field::TcpFlags,
        Field::IcmpType,
        Field::IcmpCode,
        Field::Length,
    ];

    /// The column's name.
    pub fn column(self) -> &'static str {
        match self {
            Field::SrcIp => "src_ip",
            Field::DstIp => "dst_ip",
            Field::SrcMac => "src_mac",
            Field::DstMac => "dst_mac",
            Field::IpProto => "ip_proto",
            Field::SrcPort => "src_port",
            Field::DstPort => "dst_port",
            Field::TcpFlags => "tcp_flags",
            Field::IcmpType => "icmp_type",
            Field::IcmpCode => "icmp_code",
            Field::Length => "orig_len",
        }
    }
}

/// Conditions on either side of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Where it is true, the filter selects the packet.
    pub must: Columns,
    /// Where it is false, the filter does not.
    pub may: Columns,
}

/// What columns say of `filter` for packets of Ethernet and Linux cooked captures; of others they say nothing.
pub fn bounds(filter: &Expr) -> Bounds {
    let links = stacks::links_for(filter);
    let Lowered { decided, value, never, .. } = Lowered::of(filter, &mut Passed::Nothing, links);
    Bounds { must: decided.and(value), may: never.negate() }
}

impl Columns {
    /// Both.
    #[must_use]
    pub fn and(self, other: Columns) -> Columns {
        use Columns as C;
        match (self, other) {
            (C::Always(true), other) | (other, C::Always(true)) => other,
            (C::Always(false), _) | (_, C::Always(false)) => C::Always(false),
            (C::Layers(mut a), C::Layers(b)) => {
                a.retain(|stack| b.contains(stack));
                C::layers(a)
            }
            (a, b) if a == b => a,
            (C::All(all), C::All(more)) => C::All(with(all, more)),
            (C::All(all), one) | (one, C::All(all)) => C::All(with(all, [one])),
            (a, b) => C::All(vec![a, b]),
        }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Columns) -> Columns {
        use Columns as C;
        match (self, other) {
            (C::Always(false), other) | (other, C::Always(false)) => other,
            (C::Always(true), _) | (_, C::Always(true)) => C::Always(true),
            (C::Layers(mut a), C::Layers(b)) => {
                a.extend(b.into_iter().filter(|stack| !a.contains(stack)).collect::<Vec<_>>());
                C::layers(a)
            }
            (a, b) if a == b => a,
            (C::Any(any), C::Any(more)) => C::Any(with(any, more)),
            (C::Any(any), one) | (one, C::Any(any)) => C::Any(with(any, [one])),
            (a, b) => C::Any(vec![a, b]),
        }
    }

    /// Not this, with the negation at the leaves.
    #[must_use]
    pub fn negate(self) -> Columns {
        let each = |of: Vec<Columns>, join: fn(Columns, Columns) -> Columns, start| {
            of.into_iter().map(Columns::negate).fold(Columns::Always(start), join)
        };
        match self {
            Columns::Always(value) => Columns::Always(!value),
            Columns::Not(inner) => *inner,
            Columns::All(all) => each(all, Columns::or, false),
            Columns::Any(any) => each(any, Columns::and, true),
            leaf => Columns::Not(Box::new(leaf)),
        }
    }

    fn layers(stacks: Vec<&'static str>) -> Columns {
        if stacks.is_empty() { Columns::Always(false) } else { Columns::Layers(stacks) }
    }

    /// A weaker condition on the columns for which `keeps` holds: true at least wherever this one is. For an index that
    /// knows some columns only.
    #[must_use]
    pub fn weakened(&self, keeps: &impl Fn(Option<Field>) -> bool) -> Columns {
        let join = |of: &[Columns], join: fn(Columns, Columns) -> Columns, start| {
            of.iter().map(|c| c.weakened(keeps)).fold(Columns::Always(start), join)
        };
        match self {
            Columns::All(all) => join(all, Columns::and, true),
            Columns::Any(any) => join(any, Columns::or, false),
            Columns::Always(_) => self.clone(),
            leaf if keeps(leaf.field()) => leaf.clone(),
            _ => Columns::Always(true),
        }
    }

    /// The column that a leaf looks at; none for `layers`.
    fn field(&self) -> Option<Field> {
        match self {
            Columns::Not(inner) => inner.field(),
            Columns::Known(field)
            | Columns::Number(field, ..)
            | Columns::Network(field, ..)
            | Columns::Mac(field, _) => Some(*field),
            Columns::Flags(..) => Some(Field::TcpFlags),
            _ => None,
        }
    }

    /// Whether the condition holds of a row: what the database computes, for tests.
    #[doc(hidden)]
    pub fn holds(&self, row: &Row<'_>) -> bool {
        match self {
            Columns::Always(value) => *value,
            Columns::Layers(stacks) => row.layers.is_some_and(|layers| stacks.contains(&layers)),
            Columns::Known(field) => row.known(*field),
            Columns::Number(field, first, last) => row.number(*field).is_some_and(|n| (*first..=*last).contains(&n)),
            Columns::Flags(mask, comparison, value) => {
                row.number(Field::TcpFlags).is_some_and(|n| holds(*comparison, n & u32::from(*mask), u32::from(*value)))
            }
            Columns::Network(field, network, bits) => row.ip(*field).is_some_and(|ip| in_network(ip, *network, *bits)),
            Columns::Mac(field, mac) => row.mac(*field) == Some(*mac),
            Columns::Not(inner) => !inner.holds(row),
            Columns::All(all) => all.iter().all(|c| c.holds(row)),
            Columns::Any(any) => any.iter().any(|c| c.holds(row)),
        }
    }
}

/// `all` and those of `more` that are not among them.
fn with(mut all: Vec<Columns>, more: impl IntoIterator<Item = Columns>) -> Vec<Columns> {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// The columns of one packet, for tests.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Row<'a> {
    pub layers: Option<&'a str>,
    pub src_ip: Option<IpAddr>,
    pub dst_ip: Option<IpAddr>,
    pub src_mac: Option<[u8; 6]>,
    pub dst_mac: Option<[u8; 6]>,
    pub ip_proto: Option<u8>,
    pub src_port: Option<u16>,
    pub dst_port: Option<u16>,
    pub tcp_flags: Option<u8>,
    pub icmp_type: Option<u8>,
    pub icmp_code: Option<u8>,
    pub orig_len: u32,
}

impl Row<'_> {
    fn ip(&self, field: Field) -> Option<IpAddr> {
        match field {
            Field::SrcIp => self.src_ip,
            Field::DstIp => self.dst_ip,
            _ => None,
        }
    }

    fn mac(&self, field: Field) -> Option<[u8; 6]> {
        match field {
            Field::SrcMac => self.src_mac,
            Field::DstMac => self.dst_mac,
            _ => None,
        }
    }

    fn number(&self, field: Field) -> Option<u32> {
        match field {
            Field::IpProto => self.ip_proto.map(u32::from),
            Field::SrcPort => self.src_port.map(u32::from),
            Field::DstPort => self.dst_port.map(u32::from),
            Field::TcpFlags => self.tcp_flags.map(u32::from),
            Field::IcmpType => self.icmp_type.map(u32::from),
            Field::IcmpCode => self.icmp_code.map(u32::from),
            Field::Length => Some(self.orig_len),
            _ => None,
        }
    }

    fn known(&self, field: Field) -> bool {
        self.ip(field).is_some() || self.mac(field).is_some() || self.number(field).is_some()
    }
}

/// Whether the first `bits` of the two are the same.
fn in_network(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (ip, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u32::from(a) ^ u32::from(b)).checked_shr(32_u32.saturating_sub(bits.into())).is_none_or(|rest| rest == 0)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b))
            .checked_shr(128_u32.saturating_sub(bits.into()))
            .is_none_or(|rest| rest == 0),
        _ => false,
    }
}
