//! Filters made at random, but the same ones every time, from what the packets hold.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{filters, packets::Packet};

/// xorshift64*: enough to choose among productions.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Makes filters.
pub(crate) struct Generator {
    random: Random,
    ipv4: Vec<Ipv4Addr>,
    ipv6: Vec<Ipv6Addr>,
    macs: Vec<String>,
    ports: Vec<u16>,
}

impl Generator {
    /// Takes addresses and ports from Ethernet frames.
    pub(crate) fn new(packets: &[Packet]) -> Self {
        let (mut ipv4, mut ipv6, mut macs, mut ports) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::from([22, 53, 80, 443, 6081]));
        for data in packets.iter().map(|packet| &packet.data).filter(|data| data.len() > 60) {
            macs.insert(data[6..12].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"));
            let (ends, port) = match (data[12], data[13]) {
                (8, 0) => (26..30, 14 + usize::from(data[14] & 0xf) * 4),
                (0x86, 0xdd) => (22..38, 54),
                _ => continue,
            };
            match <[u8; 4]>::try_from(&data[ends.clone()]) {
                Ok(address) => ipv4.insert(Ipv4Addr::from(address)),
                Err(_) => ipv6.insert(Ipv6Addr::from(<[u8; 16]>::try_from(&data[ends]).unwrap())),
            };
            if let Some(port) = data.get(port..port + 2) {
                ports.insert(u16::from_be_bytes([port[0], port[1]]));
            }
        }
        Self {
            random: Random(0x9e37_79b9_7f4a_7c15),
            ipv4: ipv4.into_iter().collect(),
            ipv6: ipv6.into_iter().collect(),
            macs: macs.into_iter().collect(),
            ports: ports.into_iter().collect(),
        }
    }

    /// A filter that nearly always means something.
    pub(crate) fn filter(&mut self) -> String {
        let chain = self.chain(3);
        // Not `geneve or …`: where it does not hold, libpcap goes on with offsets that were never set.
        if self.random.below(20) == 0 { format!("geneve and ({chain})") } else { chain }
    }

    fn chain(&mut self, depth: usize) -> String {
        let mut text = self.term(depth);
        for _ in 0..self.random.below(4) {
            text += self.random.pick(&[" and ", " or ", " && ", " || ", " and ", " or "]);
            text += &self.term(depth);
        }
        text
    }

    fn term(&mut self, depth: usize) -> String {
        match self.random.below(12) {
            0 | 1 => format!("not {}", self.term(depth)),
            2..=4 if depth > 0 => format!("({})", self.chain(depth - 1)),
            _ => self.primitive(),
        }
    }

    fn primitive(&mut self) -> String {
        match self.random.below(32) {
            0..=4 => {
                self.random.pick(&["ip", "ip6", "tcp", "udp", "arp", "icmp", "icmp6", "sctp", "igmp", "esp"]).into()
            }
            5..=9 => self.endpoint("host"),
            10..=12 => self.network(),
            13..=17 => self.port(),
            18 => format!("{}ether {} {}", "", self.random.pick(&["host", "src", "dst", "src or dst"]), self.mac()),
            19 => self.random.pick(&["broadcast", "multicast", "ip multicast", "ip6 multicast", "ip broadcast"]).into(),
            20 => format!("{} {}", self.random.pick(&["less", "greater"]), self.random.below(200)),
            21 => format!(
                "{}proto {}",
                self.random.pick(&["", "ip ", "ip6 "]),
                self.random.pick(&["1", "6", "17", "44", "58", "132"])
            ),
            22 => format!(
                "ether proto {}",
                self.random.pick(&["0x800", "0x86dd", "\\arp", "\\stp", "0x8100", "6", "0xfe"])
            ),
            23 => self.shift(),
            24 => self
                .random
                .pick(&["llc", "stp", "iso", "isis", "ipx", "atalk", "aarp", "netbeui", "rarp", "pim"])
                .into(),
            _ => self.relation(),
        }
    }

    /// A word that moves the offsets of what follows.
    fn shift(&mut self) -> String {
        let word = self.random.pick(&["vlan", "mpls", "pppoes", "vlan", "vlan", "pppoed"]);
        match self.random.below(3) {
            0 if word != "pppoed" => format!("{word} {}", self.random.below(40)),
            _ => word.to_owned(),
        }
    }

    fn endpoint(&mut self, kind: &str) -> String {
        let direction = self.direction();
        let first = self.address();
        let protocol = if first.contains(':') { ["", "", "ip6 "] } else { ["", "ip ", "arp "] }[self.random.below(3)];
        let kind = if self.random.below(2) == 0 || direction.is_empty() { format!("{kind} ") } else { String::new() };
        let list = self.list(first, Self::address);
        format!("{protocol}{direction}{kind}{list}")
    }

    fn direction(&mut self) -> &'static str {
        self.random.pick(&["", "", "src ", "dst ", "src or dst ", "src and dst ", "dst or src "])
    }

    /// A value, or several that share its qualifiers.
    fn list(&mut self, first: String, next: impl Fn(&mut Self) -> String) -> String {
        match self.random.below(6) {
            0 => format!("{first} or {}", next(self)),
            1 => format!("({first} or {})", next(self)),
            2 => format!("{first} and not {}", next(self)),
            3 if self.random.below(3) == 0 => format!("(not {first} and ({} or {}))", next(self), next(self)),
            _ => first,
        }
    }

    fn address(&mut self) -> String {
        match self.random.below(4) {
            0 => self.ipv6[self.random.below(self.ipv6.len())].to_string(),
            _ => self.ipv4[self.random.below(self.ipv4.len())].to_string(),
        }
    }

    fn mac(&mut self) -> String {
        self.macs[self.random.below(self.macs.len())].clone()
    }

    fn network(&mut self) -> String {
        let direction = self.direction();
        let v4 = self.ipv4[self.random.below(self.ipv4.len())];
        let v6 = self.ipv6[self.random.below(self.ipv6.len())];
        let bits = u32::try_from(self.random.below(33)).unwrap();
        let mask = Ipv4Addr::from(u32::MAX.checked_shl(32 - bits).unwrap_or(0));
        let network = Ipv4Addr::from(u32::from(v4) & u32::from(mask));
        match self.random.below(6) {
            0 => format!("{direction}net {}", v4.octets()[0]),
            1 => format!("{direction}net {}.{}", v4.octets()[0], v4.octets()[1]),
            2 => format!("{direction}net {network} mask {mask}"),
            3 => {
                let bits = u32::try_from(self.random.below(129)).unwrap();
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                format!("{direction}net {}/{bits}", Ipv6Addr::from(u128::from(v6) & mask))
            }
            // Now and then with bits outside the network, which is an error.
            4 => format!("{direction}net {v4}/{bits}"),
            _ => format!("{direction}net {network}/{bits}"),
        }
    }

    fn port(&mut self) -> String {
        let (protocol, direction) = (self.random.pick(&["", "", "tcp ", "udp ", "sctp "]), self.direction());
        let one = |it: &mut Self| it.ports[it.random.below(it.ports.len())].to_string();
        if self.random.below(4) == 0 {
            return format!("{protocol}{direction}portrange {}-{}", one(self), one(self));
        }
        let first = one(self);
        let list = self.list(first, one);
        format!("{protocol}{direction}port {list}")
    }

    fn relation(&mut self) -> String {
        let comparison = self.random.pick(&["=", "==", "!=", ">", ">=", "<", "<="]);
        let left = self.sum(2);
        let right = if self.random.below(4) == 0 { self.sum(1) } else { self.number() };
        format!("{left} {comparison} {right}")
    }

    fn number(&mut self) -> String {
        match self.random.below(6) {
            0 => format!("{:#x}", self.random.below(0x1_0000)),
            1 => self.random.pick(&["tcp-syn", "tcp-ack", "icmp-echo", "0xffffffff", "0", "1"]).into(),
            _ => self.random.below(256).to_string(),
        }
    }

    fn sum(&mut self, depth: usize) -> String {
        match self.random.below(9) {
            0 => self.number(),
            1 => "len".into(),
            2 if depth > 0 => format!("({})", self.sum(depth - 1)),
            3 if depth > 0 => format!("-{}", self.sum(depth - 1)),
            4..=6 if depth > 0 => {
                let operator = self.random.pick(&["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "&", "&"]);
                format!("{} {operator} {}", self.sum(depth - 1), self.sum(depth - 1))
            }
            _ => self.load(depth),
        }
    }

    fn load(&mut self, depth: usize) -> String {
        let header =
            self.random.pick(&["ether", "ip", "ip6", "tcp", "udp", "icmp", "icmp6", "arp", "sctp", "ip", "tcp"]);
        let offset = match self.random.below(8) {
            0 if depth > 0 => format!("{} & 15", self.load(depth - 1)),
            1 => self.random.pick(&["tcpflags", "icmptype", "2 + 2"]).into(),
            _ => self.random.below(44).to_string(),
        };
        format!("{header}[{offset}{}]", self.random.pick(&["", "", ":1", ":2", ":4"]))
    }

    /// A long list, whose program jumps farther than one jump reaches.
    pub(crate) fn wide(&mut self) -> String {
        let one = |it: &mut Self| match it.random.below(3) {
            0 => it.port(),
            1 => format!("host {}", it.address()),
            _ => format!("{} = {}", it.load(0), it.random.below(256)),
        };
        (0..60 + self.random.below(60)).fold(one(self), |text, _| {
            let join = self.random.pick(&[" or ", " or ", " or ", " and not "]);
            text + join + &one(self)
        })
    }

    /// A filter written by hand with a word lost, doubled, exchanged, or taken from another.
    pub(crate) fn mutant(&mut self) -> String {
        let one = self.random.pick(filters::FILTERS);
        let other: Vec<&str> = self.random.pick(filters::FILTERS).split(' ').collect();
        let mut words: Vec<&str> = one.split(' ').collect();
        for _ in 0..1 + self.random.below(2) {
            let (at, to) = (self.random.below(words.len()), self.random.below(words.len()));
            match self.random.below(5) {
                0 if words.len() > 1 => drop(words.remove(at)),
                1 => words.insert(to, words[at]),
                2 => words.swap(at, to),
                3 => words[at] = self.random.pick(&other),
                _ => words.insert(at, self.random.pick(&other)),
            }
        }
        words.join(" ")
    }

    /// Tokens in any order: nearly always refused, and then by both.
    pub(crate) fn soup(&mut self) -> String {
        #[rustfmt::skip]
        const TOKENS: &[&str] = &[
            "tcp", "udp", "ip", "ip6", "arp", "ether", "host", "net", "port", "portrange", "src", "dst", "and", "or", "not",
            "(", ")", "(", ")", "!", "&&", "||", "80", "443", "10.0.0.1", "10.1", "::1", "0:1:2:3:4:5", "len", ">", "=", "!=",
            "+", "-", "*", "&", "|", "%", "[", "]", ":", "2", "proto", "vlan", "mpls", "less", "greater", "broadcast", "multicast",
            "/", "8", "mask", "255.0.0.0", "llc", "tcp[13]", "ip[0]", "port 80", "host 10.0.0.1", "and", "or", "\\tcp", "80-90",
        ];
        let length = 1 + self.random.below(7);
        (0..length).map(|_| self.random.pick(TOKENS)).collect::<Vec<_>>().join(" ")
    }
}
