//! The words of the language: keywords, named numbers, and the names that stand for protocol numbers.
//!
//! The tables are the language as `pcap-filter(7)` has it, with the numbers of IANA and IEEE that the names stand for.

use super::ast::Protocol;

/// A keyword. A name written with a backslash in front (`\tcp`) is never one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Protocol(Protocol),
    Source,
    Destination,
    Host,
    Net,
    Mask,
    Port,
    PortRange,
    Proto,
    ProtoChain,
    Gateway,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    And,
    Or,
    Not,
    Length,
    Inbound,
    Outbound,
    Interface,
    Vlan,
    Mpls,
    PppoeDiscovery,
    PppoeSession,
    Geneve,
    Llc,
    /// A word about something these link types do not have; the text says what.
    Foreign(&'static str),
}

const WIRELESS: &str = "IEEE 802.11 frames";
const PF: &str = "packets logged by a BSD packet filter";
const ATM: &str = "ATM cells";
const SS7: &str = "SS7 signalling units";

const WORDS: &[(&str, Word)] = &[
    ("dst", Word::Destination),
    ("src", Word::Source),
    ("link", Word::Protocol(Protocol::Link)),
    ("ether", Word::Protocol(Protocol::Link)),
    ("ppp", Word::Protocol(Protocol::Link)),
    ("slip", Word::Protocol(Protocol::Link)),
    ("fddi", Word::Protocol(Protocol::Link)),
    ("tr", Word::Protocol(Protocol::Link)),
    ("wlan", Word::Protocol(Protocol::Link)),
    ("arp", Word::Protocol(Protocol::Arp)),
    ("rarp", Word::Protocol(Protocol::Rarp)),
    ("ip", Word::Protocol(Protocol::Ip)),
    ("sctp", Word::Protocol(Protocol::Sctp)),
    ("tcp", Word::Protocol(Protocol::Tcp)),
    ("udp", Word::Protocol(Protocol::Udp)),
    ("icmp", Word::Protocol(Protocol::Icmp)),
    ("igmp", Word::Protocol(Protocol::Igmp)),
    ("igrp", Word::Protocol(Protocol::Igrp)),
    ("pim", Word::Protocol(Protocol::Pim)),
    ("vrrp", Word::Protocol(Protocol::Vrrp)),
    ("carp", Word::Protocol(Protocol::Carp)),
    ("radio", Word::Foreign(WIRELESS)),
    ("ip6", Word::Protocol(Protocol::Ip6)),
    ("icmp6", Word::Protocol(Protocol::Icmp6)),
    ("ah", Word::Protocol(Protocol::Ah)),
    ("esp", Word::Protocol(Protocol::Esp)),
    ("atalk", Word::Protocol(Protocol::Atalk)),
    ("aarp", Word::Protocol(Protocol::Aarp)),
    ("decnet", Word::Protocol(Protocol::Decnet)),
    ("lat", Word::Protocol(Protocol::Lat)),
    ("sca", Word::Protocol(Protocol::Sca)),
    ("moprc", Word::Protocol(Protocol::Moprc)),
    ("mopdl", Word::Protocol(Protocol::Mopdl)),
    ("iso", Word::Protocol(Protocol::Iso)),
    ("esis", Word::Protocol(Protocol::Esis)),
    ("es-is", Word::Protocol(Protocol::Esis)),
    ("isis", Word::Protocol(Protocol::Isis)),
    ("is-is", Word::Protocol(Protocol::Isis)),
    ("l1", Word::Protocol(Protocol::IsisL1)),
    ("l2", Word::Protocol(Protocol::IsisL2)),
    ("iih", Word::Protocol(Protocol::IsisIih)),
    ("lsp", Word::Protocol(Protocol::IsisLsp)),
    ("snp", Word::Protocol(Protocol::IsisSnp)),
    ("csnp", Word::Protocol(Protocol::IsisCsnp)),
    ("psnp", Word::Protocol(Protocol::IsisPsnp)),
    ("clnp", Word::Protocol(Protocol::Clnp)),
    ("stp", Word::Protocol(Protocol::Stp)),
    ("ipx", Word::Protocol(Protocol::Ipx)),
    ("netbeui", Word::Protocol(Protocol::Netbeui)),
    ("host", Word::Host),
    ("net", Word::Net),
    ("mask", Word::Mask),
    ("port", Word::Port),
    ("portrange", Word::PortRange),
    ("proto", Word::Proto),
    ("protochain", Word::ProtoChain),
    ("gateway", Word::Gateway),
    ("type", Word::Foreign(WIRELESS)),
    ("subtype", Word::Foreign(WIRELESS)),
    ("direction", Word::Foreign(WIRELESS)),
    ("dir", Word::Foreign(WIRELESS)),
    ("address1", Word::Foreign(WIRELESS)),
    ("addr1", Word::Foreign(WIRELESS)),
    ("address2", Word::Foreign(WIRELESS)),
    ("addr2", Word::Foreign(WIRELESS)),
    ("address3", Word::Foreign(WIRELESS)),
    ("addr3", Word::Foreign(WIRELESS)),
    ("address4", Word::Foreign(WIRELESS)),
    ("addr4", Word::Foreign(WIRELESS)),
    ("ra", Word::Foreign(WIRELESS)),
    ("ta", Word::Foreign(WIRELESS)),
    ("less", Word::Less),
    ("greater", Word::Greater),
    ("byte", Word::Byte),
    ("broadcast", Word::Broadcast),
    ("multicast", Word::Multicast),
    ("and", Word::And),
    ("or", Word::Or),
    ("not", Word::Not),
    ("len", Word::Length),
    ("length", Word::Length),
    ("inbound", Word::Inbound),
    ("outbound", Word::Outbound),
    ("ifindex", Word::Interface),
    ("vlan", Word::Vlan),
    ("mpls", Word::Mpls),
    ("pppoed", Word::PppoeDiscovery),
    ("pppoes", Word::PppoeSession),
    ("geneve", Word::Geneve),
    ("lane", Word::Foreign(ATM)),
    ("llc", Word::Llc),
    ("metac", Word::Foreign(ATM)),
    ("bcc", Word::Foreign(ATM)),
    ("oam", Word::Foreign(ATM)),
    ("oamf4", Word::Foreign(ATM)),
    ("oamf4ec", Word::Foreign(ATM)),
    ("oamf4sc", Word::Foreign(ATM)),
    ("sc", Word::Foreign(ATM)),
    ("ilmic", Word::Foreign(ATM)),
    ("vpi", Word::Foreign(ATM)),
    ("vci", Word::Foreign(ATM)),
    ("connectmsg", Word::Foreign(ATM)),
    ("metaconnect", Word::Foreign(ATM)),
    ("on", Word::Foreign(PF)),
    ("ifname", Word::Foreign(PF)),
    ("rset", Word::Foreign(PF)),
    ("ruleset", Word::Foreign(PF)),
    ("rnr", Word::Foreign(PF)),
    ("rulenum", Word::Foreign(PF)),
    ("srnr", Word::Foreign(PF)),
    ("subrulenum", Word::Foreign(PF)),
    ("reason", Word::Foreign(PF)),
    ("action", Word::Foreign(PF)),
    ("fisu", Word::Foreign(SS7)),
    ("lssu", Word::Foreign(SS7)),
    ("lsu", Word::Foreign(SS7)),
    ("msu", Word::Foreign(SS7)),
    ("hfisu", Word::Foreign(SS7)),
    ("hlssu", Word::Foreign(SS7)),
    ("hmsu", Word::Foreign(SS7)),
    ("sio", Word::Foreign(SS7)),
    ("opc", Word::Foreign(SS7)),
    ("dpc", Word::Foreign(SS7)),
    ("sls", Word::Foreign(SS7)),
    ("hsio", Word::Foreign(SS7)),
    ("hopc", Word::Foreign(SS7)),
    ("hdpc", Word::Foreign(SS7)),
    ("hsls", Word::Foreign(SS7)),
];

/// Names that stand for a number wherever a number may stand: header offsets, flags, ICMP types.
const NUMBERS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

/// The keyword a name is, if it is one. Keywords are case-sensitive.
pub(super) fn keyword(name: &str) -> Option<Word> {
    WORDS.iter().find(|(word, _)| *word == name).map(|(_, meaning)| *meaning)
}

/// The number a name stands for, if it stands for one.
pub(super) fn number(name: &str) -> Option<u32> {
    NUMBERS.iter().find(|(word, _)| *word == name).map(|(_, value)| *value)
}

/// The word of the language nearest to `name`, if one is near enough to have been meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    const LONGEST_WORD: usize = 32;
    if name.len() > LONGEST_WORD {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let reach = if name.len() < 4 { 1 } else { 2 };
    let words = WORDS.iter().filter(|(_, word)| !matches!(word, Word::Foreign(_))).map(|(word, _)| *word);
    words
        .chain(NUMBERS.iter().map(|(word, _)| *word))
        .map(|word| (distance(&lower, word), word))
        .filter(|(distance, word)| *distance <= reach && *distance < word.len())
        .min_by_key(|(distance, word)| (*distance, !word.starts_with(&lower)))
        .map(|(_, word)| word)
}

/// Edit distance by insertion, deletion and replacement of a byte and exchange of two neighbours.
fn distance(left: &str, right: &str) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (i, from) in left.bytes().enumerate() {
        let mut next = vec![i + 1];
        let mut previous = None;
        for (j, to) in right.bytes().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&row, j) + usize::from(from != to)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            if j > 0 && last == Some(to) && previous == Some(from) {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
            previous = Some(to);
        }
        before = std::mem::replace(&mut row, next);
        last = Some(from);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    /// The distance is symmetric and counts single edits; suggestions leave distant words alone.
    #[test]
    fn nearest_word() {
        assert_eq!(distance("portrange", "portrang"), 1);
        assert_eq!(distance("prot", "port"), 1);
        assert_eq!(distance("tpc", "tcp"), 1);
        assert_eq!(distance("", "tcp"), 3);
        assert_eq!(nearest("portrnge"), Some("portrange"));
        assert_eq!(nearest("prot"), Some("proto"));
        assert_eq!(nearest("TCP"), Some("tcp"));
        assert_eq!(nearest("example"), None);
        assert_eq!(nearest("zz"), None);
    }
}
