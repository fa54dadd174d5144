//! The protocols, one file each.

use super::{Protocol, probes};

mod dhcp;
mod diameter;
mod dns;
mod http;
mod ldap;
mod mqtt;
mod ntp;
mod radius;

/// Every protocol that can be recognised, those with the longest signatures first: the first one that is certain has the flow.
pub static PROTOCOLS: &[&Protocol] = &[
    &probes::HTTP2,
    &probes::HTTP,
    &probes::TLS,
    &probes::SSH,
    &probes::AMQP,
    &probes::SIP,
    &probes::SMB,
    &probes::POSTGRES,
    &probes::MYSQL,
    &probes::MONGODB,
    &mqtt::PROTOCOL,
    &probes::RDP,
    &ldap::PROTOCOL,
    &probes::REDIS,
    &probes::SMTP,
    &probes::FTP,
    &probes::POP3,
    &probes::IMAP,
    &dns::DNS_TCP,
    &diameter::PROTOCOL,
    &dhcp::PROTOCOL,
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
];
