//! One primitive: its qualifiers and values, or the keyword with its number.

use super::ast::{Cast, Comparison, Direction, Llc, Protocol, Test};
use super::error::BpfError;
use super::lexer::{Symbol, Token};
use super::parser::{Operand, Parser, plain};
use super::qualifier::{self, Kind, Qualifiers};
use super::words::Word;

/// The supervisory frames of LLC by name, with the control byte that marks each (IEEE 802.2, 5.3).
const SUPERVISORY: &[(&str, u32)] = &[("rr", 0x01), ("rnr", 0x05), ("rej", 0x09)];

/// The unnumbered frames of LLC by name, with the control byte that marks each (IEEE 802.2, 5.4).
const UNNUMBERED: &[(&str, u32)] = &[
    ("ui", 0x03),
    ("ua", 0x63),
    ("disc", 0x43),
    ("dm", 0x0f),
    ("sabme", 0x6f),
    ("test", 0xe3),
    ("xid", 0xaf),
    ("frmr", 0x87),
];

impl Parser<'_> {
    /// A primitive, which begins with the current token.
    pub(super) fn primitive(&mut self) -> Result<Operand, BpfError> {
        let position = self.start;
        match self.token {
            Token::Word(Word::Protocol(protocol)) => {
                let spelling = self.spelling();
                self.advance()?;
                self.after_protocol(protocol, position, spelling)
            }
            Token::Word(Word::Length) | Token::Symbol(Symbol::Minus) => self.leading_sum(),
            Token::Word(word) => match self.qualified_primitive(None, position)? {
                Some(operand) => Ok(operand),
                None => self.keyword(word, position),
            },
            _ => Err(self.unexpected("a test")),
        }
    }

    /// What follows a protocol: bytes of its header, qualifiers, or nothing.
    fn after_protocol(&mut self, protocol: Protocol, position: usize, spelling: &str) -> Result<Operand, BpfError> {
        if self.token == Token::Symbol(Symbol::OpenBracket) {
            let mut steps = Vec::new();
            self.load(protocol, position, &mut steps)?;
            return self.comparison(Operand::Sum(steps, position));
        }
        if let Some(operand) = self.qualified_primitive(Some(protocol), position)? {
            return Ok(operand);
        }
        if let Token::Word(Word::Foreign(what)) = self.token {
            return Err(qualifier::foreign(self.start, self.spelling(), what));
        }
        if protocol == Protocol::Link {
            return Err(BpfError::new(position, format!("`{spelling}` alone tests nothing"))
                .hint(format!("write `{spelling} host`, `{spelling} proto` or `{spelling}[0]`")));
        }
        Ok(plain(position, Test::Protocol(protocol)))
    }

    /// Qualifiers and what they apply to, if the current token is a qualifier.
    fn qualified_primitive(
        &mut self,
        protocol: Option<Protocol>,
        position: usize,
    ) -> Result<Option<Operand>, BpfError> {
        if self.accept_word(Word::Broadcast)? {
            let cast = qualifier::broadcast(protocol, position)?;
            return Ok(Some(plain(position, Test::Broadcast(cast))));
        }
        if self.accept_word(Word::Multicast)? {
            let cast = qualifier::multicast(protocol, position)?;
            return Ok(Some(plain(position, Test::Multicast(cast))));
        }
        if self.token == Token::Word(Word::ProtoChain) {
            return Err(BpfError::new(self.start, "`protochain` needs a loop, which the kernel's filters do not have")
                .hint("`ip6 proto` looks behind a fragment header; or compare bytes: `ip6[6] = 0 and ip6[40] = 6`"));
        }
        if self.token == Token::Word(Word::Gateway) {
            return Err(BpfError::new(self.start, "`gateway` needs the Ethernet address of a host name")
                .hint("write `ether host MAC and not host ADDRESS`"));
        }
        let direction = self.direction()?;
        let kind = if direction.is_none() && self.accept_word(Word::Proto)? { Some(Kind::Proto) } else { self.kind()? };
        if direction.is_none() && kind.is_none() {
            return Ok(None);
        }
        self.qualified(Qualifiers { protocol, direction, kind }).map(Some)
    }

    fn kind(&mut self) -> Result<Option<Kind>, BpfError> {
        let kind = match self.token {
            Token::Word(Word::Host) => Kind::Host,
            Token::Word(Word::Net) => Kind::Net,
            Token::Word(Word::Port) => Kind::Port,
            Token::Word(Word::PortRange) => Kind::PortRange,
            _ => return Ok(None),
        };
        self.advance()?;
        Ok(Some(kind))
    }

    fn direction(&mut self) -> Result<Option<Direction>, BpfError> {
        let (one, other, missing) = match self.token {
            Token::Word(Word::Source) => (Direction::Source, Word::Destination, "`dst`"),
            Token::Word(Word::Destination) => (Direction::Destination, Word::Source, "`src`"),
            _ => return Ok(None),
        };
        self.advance()?;
        let joined = if self.accept(Symbol::Or)? {
            Direction::Either
        } else if self.accept(Symbol::And)? {
            Direction::Both
        } else {
            return Ok(Some(one));
        };
        if self.accept_word(other)? { Ok(Some(joined)) } else { Err(self.unexpected(missing)) }
    }

    /// A primitive that is a keyword and perhaps a number.
    fn keyword(&mut self, word: Word, position: usize) -> Result<Operand, BpfError> {
        if let Word::Foreign(what) = word {
            return Err(qualifier::foreign(position, self.spelling(), what));
        }
        let test = match word {
            Word::Less => Test::AtMost(self.number_after()?),
            Word::Greater => Test::AtLeast(self.number_after()?),
            Word::Interface => Test::Interface(self.number_after()?),
            Word::Byte => self.byte()?,
            Word::Vlan => Test::Vlan(self.id(position, "VLAN id", 0xfff)?),
            Word::Mpls => Test::Mpls(self.id(position, "MPLS label", 0xf_ffff)?),
            Word::PppoeSession => Test::PppoeSession(self.id(position, "PPPoE session", 0xffff)?),
            Word::Geneve => Test::Geneve(self.id(position, "Geneve network id", 0xff_ffff)?),
            Word::Llc => self.llc()?,
            Word::Inbound => self.bare(Test::Inbound)?,
            Word::Outbound => self.bare(Test::Outbound)?,
            Word::PppoeDiscovery => self.bare(Test::PppoeDiscovery)?,
            _ => return Err(self.unexpected("a test")),
        };
        Ok(plain(position, test))
    }

    fn bare(&mut self, test: Test) -> Result<Test, BpfError> {
        self.advance()?;
        Ok(test)
    }

    /// The number that must follow the current keyword.
    fn number_after(&mut self) -> Result<u32, BpfError> {
        self.advance()?;
        self.number()
    }

    fn number(&mut self) -> Result<u32, BpfError> {
        match self.token {
            Token::Number(value) => {
                self.advance()?;
                Ok(value)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// The number that may follow the current keyword, in parentheses if one likes.
    fn id(&mut self, position: usize, what: &str, most: u32) -> Result<Option<u32>, BpfError> {
        self.advance()?;
        if !matches!(self.token, Token::Number(_) | Token::Symbol(Symbol::Open)) {
            return Ok(None);
        }
        let value = self.grouped_number()?;
        if value > most {
            return Err(BpfError::new(position, format!("{what} {value} is over the largest, {most}")));
        }
        Ok(Some(value))
    }

    fn grouped_number(&mut self) -> Result<u32, BpfError> {
        if !self.accept(Symbol::Open)? {
            return self.number();
        }
        let value = self.deeper(Self::grouped_number)?;
        self.expect(Symbol::Close, "`)`")?;
        Ok(value)
    }

    /// `byte OFFSET OP VALUE`.
    fn byte(&mut self) -> Result<Test, BpfError> {
        let offset = self.number_after()?;
        let comparison = match self.token {
            Token::Symbol(Symbol::Equal) => Comparison::Equal,
            Token::Symbol(Symbol::Less) => Comparison::Less,
            Token::Symbol(Symbol::Greater) => Comparison::Greater,
            Token::Symbol(Symbol::Ampersand | Symbol::Pipe) => {
                return Err(BpfError::new(self.start, "`byte` with `&` or `|` has no defined meaning")
                    .hint(format!("write `link[{offset}] & 1 != 0`")));
            }
            _ => return Err(self.unexpected("`=`, `<` or `>`")),
        };
        self.advance()?;
        Ok(Test::Byte { offset, comparison, value: self.number()? })
    }

    /// `llc` and the kind of frame that may follow it.
    fn llc(&mut self) -> Result<Test, BpfError> {
        self.advance()?;
        let (name, position) = (self.spelling(), self.start);
        match self.token {
            Token::Name(_) => {}
            // One of the names is also a keyword of another link type, with a synonym.
            Token::Word(Word::Foreign(_)) if matches!(name, "rnr" | "rulenum") => {
                self.advance()?;
                return Ok(Test::Llc(Llc::SupervisoryKind(0x05)));
            }
            _ => return Ok(Test::Llc(Llc::Any)),
        }
        self.advance()?;
        let lower = name.trim_start_matches('\\').to_ascii_lowercase();
        let known = |table: &[(&str, u32)]| table.iter().find(|(known, _)| *known == lower).map(|(_, value)| *value);
        Ok(Test::Llc(match lower.as_str() {
            "i" => Llc::Information,
            "s" => Llc::Supervisory,
            "u" => Llc::Unnumbered,
            _ => match (known(SUPERVISORY), known(UNNUMBERED)) {
                (Some(control), _) => Llc::SupervisoryKind(control),
                (None, Some(control)) => Llc::UnnumberedKind(control),
                (None, None) => {
                    return Err(BpfError::new(position, format!("`{name}` is not a kind of LLC frame"))
                        .hint("the kinds are i, s, u, rr, rnr, rej, ui, ua, disc, dm, sabme, test, xid and frmr"));
                }
            },
        }))
    }
}

/// Which address `broadcast` looks at for the protocol before it.
pub(super) fn cast(protocol: Option<Protocol>) -> Option<Cast> {
    match protocol {
        None | Some(Protocol::Link) => Some(Cast::Link),
        Some(Protocol::Ip) => Some(Cast::Ip),
        Some(Protocol::Ip6) => Some(Cast::Ip6),
        Some(_) => None,
    }
}
