//! Decode of every capture of the development corpus against what tshark says of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    decode::{DecodeLimits, Decoder, Layer},
    source::{CaptureFile, Event},
};

type Facts = BTreeMap<String, u64>;

fn corpus() -> Option<PathBuf> {
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it to tests"))
        .join("../../shared/corpus/dev-set");
    folder.is_dir().then_some(folder)
}

/// Truth names of the layers compared as frames that hold them.
const PROTOCOLS: &[(&str, Layer)] = &[
    ("eth", Layer::Eth),
    ("vlan", Layer::Vlan),
    ("ieee8021ad", Layer::Qinq),
    ("mpls", Layer::Mpls),
    ("pwethheuristic", Layer::PwEth),
    ("pppoes", Layer::Pppoe),
    ("ppp", Layer::Ppp),
    ("chdlc", Layer::Chdlc),
    ("arp", Layer::Arp),
    ("ip", Layer::Ipv4),
    ("ipv6", Layer::Ipv6),
    ("ipv6.hopopts", Layer::HopOpts),
    ("ipv6.routing", Layer::Routing),
    ("ipv6.fraghdr", Layer::FragmentHeader),
    ("ipv6.dstopts", Layer::DstOpts),
    ("ah", Layer::Ah),
    ("esp", Layer::Esp),
    ("gre", Layer::Gre),
    ("erspan", Layer::Erspan),
    ("vxlan", Layer::Vxlan),
    ("geneve", Layer::Geneve),
    ("gtp", Layer::Gtp),
    ("igmp", Layer::Igmp),
    ("null", Layer::Null),
    ("raw", Layer::Raw),
    ("nflog", Layer::Nflog),
    ("radiotap", Layer::Radiotap),
    ("wlan", Layer::Ieee80211),
    ("llc", Layer::Llc),
    ("stp", Layer::Stp),
    ("lldp", Layer::Lldp),
];
/// Those whose truth leaves out what ICMP quotes.
const TRANSPORTS: &[(&str, Layer)] = &[
    ("tcp", Layer::Tcp),
    ("udp", Layer::Udp),
    ("sctp", Layer::Sctp),
    ("icmp", Layer::Icmp),
    ("icmpv6", Layer::Icmpv6),
];

/// Where decode rightly differs: file, fact, ours, tshark's, and why. Frame numbers are tshark's.
const EXCEPTIONS: &[(&str, &str, u64, u64, &str)] = &[
    ("bad-ipv4-hdr-len.pcap", "bytes.140.211.9.206>45.33.127.156", 98, 0, NO_ADDRESSES),
    ("bad-ipv4-hdr-len.pcap", "packets.140.211.9.206>45.33.127.156", 1, 0, NO_ADDRESSES),
    ("bad-tcp-header.pcap", "flags.null", 0, 1, NO_FLAGS),
    ("derived-bitflips.pcap", "flags.ack", 1487, 1481, NO_FLAGS),
    ("derived-bitflips.pcap", "flags.null", 1, 7, NO_FLAGS),
    ("derived-bitflips.pcap", "flags.psh", 856, 854, NO_FLAGS),
    ("derived-bitflips.pcap", "frames.ip", 828, 832, "139, 468, 1720, 1855: EtherType 0x0800 but another version"),
    (
        "derived-cut-packets.pcap",
        "flags.null",
        0,
        8,
        "cut within the first 14 bytes of TCP, the truth calls that no flags",
    ),
    ("derived-cut-packets.pcap", "frames.ipv6", 286, 287, "273: cut before the first byte of IPv6"),
    ("derived-tunnels.pcap", "vlan.1", 0, 108, INNERMOST),
    ("derived-tunnels.pcap", "vlan.2", 0, 108, INNERMOST),
    ("derived-tunnels.pcap", "vni.1", 0, 54, INNERMOST),
    (
        "diameter-sctp-s1ap.pcapng",
        "frames.gtp",
        12,
        118,
        "106 frames of GTPv1-C and v2 on port 2123, which is UDP here",
    ),
    (
        "gtp-frag.pcap",
        "fragments",
        40,
        76,
        "the 36 that complete a datagram show the IP header inside GTP, no fragment",
    ),
    ("http-out-of-order.pcap", "frames.raw", 16, 0, "tshark has no raw layer for link type 228"),
    ("mix-arkime.pcap", "frames.vxlan", 4, 2, "618, 619: VXLAN-GPE, whose layer tshark does not name"),
    ("mix-flowlab.pcap", "bytes.192.0.2.50>198.51.100.50", 146, 54, PSEUDOWIRE),
    ("mix-flowlab.pcap", "packets.192.0.2.50>198.51.100.50", 2, 1, PSEUDOWIRE),
    ("mix-flowlab.pcap", "flags.ack", 1103, 1102, PSEUDOWIRE),
    ("mix-flowlab.pcap", "flags.psh", 760, 759, PSEUDOWIRE),
    ("mix-flowlab.pcap", "frames.ip", 1265, 1264, PSEUDOWIRE),
    ("mix-flowlab.pcap", "l4.tcp", 1125, 1124, PSEUDOWIRE),
    ("mix-flowlab.pcap", "frames.llc", 2, 3, PSEUDOWIRE),
    ("tls12-dsb.pcapng", "frames.raw", 17, 0, "tshark has no raw layer for link types 228 and 229"),
    ("vlan.pcap", "vlan.118", 2, 12, INNERMOST),
    ("vlan.pcap", "vlan.209", 2, 12, INNERMOST),
];
const INNERMOST: &str = "the truth counts every tag and tunnel of a frame, the column holds the innermost";
const NO_ADDRESSES: &str = "tshark shows no addresses when the header length is impossible; they are there";
const NO_FLAGS: &str = "tshark stops at an impossible data offset before the flags; they are there";
const PSEUDOWIRE: &str =
    "1327: tshark takes the first bytes of a MAC address, 02:00:00:00, for a control word; behind them is IPv4";

/// Name, mask and value of the flag counts.
const TCP_FLAGS: [(&str, u8, u8); 9] = [
    ("fin", 0x01, 0x01),
    ("syn", 0x02, 0x02),
    ("rst", 0x04, 0x04),
    ("psh", 0x08, 0x08),
    ("ack", 0x10, 0x10),
    ("urg", 0x20, 0x20),
    ("syn_only", 0x12, 0x02),
    ("syn_ack", 0x12, 0x12),
    ("null", 0x3f, 0),
];

fn ours(path: &Path) -> Facts {
    let mut facts = Facts::new();
    let mut count = |key: String, by: u64| *facts.entry(key).or_default() += by;
    let mut capture = CaptureFile::open(path).expect("the corpus holds captures");
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut name_buffer = String::new();
    // A damaged end stops the truth, too.
    while let Ok(Some(event)) = capture.next_event() {
        let Event::Frame(frame) = event else { continue };
        let decoded = decoder.decode(&frame);
        for (name, layer) in PROTOCOLS {
            if decoded.layers.contains(*layer) {
                count(format!("frames.{name}"), 1);
            }
        }
        if decoded.layers.contains(Layer::Sll) || decoded.layers.contains(Layer::Sll2) {
            count("frames.sll".into(), 1);
        }
        for (name, layer) in TRANSPORTS {
            if decoded.layers.contains(*layer) {
                count(format!("l4.{name}"), 1);
            }
        }
        if let Some(tcp) = decoded.tcp {
            for (name, mask, value) in TCP_FLAGS {
                if tcp.flags & mask == value {
                    count(format!("flags.{name}"), 1);
                }
            }
        }
        if decoded.layers.contains(Layer::Vxlan)
            && let (Some(tunnel), Some(id)) = (decoded.tunnel, decoded.tunnel_id)
            && tunnel.name(&mut name_buffer).ends_with("vxlan")
        {
            count(format!("vni.{id}"), 1);
        }
        if let Some(vlan) = decoded.vlan_id {
            count(format!("vlan.{vlan}"), 1);
        }
        if let Some(ip) = decoded.ip {
            if ip.fragment.is_some() {
                count("fragments".into(), 1);
            }
            count(format!("packets.{}>{}", ip.src, ip.dst), 1);
            count(format!("bytes.{}>{}", ip.src, ip.dst), u64::from(frame.orig_len));
        }
    }
    facts
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("counts are numbers")
}

fn truth(path: &Path) -> Facts {
    let truth: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut facts = Facts::new();
    for (name, _) in PROTOCOLS.iter().chain(&[("sll", Layer::Sll)]) {
        if let Some(frames) = truth["frames_by_protocol"].get(name) {
            facts.insert(format!("frames.{name}"), number(frames));
        }
    }
    for (section, prefix) in [("l4_frames", "l4"), ("tcp_flag_frames", "flags")] {
        for (name, frames) in truth[section].as_object().unwrap() {
            facts.insert(format!("{prefix}.{name}"), number(frames));
        }
    }
    for (section, prefix) in [("vlan_ids", "vlan"), ("vxlan_vnis", "vni")] {
        for (id, frames) in truth[section].as_object().unwrap() {
            facts.insert(format!("{prefix}.{id}"), number(frames));
        }
    }
    facts.insert("fragments".into(), number(&truth["ip_fragment_frames"]));
    for pair in truth["ip_pairs_innermost"].as_array().unwrap() {
        let (a, b): (IpAddr, IpAddr) =
            (pair["a"].as_str().unwrap().parse().unwrap(), pair["b"].as_str().unwrap().parse().unwrap());
        for (from, to, way) in [(a, b, "ab"), (b, a, "ba")] {
            for (ours, theirs) in [("packets", "pkts"), ("bytes", "bytes")] {
                *facts.entry(format!("{ours}.{from}>{to}")).or_default() += number(&pair[format!("{theirs}_{way}")]);
            }
        }
    }
    facts.retain(|_, count| *count != 0);
    facts
}

#[test]
fn every_capture_of_the_corpus_decodes_as_tshark_says() {
    let Some(corpus) = corpus() else {
        eprintln!("SKIPPED: ../shared/corpus is not there, decode was not compared with tshark");
        return;
    };
    let mut differences = String::new();
    let mut exceptions = 0;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpus.join("truth")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 100, "the corpus is whole");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let (ours, truth) = (ours(&corpus.join(name)), truth(&file));
        let keys: BTreeSet<&String> = ours.keys().chain(truth.keys()).collect();
        for key in keys {
            let (have, want) = (ours.get(key).copied().unwrap_or(0), truth.get(key).copied().unwrap_or(0));
            let known = EXCEPTIONS
                .iter()
                .any(|exception| (exception.0, exception.1, exception.2, exception.3) == (name, key, have, want));
            exceptions += usize::from(known);
            if have != want && !known {
                writeln!(differences, "{name}: {key}: {have}, tshark {want}").unwrap();
            }
        }
    }
    assert_eq!(differences, "");
    assert_eq!(exceptions, EXCEPTIONS.len(), "every exception still is one");
}
