//! The stacks of headers that columns describe as a filter sees them: one link header, at most VLAN tags, at most one IP
//! header. As `packets.layers` spells them: the names of all headers passed, in the order of that column's list.

use super::{
    super::{ast::Expr, program::compile},
    Columns,
};

/// A link header whose payload begins with the network header that its type field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Ethernet,
    Sll,
    Sll2,
}

/// What follows the link header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// IPv4, no fragment.
    Ipv4,
    /// IPv6 without extension headers.
    Ipv6,
    /// ARP for IPv4 or anything else.
    Arp,
    /// Nothing that has an address: LLC, LLDP, EAP.
    Other,
}

/// A stack of headers.
#[derive(Debug)]
pub struct Stack {
    /// As the column `layers` has it.
    pub layers: &'static str,
    link: Link,
    tagged: bool,
    network: Network,
    /// The header behind IP's, by its protocol number; none when it is not known to the column.
    pub(super) transport: Option<u8>,
}

macro_rules! ip_stacks {
    ($($link:ident $tagged:literal $before:literal $after:literal;)*) => {
        &[$(
            ip_stacks!(@ $link $tagged $before $after Ipv4 "ip" 1 ",icmp" 2 ",igmp" 6 ",tcp" 17 ",udp" 33 ",dccp" 50 ",esp" 132 ",sctp" 136 ",udplite"),
            ip_stacks!(@ $link $tagged $before $after Ipv6 "ipv6" 58 ",icmpv6" 6 ",tcp" 17 ",udp" 33 ",dccp" 50 ",esp" 132 ",sctp" 136 ",udplite"),
        )*]
    };
    (@ $link:ident $tagged:literal $before:literal $after:literal $network:ident $name:literal $($number:literal $transport:literal)*) => {
        &[
            Stack { layers: concat!($before, $name, $after), link: Link::$link, tagged: $tagged, network: Network::$network, transport: None },
            $(Stack {
                layers: concat!($before, $name, $transport, $after),
                link: Link::$link,
                tagged: $tagged,
                network: Network::$network,
                transport: Some($number),
            },)*
        ]
    };
}

const IP_STACKS: &[&[Stack]] = ip_stacks! {
    Ethernet false "eth," "";
    Ethernet true "eth,vlan," "";
    Ethernet true "eth,ieee8021ad," "";
    Ethernet true "eth,vlan,ieee8021ad," "";
    Sll false "" ",sll";
    Sll2 false "" ",sll2";
};

const fn ethernet(layers: &'static str, tagged: bool, network: Network) -> Stack {
    Stack { layers, link: Link::Ethernet, tagged, network, transport: None }
}

const OTHER_STACKS: &[Stack] = &[
    ethernet("eth,arp", false, Network::Arp),
    ethernet("eth,vlan,arp", true, Network::Arp),
    ethernet("eth,ieee8021ad,arp", true, Network::Arp),
    ethernet("eth,vlan,ieee8021ad,arp", true, Network::Arp),
    ethernet("eth,llc", false, Network::Other),
    ethernet("eth,llc,stp", false, Network::Other),
    ethernet("eth,lldp", false, Network::Other),
    ethernet("eth,eapol", false, Network::Other),
];

/// Every stack that columns can speak of.
pub static STACKS: std::sync::LazyLock<Vec<&'static Stack>> =
    std::sync::LazyLock::new(|| IP_STACKS.iter().copied().flatten().chain(OTHER_STACKS).collect());

/// The link types for which a filter has a meaning, of those of [`STACKS`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Links {
    ethernet: bool,
    sll: bool,
    sll2: bool,
}

/// The link types that `filter` compiles for: of a packet of another it cannot be asked.
pub(super) fn links_for(filter: &Expr) -> Links {
    let compiles = |link_type| compile(filter, link_type).is_ok();
    Links { ethernet: compiles(1), sll: compiles(113), sll2: compiles(276) }
}

impl Links {
    /// The stacks of these links for which `which` holds.
    pub(super) fn stacks(self, which: impl Fn(&Stack) -> bool) -> Columns {
        let asked = |stack: &Stack| match stack.link {
            Link::Ethernet => self.ethernet,
            Link::Sll => self.sll,
            Link::Sll2 => self.sll2,
        };
        let found = STACKS.iter().filter(|stack| asked(stack) && which(stack));
        Columns::layers(found.map(|stack| stack.layers).collect())
    }

    /// All of them.
    pub(super) fn all(self) -> Columns {
        self.stacks(|_| true)
    }
}

impl Stack {
    /// Whether VLAN tags stand before the network header.
    pub(super) fn is_tagged(&self) -> bool {
        self.tagged
    }

    /// Whether it is an Ethernet frame.
    pub(super) fn is_ethernet(&self) -> bool {
        self.link == Link::Ethernet
    }

    /// The network header, behind however many tags.
    pub(super) fn network(&self) -> Network {
        self.network
    }
}
