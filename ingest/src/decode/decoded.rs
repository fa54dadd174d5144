//! What a frame's headers say, in the shape of the `packets` table and of the flow key. A plain value: no field is
//! computed lazily, and only `payload` borrows.

use std::net::IpAddr;

use super::{Anomalies, Anomaly, Encapsulation, Layers, Tunnel};

/// The headers of one frame. `ip`, the ports, `tcp`, `icmp` and the payload always belong together, to the innermost IP
/// header; MAC addresses, EtherType and `proto` may lie deeper still (ARP inside VXLAN).
#[derive(Debug, Clone, Default)]
pub struct Decoded<'a> {
    /// Every protocol header passed, outer ones too.
    pub layers: Layers,
    /// Source address of the innermost Ethernet or 802.11 header (or the one address of a cooked header).
    pub src_mac: Option<[u8; 6]>,
    /// Destination address of the innermost Ethernet or 802.11 header.
    pub dst_mac: Option<[u8; 6]>,
    /// EtherType of the innermost link payload.
    pub eth_type: Option<u16>,
    /// Where a capture on all interfaces saw the frame, by its cooked header: the kernel's number of the interface (LINUX_SLL2
    /// only) and the packet type, which tells coming from going.
    pub link_place: Option<u64>,
    /// Innermost VLAN id, 0 to 4095.
    pub vlan_id: Option<u16>,
    /// Encapsulations passed; `None` when there were none.
    pub tunnel: Option<Tunnel>,
    /// Identifier of the innermost encapsulation that has one: VNI, TEID, GRE key, MPLS label or PPPoE session.
    pub tunnel_id: Option<u32>,
    /// Innermost IP header whose addresses are whole.
    pub ip: Option<IpHeader>,
    /// Name of the innermost protocol below the application; `None` when nothing was decoded.
    pub proto: Option<&'static str>,
    /// Sender's port: TCP, UDP, UDP-Lite, SCTP, DCCP. Fragments show it as soon as the first one of their datagram is known.
    pub src_port: Option<u16>,
    /// Receiver's port.
    pub dst_port: Option<u16>,
    /// TCP header; `None` when not even its window is there, and on fragments other than the completing one.
    pub tcp: Option<TcpHeader>,
    /// ICMP or ICMPv6 header.
    pub icmp: Option<IcmpHeader>,
    /// Transport payload in bytes by the headers' lengths, captured or not. `None` on a fragment that does not complete
    /// its datagram: the frame that does carries it all.
    pub payload_len: Option<u32>,
    /// The captured part of it, from the frame or from the reassembled datagram.
    pub payload: &'a [u8],
    /// What is wrong with the headers.
    pub anomalies: Anomalies,
}

impl Decoded<'_> {
    /// Notes that what follows is carried inside `encapsulation`; `false` when the path is too deep to be followed.
    pub(super) fn enter(&mut self, encapsulation: Encapsulation) -> bool {
        let path = Tunnel::push(self.tunnel, encapsulation);
        if path.is_some() {
            self.tunnel = path;
        } else {
            self.anomalies.insert(Anomaly::NestingLimit);
        }
        path.is_some()
    }

    /// Starts a new innermost IP header: what an outer one carried no longer counts.
    #[inline]
    pub(super) fn begin_ip(&mut self, ip: IpHeader) {
        if self.ip.is_some() {
            self.src_port = None;
            self.dst_port = None;
            self.tcp = None;
            self.icmp = None;
            self.payload_len = None;
            self.payload = &[];
        }
        self.ip = Some(ip);
    }
}

/// The IP fields that columns and flows need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpHeader {
    /// Sender.
    pub src: IpAddr,
    /// Receiver.
    pub dst: IpAddr,
    /// Protocol number of what follows the extension headers (also after AH).
    pub proto: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Differentiated services code point, 0 to 63.
    pub dscp: u8,
    /// IPv4 identification, or that of an IPv6 fragment header.
    pub id: Option<u32>,
    /// Set on fragments, the completing one included; not on atomic fragments (RFC 6946).
    pub fragment: Option<Fragment>,
}

impl IpHeader {
    /// 4 or 6.
    pub fn version(&self) -> u8 {
        if self.src.is_ipv4() { 4 } else { 6 }
    }
}

/// Place of a fragment in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Offset in bytes, a multiple of 8.
    pub offset_bytes: u16,
    /// Whether further fragments follow it.
    pub more: bool,
}

/// The TCP fields that columns and flows need (RFC 9293 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpHeader {
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number, whether or not ACK is set.
    pub ack: u32,
    /// Window, not scaled.
    pub window: u16,
}

/// The ICMP and ICMPv6 fields that columns, Community ID and flows need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpHeader {
    /// Message type.
    pub kind: u8,
    /// Message code.
    pub code: u8,
    /// Identifier of echo, timestamp, information and address mask messages.
    pub id: Option<u16>,
    /// Second word of the header: identifier and sequence number, address of a gateway, MTU, pointer; 0 where it is cut off.
    pub word: u32,
}
