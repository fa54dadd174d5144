//! Every capture of the corpus through import and SQL, against what tshark says of it.
//!
//! The decode and flow crates compare their layers with the same truth, packet by packet and to the last protocol; this is
//! the whole path to the answer of a query. Where columns cannot tell what tshark counted (a tunnel's outer header, all of
//! several tags), the rule is stated beside the comparison. Exceptions carry the reason that the crates' own tests give.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use crate::support::{corpus, store::Store};

/// Facts of one capture by name.
type Facts = BTreeMap<String, i64>;

/// File, fact, ours, tshark's, and why ours is right. Frame numbers are tshark's.
const EXCEPTIONS: &[(&str, &str, i64, i64, &str)] = &[
    ("bad-ipv4-hdr-len.pcap", "proto.udp", 1, 0, "tshark stops at an impossible header length; the protocol is there"),
    ("derived-bitflips.pcap", "ip_version.4", 828, 832, "139, 468, 1720, 1855: EtherType 0x0800 but another version"),
    ("derived-cut-packets.pcap", "ip_version.6", 262, 287, "24 cut inside the IPv6 header and 273 before it"),
    ("derived-tunnels.pcap", "vlan.1", 0, 108, INNERMOST),
    ("derived-tunnels.pcap", "vlan.2", 0, 108, INNERMOST),
    ("fmt-pcapng-be-18.pcapng", "captured_bytes", 1312, 1312 + 24 + 60 + 36 + 32, NO_PACKETS),
    ("fmt-pcapng-be-18.pcapng", "first_ns", 0, 1_340_954_905_298_858_000, NO_TIME),
    ("fmt-pcapng-be-18.pcapng", "packets", 4, 8, NO_PACKETS),
    ("fmt-pcapng-be-18.pcapng", "wire_bytes", 1312, 1312 + 24 + 60 + 36 + 32, NO_PACKETS),
    ("fmt-pcapng-be-202.pcapng", "captured_bytes", 1040, 1040 + 24 + 60 + 32, NO_PACKETS),
    ("fmt-pcapng-be-202.pcapng", "packets", 8, 11, NO_PACKETS),
    ("fmt-pcapng-be-202.pcapng", "wire_bytes", 2304, 2304 + 24 + 60 + 32, NO_PACKETS),
    ("fmt-pcapng-le-16.pcapng", "first_ns", 0, 1_340_954_905_298_858_000, NO_TIME),
    ("mix-flowlab.pcap", "proto.tcp", 1125, 1124, PSEUDOWIRE),
    ("vlan.pcap", "vlan.118", 2, 12, INNERMOST),
    ("vlan.pcap", "vlan.209", 2, 12, INNERMOST),
];
const NO_PACKETS: &str = "tshark lists Custom, Systemd Journal and unknown blocks as frames; they are no packets";
const NO_TIME: &str = "begins with a Simple Packet Block, which has no time: tshark's first time is the next packet's";
const PSEUDOWIRE: &str =
    "1327: tshark takes the first bytes of a MAC address, 02:00:00:00, for a control word; behind them is IPv4";
const INNERMOST: &str = "the truth counts every tag of a frame, the column holds the innermost";

/// Captures whose conversations differ from tshark's, and why.
const OTHER_CONVERSATIONS: &[(&str, &str)] = &[(
    "mix-flowlab.pcap",
    "frame 1327: tshark takes a pseudowire without control word for one with it and misses the TCP inside; frame 1319: \
     EoIP (GRE 0x6400) is not read here",
)];

/// UDP ports whose conversations only carry tunnels: they are the tunnel, not flows of ours.
const TUNNEL_PORTS: [&str; 6] = ["4789", "4790", "8472", "6081", "2152", "3544"];

/// One query gives everything but the lists. Counts of transport protocols are of the innermost header, so a UDP tunnel is
/// counted with what it carries and added to `udp` by its name, since the truth counts the frame for both. tshark shows a
/// fragmented datagram's transport on the frame that completes it only: `whole` leaves out the other fragments.
const TOTALS: &str = "
with whole as (select *, frag_offset is null or payload_len is not null as whole from packets)
select count(*) as packets, sum(orig_len) as wire_bytes, sum(cap_len) as captured_bytes,
       cast(min(ts) as bigint) as first_ns, cast(max(ts) as bigint) as last_ns,
       count(*) filter (where whole and proto = 'tcp') as \"proto.tcp\",
       count(*) filter (where (whole and proto = 'udp') or tunnel like '%vxlan%' or tunnel like '%geneve%'
                              or tunnel like '%gtp%') as \"proto.udp\",
       count(*) filter (where whole and proto = 'sctp') as \"proto.sctp\",
       count(*) filter (where whole and proto = 'icmp') as \"proto.icmp\",
       count(*) filter (where whole and proto = 'icmpv6') as \"proto.icmpv6\",
       count(*) filter (where proto = 'igmp') as \"proto.igmp\",
       count(*) filter (where proto = 'arp') as \"proto.arp\",
       count(*) filter (where ip_version = 4) as \"ip_version.4\",
       count(*) filter (where ip_version = 6) as \"ip_version.6\",
       count(*) filter (where tcp_flags & 18 = 2) as \"flags.syn_only\",
       count(*) filter (where tcp_flags & 18 = 18) as \"flags.syn_ack\",
       count(*) filter (where tcp_flags & 1 <> 0) as \"flags.fin\",
       count(*) filter (where tcp_flags & 4 <> 0) as \"flags.rst\",
       count(tunnel) as tunnelled, count(vlan_id) as tagged, count(frag_offset) as fragments
from whole";

/// Packets that belong to a flow, against the flows' own sums, flow by flow.
const FLOWS_THAT_DIFFER_FROM_THEIR_PACKETS: &str = "
select count(*)
from (select flow_id, count(*) as packets, sum(orig_len) as bytes,
             count(*) filter (where tcp_flags & 1 <> 0) as fins, count(*) filter (where tcp_flags & 4 <> 0) as rsts,
             min(ts) as first, max(ts) as last
      from packets where flow_id is not null group by flow_id) p
full join flows f on f.flow_id = p.flow_id
where (p.packets is distinct from f.packets_out + f.packets_in)
   or (p.bytes is distinct from f.bytes_out + f.bytes_in)
   or (p.fins is distinct from f.fin_count)
   or (p.rsts is distinct from f.rst_count)
   or (p.first is distinct from f.start_ts)
   or (p.last is distinct from f.end_ts)";

/// (protocol, address, port, address, port), canonical.
type Pair = [String; 5];

/// Packets and bytes from the first endpoint and from the second.
type Counts = [[i64; 2]; 2];

type Pairs = BTreeMap<Pair, Counts>;

fn add(pairs: &mut Pairs, proto: &str, src: [&str; 2], dst: [&str; 2], counts: Counts) {
    let (low, high, counts) = if src <= dst { (src, dst, counts) } else { (dst, src, [counts[1], counts[0]]) };
    let pair = [proto, low[0], low[1], high[0], high[1]].map(str::to_owned);
    let entry = pairs.entry(pair).or_default();
    for (total, count) in entry.iter_mut().flatten().zip(counts.iter().flatten()) {
        *total += count;
    }
}

fn pairs_of(store: &Store, has_fragments: bool) -> Pairs {
    let mut pairs = Pairs::new();
    let flows = "select ip_proto, src_ip, src_port, dst_ip, dst_port, sum(packets_out), sum(bytes_out), \
        sum(packets_in), sum(bytes_in) from flows where ip_proto in (6, 17) and src_port is not null group by 1, 2, 3, 4, 5";
    for row in store.rows(flows) {
        let n = |at: usize| row[at].parse::<i64>().unwrap();
        add(&mut pairs, &row[0], [&row[1], &row[2]], [&row[3], &row[4]], [[n(5), n(6)], [n(7), n(8)]]);
    }
    // tshark shows ports on the frame that completes a datagram only; the first fragment has them here, too.
    let first_fragments = "select ip_proto, src_ip, src_port, dst_ip, dst_port, count(*), sum(orig_len) from packets \
        where frag_offset is not null and payload_len is null and src_port is not null and ip_proto in (6, 17) \
        group by 1, 2, 3, 4, 5";
    for row in if has_fragments { store.rows(first_fragments) } else { Vec::new() } {
        let n = |at: usize| row[at].parse::<i64>().unwrap();
        add(&mut pairs, &row[0], [&row[1], &row[2]], [&row[3], &row[4]], [[-n(5), -n(6)], [0, 0]]);
    }
    pairs.retain(|_, counts| *counts != [[0; 2]; 2]);
    pairs
}

fn pairs_of_truth(truth: &Json) -> Pairs {
    let mut pairs = Pairs::new();
    for (proto, key) in [("6", "tcp_streams"), ("17", "udp_streams")] {
        for stream in truth[key].as_array().unwrap() {
            let port = |end: &str| stream[end][1].to_string();
            let of = |name: &str, n: usize| stream[name][n].as_i64().unwrap();
            let counts = [[of("pkts", 0), of("bytes", 0)], [of("pkts", 1), of("bytes", 1)]];
            let (client, server) = (stream["client"][0].as_str().unwrap(), stream["server"][0].as_str().unwrap());
            add(&mut pairs, proto, [client, &port("client")], [server, &port("server")], counts);
        }
    }
    pairs
}

fn facts_of(store: &Store) -> Facts {
    let batches = crate::support::store::batches(&store.session, TOTALS).unwrap();
    let schema = batches[0].schema();
    let row = store_row(&batches);
    let mut facts: Facts =
        schema.fields().iter().zip(row).map(|(f, v)| (f.name().clone(), v.parse().unwrap_or(0))).collect();
    if facts["tagged"] > 0 {
        for row in store.rows("select vlan_id, count(*) from packets where vlan_id is not null group by 1") {
            facts.insert(format!("vlan.{}", row[0]), row[1].parse().unwrap());
        }
    }
    facts
}

fn store_row(batches: &[arrow::array::RecordBatch]) -> Vec<String> {
    crate::support::store::texts(batches).remove(0)
}

fn facts_of_truth(truth: &Json) -> Facts {
    let number = |value: &Json| value.as_i64().unwrap_or(0);
    let mut facts = Facts::new();
    for name in ["packets", "wire_bytes", "captured_bytes", "first_ns", "last_ns"] {
        facts.insert(name.into(), number(&truth[name]));
    }
    for name in ["tcp", "udp", "sctp", "icmp", "icmpv6"] {
        facts.insert(format!("proto.{name}"), number(&truth["l4_frames"][name]));
    }
    for name in ["igmp", "arp"] {
        facts.insert(format!("proto.{name}"), number(&truth["frames_by_protocol"][name]));
    }
    for (version, name) in [("4", "ip"), ("6", "ipv6")] {
        facts.insert(format!("ip_version.{version}"), number(&truth["frames_by_protocol"][name]));
    }
    for name in ["syn_only", "syn_ack", "fin", "rst"] {
        facts.insert(format!("flags.{name}"), number(&truth["tcp_flag_frames"][name]));
    }
    for (id, frames) in truth["vlan_ids"].as_object().unwrap() {
        facts.insert(format!("vlan.{id}"), number(frames));
    }
    facts
}

/// Every difference between the database and the truth, and how many exceptions were met.
fn compare(name: &str, store: &Store, truth: &Json) -> (Vec<String>, usize) {
    let (ours, theirs) = (facts_of(store), facts_of_truth(truth));
    let mut differences = Vec::new();
    let mut exceptions = 0;
    for (fact, want) in &theirs {
        let have = ours.get(fact).copied().unwrap_or(0);
        // The version is of the innermost header, tshark counts every IP header: comparable without tunnels only.
        if have == *want || (fact.starts_with("ip_version") && ours["tunnelled"] > 0) {
            continue;
        }
        match EXCEPTIONS.iter().any(|e| (e.0, e.1, e.2, e.3) == (name, fact.as_str(), have, *want)) {
            true => exceptions += 1,
            false => differences.push(format!("{name}: {fact}: {have}, tshark {want}")),
        }
    }
    let (ours, theirs) = (pairs_of(store, ours["fragments"] > 0), pairs_of_truth(truth));
    let is_tunnel = |pair: &Pair| pair[0] == "17" && [2, 4].iter().any(|at| TUNNEL_PORTS.contains(&pair[*at].as_str()));
    let mut pairs: Vec<&Pair> = ours.keys().chain(theirs.keys()).filter(|pair| !is_tunnel(pair)).collect();
    pairs.sort();
    pairs.dedup();
    let other: Vec<_> = pairs.into_iter().filter(|pair| ours.get(*pair) != theirs.get(*pair)).collect();
    let expected = OTHER_CONVERSATIONS.iter().any(|(file, _)| *file == name);
    assert!(!expected || !other.is_empty(), "{name}: conversations no longer differ, take it off the list");
    if !expected {
        let shown = |pair: &&Pair| format!("{name}: {pair:?}: {:?}, tshark {:?}", ours.get(*pair), theirs.get(*pair));
        differences.extend(other.iter().map(shown));
    }
    (differences, exceptions)
}

/// Captures of the corpus that have a truth, by name.
fn captures(corpus: &Path) -> Vec<(String, PathBuf)> {
    let mut captures: Vec<(String, PathBuf)> = std::fs::read_dir(corpus.join("truth"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|truth| (truth.file_stem().unwrap().to_str().unwrap().to_owned(), truth))
        .collect();
    captures.sort();
    assert!(captures.len() > 100, "the corpus is whole");
    captures
}

/// Proves that import, segments, Parquet and SQL lose and change nothing on the way to an answer.
#[test]
fn every_capture_answers_in_sql_as_tshark_says() {
    let Some(corpus) = corpus() else { return };
    let (mut differences, mut exceptions) = (Vec::new(), 0);
    for (name, truth) in captures(&corpus) {
        let truth: Json = serde_json::from_slice(&std::fs::read(truth).unwrap()).unwrap();
        let (store, report) = Store::of(&corpus.join(&name), 1 << 20);
        assert!(report.segments.len() <= 1, "{name}");
        let (found, known) = compare(&name, &store, &truth);
        differences.extend(found);
        exceptions += known;
        if store.number(FLOWS_THAT_DIFFER_FROM_THEIR_PACKETS) != 0 {
            differences.push(format!("{name}: the flows' sums are not those of their packets"));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    assert_eq!(exceptions, EXCEPTIONS.len(), "every exception still is one");
}

/// A flow's columns but its id and part, which name segments: as sorted text, for comparison.
fn flows_without_ids(store: &Store) -> Vec<Vec<String>> {
    let columns = store.rows("select name from system.columns where table_name = 'flows' order by position");
    let kept: Vec<&str> =
        columns.iter().map(|row| row[0].as_str()).filter(|c| !["flow_id", "part"].contains(c)).collect();
    let mut rows = store.rows(&format!("select {} from flows", kept.join(", ")));
    rows.sort();
    rows
}

/// Proves that where segments end is of no consequence: flows that span them come out whole, and no packet is counted twice.
#[test]
fn many_small_segments_give_the_flows_and_totals_of_one() {
    let Some(corpus) = corpus() else { return };
    for (name, truth) in captures(&corpus) {
        let truth: Json = serde_json::from_slice(&std::fs::read(truth).unwrap()).unwrap();
        let packets = usize::try_from(truth["packets"].as_u64().unwrap()).unwrap();
        if packets < 2 {
            continue;
        }
        let (whole, _) = Store::of(&corpus.join(&name), 1 << 20);
        let (parts, report) = Store::of(&corpus.join(&name), (packets / 3).clamp(1, 500));
        assert!(report.segments.len() >= 2, "{name}: {:?}", report.segments);
        assert_eq!(facts_of(&parts), facts_of(&whole), "{name}");
        let (ours, expected) = (flows_without_ids(&parts), flows_without_ids(&whole));
        for (row, want) in ours.iter().zip(&expected) {
            assert_eq!(row, want, "{name}: a flow over segments is not the flow in one");
        }
        assert_eq!(ours.len(), expected.len(), "{name}: number of flows");
        assert_eq!(parts.number(FLOWS_THAT_DIFFER_FROM_THEIR_PACKETS), 0, "{name}");
    }
}
