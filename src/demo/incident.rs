//! What went wrong at 17:23: a workstation that had opened a poisoned download is told, by the host it reports to, to look
//! around. It scans a file server, gets in over SSH, takes two megabytes and sends them out.
//!
//! ```text
//!  17:06:12  10.20.1.47 ── GET /invoice-4471.zip ──► 203.0.113.66:80
//!  17:08 →   10.20.1.47 ── a beacon every 75 s ────► 203.0.113.66:8443     TLS, SNI cdn-sync.example
//!  17:23:05  10.20.1.47 ── SYN to 90 ports ────────► 10.20.30.15           RST from most
//!  17:24:31  10.20.1.47 ── a session of minutes ───► 10.20.30.15:22        SSH; files come back
//!  17:38:10  10.20.1.47 ── 4.5 MB out ─────────────► 203.0.113.66:443      TLS
//! ```

use super::{
    conversation::Conversation,
    office::{self, SERVER_VLAN},
    packet::Packet,
    payload::{self, DnsAnswer},
    random::Random,
};

/// The workstation that was taken over.
pub const SUSPECT: &str = "10.20.1.47";
/// The host outside that it reports to.
pub const CONTROLLER: &str = "203.0.113.66";
/// The file server that was scanned and entered.
pub const VICTIM: &str = "10.20.30.15";

const SUSPECT_HOST: u8 = 47;
const VICTIM_HOST: u8 = 15;
const CONTROLLER_ADDRESS: [u8; 4] = [203, 0, 113, 66];
const CONTROLLER_RTT_NS: i64 = 38_000_000;
const LAN_RTT_NS: i64 = 420_000;
const BEACON_PERIOD_NS: i64 = 75_000_000_000;
const STOLEN_BYTES: usize = 2_400_000;
const UPLOAD_BYTES: usize = 4_500_000;
const SECOND_NS: i64 = 1_000_000_000;
const MS_NS: i64 = 1_000_000;

/// The ports that are scanned, in a scanner's order: the famous ones, then a range.
const FAMOUS_PORTS: &[u16] = &[
    443, 21, 80, 3306, 8080, 23, 5900, 25, 3389, 110, 139, 53, 143, 135, 445, 1723, 111, 995, 993, 587, 22, 199, 5432,
    6379, 9200, 11211, 27017, 2049, 873, 5985,
];
const RANGE_PORTS: std::ops::Range<u16> = 8000..8060;

/// The whole story, in the hour from `start_ns`, in no order.
pub(super) fn traffic(start_ns: i64, random: &mut Random) -> Vec<Packet> {
    let at = |minute: i64, second: i64| start_ns + (minute * 60 + second) * SECOND_NS;
    let mut packets = download(at(6, 12), random);
    packets.extend(beacons(at(8, 0), at(59, 0), random));
    packets.extend(scan(at(23, 5), random));
    packets.extend(session(at(24, 31), random));
    packets.extend(upload(at(38, 10), random));
    packets
}

fn download(ts_ns: i64, random: &mut Random) -> Vec<Packet> {
    let host = "invoices.example";
    let client = office::workstation(SUSPECT_HOST, 49_210);
    let mut packets = office::lookup(client, ts_ns, host, DnsAnswer::Address(CONTROLLER_ADDRESS.into()), random);
    let talk = Conversation::tcp(client, office::outside(CONTROLLER_ADDRESS, 80))
        .rtt(CONTROLLER_RTT_NS)
        .at(ts_ns + 3 * MS_NS)
        .request(&payload::http_get(host, "/invoice-4471.zip", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"))
        .wait(21 * MS_NS)
        .response(&payload::http_response("200 OK", "application/octet-stream", &random.bytes(182_000)));
    packets.extend(talk.fin().packets());
    packets
}

/// Small, regular, and always to the same place: the pattern beacon detection looks for.
fn beacons(from_ns: i64, until_ns: i64, random: &mut Random) -> Vec<Packet> {
    let name = "cdn-sync.example";
    let mut packets = Vec::new();
    let mut ts_ns = from_ns;
    for port in 50_000u16.. {
        if ts_ns >= until_ns {
            break;
        }
        let client = office::workstation(SUSPECT_HOST, port);
        if port == 50_000 {
            packets.extend(office::lookup(client, ts_ns, name, DnsAnswer::Address(CONTROLLER_ADDRESS.into()), random));
        }
        let talk = Conversation::tcp(client, office::outside(CONTROLLER_ADDRESS, 8443))
            .rtt(CONTROLLER_RTT_NS)
            .at(ts_ns + 3 * MS_NS)
            .request(&payload::tls_client_hello(name, random))
            .response(&payload::tls_server_hello(random, 1_900))
            .request(&payload::tls_data(random, 212))
            .wait(8 * MS_NS)
            .response(&payload::tls_data(random, 96));
        packets.extend(talk.fin().packets());
        ts_ns += BEACON_PERIOD_NS + random.between(-900 * MS_NS, 900 * MS_NS);
    }
    packets
}

/// One SYN per port and eighth of a second: most ports are closed, one in thirty is filtered, SSH is open.
fn scan(ts_ns: i64, random: &mut Random) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut at_ns = ts_ns;
    for (n, port) in FAMOUS_PORTS.iter().copied().chain(RANGE_PORTS).enumerate() {
        let client = office::workstation(SUSPECT_HOST, 61_000 + u16::try_from(n).unwrap_or(0));
        let talk = Conversation::tcp(client, office::server(VICTIM_HOST, port))
            .vlan(SERVER_VLAN)
            .rtt(LAN_RTT_NS + random.between(0, 90_000))
            .at(at_ns);
        let talk = match port {
            22 => talk.probed(),
            139 | 445 | 2049 => talk.unanswered(),
            _ => talk.refused(),
        };
        packets.extend(talk.packets());
        at_ns += random.between(90 * MS_NS, 160 * MS_NS);
    }
    packets
}

/// SSH: key exchange, ten minutes of typing, and between the commands the files coming back.
fn session(ts_ns: i64, random: &mut Random) -> Vec<Packet> {
    let client = office::workstation(SUSPECT_HOST, 52_644);
    let mut talk = Conversation::tcp(client, office::server(VICTIM_HOST, 22))
        .vlan(SERVER_VLAN)
        .rtt(LAN_RTT_NS)
        .at(ts_ns)
        .request(payload::SSH_BANNER)
        .response(payload::SSH_BANNER)
        .request(&payload::ssh_kex_init(random))
        .response(&payload::ssh_kex_init(random))
        .request(&payload::ssh_kex_ecdh_init(random))
        .response(&payload::ssh_kex_ecdh_reply(random))
        .request(&payload::ssh_new_keys());
    for command in 0..12 {
        for _ in 0..random.size(14, 30) {
            let key = random.bytes(36);
            talk = talk.request(&key).response(&random.bytes(36)).wait(random.between(70 * MS_NS, 400 * MS_NS));
        }
        let output = if command % 3 == 2 { STOLEN_BYTES / 4 } else { random.size(300, 9_000) };
        talk = talk.response(&random.bytes(output)).wait(random.between(5 * SECOND_NS, 60 * SECOND_NS));
    }
    talk.fin().packets()
}

/// The stolen files leave.
fn upload(ts_ns: i64, random: &mut Random) -> Vec<Packet> {
    let client = office::workstation(SUSPECT_HOST, 53_102);
    let talk = Conversation::tcp(client, office::outside(CONTROLLER_ADDRESS, 443))
        .rtt(CONTROLLER_RTT_NS)
        .at(ts_ns)
        .request(&payload::tls_client_hello("cdn-sync.example", random))
        .response(&payload::tls_server_hello(random, 1_900))
        .request(&payload::tls_data(random, UPLOAD_BYTES))
        .wait(30 * MS_NS)
        .response(&payload::tls_data(random, 128));
    talk.fin().packets()
}
