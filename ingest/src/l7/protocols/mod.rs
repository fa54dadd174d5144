//! The protocols, one file each.

use super::{Protocol, probes};

mod dhcp;
mod dhcpv6;
mod diameter;
mod dns;
mod ftp;
mod http;
mod icmp;
mod ldap;
mod memcached;
mod mqtt;
mod nats;
mod ntp;
mod proxy;
mod radius;
mod replies;
mod sctp;
mod sip;
mod smtp;
mod tds;

pub(super) use icmp::Icmp;
pub(super) use sctp::Sctp;

/// Every protocol that can be recognised, those with the longest signatures first: the first one that is certain has the flow.
pub static PROTOCOLS: &[&Protocol] = &[
    &probes::HTTP2,
    &proxy::PROTOCOL,
    &nats::PROTOCOL,
    &probes::HTTP,
    &probes::TLS,
    &probes::SSH,
    &probes::AMQP,
    &sip::TCP,
    &sip::UDP,
    &probes::SMB,
    &probes::POSTGRES,
    &probes::MYSQL,
    &probes::MONGODB,
    &mqtt::PROTOCOL,
    &memcached::PROTOCOL,
    &tds::PROTOCOL,
    &probes::RDP,
    &ldap::PROTOCOL,
    &probes::REDIS,
    &smtp::PROTOCOL,
    &ftp::PROTOCOL,
    &probes::POP3,
    &probes::IMAP,
    &dns::DNS_TCP,
    &diameter::PROTOCOL,
    &dhcp::PROTOCOL,
    &dhcpv6::PROTOCOL,
    &probes::STUN,
    &probes::QUIC,
    &probes::DTLS,
    &probes::SNMP,
    &dns::MDNS,
    &dns::LLMNR,
    &probes::NBNS,
    &dns::DNS_UDP,
    &ntp::PROTOCOL,
    &radius::PROTOCOL,
    &icmp::PROTOCOL,
    &sctp::PROTOCOL,
];
