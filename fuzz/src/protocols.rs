//! What each application protocol is carried by, so that a fuzzer can be sent to one of them.

use Carrier::{Icmp, Icmpv6, Sctp, Tcp, Udp};

/// What carries what is said, with the server's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    Tcp(u16),
    Udp(u16),
    /// Chunks, behind a common header.
    Sctp(u16),
    /// A message of ICMP, its header first.
    Icmp,
    /// The same of ICMPv6.
    Icmpv6,
}

impl Carrier {
    /// The server's port, where there are ports.
    pub fn port(&self) -> Option<u16> {
        match self {
            Carrier::Tcp(port) | Carrier::Udp(port) | Carrier::Sctp(port) => Some(*port),
            Carrier::Icmp | Carrier::Icmpv6 => None,
        }
    }
}

/// A dissector, or several that live in one.
#[derive(Debug)]
pub struct Protocol {
    /// What `WIRETAPE_FUZZ_PROTOCOL` says.
    pub name: &'static str,
    /// `app_proto` of the flows that are its seeds.
    pub speaks: &'static [&'static str],
    /// A flow has the carrier at its number, modulo how many there are.
    pub carriers: &'static [Carrier],
}

const fn protocol(name: &'static str, speaks: &'static [&'static str], carriers: &'static [Carrier]) -> Protocol {
    Protocol { name, speaks, carriers }
}

/// Everything that is read.
pub const PROTOCOLS: &[Protocol] = &[
    protocol("http", &["http"], &[Tcp(80)]),
    protocol("http2", &["http2"], &[Tcp(80)]),
    protocol("grpc", &["grpc"], &[Tcp(50_051)]),
    protocol("graphql", &["graphql"], &[Tcp(80)]),
    protocol("websocket", &["websocket"], &[Tcp(80)]),
    protocol("tls", &["tls"], &[Tcp(443)]),
    protocol("dtls", &["dtls"], &[Udp(4433)]),
    protocol("quic", &["quic"], &[Udp(443)]),
    protocol("dns", &["dns", "mdns", "llmnr"], &[Udp(53), Tcp(53), Udp(5353), Udp(5355)]),
    protocol("kafka", &["kafka"], &[Tcp(9092)]),
    protocol("mongodb", &["mongodb"], &[Tcp(27_017)]),
    protocol("mysql", &["mysql"], &[Tcp(3306)]),
    protocol("postgresql", &["postgresql"], &[Tcp(5432)]),
    protocol("redis", &["redis"], &[Tcp(6379)]),
    protocol("tds", &["tds"], &[Tcp(1433)]),
    protocol("memcached", &["memcached"], &[Tcp(11_211)]),
    protocol("mqtt", &["mqtt"], &[Tcp(1883)]),
    protocol("nats", &["nats"], &[Tcp(4222)]),
    protocol("ldap", &["ldap"], &[Tcp(389)]),
    protocol("radius", &["radius"], &[Udp(1812)]),
    protocol("diameter", &["diameter"], &[Tcp(3868), Sctp(3868)]),
    protocol("sip", &["sip"], &[Udp(5060), Tcp(5060)]),
    protocol("smtp", &["smtp"], &[Tcp(25)]),
    protocol("ftp", &["ftp"], &[Tcp(21)]),
    protocol("ssh", &["ssh"], &[Tcp(22)]),
    protocol("dhcp", &["dhcp"], &[Udp(67)]),
    protocol("dhcpv6", &["dhcpv6"], &[Udp(547)]),
    protocol("ntp", &["ntp"], &[Udp(123)]),
    protocol("icmp", &["icmp", "icmpv6"], &[Icmp, Icmpv6]),
    protocol("sctp", &["sctp"], &[Sctp(2905)]),
    protocol("proxy", &["proxy"], &[Tcp(80)]),
];

/// The protocol of that name.
pub fn find(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|p| p.name == name)
}

impl Protocol {
    /// What carries this flow of it.
    pub fn carrier(&self, flow: usize) -> Carrier {
        self.carriers[flow % self.carriers.len()]
    }
}
