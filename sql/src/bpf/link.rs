//! The link types a filter can be compiled for, and where each keeps its type field and its payload.
//!
//! | link type                    | type field                  | payload at |
//! |------------------------------|-----------------------------|------------|
//! | Ethernet                     | EtherType or length, at 12  | 14         |
//! | Linux cooked, version 1      | protocol, at 14             | 16         |
//! | Linux cooked, version 2      | protocol, at 0              | 20         |
//! | BSD loopback (NULL, LOOP)    | address family word, at 0   | 4          |
//! | PPP, Cisco HDLC              | protocol, at 2              | 4          |
//! | raw IP, raw IPv4, raw IPv6   | none                        | 0          |
//!
//! Numbers are those of capture files (the LINKTYPE_ registry at tcpdump.org); 12 is raw IP's number in the socket API.

use super::error::BpfError;

/// A link layer that filters know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    Sll,
    Sll2,
    Null,
    Loop,
    Ppp,
    CiscoHdlc,
    Raw,
    Ipv4,
    Ipv6,
}

impl Link {
    pub(super) fn from_link_type(link_type: u16) -> Result<Self, BpfError> {
        Ok(match link_type {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            12 | 101 => Self::Raw,
            104 => Self::CiscoHdlc,
            108 => Self::Loop,
            113 => Self::Sll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Sll2,
            105 | 119 | 127 | 163 => {
                return Err(BpfError::new(
                    0,
                    format!("link type {link_type} is IEEE 802.11, whose frames are not filtered"),
                ));
            }
            _ => {
                return Err(BpfError::new(0, format!("packets of link type {link_type} cannot be filtered"))
                    .hint("Ethernet, Linux cooked, raw IP, BSD loopback, PPP and Cisco HDLC can"));
            }
        })
    }

    /// Where the type field is.
    pub(super) fn type_offset(self) -> u32 {
        match self {
            Self::Ethernet => 12,
            Self::Sll => 14,
            Self::Ppp | Self::CiscoHdlc => 2,
            Self::Sll2 | Self::Null | Self::Loop | Self::Raw | Self::Ipv4 | Self::Ipv6 => 0,
        }
    }

    /// Where the payload begins.
    pub(super) fn payload_offset(self) -> u32 {
        match self {
            Self::Ethernet => 14,
            Self::Sll => 16,
            Self::Sll2 => 20,
            Self::Null | Self::Loop | Self::Ppp | Self::CiscoHdlc => 4,
            Self::Raw | Self::Ipv4 | Self::Ipv6 => 0,
        }
    }

    /// How far the network header lies behind an LLC header without SNAP.
    pub(super) fn llc_length(self) -> u32 {
        if self == Self::Ethernet { 3 } else { 0 }
    }

    /// The name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "Ethernet",
            Self::Sll => "Linux cooked v1",
            Self::Sll2 => "Linux cooked v2",
            Self::Null | Self::Loop => "BSD loopback",
            Self::Ppp => "PPP",
            Self::CiscoHdlc => "Cisco HDLC",
            Self::Raw => "raw IP",
            Self::Ipv4 => "raw IPv4",
            Self::Ipv6 => "raw IPv6",
        }
    }
}
