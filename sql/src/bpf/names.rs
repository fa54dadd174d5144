//! Names of ports and protocols, built in so that a filter means the same on every machine.
//!
//! libpcap asks the machine's name databases instead. These tables hold the names people write, with the ports IANA
//! assigned; any other port is written as its number.

use super::ast::Transport;

/// A port by name, and the transport it belongs to where it belongs to one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) port: u16,
    pub(super) transport: Option<Transport>,
}

const TCP: Option<Transport> = Some(Transport::Tcp);
const UDP: Option<Transport> = Some(Transport::Udp);

#[rustfmt::skip]
const SERVICES: &[(&str, u16, Option<Transport>)] = &[
    ("echo", 7, None), ("discard", 9, None), ("daytime", 13, None), ("chargen", 19, None),
    ("ftp-data", 20, TCP), ("ftp", 21, TCP), ("ssh", 22, TCP), ("telnet", 23, TCP), ("smtp", 25, TCP),
    ("mail", 25, TCP), ("time", 37, None), ("whois", 43, TCP), ("tacacs", 49, None), ("domain", 53, None),
    ("bootps", 67, UDP), ("bootpc", 68, UDP), ("tftp", 69, UDP), ("gopher", 70, TCP), ("finger", 79, TCP),
    ("http", 80, TCP), ("www", 80, TCP), ("kerberos", 88, None), ("pop3", 110, TCP), ("sunrpc", 111, None),
    ("portmapper", 111, None), ("auth", 113, TCP), ("ident", 113, TCP), ("nntp", 119, TCP), ("ntp", 123, UDP),
    ("epmap", 135, TCP), ("netbios-ns", 137, UDP), ("netbios-dgm", 138, UDP), ("netbios-ssn", 139, TCP),
    ("imap2", 143, TCP), ("imap", 143, TCP), ("snmp", 161, None), ("snmp-trap", 162, None), ("snmptrap", 162, None),
    ("xdmcp", 177, UDP), ("bgp", 179, TCP), ("ldap", 389, None), ("https", 443, None), ("microsoft-ds", 445, TCP),
    ("kpasswd", 464, None), ("submissions", 465, TCP), ("isakmp", 500, UDP), ("printer", 515, TCP),
    ("rtsp", 554, None), ("ipp", 631, TCP), ("submission", 587, TCP), ("ldaps", 636, None), ("domain-s", 853, None),
    ("rsync", 873, TCP), ("ftps", 990, TCP), ("imaps", 993, TCP), ("pop3s", 995, TCP), ("socks", 1080, TCP),
    ("openvpn", 1194, None), ("ms-sql-s", 1433, TCP), ("ms-sql-m", 1434, UDP), ("l2tp", 1701, UDP),
    ("radius", 1812, None), ("radius-acct", 1813, None), ("nfs", 2049, None), ("iscsi-target", 3260, TCP),
    ("mysql", 3306, TCP), ("ms-wbt-server", 3389, TCP), ("ipsec-nat-t", 4500, UDP), ("epmd", 4369, TCP),
    ("sip", 5060, None), ("sip-tls", 5061, None), ("xmpp-client", 5222, TCP), ("xmpp-server", 5269, TCP),
    ("mdns", 5353, UDP), ("postgresql", 5432, TCP), ("postgres", 5432, TCP), ("amqps", 5671, TCP),
    ("amqp", 5672, TCP), ("x11", 6000, TCP), ("redis", 6379, TCP), ("syslog-tls", 6514, TCP), ("syslog", 514, None),
    ("http-alt", 8080, TCP), ("git", 9418, TCP),
];

#[rustfmt::skip]
const PROTOCOLS: &[(&str, u32)] = &[
    ("ip", 0), ("hopopt", 0), ("icmp", 1), ("igmp", 2), ("ipencap", 4), ("tcp", 6), ("egp", 8), ("igp", 9),
    ("udp", 17), ("rdp", 27), ("dccp", 33), ("ipv6", 41), ("ipv6-route", 43), ("ipv6-frag", 44), ("rsvp", 46),
    ("gre", 47), ("esp", 50), ("ah", 51), ("ipv6-icmp", 58), ("ipv6-nonxt", 59), ("ipv6-opts", 60), ("eigrp", 88),
    ("ospf", 89), ("ipip", 94), ("etherip", 97), ("pim", 103), ("ipcomp", 108), ("vrrp", 112), ("l2tp", 115),
    ("isis", 124), ("sctp", 132), ("udplite", 136), ("mpls-in-ip", 137), ("hip", 139), ("wesp", 141),
];

#[rustfmt::skip]
const ETHER_TYPES: &[(&str, u32)] = &[
    ("aarp", 0x80f3), ("arp", 0x0806), ("atalk", 0x809b), ("decnet", 0x6003), ("ip", 0x0800), ("ip6", 0x86dd),
    ("lat", 0x6004), ("loopback", 0x9000), ("mopdl", 0x6001), ("moprc", 0x6002), ("rarp", 0x8035), ("sca", 0x6007),
    // LLC service access points, which share the number space below 1501.
    ("iso", 0xfe), ("stp", 0x42), ("ipx", 0xe0), ("netbeui", 0xf0),
];

/// The port a name stands for.
pub(super) fn service(name: &str) -> Option<Service> {
    let (_, port, transport) = SERVICES.iter().find(|(known, _, _)| *known == name)?;
    Some(Service { port: *port, transport: *transport })
}

/// The number of a protocol over IP.
pub(super) fn ip_protocol(name: &str) -> Option<u32> {
    PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The EtherType or LLC SAP of a protocol.
pub(super) fn ether_type(name: &str) -> Option<u32> {
    ETHER_TYPES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// OSI's network layer protocol identifier (ISO/IEC TR 9577).
pub(super) fn osi_protocol(name: &str) -> Option<u32> {
    match name {
        "clnp" => Some(0x81),
        "esis" => Some(0x82),
        "isis" => Some(0x83),
        _ => None,
    }
}
