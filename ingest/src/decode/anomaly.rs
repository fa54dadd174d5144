//! What can be wrong with the headers of a frame. An anomaly never stops an import: it says why columns are NULL, or why
//! they should be doubted. That a capture cut the payload is not one, `cap_len < orig_len` says so already.

use super::flags::flag_set;

flag_set! {
    /// What is wrong with a frame's headers; empty for nearly all traffic.
    set Anomalies of
    /// One thing wrong with a header. `…_truncated`: the bytes end within the header.
    enum Anomaly {
        /// Ethernet, SLL, null, PPP or C-HDLC header cut.
        LinkTruncated = "link_truncated",
        /// Radiotap, PPI, Prism or 802.11 header cut or of an impossible length.
        WlanTruncated = "wlan_truncated",
        /// VLAN, MPLS or PPPoE tag cut.
        TagTruncated = "tag_truncated",
        /// ARP packet cut.
        ArpTruncated = "arp_truncated",
        /// IPv4 or IPv6 header, options included, cut.
        IpTruncated = "ip_truncated",
        /// The version field is not that of the header announced.
        IpBadVersion = "ip_bad_version",
        /// IPv4 header length below 20 bytes.
        IpBadHeaderLen = "ip_bad_header_len",
        /// IP length below its header's, or beyond the frame.
        IpBadLength = "ip_bad_length",
        /// IPv6 extension header or AH cut.
        IpExtTruncated = "ip_ext_truncated",
        /// Fragments of one datagram claim the same bytes with different content or bounds; the first to arrive wins.
        IpFragmentOverlap = "ip_fragment_overlap",
        /// A fragment reaches beyond 65535 bytes, or beyond the end its datagram's last fragment set.
        IpFragmentOversize = "ip_fragment_oversize",
        /// A fragment that is not the last has a length that is no multiple of 8, or none.
        IpFragmentBadLength = "ip_fragment_bad_length",
        /// A fragment was not kept because its datagram or the table is at its limit.
        IpFragmentDropped = "ip_fragment_dropped",
        /// TCP header, options included, cut.
        TcpTruncated = "tcp_truncated",
        /// TCP data offset below 20 bytes or beyond the segment.
        TcpBadOffset = "tcp_bad_offset",
        /// UDP header cut.
        UdpTruncated = "udp_truncated",
        /// UDP length below 8 or beyond the datagram.
        UdpBadLength = "udp_bad_length",
        /// SCTP or DCCP header cut.
        SctpTruncated = "sctp_truncated",
        /// ICMP, ICMPv6 or IGMP header cut.
        IcmpTruncated = "icmp_truncated",
        /// A tunnel's own header (GRE, ERSPAN, VXLAN, Geneve, GTP-U) cut.
        TunnelTruncated = "tunnel_truncated",
        /// More headers or encapsulations than are followed.
        NestingLimit = "nesting_limit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_by_commas() {
        let mut anomalies = Anomalies::default();
        anomalies.insert(Anomaly::TcpBadOffset);
        anomalies.insert(Anomaly::IpTruncated);
        assert_eq!(anomalies.names(&mut String::new()), "ip_truncated,tcp_bad_offset");
    }
}
