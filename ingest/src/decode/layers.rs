//! The protocol headers a frame was seen to hold. Headers quoted inside ICMP errors are not among them: they belong to
//! another packet.

use super::flags::flag_set;

flag_set! {
    /// Which protocol headers were passed, at any depth. A header that was cut short counts when its type is certain. No
    /// header may go without a member: that a frame is plain is told by what is not in its set.
    set Layers of
    /// A protocol header this module can read.
    enum Layer {
        /// IEEE 802.3 / Ethernet II.
        Eth = "eth",
        /// 802.1Q tag.
        Vlan = "vlan",
        /// 802.1ad service tag (QinQ).
        Qinq = "ieee8021ad",
        /// Network service header (RFC 8300).
        Nsh = "nsh",
        /// MPLS label stack (RFC 3032).
        Mpls = "mpls",
        /// Ethernet pseudowire over MPLS (RFC 4448).
        PwEth = "pweth",
        /// PPPoE session (RFC 2516).
        Pppoe = "pppoes",
        /// PPPoE discovery (RFC 2516).
        PppoeDiscovery = "pppoed",
        /// PPP (RFC 1661).
        Ppp = "ppp",
        /// Cisco HDLC.
        Chdlc = "chdlc",
        /// ARP (RFC 826).
        Arp = "arp",
        /// IPv4 (RFC 791).
        Ipv4 = "ip",
        /// IPv6 (RFC 8200).
        Ipv6 = "ipv6",
        /// IPv6 hop-by-hop options.
        HopOpts = "hopopts",
        /// IPv6 routing header.
        Routing = "routing",
        /// IPv6 fragment header.
        FragmentHeader = "fraghdr",
        /// IPv6 destination options.
        DstOpts = "dstopts",
        /// Authentication header (RFC 4302).
        Ah = "ah",
        /// Encapsulating security payload (RFC 4303); its inside is not read.
        Esp = "esp",
        /// IPv6 mobility header (RFC 6275).
        Mobility = "mipv6",
        /// GRE version 0 or 1 (RFC 2784, RFC 2637).
        Gre = "gre",
        /// ERSPAN type I, II or III.
        Erspan = "erspan",
        /// VXLAN, also its generic protocol extension (RFC 7348).
        Vxlan = "vxlan",
        /// Geneve (RFC 8926).
        Geneve = "geneve",
        /// GTP-U (3GPP TS 29.281).
        Gtp = "gtp",
        /// IP in IP (RFC 2003, RFC 2473).
        Ipip = "ipip",
        /// TCP (RFC 9293).
        Tcp = "tcp",
        /// UDP (RFC 768).
        Udp = "udp",
        /// UDP-Lite (RFC 3828).
        UdpLite = "udplite",
        /// SCTP (RFC 9260).
        Sctp = "sctp",
        /// DCCP (RFC 4340).
        Dccp = "dccp",
        /// ICMP (RFC 792).
        Icmp = "icmp",
        /// ICMPv6 (RFC 4443).
        Icmpv6 = "icmpv6",
        /// IGMP (RFC 3376).
        Igmp = "igmp",
        /// Linux cooked capture.
        Sll = "sll",
        /// Linux cooked capture, version 2.
        Sll2 = "sll2",
        /// No link header at all.
        Raw = "raw",
        /// BSD loopback.
        Null = "null",
        /// Linux netfilter log.
        Nflog = "nflog",
        /// Radiotap pseudo header.
        Radiotap = "radiotap",
        /// PPI pseudo header.
        Ppi = "ppi",
        /// Prism pseudo header.
        Prism = "prism",
        /// IEEE 802.11.
        Ieee80211 = "wlan",
        /// IEEE 802.2 LLC, with or without SNAP.
        Llc = "llc",
        /// Spanning tree.
        Stp = "stp",
        /// Novell IPX.
        Ipx = "ipx",
        /// Link layer discovery.
        Lldp = "lldp",
        /// EAP over LAN (802.1X).
        Eapol = "eapol",
        /// An IPv4 fragment (RFC 791), the one that completes its datagram included.
        Fragment = "frag",
        /// 802.1ah service tag, with an Ethernet frame behind it.
        ServiceTag = "ieee8021ah",
        /// Cisco MetaData.
        MetaData = "cmd",
        /// An Ethernet frame carried by its EtherType (0x6558).
        TransparentEth = "teb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_bit_order_and_replace_what_the_buffer_held() {
        let mut layers = Layers::default();
        layers.insert(Layer::Tcp);
        layers.insert(Layer::Eth);
        layers.insert(Layer::Ipv4);
        layers.insert(Layer::Eth);
        let mut text = String::from("old");
        assert_eq!(layers.names(&mut text), "eth,ip,tcp");
        assert!(layers.contains(Layer::Tcp) && !layers.contains(Layer::Udp));
        assert_eq!(Layers::default().names(&mut text), "");
    }
}
