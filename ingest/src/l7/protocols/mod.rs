//! The protocols, one file each.

use super::{Protocol, probes};

mod amqp;
mod dhcp;
mod dhcpv6;
mod diameter;
mod dns;
mod ftp;
mod http;
mod icmp;
mod kafka;
mod ldap;
mod memcached;
mod mongodb;
mod mqtt;
mod mysql;
mod nats;
mod ntp;
mod postgresql;
mod proxy;
mod quic;
mod radius;
mod redis;
mod replies;
mod sctp;
mod sip;
mod smtp;
mod sql;
mod ssh;
mod tds;
mod tls;

pub(super) use icmp::Icmp;
pub(super) use sctp::Sctp;

/// Every protocol that can be recognised, those with the longest signatures first: the first one that is certain has the flow.
pub static PROTOCOLS: &[&Protocol] = &[
    &http::HTTP2,
    &proxy::PROTOCOL,
    &nats::PROTOCOL,
    &http::HTTP,
    &http::GRAPHQL,
    &http::WEBSOCKET,
    &http::GRPC,
    &tls::TLS,
    &ssh::SSH,
    &amqp::PROTOCOL,
    &sip::TCP,
    &sip::UDP,
    &probes::SMB,
    &postgresql::PROTOCOL,
    &mysql::PROTOCOL,
    &mongodb::PROTOCOL,
    &kafka::PROTOCOL,
    &mqtt::PROTOCOL,
    &memcached::PROTOCOL,
    &tds::PROTOCOL,
    &probes::RDP,
    &ldap::PROTOCOL,
    &redis::PROTOCOL,
    &smtp::PROTOCOL,
    &ftp::PROTOCOL,
    &probes::POP3,
    &probes::IMAP,
    &dns::DNS_TCP,
    &diameter::PROTOCOL,
    &dhcp::PROTOCOL,
    &dhcpv6::PROTOCOL,
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
    &icmp::PROTOCOL,
    &sctp::PROTOCOL,
];
