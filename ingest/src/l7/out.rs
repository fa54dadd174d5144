//! What dissectors give: rows, names of addresses, and what a flow turned out to be.

use std::{any::TypeId, net::IpAddr};

use hashbrown::HashMap;
use wiretape_engine::{Result, TableDef, table::Builder};

use super::{
    PROTOCOLS,
    call::{Call, CallRow, CallTable, ErrorType},
    dissector::Dissector,
    limits::{L7Counters, L7Limits},
    names::{NameSource, Names},
    protocol, scope,
    secrets::Secrets,
};
use crate::flow::{Ends, Way};

/// The rows of all protocols, and what is known beside them.
#[derive(Debug)]
pub(crate) struct Rows {
    tables: Vec<Table>,
    by_type: HashMap<TypeId, usize>,
    names: Names,
    pub(super) secrets: Secrets,
    pub(super) limits: L7Limits,
    pub(super) counters: L7Counters,
    capture_source: String,
    node: Option<String>,
    next_call_id: i64,
}

#[derive(Debug)]
struct Table {
    builder: Box<dyn Builder>,
    /// Rows that were shown to readers of the open segment.
    flushed: usize,
}

/// Of what more is held than the limits allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMuch {
    Nothing,
    /// Calls and messages that are not complete.
    Pending,
    /// Segments that wait for what is missing.
    Waiting,
}

impl Rows {
    pub(crate) fn new(limits: L7Limits, capture_source: String, node: Option<String>) -> Rows {
        let mut rows = Rows {
            tables: Vec::new(),
            by_type: HashMap::new(),
            names: Names::default(),
            secrets: Secrets::default(),
            limits,
            counters: L7Counters::default(),
            capture_source,
            node,
            next_call_id: 0,
        };
        for (_, builder) in PROTOCOLS.iter().flat_map(|p| p.tables) {
            let mut builder = builder();
            // The id of what is in the box, not of the box.
            let id = (*builder.as_any()).type_id();
            rows.by_type.insert(id, rows.tables.len());
            rows.tables.push(Table { builder, flushed: 0 });
        }
        rows
    }

    pub(super) fn begin_segment(&mut self, segment: u32) {
        self.next_call_id = i64::from(segment) << 32;
        self.counters.begin_segment();
    }

    /// Whether more is held than may be.
    #[inline]
    pub(super) fn too_much(&self) -> TooMuch {
        let (limits, counters) = (&self.limits, &self.counters);
        if counters.pending_bytes > limits.pending_bytes as u64 {
            TooMuch::Pending
        } else if counters.waiting_bytes > limits.waiting_bytes as u64 {
            TooMuch::Waiting
        } else {
            TooMuch::Nothing
        }
    }

    /// Bytes of memory held by rows.
    pub(super) fn size_bytes(&self) -> usize {
        self.tables.iter().filter(|t| !t.builder.is_empty()).map(|t| t.builder.size_bytes()).sum()
    }

    /// A copy of the rows that are new since the last call.
    pub(super) fn flush(&mut self) -> Result<Vec<(&'static TableDef, arrow::array::RecordBatch)>> {
        let new = self.tables.iter_mut().filter(|t| t.builder.len() > t.flushed);
        new.map(|t| {
            let batch = t.builder.copy_from(t.flushed)?;
            t.flushed = t.builder.len();
            Ok((t.builder.table(), batch))
        })
        .collect()
    }

    /// All rows of the segment, by table; tables without any are left out.
    pub(super) fn seal(&mut self) -> Result<Vec<(&'static TableDef, arrow::array::RecordBatch)>> {
        let filled = self.tables.iter_mut().filter(|t| !t.builder.is_empty());
        filled
            .map(|t| {
                t.flushed = 0;
                Ok((t.builder.table(), t.builder.finish()?))
            })
            .collect()
    }
}

/// Where the dissector of one flow puts what it reads.
#[derive(Debug)]
pub(crate) struct Out<'a> {
    pub(super) rows: &'a mut Rows,
    pub(super) ends: &'a Ends,
    /// Who reads on.
    pub(super) next: Option<Box<dyn Dissector>>,
    /// What the flow turned out to be.
    pub(super) spoken: Option<u8>,
    /// What is said was encrypted.
    is_opened: bool,
}

impl<'a> Out<'a> {
    pub(super) fn new(rows: &'a mut Rows, ends: &'a Ends) -> Out<'a> {
        Out { rows, ends, next: None, spoken: None, is_opened: false }
    }

    /// Makes a row of a call. One of neither half makes none.
    pub(crate) fn emit<T: CallTable>(&mut self, call: &Call<'_>, row: T::Row<'_>) {
        let missing = match (call.request, call.response) {
            (None, _) => Some(ErrorType::NoRequest),
            (_, None) => Some(ErrorType::NoResponse),
            _ => None,
        };
        self.push::<T>(call, call.error_type.or(missing), row);
    }

    /// Makes a row of a message that has no other half, and is whole without it: a notification, say.
    pub(crate) fn emit_one_way<T: CallTable>(&mut self, call: &Call<'_>, row: T::Row<'_>) {
        self.push::<T>(call, call.error_type, row);
    }

    fn push<T: CallTable>(&mut self, call: &Call<'_>, error_type: Option<ErrorType>, row: T::Row<'_>) {
        let (request, response) = (call.request, call.response);
        let Some(first) = request.or(response) else { return };
        let last = response.or(request).unwrap_or(first);
        let (src, dst) = match call.client {
            Way::Out => (self.ends.src, self.ends.dst),
            Way::In => (self.ends.dst, self.ends.src),
        };
        let Rows { tables, by_type, names, counters, capture_source, node, next_call_id, .. } = &mut *self.rows;
        let place = by_type.get(&TypeId::of::<T>()).copied();
        let Some(builder) = place.and_then(|at| tables.get_mut(at)?.builder.as_any().downcast_mut::<T>()) else {
            debug_assert!(false, "the table of a dissector is not in its protocol's declaration");
            return;
        };
        let (src_name, dst_name) = (names.of(src.0), names.of(dst.0));
        let common = CallRow {
            ts: first.span.first.ts_ns,
            call_id: *next_call_id,
            flow_id: self.ends.flow_id,
            node: node.as_deref(),
            capture_source: if self.is_opened { "keylog" } else { capture_source },
            app_proto: call.app_proto,
            src_ip: src.0,
            src_port: src.1,
            src_name: src_name.map(|(name, _)| name),
            dst_ip: dst.0,
            dst_port: dst.1,
            dst_name: dst_name.map(|(name, _)| name),
            dst_name_source: dst_name.map(|(_, source)| source.name()),
            peer_scope: scope::of(dst.0),
            latency_ns: request.zip(response).map(|(q, a)| a.span.first.ts_ns.saturating_sub(q.span.first.ts_ns)),
            method: call.method,
            target: call.target,
            status: call.status,
            error_type: error_type.map(ErrorType::name),
            request_bytes: request.map(|half| i64::try_from(half.bytes).unwrap_or(i64::MAX)),
            response_bytes: response.map(|half| i64::try_from(half.bytes).unwrap_or(i64::MAX)),
            first_packet_id: first.span.first.packet_id,
            last_packet_id: last.span.last.packet_id,
        };
        builder.push_call(common, row);
        *next_call_id += 1;
        counters.calls += 1;
    }

    /// The flow is of this protocol, the most specific by now.
    pub(crate) fn speaks(&mut self, name: &'static str) {
        self.spoken = protocol::place(name).or(self.spoken);
    }

    /// For what is said inside an encrypted connection that was opened with its secrets.
    pub(crate) fn opened(&mut self) -> Out<'_> {
        Out { rows: &mut *self.rows, ends: self.ends, next: None, spoken: None, is_opened: true }
    }

    /// The secrets of connections that were logged.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.rows.secrets
    }

    /// Another dissector reads on from here, both ways. What is left of the chunk at hand is the caller's to pass on to it.
    pub(crate) fn hand_over(&mut self, next: Box<dyn Dissector>) {
        self.next = Some(next);
    }

    /// The protocol of this name reads on from here, both ways: what is encrypted from now on, say. Returns whether it can.
    pub(crate) fn hand_over_to(&mut self, name: &str) -> bool {
        let dissect = protocol::place(name).and_then(protocol::at).and_then(|p| p.dissect);
        self.next = dissect.map(|new| new()).or(self.next.take());
        dissect.is_some()
    }

    /// An address has this name.
    pub(crate) fn learn(&mut self, ip: IpAddr, name: &str, source: NameSource) {
        self.rows.names.learn(ip, name, source);
    }

    /// The address of the end that receives what goes `way`, which is the server of a request that does.
    pub(crate) fn receiver(&self, way: Way) -> IpAddr {
        match way {
            Way::Out => self.ends.dst.0,
            Way::In => self.ends.src.0,
        }
    }

    /// The ports of the flow's initiator and of the other end.
    pub(crate) fn ports(&self) -> (Option<u16>, Option<u16>) {
        (self.ends.src.1, self.ends.dst.1)
    }

    /// What may be held and kept.
    pub(crate) fn limits(&self) -> &L7Limits {
        &self.rows.limits
    }

    /// A request was given up because too many waited.
    pub(crate) fn count_dropped_call(&mut self) {
        self.rows.counters.calls_dropped += 1;
    }
}
