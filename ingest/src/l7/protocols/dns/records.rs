//! Resource records as text, in the form of zone files (RFC 1035 section 5) as far as one line goes.

use simple_dns::{
    QTYPE, TYPE,
    rdata::{RData, SVCB, SVCParam},
};

/// The name of a question's type.
pub(super) fn question_type(kind: QTYPE) -> String {
    match kind {
        QTYPE::TYPE(kind) => type_name(kind),
        other => format!("{other:?}"),
    }
}

/// The name of a type; `TYPE65280` for one without (RFC 3597).
pub(super) fn type_name(kind: TYPE) -> String {
    match kind {
        TYPE::Unknown(number) => format!("TYPE{number}"),
        TYPE::NSAP_PTR => "NSAP-PTR".to_owned(),
        TYPE::RouteThrough => "RT".to_owned(),
        known => format!("{known:?}"),
    }
}

/// What a record says.
pub(super) fn data(data: &RData<'_>) -> String {
    match data {
        RData::A(a) => std::net::Ipv4Addr::from(a.address).to_string(),
        RData::AAAA(a) => std::net::Ipv6Addr::from(a.address).to_string(),
        RData::NS(name) => name.0.to_string(),
        RData::CNAME(name) => name.0.to_string(),
        RData::PTR(name) => name.0.to_string(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange),
        RData::TXT(txt) => String::try_from(txt.clone()).unwrap_or_default(),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            soa.mname, soa.rname, soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum
        ),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target),
        RData::CAA(caa) => format!("{} {} \"{}\"", caa.flag, caa.tag, String::from_utf8_lossy(&caa.value)),
        RData::NAPTR(n) => format!(
            "{} {} \"{}\" \"{}\" \"{}\" {}",
            n.order, n.preference, n.flags, n.services, n.regexp, n.replacement
        ),
        RData::SVCB(svcb) => service(svcb),
        RData::HTTPS(https) => service(&https.0),
        RData::HINFO(h) => format!("\"{}\" \"{}\"", h.cpu, h.os),
        RData::DS(ds) => format!("{} {} {} {}", ds.key_tag, ds.algorithm, ds.digest_type, hex(&ds.digest)),
        RData::RRSIG(sig) => format!("{} {}", type_name(TYPE::from(sig.type_covered)), sig.signer_name),
        RData::NSEC(nsec) => nsec.next_name.to_string(),
        RData::NULL(_, bytes) => hex(bytes.get_data()),
        _ => String::new(),
    }
}

/// RFC 9460 section 2.1, the parameters that say where a service is.
fn service(svcb: &SVCB<'_>) -> String {
    let mut text = format!(
        "{} {}",
        svcb.priority,
        if svcb.target.get_labels().is_empty() { ".".to_owned() } else { svcb.target.to_string() }
    );
    for param in svcb.iter_params() {
        match param {
            SVCParam::Alpn(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                text += &format!(" alpn={}", names.join(","));
            }
            SVCParam::Port(port) => text += &format!(" port={port}"),
            SVCParam::Ipv4Hint(ips) => {
                let ips: Vec<String> = ips.iter().map(|ip| std::net::Ipv4Addr::from(*ip).to_string()).collect();
                text += &format!(" ipv4hint={}", ips.join(","));
            }
            SVCParam::Ipv6Hint(ips) => {
                let ips: Vec<String> = ips.iter().map(|ip| std::net::Ipv6Addr::from(*ip).to_string()).collect();
                text += &format!(" ipv6hint={}", ips.join(","));
            }
            SVCParam::Ech(_) => text += " ech",
            _ => {}
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
