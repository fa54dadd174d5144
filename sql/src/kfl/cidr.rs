//! Networks of addresses (RFC 4632, RFC 4291 section 2.3), with the rules of SQL's `ip_in_cidr`: a network without `/` is
//! one address, host bits behind the prefix are ignored, and the families do not mix.

use std::net::IpAddr;

/// A prefix and how many bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    prefix: IpAddr,
    bits: u32,
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or one address. `None` if it is no network.
    pub fn parse(text: &str) -> Option<Cidr> {
        let text = text.trim();
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let prefix: IpAddr = address.parse().ok()?;
        let all = if prefix.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= all)?,
            None => all,
        };
        Some(Cidr { prefix, bits })
    }

    /// Whether it holds an address. Text that is no address is in no network.
    pub fn contains(&self, address: &str) -> bool {
        match (self.prefix, address.parse()) {
            (IpAddr::V4(prefix), Ok(IpAddr::V4(address))) => {
                let differ = u32::from(prefix) ^ u32::from(address);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(prefix), Ok(IpAddr::V6(address))) => {
                let differ = u128::from(prefix) ^ u128::from(address);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves prefixes of every length, both families, and what is no address.
    #[test]
    fn networks_hold_what_their_prefix_says() {
        let holds = |network: &str, address: &str| Cidr::parse(network).unwrap().contains(address);
        assert!(holds("10.1.2.3/8", "10.255.0.1"), "host bits are ignored");
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(holds("192.0.2.1", "192.0.2.1") && !holds("192.0.2.1", "192.0.2.2"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "fe80::1") && !holds("::/0", "10.0.0.1"), "families do not mix");
        assert!(!holds("0.0.0.0/0", "aa:bb:cc:dd:ee:ff"), "no address is in no network");
    }

    /// Proves that what is no network is refused.
    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "2001:db8::/129", "10.0.0.0/-1", "host", "/8"] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
