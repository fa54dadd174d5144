//! The protocols, one file each.

use super::{Protocol, probes};

mod dhcp;
mod diameter;
mod dns;
mod http;
mod kafka;
mod ldap;
mod mongodb;
mod mqtt;
mod mysql;
mod ntp;
mod postgresql;
mod quic;
mod radius;
mod redis;
mod sql;
mod ssh;
mod tls;

/// Every protocol that can be recognised, those with the longest signatures first: the first one that is certain has the flow.
pub static PROTOCOLS: &[&Protocol] = &[
    &http::HTTP2,
    &http::HTTP,
    &http::GRAPHQL,
    &http::WEBSOCKET,
    &tls::TLS,
    &ssh::SSH,
    &probes::AMQP,
    &probes::SIP,
    &probes::SMB,
    &postgresql::PROTOCOL,
    &mysql::PROTOCOL,
    &mongodb::PROTOCOL,
    &mqtt::PROTOCOL,
    &kafka::PROTOCOL,
    &probes::RDP,
    &ldap::PROTOCOL,
    &redis::PROTOCOL,
    &probes::SMTP,
    &probes::FTP,
    &probes::POP3,
    &probes::IMAP,
    &dns::DNS_TCP,
    &diameter::PROTOCOL,
    &dhcp::PROTOCOL,
    &probes::STUN,
    &quic::QUIC,
    &tls::dtls::DTLS,
    &probes::SNMP,
    &dns::MDNS,
    &dns::LLMNR,
    &probes::NBNS,
    &dns::DNS_UDP,
    &ntp::PROTOCOL,
    &radius::PROTOCOL,
    &http::GRPC,
];
