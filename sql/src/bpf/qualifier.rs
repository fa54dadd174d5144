//! Qualifiers and the values they are applied to: what `src net` makes of `10.1` and `tcp port` of `domain`.

use std::net::Ipv6Addr;

use super::ast::{Cast, Direction, Expr, Layer, Protocol, Test, Transport};
use super::error::BpfError;
use super::lexer::{Symbol, Token};
use super::names;
use super::parser::Parser;
use super::primitive;
use super::words::{self, Word};

/// The qualifiers of a primitive, as far as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Qualifiers {
    pub(super) protocol: Option<Protocol>,
    pub(super) direction: Option<Direction>,
    pub(super) kind: Option<Kind>,
}

/// What kind of thing a value names. None means a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

impl Parser<'_> {
    /// A value other than a number, under the qualifiers that hold.
    pub(super) fn value(&mut self, qualifiers: Option<Qualifiers>) -> Result<Expr, BpfError> {
        let (position, token, spelling) = (self.start, self.token, self.spelling());
        let Some(qualifiers) = qualifiers else { return Err(unqualified(token, spelling, position)) };
        self.advance()?;
        let test = match token {
            Token::Dotted(text) => self.dotted(text, qualifiers, position)?,
            Token::Ipv6(address) => self.ipv6(address, qualifiers, position)?,
            Token::Mac(address) => mac(address, qualifiers, position)?,
            Token::Name(name) => named(name, qualifiers, position)?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Expr::Test { position, test })
    }

    /// `10.1`, `10.1/16` or `10.1 mask 255.255.0.0`, the text of the address read already.
    fn dotted(&mut self, text: &str, qualifiers: Qualifiers, position: usize) -> Result<Test, BpfError> {
        let (address, given) = ipv4(text, position)?;
        let short = u32::MAX.checked_shl(32 - given).unwrap_or(0);
        let mask = if self.accept(Symbol::Slash)? {
            let (at, length) = (self.start, self.prefix_length(32)?);
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            check_host_bits(address & !mask == 0, qualifiers, at, || {
                format!("{}/{length}", std::net::Ipv4Addr::from(address & mask))
            })?;
            mask
        } else if self.accept_word(Word::Mask)? {
            let at = self.start;
            let Token::Dotted(text) = self.token else { return Err(self.unexpected("a mask such as 255.255.0.0")) };
            let (mask, _) = ipv4(text, at)?;
            self.advance()?;
            check_host_bits(address & !mask == 0, qualifiers, at, || {
                format!("{} mask {text}", std::net::Ipv4Addr::from(address & mask))
            })?;
            mask
        } else {
            short
        };
        ipv4_test(qualifiers, address, mask, position)
    }

    fn ipv6(&mut self, address: Ipv6Addr, qualifiers: Qualifiers, position: usize) -> Result<Test, BpfError> {
        let bits = u128::from(address);
        let mut mask = u128::MAX;
        if self.accept(Symbol::Slash)? {
            let (at, length) = (self.start, self.prefix_length(128)?);
            mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            if length < 128 || qualifiers.kind == Some(Kind::Net) {
                check_host_bits(bits & !mask == 0, qualifiers, at, || {
                    format!("{}/{length}", Ipv6Addr::from(bits & mask))
                })?;
            }
        }
        match qualifiers.kind {
            None | Some(Kind::Host | Kind::Net) => {}
            Some(kind) => return Err(wrong_kind(kind, "an IPv6 address", position)),
        }
        match qualifiers.protocol {
            None | Some(Protocol::Ip6) => {
                let direction = qualifiers.direction.unwrap_or(Direction::Either);
                Ok(Test::Ipv6 { direction, address: bits, mask })
            }
            Some(_) => Err(BpfError::new(position, "an IPv6 address belongs to `ip6` only")
                .hint(format!("write `ip6 host {address}`"))),
        }
    }

    fn prefix_length(&mut self, most: u32) -> Result<u32, BpfError> {
        match self.token {
            Token::Number(length) if length <= most => {
                self.advance()?;
                Ok(length)
            }
            Token::Number(length) => {
                Err(BpfError::new(self.start, format!("a prefix of {length} bits")).hint(format!("at most {most}")))
            }
            _ => Err(self.unexpected("a prefix length")),
        }
    }
}

/// A network must have no host bits, and only `net` takes a network.
fn check_host_bits(
    clean: bool,
    qualifiers: Qualifiers,
    position: usize,
    network: impl FnOnce() -> String,
) -> Result<(), BpfError> {
    if qualifiers.kind != Some(Kind::Net) {
        return Err(BpfError::new(position, "only `net` takes a prefix length or mask")
            .hint(format!("write `net {}`", network())));
    }
    if !clean {
        return Err(BpfError::new(position, "the address has bits outside the network")
            .hint(format!("the network is `{}`", network())));
    }
    Ok(())
}

/// A dotted address, left-justified, and how many bits were given.
fn ipv4(text: &str, position: usize) -> Result<(u32, u32), BpfError> {
    let mut address = 0_u32;
    let mut bits = 0;
    for part in text.split('.') {
        let byte: u8 = part.parse().map_err(|_| {
            BpfError::new(position, format!("`{text}` is not an IPv4 address"))
                .hint("each part is 0 to 255, in decimal")
        })?;
        address = address << 8 | u32::from(byte);
        bits += 8;
    }
    Ok((address.checked_shl(32 - bits).unwrap_or(0), bits))
}

fn ipv4_test(qualifiers: Qualifiers, address: u32, mask: u32, position: usize) -> Result<Test, BpfError> {
    if let Some(kind @ (Kind::Port | Kind::PortRange | Kind::Proto)) = qualifiers.kind {
        return Err(wrong_kind(kind, "an IPv4 address", position));
    }
    match qualifiers.protocol {
        None | Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp) => Ok(Test::Ipv4 {
            protocol: qualifiers.protocol,
            direction: qualifiers.direction.unwrap_or(Direction::Either),
            address,
            mask,
        }),
        Some(Protocol::Decnet) => {
            Err(BpfError::new(position, "DECnet addresses are not filtered")
                .hint("`decnet` alone selects the protocol"))
        }
        Some(Protocol::Link) => Err(BpfError::new(position, "an IPv4 address is not a link-layer address")
            .hint("write six bytes, as in `ether host 00:11:22:33:44:55`")),
        Some(_) => Err(BpfError::new(position, "an IPv4 address belongs to `ip`, `arp` or `rarp` only")
            .hint("join the two: `tcp and host 192.0.2.1`")),
    }
}

/// A bare number under the qualifiers that hold: a port, a protocol, or an address.
pub(super) fn number(qualifiers: Option<Qualifiers>, value: u32, position: usize) -> Result<Expr, BpfError> {
    let Some(qualifiers) = qualifiers else {
        return Err(unqualified(Token::Number(value), &value.to_string(), position));
    };
    let test = match qualifiers.kind {
        Some(Kind::Port | Kind::PortRange) => {
            let port = port_number(value, position)?;
            Test::Port {
                transport: transport(qualifiers, position)?,
                direction: direction(qualifiers),
                first: port,
                last: port,
            }
        }
        Some(Kind::Proto) => Test::Number { layer: layer(qualifiers, position)?, number: value },
        Some(Kind::Net) => {
            // `net 10` is 10.0.0.0/8: the number moves left as long as its first byte is empty.
            let shift = if value == 0 { 0 } else { value.leading_zeros() / 8 * 8 };
            ipv4_test(qualifiers, value << shift, u32::MAX << shift, position)?
        }
        None | Some(Kind::Host) => ipv4_test(qualifiers, value, u32::MAX, position)?,
    };
    Ok(Expr::Test { position, test })
}

fn direction(qualifiers: Qualifiers) -> Direction {
    qualifiers.direction.unwrap_or(Direction::Either)
}

fn mac(address: [u8; 6], qualifiers: Qualifiers, position: usize) -> Result<Test, BpfError> {
    match (qualifiers.protocol, qualifiers.kind) {
        (Some(Protocol::Link), None | Some(Kind::Host)) => Ok(Test::Mac { direction: direction(qualifiers), address }),
        _ => Err(BpfError::new(position, "an Ethernet address needs `ether`")
            .hint("write `ether host`, `ether src` or `ether dst`")),
    }
}

/// A name under the qualifiers that hold: a service or a protocol, never a host.
fn named(name: &str, qualifiers: Qualifiers, position: usize) -> Result<Test, BpfError> {
    match qualifiers.kind {
        Some(Kind::Port) => {
            let transport = transport(qualifiers, position)?;
            let (port, transport) = service(name, transport, position)?;
            Ok(Test::Port { transport, direction: direction(qualifiers), first: port, last: port })
        }
        Some(Kind::PortRange) => port_range(name, qualifiers, position),
        Some(Kind::Proto) => {
            let layer = layer(qualifiers, position)?;
            let number = match layer {
                Layer::AnyIp | Layer::Ip | Layer::Ip6 => names::ip_protocol(name),
                Layer::Link => names::ether_type(name),
                Layer::Iso => names::osi_protocol(name),
                Layer::Isis => None,
            };
            match number {
                Some(number) => Ok(Test::Number { layer, number }),
                None => {
                    Err(BpfError::new(position, format!("`{name}` is not a protocol known here"))
                        .hint("write its number"))
                }
            }
        }
        None | Some(Kind::Host | Kind::Net) => Err(match words::nearest(name) {
            Some(word) => {
                BpfError::new(position, format!("`{name}` is not an address")).hint(format!("did you mean `{word}`?"))
            }
            None => BpfError::new(position, format!("`{name}` is not an address, and host names are not resolved"))
                .hint("write the address, as in `host 192.0.2.1`"),
        }),
    }
}

/// A service by name, with the transports that both it and the qualifier allow.
fn service(name: &str, wanted: Option<Transport>, position: usize) -> Result<(u16, Option<Transport>), BpfError> {
    let Some(service) = names::service(name) else {
        let error = BpfError::new(position, format!("`{name}` is not a service known here"));
        return Err(if name.contains('-') && name.starts_with(|first: char| first.is_ascii_digit()) {
            error.hint(format!("did you mean `portrange {name}`?"))
        } else {
            error.hint("write the port's number")
        });
    };
    match (wanted, service.transport) {
        (Some(wanted), Some(only)) if wanted != only => {
            Err(BpfError::new(position, format!("`{name}` is a service of {only:?}, not of {wanted:?}").to_lowercase()))
        }
        (wanted, only) => Ok((service.port, wanted.or(only))),
    }
}

/// `80-90`, `http-https`, or a single service.
fn port_range(name: &str, qualifiers: Qualifiers, position: usize) -> Result<Test, BpfError> {
    let wanted = transport(qualifiers, position)?;
    let end = |text: &str| -> Result<(u16, Option<Transport>), BpfError> {
        match text.parse::<u32>() {
            Ok(port) => Ok((port_number(port, position)?, wanted)),
            Err(_) => service(text, wanted, position),
        }
    };
    let Some((low, high)) = name.split_once('-') else {
        return Err(BpfError::new(position, format!("`{name}` is not a range of ports")).hint("write it as `80-90`"));
    };
    let ((low, over), (high, other)) = (end(low)?, end(high)?);
    let transport = if over == other { over } else { wanted };
    Ok(Test::Port { transport, direction: direction(qualifiers), first: low.min(high), last: low.max(high) })
}

fn port_number(value: u32, position: usize) -> Result<u16, BpfError> {
    u16::try_from(value).map_err(|_| BpfError::new(position, format!("port {value} is over the largest, 65535")))
}

/// The transport that qualifies a port.
fn transport(qualifiers: Qualifiers, position: usize) -> Result<Option<Transport>, BpfError> {
    match qualifiers.protocol {
        None => Ok(None),
        Some(Protocol::Tcp) => Ok(Some(Transport::Tcp)),
        Some(Protocol::Udp) => Ok(Some(Transport::Udp)),
        Some(Protocol::Sctp) => Ok(Some(Transport::Sctp)),
        Some(_) => {
            Err(BpfError::new(position, "only `tcp`, `udp` and `sctp` have ports")
                .hint("join the two: `ip and port 80`"))
        }
    }
}

/// The header whose number `proto` compares.
fn layer(qualifiers: Qualifiers, position: usize) -> Result<Layer, BpfError> {
    match qualifiers.protocol {
        None => Ok(Layer::AnyIp),
        Some(Protocol::Link) => Ok(Layer::Link),
        Some(Protocol::Ip) => Ok(Layer::Ip),
        Some(Protocol::Ip6) => Ok(Layer::Ip6),
        Some(Protocol::Iso) => Ok(Layer::Iso),
        Some(Protocol::Isis) => Ok(Layer::Isis),
        Some(_) => Err(BpfError::new(position, "this protocol carries no protocol number")
            .hint("`proto` follows `ip`, `ip6`, `ether`, `iso`, `isis` or nothing")),
    }
}

pub(super) fn broadcast(protocol: Option<Protocol>, position: usize) -> Result<Cast, BpfError> {
    primitive::cast(protocol).filter(|cast| *cast != Cast::Ip6).ok_or_else(|| {
        BpfError::new(position, "this protocol has no broadcast").hint("write `broadcast` or `ip broadcast`")
    })
}

pub(super) fn multicast(protocol: Option<Protocol>, position: usize) -> Result<Cast, BpfError> {
    primitive::cast(protocol).ok_or_else(|| {
        BpfError::new(position, "this protocol has no multicast")
            .hint("write `multicast`, `ip multicast` or `ip6 multicast`")
    })
}

/// A word about things the supported link types do not carry.
pub(super) fn foreign(position: usize, spelling: &str, what: &str) -> BpfError {
    BpfError::new(position, format!("`{spelling}` is about {what}, which this link layer does not carry"))
}

/// A value that nothing before it qualifies.
pub(super) fn unqualified(token: Token<'_>, spelling: &str, position: usize) -> BpfError {
    let qualifier = match token {
        Token::Number(_) => "port",
        Token::Dotted(_) | Token::Ipv6(_) => "host",
        Token::Mac(_) => "ether host",
        _ => {
            let error = BpfError::new(position, format!("`{spelling}` is not a word of the filter language"));
            return match words::nearest(spelling) {
                Some(word) => error.hint(format!("did you mean `{word}`?")),
                None => error,
            };
        }
    };
    BpfError::new(position, format!("nothing says what `{spelling}` is"))
        .hint(format!("write `{qualifier} {spelling}`"))
}

fn wrong_kind(kind: Kind, what: &str, position: usize) -> BpfError {
    let word = match kind {
        Kind::Port => "port",
        Kind::PortRange => "portrange",
        Kind::Proto => "proto",
        Kind::Host | Kind::Net => "host",
    };
    BpfError::new(position, format!("`{word}` applied to {what}")).hint("write `host` before an address")
}
