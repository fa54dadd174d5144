//! A filter as read: what each primitive asks, with its qualifiers already inferred.
//!
//! The tree is flat where the text is flat: `a or b and c …` is one [`Expr::Chain`], read strictly from left to right,
//! because `and` and `or` bind equally in this language. Depth therefore comes only from parentheses and `not`, which
//! the parser limits. Order carries meaning: a primitive such as `vlan` moves the offsets of all that is written after it.

pub use super::protocol::Protocol;

/// A filter or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// The empty filter: every packet.
    All,
    /// One primitive, with the byte offset at which it begins.
    Test {
        /// Byte offset in the text, from 0.
        position: usize,
        /// What it asks of a packet.
        test: Test,
    },
    /// `not`.
    Not(Box<Expr>),
    /// `first`, then each of `rest` joined to everything before it.
    Chain {
        /// The leftmost operand.
        first: Box<Expr>,
        /// The others in order, never empty.
        rest: Vec<(Join, Expr)>,
    },
}

/// How an operand joins what stands left of it. Both bind equally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// `and`.
    And,
    /// `or`.
    Or,
}

/// What a primitive asks of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// A protocol by name: `tcp`, `arp`, `ip6`.
    Protocol(Protocol),
    /// `host` and `net` over IPv4; without a protocol also ARP and RARP.
    Ipv4 {
        /// `ip`, `arp` or `rarp`; none for all three.
        protocol: Option<Protocol>,
        /// Which end.
        direction: Direction,
        /// The address, no bits outside `mask` unless the text set them.
        address: u32,
        /// The bits that count.
        mask: u32,
    },
    /// `host` and `net` over IPv6.
    Ipv6 {
        /// Which end.
        direction: Direction,
        /// The address.
        address: u128,
        /// The bits that count.
        mask: u128,
    },
    /// `ether host`.
    Mac {
        /// Which end.
        direction: Direction,
        /// The six bytes.
        address: [u8; 6],
    },
    /// `port` and `portrange`, over IPv4 (first fragments) and IPv6 (no extension headers).
    Port {
        /// None for any of the three.
        transport: Option<Transport>,
        /// Which end.
        direction: Direction,
        /// Lowest port that matches.
        first: u16,
        /// Highest port that matches.
        last: u16,
    },
    /// `proto` with a number or name.
    Number {
        /// The field that holds the number.
        layer: Layer,
        /// The number.
        number: u32,
    },
    /// `broadcast`, `ip broadcast`.
    Broadcast(Cast),
    /// `multicast`, `ip multicast`, `ip6 multicast`.
    Multicast(Cast),
    /// `less`: at most so many bytes on the wire.
    AtMost(u32),
    /// `greater`: at least so many bytes on the wire.
    AtLeast(u32),
    /// `byte OFFSET OP VALUE`, from the start of the link header.
    Byte {
        /// Offset from the start of the link header.
        offset: u32,
        /// `=`, `<` or `>`.
        comparison: Comparison,
        /// What the byte is compared with.
        value: u32,
    },
    /// `inbound`: not sent by the capturing host.
    Inbound,
    /// `outbound`: sent by the capturing host.
    Outbound,
    /// `ifindex`.
    Interface(u32),
    /// `vlan`, with or without an id; later primitives look behind the tag.
    Vlan(Option<u32>),
    /// `mpls`, with or without a label; later primitives look behind the label.
    Mpls(Option<u32>),
    /// `pppoed`.
    PppoeDiscovery,
    /// `pppoes`, with or without a session; later primitives look behind the PPPoE header.
    PppoeSession(Option<u32>),
    /// `geneve`, with or without a network id; later primitives look at the inner packet.
    Geneve(Option<u32>),
    /// `llc` and what follows it.
    Llc(Llc),
    /// A comparison of two arithmetic expressions.
    Relation {
        /// What stands left.
        left: Arithmetic,
        /// How the two are compared, as unsigned numbers.
        comparison: Comparison,
        /// What stands right.
        right: Arithmetic,
    },
}

/// Which end of a packet an address or port belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `src`.
    Source,
    /// `dst`.
    Destination,
    /// `src or dst`, and when nothing is said.
    Either,
    /// `src and dst`.
    Both,
}

/// The protocols that carry ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// Whose protocol number `proto` compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The link header's: an EtherType, or an LLC SAP up to 1500.
    Link,
    /// The IPv4 header's.
    Ip,
    /// The IPv6 header's, or that of a fragment header which follows it.
    Ip6,
    /// Either IP header's.
    AnyIp,
    /// OSI's network layer protocol identifier.
    Iso,
    /// The PDU type of IS-IS.
    Isis,
}

/// The address a broadcast or multicast test looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cast {
    /// The link header's destination.
    Link,
    /// The IPv4 destination.
    Ip,
    /// The IPv6 destination.
    Ip6,
}

/// What `llc` asks of the control field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Llc {
    /// Any LLC frame.
    Any,
    /// Information frames.
    Information,
    /// Supervisory frames.
    Supervisory,
    /// Unnumbered frames.
    Unnumbered,
    /// One kind of supervisory frame, by its control byte.
    SupervisoryKind(u32),
    /// One kind of unnumbered frame, by its control byte.
    UnnumberedKind(u32),
}

/// How two unsigned numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=` and `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
}

/// Arithmetic in postfix order: each step takes its operands off a stack and leaves its value there.
///
/// Postfix, so that a sum of ten thousand terms is no deeper than a sum of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arithmetic(pub Vec<Step>);

/// One step of [`Arithmetic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A constant.
    Number(u32),
    /// The packet's length on the wire.
    Length,
    /// Bytes of a protocol's header at an offset taken off the stack, big-endian.
    Load {
        /// The header the offset counts from.
        protocol: Protocol,
        /// How many bytes.
        size: Size,
    },
    /// Two's complement.
    Negate,
    /// An operator on the two topmost values.
    Binary {
        /// Which.
        operator: Operator,
        /// Byte offset of the operator in the text, for errors.
        position: usize,
    },
}

/// How many bytes a load takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// One.
    Byte,
    /// Two.
    Half,
    /// Four.
    Word,
}

/// Operators on 32-bit unsigned numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Modulo,
    /// `&`.
    And,
    /// `|`.
    Or,
    /// `^`.
    Xor,
    /// `<<`.
    ShiftLeft,
    /// `>>`.
    ShiftRight,
}
