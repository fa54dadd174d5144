//! The protocols that the language has a word for.

/// The protocols that have a name in the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `ether`, `link` and their synonyms: whatever the link layer is.
    Link,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// ARP.
    Arp,
    /// RARP.
    Rarp,
    /// AppleTalk.
    Atalk,
    /// AppleTalk ARP.
    Aarp,
    /// DECnet phase IV.
    Decnet,
    /// DEC LAT.
    Lat,
    /// DEC SCA.
    Sca,
    /// DEC MOP dump/load.
    Mopdl,
    /// DEC MOP remote console.
    Moprc,
    /// OSI over LLC.
    Iso,
    /// Spanning tree.
    Stp,
    /// IPX.
    Ipx,
    /// NetBEUI.
    Netbeui,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP over IPv4.
    Icmp,
    /// IGMP.
    Igmp,
    /// IGRP.
    Igrp,
    /// PIM.
    Pim,
    /// VRRP.
    Vrrp,
    /// CARP, which shares VRRP's number.
    Carp,
    /// ICMPv6.
    Icmp6,
    /// IPsec authentication header.
    Ah,
    /// IPsec encapsulating security payload.
    Esp,
    /// OSI ES-IS.
    Esis,
    /// OSI IS-IS.
    Isis,
    /// OSI CLNP.
    Clnp,
    /// IS-IS level 1 PDUs.
    IsisL1,
    /// IS-IS level 2 PDUs.
    IsisL2,
    /// IS-IS hello PDUs.
    IsisIih,
    /// IS-IS link state PDUs.
    IsisLsp,
    /// IS-IS sequence number PDUs.
    IsisSnp,
    /// IS-IS complete sequence number PDUs.
    IsisCsnp,
    /// IS-IS partial sequence number PDUs.
    IsisPsnp,
}
