//! Talks to start from: those of the dissectors' tests, which write them down when they are asked to, and the flows of the
//! shared corpus of captures.

use std::{collections::HashMap, fs, net::IpAddr, path::Path};

use arrow::{
    array::{Array, AsArray},
    compute,
    datatypes::{DataType, Int64Type},
};
use wiretape_ingest::{
    decode::{DecodeLimits, Decoded, Decoder},
    pipeline::{Pipeline, PipelineConfig},
    source::Event,
};

use crate::{
    protocols::{Carrier, PROTOCOLS, Protocol},
    seeds,
    talk::{self, Turn},
};

/// Captures that are larger have nothing else in them.
const MAX_CAPTURE_BYTES: u64 = 4 << 20;
/// Bytes of a talk of a capture, which are those of its beginning.
const MAX_TALK_BYTES: usize = 6 << 10;
/// Talks of a protocol that are taken of a capture.
const TALKS_EACH: usize = 24;

/// Talks by the name of their protocol.
pub type Talks = HashMap<&'static str, Vec<Vec<u8>>>;

/// Talks that the dissectors' tests wrote into `folder`, as `<app_proto>-<tcp or udp>-<port>-<number>`, in turns of flow 0.
pub fn of_tests(folder: &Path) -> Talks {
    let mut talks = Talks::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut words = name.split('-');
        let (speaks, over) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let port = words.next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let said = if over == "udp" { Carrier::Udp(port) } else { Carrier::Tcp(port) };
        let Ok(turns) = fs::read(&path) else { continue };
        for protocol in speaking(speaks) {
            talks.entry(protocol.name).or_default().push(seed(protocol, said, talk::turns(&turns)));
        }
    }
    talks
}

/// Talks of the shared corpus.
pub fn of_captures() -> Talks {
    let mut talks = Talks::new();
    for path in seeds::corpus(MAX_CAPTURE_BYTES) {
        let mut taken = HashMap::<&str, usize>::new();
        for (flow, speaks) in flows(&path) {
            for protocol in speaking(speaks) {
                let taken = taken.entry(protocol.name).or_default();
                if *taken < TALKS_EACH {
                    *taken += 1;
                    talks.entry(protocol.name).or_default().push(flow.seed(protocol));
                }
            }
        }
    }
    talks
}

/// Those of which what `speaks` is a seed.
fn speaking(speaks: &str) -> impl Iterator<Item = &'static Protocol> {
    PROTOCOLS.iter().filter(move |p| p.speaks.contains(&speaks))
}

/// An input of these turns, on the flow whose carrier is most like the one they had.
fn seed<'a>(protocol: &Protocol, said: Carrier, turns: impl Iterator<Item = Turn<'a>>) -> Vec<u8> {
    let alike = |c: &Carrier| std::mem::discriminant(c) == std::mem::discriminant(&said);
    let same = protocol.carriers.iter().position(|c| *c == said);
    let flow = same.or_else(|| protocol.carriers.iter().position(alike)).unwrap_or(0);
    let mut out = vec![0];
    for turn in turns {
        Turn { bits: talk::on_flow(turn.bits, flow), ..turn }.write(&mut out);
    }
    out
}

/// What one flow of a capture says.
struct Flow {
    carrier: Carrier,
    /// The sender of each, and what it says.
    said: Vec<((IpAddr, u16), Vec<u8>)>,
    len: usize,
}

impl Flow {
    fn seed(&self, protocol: &Protocol) -> Vec<u8> {
        let Some((first, _)) = self.said.first() else { return vec![0] };
        // Who speaks first is the client, unless it does so from the server's port.
        let ports: Vec<u16> = protocol.carriers.iter().filter_map(|c| c.port()).collect();
        let is_client_first = !ports.contains(&first.1);
        let turns = self.said.iter().map(|(sender, bytes)| {
            let by_server = (sender == first) != is_client_first;
            Turn { bits: talk::said(by_server, 0), bytes }
        });
        seed(protocol, self.carrier, turns)
    }

    fn take(&mut self, packet: &Decoded<'_>) -> Option<()> {
        let header = packet.icmp.map(|icmp| {
            let mut bytes = vec![icmp.kind, icmp.code, 0, 0];
            bytes.extend(icmp.word.to_be_bytes());
            bytes
        });
        let bytes = [&header.unwrap_or_default(), packet.payload].concat();
        if !bytes.is_empty() && self.len < MAX_TALK_BYTES {
            let bytes = bytes[..bytes.len().min(MAX_TALK_BYTES - self.len)].to_vec();
            self.len += bytes.len() + 3;
            self.said.push(((packet.ip?.src, packet.src_port.unwrap_or(0)), bytes));
        }
        Some(())
    }
}

/// The flows of a capture that are read, each with what it speaks.
fn flows(path: &Path) -> Vec<(Flow, &'static str)> {
    let mut pipeline = Pipeline::new(PipelineConfig::default(), "file".to_owned());
    pipeline.begin_segment(1);
    seeds::each_event(path, |event| match event {
        Event::Frame(frame) => pipeline.push(&frame, None),
        Event::Secrets(log) => pipeline.learn_secrets(log),
        Event::Interface(_) => {}
    });
    pipeline.finish();
    let rows = pipeline.seal().expect("rows make batches").packets;
    let flow_ids = rows.column_by_name("flow_id").expect("a column of packets").as_primitive::<Int64Type>();
    let app_proto = rows.column_by_name("app_proto").expect("a column of packets");
    let app_proto = compute::cast(app_proto, &DataType::Utf8).expect("names are text");
    let (mut flows, mut numbers, mut row) = (Vec::<(Flow, &'static str)>::new(), HashMap::new(), 0);
    let mut decoder = Decoder::new(DecodeLimits::default());
    seeds::each_event(path, |event| {
        let Event::Frame(frame) = event else { return };
        let packet = decoder.decode(&frame);
        let at = row;
        row += 1;
        let app_proto = app_proto.as_string::<i32>();
        let name = if app_proto.is_valid(at) { app_proto.value(at) } else { "" };
        let Some((carrier, speaks)) = carrier(&packet, name) else { return };
        let number = *numbers.entry(flow_ids.value(at)).or_insert_with(|| {
            flows.push((Flow { carrier, said: Vec::new(), len: 0 }, speaks));
            flows.len() - 1
        });
        flows[number].0.take(&packet);
    });
    flows
}

/// What carries a packet, and the name that a protocol here has for what its flow speaks.
fn carrier(packet: &Decoded<'_>, app_proto: &str) -> Option<(Carrier, &'static str)> {
    let server = PROTOCOLS.iter().flat_map(|p| p.carriers).filter_map(Carrier::port);
    let port = server.into_iter().find(|p| packet.src_port == Some(*p) || packet.dst_port == Some(*p)).unwrap_or(0);
    let (carrier, unnamed) = match packet.ip?.proto {
        1 => (Carrier::Icmp, "icmp"),
        58 => (Carrier::Icmpv6, "icmpv6"),
        6 => (Carrier::Tcp(port), ""),
        17 => (Carrier::Udp(port), ""),
        132 => (Carrier::Sctp(port), "sctp"),
        _ => return None,
    };
    let name = if app_proto.is_empty() { unnamed } else { app_proto };
    let speaks = PROTOCOLS.iter().flat_map(|p| p.speaks).find(|s| **s == name)?;
    Some((carrier, speaks))
}
