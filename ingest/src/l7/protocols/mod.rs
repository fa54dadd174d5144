//! The protocols, one file each.

use super::{Protocol, probes};

mod dns;
mod http;
mod quic;
mod ssh;
mod tls;

/// Every protocol that can be recognised, those with the longest signatures first: the first one that is certain has the flow.
pub static PROTOCOLS: &[&Protocol] = &[
    &probes::HTTP2,
    &probes::HTTP,
    &tls::TLS,
    &ssh::SSH,
    &probes::AMQP,
    &probes::SIP,
    &probes::SMB,
    &probes::POSTGRES,
    &probes::MYSQL,
    &probes::MONGODB,
    &probes::MQTT,
    &probes::RDP,
    &probes::LDAP,
    &probes::REDIS,
    &probes::SMTP,
    &probes::FTP,
    &probes::POP3,
    &probes::IMAP,
    &dns::DNS_TCP,
    &probes::DIAMETER,
    &probes::DHCP,
    &probes::STUN,
    &quic::QUIC,
    &tls::dtls::DTLS,
    &probes::SNMP,
    &dns::MDNS,
    &dns::LLMNR,
    &probes::NBNS,
    &dns::DNS_UDP,
    &probes::NTP,
    &probes::RADIUS,
];
