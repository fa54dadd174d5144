//! Frames in, rows out: decode, flow table and builders behind one call, with dissection on a thread behind it. A pure function of the
//! frames it was given and the segment boundaries.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray},
    error::ArrowError,
};
use hashbrown::HashMap;
use wiretape_engine::{Error, Result, TableDef};

use crate::{
    Frame,
    decode::{DecodeLimits, Decoded, Decoder, Layers},
    flow::{FlowConfig, FlowTable, Observed},
    l7::{L7Counters, L7Limits, Stage, Stamp, Tap},
    tables::{DISSECTION, DissectionBuilder, PACKETS, PacketBuilder, PacketRow, dissection_row},
};

/// What the pipeline may be told.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// Limits of IP reassembly.
    pub decode: DecodeLimits,
    /// Time-outs and limits of the flow table.
    pub flow: FlowConfig,
    /// Limits of reading application protocols; `None` leaves them unread: there are rows of packets and flows only.
    pub l7: Option<L7Limits>,
    /// Name of the capturing node, for the `node` column.
    pub node: Option<String>,
}

impl Default for PipelineConfig {
    fn default() -> PipelineConfig {
        PipelineConfig {
            decode: DecodeLimits::default(),
            flow: FlowConfig::default(),
            l7: Some(L7Limits::default()),
            node: None,
        }
    }
}

/// Turns frames into rows of `packets` and `flows`.
#[derive(Debug)]
pub struct Pipeline {
    decoder: Decoder,
    flows: FlowTable,
    l7: Option<Stage>,
    packets: PacketBuilder,
    /// For each row, which of the segment's flows it belongs to: `app_proto` is known only when the flow has spoken.
    slots: Vec<Option<u32>>,
    /// Rows that [`flush`](Self::flush) has given.
    flushed: usize,
    capture_source: String,
    node: Option<String>,
    next_packet_id: i64,
    /// Time of the segment's first packet.
    first_ns: Option<i64>,
    /// What dissection had done when the segment began.
    dissected: L7Counters,
    /// Rows of the segment before: this one is likely to be of its size.
    rows_before: usize,
    names: Names,
}

/// Sets of layers whose text is kept. Traffic has some dozens; made-up headers may have any number.
const MAX_LAYER_TEXTS: usize = 1024;

/// Reused text of the columns that are sets of names.
#[derive(Debug, Default)]
struct Names {
    tunnel: String,
    anomalies: String,
    layers: LayerTexts,
}

/// The names of each set of layers seen.
#[derive(Debug, Default)]
struct LayerTexts {
    texts: Vec<String>,
    of: HashMap<Layers, usize>,
    /// Nearly every packet has the same set as the packet before.
    last: (Layers, usize),
}

impl LayerTexts {
    /// The names of `layers`; `None` when there are none.
    fn text(&mut self, layers: Layers) -> Option<&str> {
        if layers.is_empty() {
            return None;
        }
        if layers != self.last.0 {
            if self.texts.len() >= MAX_LAYER_TEXTS {
                *self = LayerTexts::default();
            }
            let LayerTexts { texts, of, .. } = self;
            let at = *of.entry(layers).or_insert_with(|| {
                texts.push(layers.names(&mut String::new()).to_owned());
                texts.len() - 1
            });
            self.last = (layers, at);
        }
        self.texts.get(self.last.1).map(String::as_str)
    }
}

/// The rows of one segment.
#[derive(Debug)]
pub struct SegmentRows {
    /// Rows of `packets`, in order of arrival.
    pub packets: RecordBatch,
    /// Rows of `flows`: a part for each flow that the segment saw.
    pub flows: RecordBatch,
    /// Rows of application protocols, by table, and that of what dissection did; only tables with rows.
    pub calls: Vec<(&'static TableDef, RecordBatch)>,
}

impl Pipeline {
    /// A pipeline whose rows say `capture_source` (`file`, `af_packet`, `ebpf`).
    pub fn new(config: PipelineConfig, capture_source: String) -> Pipeline {
        let mut flows = FlowTable::new(FlowConfig { node: config.node.clone(), ..config.flow });
        let l7 = config.l7.map(|limits| {
            flows.leave_recognition();
            Stage::new(limits, capture_source.clone(), config.node.clone())
        });
        Pipeline {
            decoder: Decoder::new(config.decode),
            flows,
            l7,
            packets: PacketBuilder::default(),
            slots: Vec::new(),
            flushed: 0,
            capture_source,
            node: config.node,
            next_packet_id: 0,
            first_ns: None,
            dissected: L7Counters::default(),
            rows_before: 0,
            names: Names::default(),
        }
    }

    /// Rows pushed from now on belong to `segment`. Call before the first push and after each [`seal`](Self::seal).
    pub fn begin_segment(&mut self, segment: u32) {
        self.next_packet_id = i64::from(segment) << 32;
        self.packets.reserve(self.rows_before);
        self.flows.begin_segment(segment);
        if let Some(l7) = &mut self.l7 {
            l7.begin_segment(segment);
            self.dissected = l7.counted();
        }
    }

    /// Accounts one frame; `iface` is the name of its interface, if it has one.
    pub fn push(&mut self, frame: &Frame<'_>, iface: Option<&str>) {
        self.first_ns.get_or_insert(frame.ts_ns);
        let decoded = self.decoder.decode(frame);
        let observed = self.flows.observe(frame.ts_ns, frame.orig_len, &decoded);
        self.slots.push(observed.as_ref().map(|o| o.slot));
        if let Some(l7) = &mut self.l7 {
            l7.end_all(&mut self.flows);
            if let Some(flow) = &observed {
                let at = Stamp { ts_ns: frame.ts_ns, packet_id: self.next_packet_id };
                l7.packet(&mut self.flows, flow, (at, Tap::of(frame, &decoded)), &decoded);
            }
        }
        let context = Context {
            packet_id: self.next_packet_id,
            capture_source: &self.capture_source,
            node: self.node.as_deref(),
            iface,
            flow: observed,
        };
        self.packets.push(row(frame, &decoded, &context, &mut self.names));
        self.next_packet_id += 1;
    }

    /// Takes in lines of a log of TLS secrets (SSLKEYLOGFILE): connections that begin from now on are opened with them, and
    /// what is inside is read as if it had come in the clear.
    pub fn learn_secrets(&mut self, log: &[u8]) {
        if let Some(l7) = &mut self.l7 {
            l7.learn_secrets(log);
        }
    }

    /// It is at least this late, though no packet says so.
    pub fn advance(&mut self, ts_ns: i64) {
        self.flows.advance(ts_ns);
        if let Some(l7) = &mut self.l7 {
            l7.end_all(&mut self.flows);
        }
    }

    /// Rows of `packets` since the segment began.
    pub fn rows(&self) -> usize {
        self.packets.len()
    }

    /// Bytes of memory that the segment's rows hold; those of calls as of some hundred packets ago, as they are made behind.
    pub fn size_bytes(&self) -> usize {
        let calls = self.l7.as_ref().map_or(0, Stage::rows_bytes);
        self.packets.size_bytes() + self.slots.len() * size_of::<Option<u32>>() + calls
    }

    /// No more frames will come: every open flow ends. Call before the last [`seal`](Self::seal).
    pub fn finish(&mut self) {
        self.flows.finish();
        if let Some(l7) = &mut self.l7 {
            l7.end_all(&mut self.flows);
        }
    }

    /// What reading application protocols did so far; zeros where they are not read. Waits until all packets are read.
    pub fn l7_counters(&mut self) -> L7Counters {
        let flows = &mut self.flows;
        self.l7.as_mut().map_or_else(L7Counters::default, |l7| l7.counters(flows))
    }

    /// A copy of what is new since the last call, for those who look at the segment before it is sealed: rows of `packets`
    /// once each, and the parts of flows that changed, each in the place of an earlier row of the same flow. What is known
    /// of a flow's application protocol only later is in the sealed rows.
    pub fn flush(&mut self) -> Result<SegmentRows> {
        // First, as it says what flows speak.
        let calls = match &mut self.l7 {
            Some(l7) => l7.flush(&mut self.flows)?,
            None => Vec::new(),
        };
        let packets = self.packets.copy_from(self.flushed)?;
        let slots = self.slots.get(self.flushed..).unwrap_or_default();
        let app_proto = app_proto_column(slots, |slot| self.flows.app_proto(slot))?;
        self.flushed = self.slots.len();
        Ok(SegmentRows {
            packets: replace_column(&packets, "app_proto", app_proto)?,
            flows: self.flows.changed().finish()?,
            calls,
        })
    }

    /// A copy of all parts of flows that the segment has so far.
    pub fn flow_parts(&self) -> Result<RecordBatch> {
        self.flows.parts().finish()
    }

    /// Ends the segment and hands over its rows. Flows that are still open go on in the next one.
    pub fn seal(&mut self) -> Result<SegmentRows> {
        if let Some(l7) = &mut self.l7 {
            l7.ask_seal();
        }
        self.rows_before = self.packets.len();
        let packets = self.packets.finish()?;
        let calls = self.sealed_calls()?;
        let mut sealed = self.flows.seal();
        let app_proto = app_proto_column(&self.slots, |slot| sealed.app_protos.get(slot as usize).copied().flatten())?;
        self.slots.clear();
        self.flushed = 0;
        Ok(SegmentRows {
            packets: replace_column(&packets, "app_proto", app_proto)?,
            flows: sealed.rows.finish()?,
            calls,
        })
    }

    fn sealed_calls(&mut self) -> Result<Vec<(&'static TableDef, RecordBatch)>> {
        let first_ns = self.first_ns.take();
        let Some(l7) = &mut self.l7 else { return Ok(Vec::new()) };
        let mut calls = l7.sealed(&mut self.flows)?;
        if let Some(ts_ns) = first_ns {
            let mut did = DissectionBuilder::default();
            let source = &self.capture_source;
            did.push(dissection_row(ts_ns, self.node.as_deref(), source, &self.dissected, &l7.counted()));
            calls.push((&DISSECTION, did.finish()?));
        }
        Ok(calls)
    }
}

/// What a row says beyond its frame.
struct Context<'a> {
    packet_id: i64,
    capture_source: &'a str,
    node: Option<&'a str>,
    iface: Option<&'a str>,
    flow: Option<Observed>,
}

fn row<'a>(frame: &Frame<'_>, d: &Decoded<'_>, context: &Context<'a>, names: &'a mut Names) -> PacketRow<'a> {
    let Names { tunnel, anomalies, layers } = names;
    let tunnel = d.tunnel.map(|t| t.name(tunnel));
    let anomalies = (!d.anomalies.is_empty()).then(|| d.anomalies.names(anomalies));
    let ip = d.ip.as_ref();
    let tcp = d.tcp.as_ref();
    PacketRow {
        ts: frame.ts_ns,
        packet_id: context.packet_id,
        flow_id: context.flow.as_ref().map(|f| f.flow_id),
        node: context.node,
        iface: context.iface,
        direction: frame.direction.map(|d| d.name()),
        capture_source: context.capture_source,
        link_type: frame.link_type,
        orig_len: frame.orig_len,
        cap_len: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
        src_mac: d.src_mac,
        dst_mac: d.dst_mac,
        vlan_id: d.vlan_id,
        eth_type: d.eth_type,
        layers: layers.text(d.layers),
        tunnel,
        ip_version: ip.map(|i| i.version()),
        src_ip: ip.map(|i| i.src),
        dst_ip: ip.map(|i| i.dst),
        ip_proto: ip.map(|i| i.proto),
        proto: d.proto,
        ttl: ip.map(|i| i.ttl),
        dscp: ip.map(|i| i.dscp),
        ip_id: ip.and_then(|i| i.id),
        frag_offset: ip.and_then(|i| i.fragment.as_ref()).map(|f| f.offset_bytes),
        src_port: d.src_port,
        dst_port: d.dst_port,
        tcp_flags: tcp.map(|t| t.flags),
        tcp_seq: tcp.map(|t| t.seq),
        tcp_ack: tcp.map(|t| t.ack),
        tcp_window: tcp.map(|t| t.window),
        icmp_type: d.icmp.map(|i| i.kind),
        icmp_code: d.icmp.map(|i| i.code),
        payload_len: d.payload_len,
        app_proto: None,
        anomalies,
        synthetic: false,
    }
}

/// The application protocol of each row's flow, as the dictionary column of `packets`.
fn app_proto_column(slots: &[Option<u32>], app_proto: impl Fn(u32) -> Option<&'static str>) -> Result<ArrayRef> {
    let mut values: Vec<&'static str> = Vec::new();
    let mut code = |slot: u32| {
        let name = app_proto(slot)?;
        let at = values.iter().position(|v| std::ptr::eq(*v, name) || *v == name).unwrap_or_else(|| {
            values.push(name);
            values.len() - 1
        });
        i32::try_from(at).ok()
    };
    let keys: Int32Array = slots.iter().map(|slot| slot.and_then(&mut code)).collect();
    let column = DictionaryArray::try_new(keys, Arc::new(StringArray::from(values)))?;
    Ok(Arc::new(column))
}

fn replace_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> Result<RecordBatch> {
    let missing = || Error::from(ArrowError::SchemaError(format!("{} has no column {name}", PACKETS.name)));
    let (at, _) = PACKETS.column(name).ok_or_else(missing)?;
    let mut columns = batch.columns().to_vec();
    *columns.get_mut(at).ok_or_else(missing)? = column;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
