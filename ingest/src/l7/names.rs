//! Names of addresses, learned from what passes: DNS answers, TLS handshakes, HTTP hosts. A name holds from when it was seen.

use std::net::IpAddr;

use hashbrown::HashMap;

/// Addresses with a name at most; then what was learned is forgotten and learned anew. 20 MB.
const MAX_NAMES: usize = 1 << 17;

/// Bytes of a name at most: what DNS allows (RFC 1035 2.3.4). A longer one is not learned.
const MAX_NAME_BYTES: usize = 255;

/// Where a name was seen, the more telling ones last: what a client asks a server for says more than a reverse look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NameSource {
    /// In the answer of a name server.
    Dns,
    /// In the Host header of an HTTP request.
    Host,
    /// In the server name of a TLS handshake (RFC 6066 section 3).
    Sni,
}

impl NameSource {
    /// The name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            NameSource::Dns => "dns",
            NameSource::Host => "host",
            NameSource::Sni => "sni",
        }
    }
}

/// What is known by now.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_ip: HashMap<IpAddr, (Box<str>, NameSource)>,
}

impl Names {
    /// Learns the name of an address. A less telling source does not replace a more telling one; the newest of equals holds.
    pub(crate) fn learn(&mut self, ip: IpAddr, name: &str, source: NameSource) {
        let name = name.trim_end_matches('.');
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.parse::<IpAddr>().is_ok() {
            return;
        }
        match self.by_ip.get_mut(&ip) {
            Some((known, from)) if *from <= source => {
                *from = source;
                if **known != *name {
                    *known = name.into();
                }
            }
            Some(_) => {}
            None => {
                if self.by_ip.len() >= MAX_NAMES {
                    self.by_ip.clear();
                }
                self.by_ip.insert(ip, (name.into(), source));
            }
        }
    }

    /// The name of an address.
    pub(crate) fn of(&self, ip: IpAddr) -> Option<(&str, NameSource)> {
        self.by_ip.get(&ip).map(|(name, source)| (&**name, *source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves which of several names holds, and that what is no name is not learned.
    #[test]
    fn the_newest_of_the_most_telling_source_holds() {
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        let mut names = Names::default();
        for (name, source, holds) in [
            ("a.test.", NameSource::Dns, "a.test"),
            ("b.test", NameSource::Dns, "b.test"),
            ("c.test", NameSource::Sni, "c.test"),
            ("d.test", NameSource::Host, "c.test"),
            ("", NameSource::Sni, "c.test"),
            ("10.0.0.1", NameSource::Sni, "c.test"),
        ] {
            names.learn(ip, name, source);
            assert_eq!(names.of(ip).map(|(name, _)| name), Some(holds));
        }
    }

    /// Proves that no number of addresses takes more memory than the limit.
    #[test]
    fn what_is_known_is_bounded() {
        let mut names = Names::default();
        for n in 0..300_000u32 {
            names.learn(std::net::Ipv4Addr::from(n).into(), "x.test", NameSource::Dns);
            assert!(names.by_ip.len() <= MAX_NAMES);
        }
    }
}
