//! What columns say of a filter against what it says of the bytes: where `must` holds it selects the packet, where `may` does
//! not it refuses it.

use std::path::Path;

use wiretape::{
    ingest::{
        Frame,
        decode::{DecodeLimits, Decoder, Layer, Layers},
    },
    sql::bpf::{
        self,
        columns::{Bounds, Row, STACKS, bounds},
    },
};

use super::{
    crafted, filters,
    generator::Generator,
    packets::{self, Capture, Packet},
};
use crate::support;

/// Filters made by the generator.
const GENERATED: usize = 1500;

/// A packet, and what the columns of its row are.
struct Decided<'a> {
    packet: &'a Packet,
    layers: String,
    columns: Row<'static>,
}

impl Decided<'_> {
    fn row(&self) -> Row<'_> {
        Row { layers: Some(self.layers.as_str()).filter(|layers| !layers.is_empty()), ..self.columns.clone() }
    }
}

fn decide(link_type: u16, packets: &[Packet]) -> Vec<Decided<'_>> {
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut all = Vec::new();
    for packet in packets {
        let Packet { data, orig_len } = packet;
        let frame = Frame { ts_ns: 0, interface: 0, link_type, orig_len: *orig_len, data, direction: None };
        let decoded = decoder.decode(&frame);
        let ip = decoded.ip.as_ref();
        let columns = Row {
            layers: None,
            src_ip: ip.map(|ip| ip.src),
            dst_ip: ip.map(|ip| ip.dst),
            src_mac: decoded.src_mac,
            dst_mac: decoded.dst_mac,
            ip_proto: ip.map(|ip| ip.proto),
            src_port: decoded.src_port,
            dst_port: decoded.dst_port,
            tcp_flags: decoded.tcp.map(|tcp| tcp.flags),
            icmp_type: decoded.icmp.map(|icmp| icmp.kind),
            icmp_code: decoded.icmp.map(|icmp| icmp.code),
            orig_len: *orig_len,
        };
        all.push(Decided { packet, layers: decoded.layers.names(&mut String::new()).to_owned(), columns });
    }
    all
}

/// Asks one filter of all packets of one link type; how many the columns leave to the bytes.
fn ask(filter: &str, link_type: u16, packets: &[Decided<'_>]) -> usize {
    let Ok(expr) = bpf::parse(filter) else { return 0 };
    let Bounds { must, may } = bounds(&expr);
    let program = bpf::compile(&expr, link_type).ok();
    let mut open = 0;
    for decided in packets {
        let Packet { data, orig_len } = decided.packet;
        let row = decided.row();
        let (must, may) = (must.holds(&row), may.holds(&row));
        let told = || format!("link type {link_type}, `{filter}`, {row:?}, {} bytes: {data:02x?}", data.len());
        match program.as_ref().map(|p| p.matches(data, *orig_len)) {
            Some(true) => assert!(may, "the columns refuse what matches: {}", told()),
            Some(false) => assert!(!must, "the columns select what does not match: {}", told()),
            None => assert!(!must, "the columns select what the filter cannot be asked of: {}", told()),
        }
        open += usize::from(may && !must);
    }
    open
}

/// Proves that every stack of which columns speak is spelled as decoding spells it.
#[test]
fn stacks_are_spelled_as_the_column_is() {
    for stack in STACKS.iter() {
        let mut layers = Layers::default();
        for name in stack.layers.split(',') {
            layers.insert(*Layer::ALL.iter().find(|l| l.name() == name).unwrap_or_else(|| panic!("no layer {name}")));
        }
        assert_eq!(layers.names(&mut String::new()), stack.layers);
    }
}

/// Proves the bounds on crafted packets, whole and cut at every byte of their headers, for filters by hand and made at random.
/// It needs no corpus.
#[test]
fn columns_never_contradict_the_bytes_of_crafted_packets() {
    let mut all = crafted::crafted();
    for packet in all.clone() {
        let cuts = (0..packet.data.len().min(packets::CUT_BYTES)).step_by(3);
        all.extend(cuts.map(|at| Packet { data: packet.data[..at].to_vec(), ..packet }));
    }
    let decided = decide(1, &all);
    let mut generator = Generator::new(&all);
    let made: Vec<String> = (0..GENERATED / 3).map(|_| generator.filter()).collect();
    for filter in filters::FILTERS.iter().copied().chain(made.iter().map(String::as_str)) {
        ask(filter, 1, &decided);
    }
}

/// Proves the bounds on the packets of the corpus, of every link type, and that plain questions leave few of them to the
/// bytes.
#[test]
fn columns_never_contradict_the_bytes_of_the_corpus() {
    let Some(corpus) = support::corpus() else { return };
    if !support::tool("tcpdump") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let captures: Vec<Capture> = packets::captures(&corpus, Path::new(dir.path()));
    let ethernet = captures.iter().find(|capture| capture.link_type == 1).unwrap();
    let mut generator = Generator::new(&ethernet.packets);
    let made: Vec<String> = (0..GENERATED).map(|_| generator.filter()).collect();
    for (number, capture) in captures.iter().enumerate() {
        let decided = decide(capture.link_type, &capture.packets);
        let made = made.iter().enumerate().filter(|(at, _)| capture.link_type == 1 || at % captures.len() == number);
        for filter in filters::FILTERS.iter().copied().chain(made.map(|(_, filter)| filter.as_str())) {
            ask(filter, capture.link_type, &decided);
        }
    }
    let decided = decide(1, &ethernet.packets);
    let plain = decided.iter().filter(|d| STACKS.iter().any(|stack| stack.layers == d.layers)).count();
    eprintln!("{plain} of {} packets have a stack that columns speak of", decided.len());
    for filter in ["tcp", "udp port 53", "host 10.0.0.1", "net 10.0.0.0/8 and not tcp", "tcp[tcpflags] & tcp-syn != 0"]
    {
        let open = ask(filter, 1, &decided);
        eprintln!("{filter}: {open} of {} packets are left to the bytes", decided.len());
        assert!(open <= decided.len() - plain * 9 / 10, "{filter}: {open} of {} are left to the bytes", decided.len());
    }
}
