//! Community ID version 1: a name of a flow's 5-tuple that Zeek, Suricata, Arkime and Wireshark compute alike
//! (<https://github.com/corelight/community-id-spec>). VLAN and tunnel take no part in it, so two flows may share one.
//!
//! What is hashed with SHA-1, in network byte order:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 2 | seed, 0 |
//! | 2 | 4 or 16 | address of the endpoint that sorts first |
//! | … | 4 or 16 | the other address |
//! | … | 1 | IP protocol |
//! | … | 1 | 0 |
//! | … | 2 + 2 | ports in the same order, or what stands for them in ICMP; absent where there are none |

use std::net::IpAddr;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

use super::key::FlowKey;

/// `1:` and 28 characters of base64.
const LEN: usize = 30;

/// A Community ID as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommunityId([u8; LEN]);

impl CommunityId {
    /// The id of a flow, seed 0.
    pub(crate) fn of(key: &FlowKey) -> CommunityId {
        let (low, high) = (key.low(), key.high());
        let mut sha = Sha1::new();
        sha.update([0, 0]);
        for ip in [low.ip, high.ip] {
            match ip {
                IpAddr::V4(ip) => sha.update(ip.octets()),
                IpAddr::V6(ip) => sha.update(ip.octets()),
            }
        }
        sha.update([key.ip_proto(), 0]);
        if key.has_port_equivalents() {
            sha.update(low.port.to_be_bytes());
            sha.update(high.port.to_be_bytes());
        }
        let mut text = [0; LEN];
        let (version, hash) = text.split_at_mut(2);
        version.copy_from_slice(b"1:");
        STANDARD.encode_slice(sha.finalize(), hash).expect("20 bytes are 28 characters of base64");
        CommunityId(text)
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{bare, icmp, ports};

    /// Rows of the specification's `baseline/baseline_deflt.json` and of the reference implementation's tests.
    #[test]
    fn published_vectors_of_protocols_with_ports() {
        for (proto, src, dst, id) in [
            (6, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (6, "66.35.250.204:80", "128.232.110.120:34855", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (6, "10.0.0.1:10", "10.0.0.2:11569", "1:SXBGMX1lBOwhhoDrZynfROxnhnM="),
            (
                6,
                "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943",
                "[2607:f8b0:400c:c03::1a]:25",
                "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            ),
            (17, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (17, "8.8.8.8:53", "192.168.1.52:54585", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (132, "192.168.170.8:7", "192.168.170.56:7", "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
            (132, "192.168.170.8:7", "192.168.170.56:80", "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
        ] {
            let (key, _) = FlowKey::of(&ports(proto, src, dst).packet()).unwrap();
            assert_eq!(CommunityId::of(&key).as_str(), id, "{proto} {src} {dst}");
        }
    }

    #[test]
    fn published_vectors_of_icmp() {
        for (src, dst, kind, code, id) in [
            ("192.168.0.89", "192.168.0.1", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            ("192.168.0.1", "192.168.0.89", 0, 8, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            ("192.168.0.1", "192.168.0.89", 0, 20, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            ("192.168.0.89", "192.168.0.1", 20, 0, "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="),
            ("192.168.0.89", "192.168.0.1", 20, 1, "1:tz/fHIDUHs19NkixVVoOZywde+I="),
            ("10.0.0.1", "10.0.0.2", 11, 0, "1:YHxtAirCG//0OzkcVAukqKQN9xM="),
            ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
            ("fe80::260:97ff:fe07:69ea", "fe80::200:86ff:fe05:80da", 136, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
            (
                "3ffe:507:0:1:260:97ff:fe07:69ea",
                "3ffe:507:0:1:200:86ff:fe05:80da",
                3,
                0,
                "1:NdobDX8PQNJbAyfkWxhtL2Pqp5w=",
            ),
            (
                "3ffe:507:0:1:200:86ff:fe05:80da",
                "3ffe:507:0:1:260:97ff:fe07:69ea",
                3,
                0,
                "1:/OGBt9BN1ofenrmSPWYicpij2Vc=",
            ),
            ("3ffe:507:0:1:200:86ff:fe05:80da", "3ffe:501:0:1001::2", 128, 0, "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg="),
            ("fe80::200:86ff:fe05:80da", "ff02::2", 133, 0, "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0="),
        ] {
            let (key, _) = FlowKey::of(&icmp(src, dst, kind, code, None)).unwrap();
            assert_eq!(CommunityId::of(&key).as_str(), id, "{src} {dst} {kind} {code}");
        }
    }

    #[test]
    fn published_vectors_without_ports() {
        for (src, dst, id) in [
            ("10.1.12.1", "10.1.12.2", "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="),
            ("10.1.12.2", "10.1.12.1", "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="),
            ("10.1.24.4", "10.1.12.1", "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="),
        ] {
            let (key, _) = FlowKey::of(&bare(46, src, dst)).unwrap();
            assert_eq!(CommunityId::of(&key).as_str(), id);
        }
    }
}
