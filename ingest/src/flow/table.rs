//! [`FlowTable`]: open flows by key, ended ones until the segment is sealed.

use std::{collections::VecDeque, hash::BuildHasher};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    expiry::Wheel,
    key::{FlowKey, Sender},
    pair::{Pair, Way},
    record::{EndReason, Ends, Flow, NO_SLOT},
    rows::RowWriter,
    tcp::Begin,
};
use crate::{decode::Decoded, tables::FlowBuilder};

/// When flows end, and how many may be open. Times are packet time in ns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowConfig {
    /// Quiet time that ends an open TCP connection. Default 300 s, between what servers and NATs keep.
    pub tcp_ns: i64,
    /// The same before the handshake is complete. Default 90 s: Linux waits up to 64 s between two SYNs.
    pub tcp_opening_ns: i64,
    /// The same after both FINs or an RST. Default 15 s, time for stragglers.
    pub tcp_closed_ns: i64,
    /// Quiet time that ends a UDP flow. Default 60 s.
    pub udp_ns: i64,
    /// Quiet time that ends an ICMP flow. Default 30 s.
    pub icmp_ns: i64,
    /// Quiet time that ends any other flow. Default 60 s.
    pub other_ns: i64,
    /// Age at which a flow ends and a new one takes over with the same roles, so that a connection of days shows up.
    /// Default 1 h.
    pub active_ns: i64,
    /// Open flows. Default 1,000,000, some 450 MB when all are in use; memory is taken as flows come. At the limit, the
    /// flow that would time out next makes room for a new one.
    pub max_flows: usize,
    /// Value of the `node` column: the capturing node, where known.
    pub node: Option<String>,
}

impl Default for FlowConfig {
    fn default() -> FlowConfig {
        const S: i64 = 1_000_000_000;
        FlowConfig {
            tcp_ns: 300 * S,
            tcp_opening_ns: 90 * S,
            tcp_closed_ns: 15 * S,
            udp_ns: 60 * S,
            icmp_ns: 30 * S,
            other_ns: 60 * S,
            active_ns: 3600 * S,
            max_flows: 1_000_000,
            node: None,
        }
    }
}

/// Where a packet was accounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Id of its flow: segment of the flow's first packet << 32 | number within it.
    pub flow_id: i64,
    /// Number of the flow within this segment, dense from 0: its place in [`SealedFlows::app_protos`].
    pub slot: u32,
    /// Its place in the table, until it ends.
    pub(crate) place: u32,
    /// Which way the packet goes.
    pub(crate) way: Way,
}

/// A flow that has ended, and its place is free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) place: u32,
    /// By a reset.
    pub(crate) reset: bool,
}

/// What a segment saw of its flows.
#[derive(Debug)]
pub struct SealedFlows {
    /// One part per flow, sorted by `flow_id`.
    pub rows: FlowBuilder,
    /// Application protocol of each flow that had packets, by slot.
    pub app_protos: Vec<Option<&'static str>>,
}

/// What the table did. Monotonic but for `open`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Packets accounted.
    pub packets: u64,
    /// Frames without an IP header.
    pub without_ip: u64,
    /// Flows begun.
    pub started: u64,
    /// Flows ended, for whatever reason.
    pub ended: u64,
    /// Flows ended to make room: the table was at `max_flows`.
    pub evicted: u64,
    /// Flows open now.
    pub open: u64,
    /// Most flows open at once.
    pub open_peak: u64,
}

/// The open flows of one capture.
#[derive(Debug)]
pub struct FlowTable {
    config: FlowConfig,
    hasher: DefaultHashBuilder,
    /// Places in `flows`, by key.
    open: HashTable<u32>,
    /// Open flows, and free places.
    flows: Vec<Flow>,
    free: Vec<u32>,
    /// Flows that ended in this segment.
    ended: Vec<(Flow, EndReason)>,
    /// Where each flow with packets in this segment is, by slot.
    parts: Vec<Place>,
    /// Flows of this segment that grew too old in it, and those that carry them on, by slot.
    carried: Vec<(u32, u32)>,
    changes: Changes,
    wheel: Wheel,
    /// A flow begun by the packet at hand: its time-out depends on that packet.
    unscheduled: Option<u32>,
    /// Highest packet time so far.
    clock_ns: i64,
    segment: u32,
    next_number: u32,
    counters: FlowCounters,
    /// Flows that ended and nobody has asked for; kept only where somebody does.
    newly_ended: Option<VecDeque<Ended>>,
}

/// What [`FlowTable::changed`] has yet to give.
#[derive(Debug, Default)]
struct Changes {
    /// Slots whose part has changed, each once.
    slots: Vec<u32>,
    /// By slot, whether it is among them.
    noted: Vec<bool>,
    /// How many of the ended flows were looked at.
    ended_seen: usize,
}

impl Changes {
    #[inline]
    fn note(&mut self, slot: u32) {
        let at = slot as usize;
        if self.noted.len() <= at {
            self.noted.resize(at + 1, false);
        }
        if let Some(noted @ false) = self.noted.get_mut(at) {
            *noted = true;
            self.slots.push(slot);
        }
    }
}

/// Where a flow is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In `flows`.
    Open(u32),
    /// In `ended`.
    Ended(u32),
}

impl FlowTable {
    /// An empty table, in segment 0.
    pub fn new(config: FlowConfig) -> FlowTable {
        FlowTable {
            config,
            hasher: DefaultHashBuilder::default(),
            open: HashTable::new(),
            flows: Vec::new(),
            free: Vec::new(),
            ended: Vec::new(),
            parts: Vec::new(),
            carried: Vec::new(),
            changes: Changes::default(),
            wheel: Wheel::new(),
            unscheduled: None,
            clock_ns: i64::MIN,
            segment: 0,
            next_number: 0,
            counters: FlowCounters::default(),
            newly_ended: None,
        }
    }

    /// Somebody else tells what flows speak, by [`set_app`](Self::set_app), and is told of each that ends, by
    /// [`take_ended`](Self::take_ended).
    pub(crate) fn leave_recognition(&mut self) {
        self.newly_ended = Some(VecDeque::new());
    }

    /// The flow at `slot` speaks the protocol of that number, and so do those that have carried it on since.
    pub(crate) fn set_app(&mut self, slot: u32, app: u8) {
        let flow = match self.parts.get(slot as usize) {
            Some(Place::Open(at)) => self.flows.get_mut(*at as usize),
            Some(Place::Ended(at)) => self.ended.get_mut(*at as usize).map(|(flow, _)| flow),
            None => None,
        };
        let Some(flow) = flow else { return };
        flow.set_app(app);
        self.changes.note(slot);
        if let Some((_, next)) = self.carried.iter().find(|(from, _)| *from == slot) {
            self.set_app(*next, app);
        }
    }

    /// Who the open flow in `place` is between.
    pub(crate) fn ends(&self, place: u32) -> Ends {
        flow_at(&self.flows, place).ends()
    }

    /// Where the bytes of each direction of a TCP connection begin.
    pub(crate) fn begins(&self, place: u32) -> Pair<Begin> {
        flow_at(&self.flows, place).tcp.begins()
    }

    /// Whether the TCP connection in that place was reset.
    pub(crate) fn was_reset(&self, place: u32) -> bool {
        flow_at(&self.flows, place).tcp.was_reset()
    }

    /// One of the flows that have ended and were not taken yet, in the order they ended.
    #[inline]
    pub(crate) fn take_ended(&mut self) -> Option<Ended> {
        self.newly_ended.as_mut()?.pop_front()
    }

    /// Names the segment that the next packets go to. The one before must have been sealed.
    pub fn begin_segment(&mut self, segment: u32) {
        debug_assert!(self.parts.is_empty() && self.ended.is_empty(), "the segment before is sealed");
        self.segment = segment;
        self.next_number = 0;
    }

    /// Accounts one packet. `None` for frames without an IP header. `orig_len` is the frame's length on the wire.
    #[inline]
    pub fn observe(&mut self, ts_ns: i64, orig_len: u32, packet: &Decoded<'_>) -> Option<Observed> {
        self.advance(ts_ns);
        let Some((key, sender)) = FlowKey::of(packet) else {
            self.counters.without_ip += 1;
            return None;
        };
        self.counters.packets += 1;
        let hash = self.hasher.hash_one(key);
        let flows = &self.flows;
        let found = self.open.find(hash, |at| flow_at(flows, *at).key == key).copied();
        let at = match found {
            Some(at) => self.follow_up(at, hash, sender, packet),
            None => self.start(Flow::new(self.next_id(), key, sender, packet, self.clock_ns), hash),
        };

        let (clock_ns, next_slot) = (self.clock_ns, self.parts.len());
        let flow = flow_at_mut(&mut self.flows, at);
        if flow.slot == NO_SLOT {
            flow.slot = index(next_slot);
            self.parts.push(Place::Open(at));
        }
        let observed = Observed { flow_id: flow.id, slot: flow.slot, place: at, way: flow.way(sender) };
        self.changes.note(flow.slot);
        let limit_before =
            if self.unscheduled.take() == Some(at) { i64::MAX } else { flow.quiet_limit_ns(&self.config) };
        flow.count(sender, ts_ns, clock_ns, orig_len, packet, self.newly_ended.is_none());
        if flow.quiet_limit_ns(&self.config) < limit_before {
            // A new flow, or one whose deadline was brought forward. The wheel need not know of those that move back.
            self.wheel.schedule(at, flow.deadline_ns(&self.config));
        }
        Some(observed)
    }

    /// The parts of this segment that have changed since the last call, as they are now: a later row of a flow is in the
    /// place of the earlier one. For those who look at a segment before it is sealed.
    pub fn changed(&mut self) -> FlowBuilder {
        let mut writer = RowWriter::default();
        let node = self.config.node.as_deref();
        for slot in std::mem::take(&mut self.changes.slots) {
            if let Some(noted) = self.changes.noted.get_mut(slot as usize) {
                *noted = false;
            }
            if let Some(place) = self.parts.get(slot as usize) {
                let (flow, ended) = self.flow(*place);
                writer.push(flow, ended, node);
            }
        }
        // Flows that ended without a packet in this segment have no slot.
        for (flow, reason) in self.ended.get(self.changes.ended_seen..).unwrap_or_default() {
            if flow.slot == NO_SLOT {
                writer.push(flow, Some(*reason), node);
            }
        }
        self.changes.ended_seen = self.ended.len();
        writer.rows
    }

    /// The parts of this segment as they are now, the same as [`seal`](Self::seal) would give.
    pub fn parts(&self) -> FlowBuilder {
        let mut writer = RowWriter::default();
        for (_, place) in self.places() {
            let (flow, ended) = self.flow(place);
            writer.push(flow, ended, self.config.node.as_deref());
        }
        writer.rows
    }

    /// The application protocol of the flow at `slot`, as far as it is known.
    pub fn app_proto(&self, slot: u32) -> Option<&'static str> {
        self.parts.get(slot as usize).and_then(|place| self.flow(*place).0.app_proto())
    }

    /// Ends the segment. Flows still open go on in the next one.
    pub fn seal(&mut self) -> SealedFlows {
        let rows = self.parts();
        let app_protos = self.parts.iter().map(|place| self.flow(*place).0.app_proto()).collect();

        for place in std::mem::take(&mut self.parts) {
            if let Place::Open(at) = place {
                flow_at_mut(&mut self.flows, at).begin_part();
            }
        }
        // Segments are alike: the next one needs the room again.
        self.ended.shrink_to(self.ended.len());
        self.ended.clear();
        self.carried.clear();
        self.changes = Changes::default();
        SealedFlows { rows, app_protos }
    }

    /// Every flow that this segment has a part of, by id.
    fn places(&self) -> Vec<(i64, Place)> {
        let mut order: Vec<(i64, Place)> = Vec::with_capacity(self.parts.len() + self.ended.len());
        for &place in &self.parts {
            order.push((self.flow(place).0.id, place));
        }
        for (at, (flow, _)) in self.ended.iter().enumerate() {
            if flow.slot == NO_SLOT {
                order.push((flow.id, Place::Ended(index(at))));
            }
        }
        order.sort_unstable_by_key(|(id, _)| *id);
        order
    }

    /// The capture is over: every open flow ends, with reason `end` unless it was over or idle by then. Seal
    /// afterwards.
    pub fn finish(&mut self) {
        let mut open: Vec<u32> = self.open.iter().copied().collect();
        // In the order they began: that of the hash table is another one each time.
        open.sort_unstable_by_key(|at| flow_at(&self.flows, *at).id);
        for at in open {
            let flow = flow_at(&self.flows, at);
            let quiet = flow.deadline_ns(&self.config) <= self.clock_ns;
            let reason = flow.end_reason_or(if quiet { EndReason::Idle } else { EndReason::End });
            self.wheel.cancel(at);
            self.end(at, reason);
        }
    }

    /// The counts so far.
    pub fn counters(&self) -> FlowCounters {
        FlowCounters { open: self.open.len() as u64, ..self.counters }
    }

    /// Bytes of memory held. What the segment's ended flows hold is given back by [`seal`](Self::seal).
    pub fn size_bytes(&self) -> usize {
        self.flows.capacity() * size_of::<Flow>()
            + self.ended.capacity() * size_of::<(Flow, EndReason)>()
            + self.parts.capacity() * (size_of::<Place>() + size_of::<u32>() + size_of::<bool>())
            + self.carried.capacity() * size_of::<(u32, u32)>()
            + self.free.capacity() * size_of::<u32>()
            + self.open.allocation_size()
            + self.wheel.size_bytes()
    }

    /// Sets the clock, which never goes back, and ends the flows that have been quiet for too long. Packets do it by
    /// themselves; a caller who knows that it is later does it when none come.
    #[inline]
    pub fn advance(&mut self, ts_ns: i64) {
        if ts_ns <= self.clock_ns {
            return;
        }
        self.clock_ns = ts_ns;
        self.wheel.advance(ts_ns);
        if self.wheel.is_due() {
            self.expire();
        }
    }

    fn expire(&mut self) {
        while let Some(at) = self.wheel.pop_due() {
            let flow = flow_at(&self.flows, at);
            let deadline_ns = flow.deadline_ns(&self.config);
            if deadline_ns > self.clock_ns {
                self.wheel.schedule(at, deadline_ns);
            } else {
                let reason = flow.end_reason_or(EndReason::Idle);
                self.end(at, reason);
            }
        }
    }

    /// Where a packet goes whose key is that of an open flow: there, or to a flow that comes after it.
    #[inline]
    fn follow_up(&mut self, at: u32, hash: u64, sender: Sender, packet: &Decoded<'_>) -> u32 {
        let flow = flow_at(&self.flows, at);
        let Some(reason) = flow.ends_before(sender, packet, self.clock_ns, &self.config) else {
            return at;
        };
        let id = self.next_id();
        let next = match reason {
            EndReason::Active => {
                if flow.slot != NO_SLOT {
                    // The packet at hand gives the next flow its slot.
                    self.carried.push((flow.slot, index(self.parts.len())));
                }
                flow.carried_over(id, self.clock_ns)
            }
            _ => Flow::new(id, flow.key, sender, packet, self.clock_ns),
        };
        self.wheel.cancel(at);
        self.end(at, reason);
        self.start(next, hash)
    }

    fn start(&mut self, flow: Flow, hash: u64) -> u32 {
        if self.open.len() >= self.config.max_flows.max(1) {
            self.evict();
        }
        self.next_number = self.next_number.saturating_add(1);
        let at = match self.free.pop() {
            Some(at) => {
                *flow_at_mut(&mut self.flows, at) = flow;
                at
            }
            None => {
                self.flows.push(flow);
                index(self.flows.len() - 1)
            }
        };
        let (flows, hasher) = (&self.flows, &self.hasher);
        self.open.insert_unique(hash, at, |at| hasher.hash_one(flow_at(flows, *at).key));
        self.unscheduled = Some(at);
        self.counters.started += 1;
        self.counters.open_peak = self.counters.open_peak.max(self.open.len() as u64);
        at
    }

    /// Makes room: ends the flow that would time out next.
    fn evict(&mut self) {
        let (flows, config) = (&self.flows, &self.config);
        let Some(at) = self.wheel.pop_earliest(|at| flow_at(flows, at).deadline_ns(config)) else { return };
        let reason = flow_at(&self.flows, at).end_reason_or(EndReason::Evicted);
        self.end(at, reason);
        self.counters.evicted += 1;
    }

    /// Moves a flow that is out of the wheel to the ended ones.
    fn end(&mut self, at: u32, reason: EndReason) {
        let flow = flow_at(&self.flows, at);
        let hash = self.hasher.hash_one(flow.key);
        if let Ok(entry) = self.open.find_entry(hash, |other| *other == at) {
            entry.remove();
        }
        if let Some(place) = self.parts.get_mut(flow.slot as usize) {
            *place = Place::Ended(index(self.ended.len()));
            self.changes.note(flow.slot);
        }
        if let Some(newly_ended) = &mut self.newly_ended {
            newly_ended.push_back(Ended { place: at, reset: reason == EndReason::Rst });
        }
        self.ended.push((flow.clone(), reason));
        self.free.push(at);
        self.counters.ended += 1;
    }

    fn flow(&self, place: Place) -> (&Flow, Option<EndReason>) {
        match place {
            Place::Open(at) => (flow_at(&self.flows, at), None),
            Place::Ended(at) => {
                let (flow, reason) = self.ended.get(at as usize).expect("a place in ended is kept until seal");
                (flow, Some(*reason))
            }
        }
    }

    /// The id of the next flow to begin.
    fn next_id(&self) -> i64 {
        i64::from(self.segment) << 32 | i64::from(self.next_number)
    }
}

#[inline]
fn flow_at(flows: &[Flow], at: u32) -> &Flow {
    flows.get(at as usize).expect("places of open flows stay in the table")
}

#[inline]
fn flow_at_mut(flows: &mut [Flow], at: u32) -> &mut Flow {
    flows.get_mut(at as usize).expect("places of open flows stay in the table")
}

fn index(len: usize) -> u32 {
    u32::try_from(len).expect("a segment has fewer than 2^32 rows and the table fewer flows")
}
