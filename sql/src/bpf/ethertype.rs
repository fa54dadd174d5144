//! Whether the link layer carries a given protocol, for each link type.
//!
//! A protocol is named by its EtherType, or below 1501 by its LLC service access point, as IEEE 802.3 shares the field.

use super::ast::Size;
use super::cond::Cond;
use super::error::BpfError;
use super::layers::Layers;
use super::link::Link;

pub(super) const IP: u32 = 0x0800;
pub(super) const ARP: u32 = 0x0806;
pub(super) const RARP: u32 = 0x8035;
pub(super) const IP6: u32 = 0x86dd;
pub(super) const ATALK: u32 = 0x809b;
pub(super) const AARP: u32 = 0x80f3;
pub(super) const DECNET: u32 = 0x6003;
pub(super) const LAT: u32 = 0x6004;
pub(super) const SCA: u32 = 0x6007;
pub(super) const MOPDL: u32 = 0x6001;
pub(super) const MOPRC: u32 = 0x6002;
pub(super) const MPLS: u32 = 0x8847;
pub(super) const PPPOE_DISCOVERY: u32 = 0x8863;
pub(super) const PPPOE_SESSION: u32 = 0x8864;
pub(super) const VLAN: u32 = 0x8100;
pub(super) const VLAN_AD: u32 = 0x88a8;
pub(super) const VLAN_QINQ: u32 = 0x9100;
/// An Ethernet frame inside another protocol.
pub(super) const TRANSPARENT_ETHERNET: u32 = 0x6558;
const IPX: u32 = 0x8137;
const XNS: u32 = 0x0600;

pub(super) const SAP_ISO: u32 = 0xfe;
pub(super) const SAP_STP: u32 = 0x42;
pub(super) const SAP_IPX: u32 = 0xe0;
pub(super) const SAP_NETBEUI: u32 = 0xf0;
const SAP_IP: u32 = 0x06;

/// The largest length field; above it the field is an EtherType.
pub(super) const LARGEST_LENGTH: u32 = 1500;

/// What Linux writes for 802.3 without LLC and for 802.2 LLC.
const COOKED_802_3: u32 = 1;
const COOKED_802_2: u32 = 4;

/// The address families of IPv6 on the BSDs, FreeBSD and Darwin: a capture may come from any.
const LOOPBACK_IP6: [u32; 3] = [24, 28, 30];
const LOOPBACK_IP: u32 = 2;

/// PPP's own number for the MPLS it carries (RFC 3032, section 4).
pub(super) const PPP_MPLS: u32 = 0x0281;

impl Layers {
    /// Whether the frame carries `protocol`.
    pub(super) fn carries(&self, protocol: u32, position: usize) -> Result<Cond, BpfError> {
        if self.in_mpls {
            return self.mpls_carries(protocol, position);
        }
        let type_is = |value| Cond::equal(self.link_type.load(Size::Half), value);
        Ok(match self.link {
            Link::Ethernet => self.ethernet_carries(protocol),
            Link::Sll => self.cooked_carries(protocol),
            Link::Sll2 => type_is(protocol),
            Link::CiscoHdlc if protocol == SAP_ISO => type_is(SAP_ISO << 8 | SAP_ISO),
            Link::CiscoHdlc => type_is(protocol),
            Link::Ppp => type_is(ppp_protocol(protocol)),
            Link::Null | Link::Loop => self.loopback_carries(protocol),
            Link::Raw => match protocol {
                IP => Cond::masked(self.header.load(Size::Byte), 0x40, 0xf0),
                IP6 => Cond::masked(self.header.load(Size::Byte), 0x60, 0xf0),
                _ => Cond::Always(false),
            },
            Link::Ipv4 => Cond::Always(protocol == IP),
            Link::Ipv6 => Cond::Always(protocol == IP6),
        })
    }

    /// Behind MPLS nothing names the protocol: the label must be the last, and the payload's version the right one.
    fn mpls_carries(&self, protocol: u32, position: usize) -> Result<Cond, BpfError> {
        let version = match protocol {
            IP => 0x40,
            IP6 => 0x60,
            _ => {
                return Err(BpfError::new(position, "behind `mpls` only IPv4 and IPv6 can be told")
                    .hint("write it before `mpls`"));
            }
        };
        let last = Cond::masked(self.load_network(2_u32.wrapping_neg(), Size::Byte), 1, 1);
        Ok(last.and(Cond::masked(self.load_network(0, Size::Byte), version, 0xf0)))
    }

    fn type_is(&self, value: u32) -> Cond {
        Cond::equal(self.link_type.load(Size::Half), value)
    }

    /// An 802.3 frame: its type field is a length.
    pub(super) fn has_length(&self) -> Cond {
        Cond::above(self.link_type.load(Size::Half), LARGEST_LENGTH).negate()
    }

    fn ethernet_carries(&self, protocol: u32) -> Cond {
        match protocol {
            SAP_ISO | SAP_IP | SAP_NETBEUI => self.has_length().and(self.both_saps(protocol)),
            SAP_IPX => {
                let raw = Cond::equal(self.payload.load(Size::Half), 0xffff);
                let llc = Cond::equal(self.payload.load(Size::Byte), SAP_IPX).or(raw);
                self.type_is(IPX).or(self.has_length().and(self.snap(0, IPX).or(llc)))
            }
            ATALK => self.type_is(ATALK).or(self.has_length().and(self.snap(0x08_0007, ATALK))),
            AARP => self.type_is(AARP).or(self.has_length().and(self.snap(0, AARP))),
            sap if sap <= LARGEST_LENGTH => {
                self.has_length().and(Cond::equal(self.link_type.plus(2).load(Size::Byte), sap))
            }
            _ => self.type_is(protocol),
        }
    }

    fn cooked_carries(&self, protocol: u32) -> Cond {
        let llc = self.type_is(COOKED_802_2);
        match protocol {
            SAP_ISO | SAP_IP | SAP_NETBEUI => llc.and(self.both_saps(protocol)),
            SAP_IPX => {
                let inside = Cond::equal(self.payload.load(Size::Byte), SAP_IPX).or(self.snap(0, IPX));
                self.type_is(IPX).or(self.type_is(COOKED_802_3).or(llc.and(inside)))
            }
            ATALK => self.type_is(ATALK).or(llc.and(self.snap(0x08_0007, ATALK))),
            AARP => self.type_is(AARP).or(llc.and(self.snap(0, AARP))),
            sap if sap <= LARGEST_LENGTH => {
                llc.and(Cond::equal(self.header.plus(self.payload.constant).load(Size::Byte), sap))
            }
            _ => self.type_is(protocol),
        }
    }

    /// The family is in the byte order of the host that captured, taken as little-endian for NULL; LOOP's is big-endian.
    fn loopback_carries(&self, protocol: u32) -> Cond {
        let family = |number: u32| {
            let value = if self.link == Link::Null { number.swap_bytes() } else { number };
            Cond::equal(self.header.load(Size::Word), value)
        };
        match protocol {
            IP => family(LOOPBACK_IP),
            IP6 => {
                let [bsd, freebsd, darwin] = LOOPBACK_IP6.map(family);
                darwin.or(bsd.or(freebsd))
            }
            _ => Cond::Always(false),
        }
    }

    fn both_saps(&self, sap: u32) -> Cond {
        Cond::equal(self.payload.load(Size::Half), sap << 8 | sap)
    }

    /// An LLC header with SNAP that names the organisation and protocol (IEEE 802, 10.3).
    fn snap(&self, organisation: u32, protocol: u32) -> Cond {
        const SNAP_UI: u32 = 0xaaaa_0300;
        let high = SNAP_UI | organisation >> 16;
        let low = (organisation & 0xffff) << 16 | protocol;
        Cond::equal(self.payload.plus(4).load(Size::Word), low).and(Cond::equal(self.payload.load(Size::Word), high))
    }
}

/// PPP's number for a protocol (IANA, "PPP DLL Protocol Numbers").
fn ppp_protocol(protocol: u32) -> u32 {
    match protocol {
        IP => 0x21,
        IP6 => 0x57,
        DECNET => 0x27,
        ATALK => 0x29,
        XNS => 0x25,
        SAP_ISO => 0x23,
        SAP_STP => 0x31,
        SAP_IPX => 0x2b,
        other => other,
    }
}
