//! Where an address is, seen by itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `peer_scope` of an address: RFC 6890 and its registry, and the addresses at which clouds serve metadata to their guests.
pub(crate) fn of(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| v6(ip), v4),
    }
}

fn v4(ip: Ipv4Addr) -> &'static str {
    match ip.octets() {
        // AWS, Azure, GCP, OpenStack and others; Alibaba; Oracle.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] => "metadata",
        [127, ..] => "loopback",
        [169, 254, ..] => "link_local",
        [224..=239, ..] | [255, 255, 255, 255] => "multicast",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [0, ..] => "private",
        _ => "public",
    }
}

fn v6(ip: Ipv6Addr) -> &'static str {
    match ip.segments() {
        // AWS.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => "metadata",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0xfe80..=0xfebf, ..] => "link_local",
        [0xff00..=0xffff, ..] => "multicast",
        [0xfc00..=0xfdff, ..] | [0, 0, 0, 0, 0, 0, 0, 0] => "private",
        _ => "public",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves each scope by an address at its edges.
    #[test]
    fn addresses_have_their_scope() {
        for (ip, scope) in [
            ("127.0.0.53", "loopback"),
            ("::1", "loopback"),
            ("169.254.169.254", "metadata"),
            ("fd00:ec2::254", "metadata"),
            ("::ffff:169.254.169.254", "metadata"),
            ("169.254.169.253", "link_local"),
            ("fe80::1", "link_local"),
            ("239.255.255.250", "multicast"),
            ("ff02::fb", "multicast"),
            ("172.31.255.255", "private"),
            ("100.127.0.1", "private"),
            ("fd00::1", "private"),
            ("172.32.0.0", "public"),
            ("100.128.0.1", "public"),
            ("2001:db8::1", "public"),
        ] {
            assert_eq!(of(ip.parse().unwrap()), scope, "{ip}");
        }
    }
}
