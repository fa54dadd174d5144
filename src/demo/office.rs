//! An ordinary hour at a small office: browsing, name look-ups, an intranet on a tagged VLAN, IPv6, pings and ARP. Nothing
//! here is suspicious; it is what an incident has to be found in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::IcmpEchoHeader;

use super::{
    conversation::Conversation,
    packet::{self, Echo, Endpoint, Packet},
    payload::{self, DnsAnswer, DnsType},
    random::Random,
};

/// The VLAN of the servers.
pub(super) const SERVER_VLAN: u16 = 30;
/// The office's router, which outside hosts appear behind.
const ROUTER_MAC: [u8; 6] = [0x02, 0x00, 0x0a, 0x14, 0x01, 0x01];
const ROUTER_IP: Ipv4Addr = Ipv4Addr::new(10, 20, 1, 1);
const DNS_SERVER: Ipv4Addr = Ipv4Addr::new(10, 20, 30, 53);
const INTRANET: Ipv4Addr = Ipv4Addr::new(10, 20, 30, 80);
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

const MINUTE_NS: i64 = 60_000_000_000;
const MS_NS: i64 = 1_000_000;
const WEB_VISITS: usize = 86;
const INTRANET_VISITS: usize = 20;
const IPV6_VISITS: usize = 12;

/// A web site: its name, address and round trip in ms. Names and addresses are those set aside for documentation
/// (RFC 2606, RFC 5737).
const SITES: &[(&str, [u8; 4], i64)] = &[
    ("www.example.com", [198, 51, 100, 10], 11),
    ("cdn.example.net", [198, 51, 100, 22], 4),
    ("mail.example.org", [198, 51, 100, 25], 18),
    ("git.example.com", [198, 51, 100, 40], 24),
    ("docs.example.net", [198, 51, 100, 61], 15),
    ("video.example.com", [198, 51, 100, 90], 7),
];

/// Workstation number `n` of the office.
pub(super) fn workstation(n: u8, port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(10, 20, 1, n), port)
}

/// A server on the servers' VLAN.
pub(super) fn server(n: u8, port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(10, 20, 30, n), port)
}

/// A host on the Internet, 12 routers away.
pub(super) fn outside(ip: impl Into<IpAddr>, port: u16) -> Endpoint {
    Endpoint::new(ip, port).behind(ROUTER_MAC, 12)
}

/// A look-up of `name` by `client`; it lasts less than 3 ms.
pub(super) fn lookup(client: Endpoint, ts_ns: i64, name: &str, answer: DnsAnswer, random: &mut Random) -> Vec<Packet> {
    let record = match answer {
        DnsAnswer::Address(IpAddr::V6(_)) => DnsType::Aaaa,
        DnsAnswer::Address(IpAddr::V4(_)) | DnsAnswer::NoSuchName => DnsType::A,
    };
    let id = random.port(1, u16::MAX);
    Conversation::udp(client.on(random.port(32_768, 60_999)), Endpoint::new(DNS_SERVER, 53))
        .vlan(SERVER_VLAN)
        .rtt(random.between(300_000, 2_800_000))
        .at(ts_ns)
        .request(&payload::dns_query(id, name, record))
        .response(&payload::dns_answer(id, name, record, answer))
        .packets()
}

/// All of the hour from `start_ns`, in no order.
pub(super) fn traffic(start_ns: i64, random: &mut Random) -> Vec<Packet> {
    let mut packets = Vec::new();
    for visit in 0..WEB_VISITS {
        let ts_ns = start_ns + random.between(0, 58 * MINUTE_NS);
        packets.extend(web_visit(visit, ts_ns, random));
    }
    for visit in 0..INTRANET_VISITS {
        let ts_ns = start_ns + random.between(0, 58 * MINUTE_NS);
        packets.extend(intranet_visit(visit, ts_ns, random));
    }
    for _ in 0..IPV6_VISITS {
        let ts_ns = start_ns + random.between(0, 58 * MINUTE_NS);
        packets.extend(ipv6_visit(ts_ns, random));
    }
    for n in 0..6 {
        let ts_ns = start_ns + i64::from(n) * 9 * MINUTE_NS + random.between(0, MINUTE_NS);
        packets.extend(pings(workstation(11 + n, 0), Endpoint::new(ROUTER_IP, 0), ts_ns, u16::from(n) + 1));
    }
    let v6_router: Ipv6Addr = [0x2001, 0xdb8, 0x20, 1, 0, 0, 0, 1].into();
    packets.extend(pings(v6_workstation(12, 0), Endpoint::new(v6_router, 0), start_ns + 31 * MINUTE_NS, 9));
    packets.extend(arp_chatter(start_ns, random));
    packets
}

fn v6_workstation(n: u16, port: u16) -> Endpoint {
    Endpoint::new(Ipv6Addr::from([0x2001, 0xdb8, 0x20, 1, 0, 0, 0, n]), port)
}

fn any_workstation(random: &mut Random) -> Endpoint {
    let n = u8::try_from(random.between(11, 31)).unwrap_or(11);
    workstation(n, random.port(32_768, 60_999))
}

/// A look-up, then HTTP or TLS. Every thirteenth is aborted, every eleventh name is mistyped first.
fn web_visit(visit: usize, ts_ns: i64, random: &mut Random) -> Vec<Packet> {
    let client = any_workstation(random);
    let Some(&(name, ip, rtt_ms)) = random.pick(SITES) else { return Vec::new() };
    let mut packets = Vec::new();
    if visit % 11 == 10 {
        let wrong = name.replace("example", "exmaple");
        packets.extend(lookup(client, ts_ns - 20 * MS_NS, &wrong, DnsAnswer::NoSuchName, random));
    }
    packets.extend(lookup(client, ts_ns, name, DnsAnswer::Address(ip.into()), random));
    let plain = visit.is_multiple_of(3);
    let visit_tcp = Conversation::tcp(client, outside(ip, if plain { 80 } else { 443 }))
        .rtt(rtt_ms * MS_NS + random.between(0, MS_NS))
        .at(ts_ns + 3 * MS_NS);
    let visit_tcp = if plain { http_pages(visit_tcp, name, visit, random) } else { tls_pages(visit_tcp, name, random) };
    packets.extend(if visit % 13 == 12 { visit_tcp.reset().packets() } else { visit_tcp.fin().packets() });
    packets
}

/// Some pages; every ninth visit loses a request.
fn http_pages(mut talk: Conversation, host: &str, visit: usize, random: &mut Random) -> Conversation {
    for page in 0..random.size(1, 5) {
        let body = html(host, random.size(2_000, 26_000));
        let request = payload::http_get(host, &format!("/articles/{visit}-{page}.html"), AGENT);
        talk = if page == 0 && visit.is_multiple_of(9) { talk.losing() } else { talk };
        talk = talk
            .request(&request)
            .wait(random.between(2 * MS_NS, 40 * MS_NS))
            .response(&payload::http_response("200 OK", "text/html; charset=utf-8", &body))
            .wait(random.between(200 * MS_NS, 6_000 * MS_NS));
    }
    talk
}

/// A handshake and some pages; the second request is lost once.
fn tls_pages(mut talk: Conversation, host: &str, random: &mut Random) -> Conversation {
    talk = talk.request(&payload::tls_client_hello(host, random)).response(&payload::tls_server_hello(random, 2_600));
    for page in 0..random.size(1, 6) {
        let (request, response) = (random.size(180, 700), random.size(1_500, 40_000));
        talk = if page == 1 { talk.losing() } else { talk };
        talk = talk
            .request(&payload::tls_data(random, request))
            .wait(random.between(3 * MS_NS, 60 * MS_NS))
            .response(&payload::tls_data(random, response))
            .wait(random.between(100 * MS_NS, 5_000 * MS_NS));
    }
    talk
}

/// The time sheet on the servers' VLAN: a form, and a JSON answer.
fn intranet_visit(visit: usize, ts_ns: i64, random: &mut Random) -> Vec<Packet> {
    let client = any_workstation(random);
    let host = "intranet.example";
    let hours = random.between(1, 9);
    let order = format!("{{\"employee\":{},\"hours\":{hours}}}", random.between(1000, 1100));
    let (status, answer) = match visit % 10 {
        9 => ("503 Service Unavailable", "{\"error\":\"database is busy\"}".to_owned()),
        _ => ("201 Created", format!("{{\"id\":{},\"hours\":{hours}}}", 7000 + visit)),
    };
    Conversation::tcp(client, Endpoint::new(INTRANET, 80))
        .vlan(SERVER_VLAN)
        .rtt(random.between(300_000, 900_000))
        .at(ts_ns)
        .request(&payload::http_get(host, "/timesheet", AGENT))
        .wait(4 * MS_NS)
        .response(&payload::http_response("200 OK", "text/html; charset=utf-8", &html(host, 4_000)))
        .wait(random.between(3_000 * MS_NS, 20_000 * MS_NS))
        .request(&payload::http_post(host, "/api/hours", AGENT, &order))
        .wait(random.between(8 * MS_NS, 90 * MS_NS))
        .response(&payload::http_response(status, "application/json", answer.as_bytes()))
        .fin()
        .packets()
}

fn ipv6_visit(ts_ns: i64, random: &mut Random) -> Vec<Packet> {
    let n = random.port(11, 31);
    let site: Ipv6Addr = [0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 0x80].into();
    let name = "www6.example.org";
    let asker = workstation(u8::try_from(n).unwrap_or(11), 0);
    let mut packets = lookup(asker, ts_ns, name, DnsAnswer::Address(site.into()), random);
    let client = v6_workstation(n, random.port(32_768, 60_999));
    let talk = Conversation::tcp(client, outside(site, 443)).rtt(13 * MS_NS).at(ts_ns + 3 * MS_NS);
    packets.extend(tls_pages(talk, name, random).fin().packets());
    packets
}

/// Four echoes, one a second.
fn pings(client: Endpoint, target: Endpoint, ts_ns: i64, id: u16) -> Vec<Packet> {
    let body: Vec<u8> = (0..56).collect();
    let mut packets = Vec::new();
    for seq in 1..=4u16 {
        let header = IcmpEchoHeader { id, seq };
        let at_ns = ts_ns + i64::from(seq) * 1_000 * MS_NS;
        let request = packet::echo(client, target, seq, Echo::Request, header, &body);
        let reply = packet::echo(target, client, seq, Echo::Reply, header, &body);
        packets.push(Packet { ts_ns: at_ns, data: request });
        packets.push(Packet { ts_ns: at_ns + 410_000, data: reply });
    }
    packets
}

/// Workstations ask for the router now and then.
fn arp_chatter(start_ns: i64, random: &mut Random) -> Vec<Packet> {
    let mut packets = Vec::new();
    for n in 11..31 {
        let asker = workstation(n, 0);
        let ip = Ipv4Addr::new(10, 20, 1, n);
        let ts_ns = start_ns + random.between(0, 59 * MINUTE_NS);
        packets.push(Packet { ts_ns, data: packet::arp_request(asker.mac, ip, ROUTER_IP) });
        let data = packet::arp_reply(ROUTER_MAC, ROUTER_IP, asker.mac, ip);
        packets.push(Packet { ts_ns: ts_ns + 250_000, data });
    }
    packets
}

/// A page of about `len` bytes.
fn html(host: &str, len: usize) -> Vec<u8> {
    let mut page = format!("<!doctype html>\n<title>{host}</title>\n");
    for line in 0.. {
        if page.len() >= len {
            break;
        }
        page.push_str(&format!("<p>Paragraph {line}: nothing to see here, only an ordinary page.</p>\n"));
    }
    page.into_bytes()
}
