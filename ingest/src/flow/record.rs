//! One open flow: who it is, what it counted in this segment, and what it remembers across segments.

use std::net::IpAddr;

use super::{
    key::{FlowKey, ICMP, ICMPV6, Sender, TCP, UDP},
    maybe::MaybeNs,
    pair::{Pair, Way},
    tcp::{Segment, Tcp},
};
use crate::{
    decode::{Decoded, Tunnel},
    flow::FlowConfig,
    l7,
};

/// Payload packets of each direction that are looked at to tell the protocol, where streams are not reassembled.
const MAX_PROBED: u8 = 3;

/// Bits of `flows.part`.
pub(crate) mod part {
    pub(crate) const START: u8 = 1;
    pub(crate) const END: u8 = 2;
}

/// The slot of a flow without packets in this segment.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// Why a flow ended, as in `flows.end_reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    Fin,
    Rst,
    Idle,
    Active,
    PortReuse,
    Evicted,
    End,
}

impl EndReason {
    /// The name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            EndReason::Fin => "fin",
            EndReason::Rst => "rst",
            EndReason::Idle => "idle",
            EndReason::Active => "active",
            EndReason::PortReuse => "port_reuse",
            EndReason::Evicted => "evicted",
            EndReason::End => "end",
        }
    }
}

/// A flow.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    pub(crate) id: i64,
    /// Which end of the key is src.
    pub(crate) initiator: Sender,
    pub(crate) tunnel: Option<Tunnel>,
    /// The table's clock at the first and at the last packet: the highest packet time so far, which never goes back.
    started_ns: i64,
    seen_ns: i64,
    /// Its number within this segment, [`NO_SLOT`] before its first packet there.
    pub(crate) slot: u32,
    /// The application protocol's place in [`l7::PROTOCOLS`].
    app: Option<u8>,
    /// Payload packets looked at for it.
    probed: Pair<u8>,
    /// When src sent its first payload.
    first_request_ts: MaybeNs,
    has_response: bool,
    pub(crate) ttfb_ns: MaybeNs,
    pub(crate) tcp: Tcp,
    pub(crate) part: Part,
}

const _: () = assert!(size_of::<Flow>() <= 400, "a million flows are the default");

/// Who a flow is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) flow_id: i64,
    /// The initiator, with its port if it has one.
    pub(crate) src: (IpAddr, Option<u16>),
    /// The responder.
    pub(crate) dst: (IpAddr, Option<u16>),
}

/// What this segment saw of a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// [`part`] bits.
    pub(crate) bits: u8,
    /// Earliest and latest packet time; without packets, both the latest of the part before, which widens nothing.
    pub(crate) first_ts: i64,
    pub(crate) last_ts: i64,
    pub(crate) sides: Pair<Counters>,
    pub(crate) rst: u32,
    pub(crate) fin: u32,
}

/// What one direction sent. Packet counts are 32 bits wide as rows of a segment are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) bytes: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) packets: u32,
    pub(crate) retransmissions: u32,
    pub(crate) out_of_order: u32,
    pub(crate) dup_acks: u32,
    pub(crate) zero_windows: u32,
    pub(crate) tcp_flags: u8,
}

impl Part {
    fn new(bits: u8, ts_ns: i64) -> Part {
        Part { bits, first_ts: ts_ns, last_ts: ts_ns, sides: Pair::default(), rst: 0, fin: 0 }
    }

    #[inline]
    fn note_time(&mut self, ts_ns: i64) {
        if self.sides.out.packets | self.sides.back.packets == 0 {
            (self.first_ts, self.last_ts) = (ts_ns, ts_ns);
        } else {
            self.first_ts = self.first_ts.min(ts_ns);
            self.last_ts = self.last_ts.max(ts_ns);
        }
    }
}

impl Flow {
    /// A flow that begins with this packet, which is not counted yet. `now_ns` is the table's clock.
    pub(crate) fn new(id: i64, key: FlowKey, sender: Sender, packet: &Decoded<'_>, now_ns: i64) -> Flow {
        let answered = segment(0, packet).is_some_and(|s| s.answers());
        let initiator = match (sender, answered) {
            (Sender::Low, false) | (Sender::High, true) => Sender::Low,
            (Sender::High, false) | (Sender::Low, true) => Sender::High,
        };
        Flow {
            key,
            id,
            initiator,
            tunnel: packet.tunnel,
            started_ns: now_ns,
            seen_ns: now_ns,
            slot: NO_SLOT,
            app: None,
            probed: Pair::default(),
            first_request_ts: MaybeNs::default(),
            has_response: false,
            ttfb_ns: MaybeNs::default(),
            tcp: Tcp::default(),
            part: Part::new(part::START, now_ns),
        }
    }

    /// The flow that takes over when this one reaches its active time-out: same roles, same application.
    pub(crate) fn carried_over(&self, id: i64, now_ns: i64) -> Flow {
        Flow {
            id,
            started_ns: now_ns,
            seen_ns: now_ns,
            slot: NO_SLOT,
            first_request_ts: MaybeNs::default(),
            has_response: false,
            ttfb_ns: MaybeNs::default(),
            tcp: self.tcp.carried_over(),
            part: Part::new(part::START, now_ns),
            ..self.clone()
        }
    }

    /// Who it is between.
    pub(crate) fn ends(&self) -> Ends {
        let ends = [self.key.low(), self.key.high()].map(|end| (end.ip, self.key.has_ports().then_some(end.port)));
        let [low, high] = ends;
        match self.initiator {
            Sender::Low => Ends { flow_id: self.id, src: low, dst: high },
            Sender::High => Ends { flow_id: self.id, src: high, dst: low },
        }
    }

    /// Counts a packet.
    #[inline]
    pub(crate) fn count(
        &mut self,
        sender: Sender,
        ts_ns: i64,
        now_ns: i64,
        orig_len: u32,
        packet: &Decoded<'_>,
        recognises: bool,
    ) {
        let way = self.way(sender);
        let payload_len = packet.payload_len.unwrap_or(0);
        self.seen_ns = now_ns;
        self.part.note_time(ts_ns);
        let side = self.part.sides.of_mut(way);
        side.packets += 1;
        side.bytes += u64::from(orig_len);
        side.payload_bytes += u64::from(payload_len);
        let mut repeated = false;
        if let Some(segment) = segment(ts_ns, packet) {
            let verdict = self.tcp.observe(way, &segment);
            side.tcp_flags |= segment.flags;
            side.retransmissions += u32::from(verdict.retransmission);
            side.out_of_order += u32::from(verdict.out_of_order);
            side.dup_acks += u32::from(verdict.dup_ack);
            side.zero_windows += u32::from(verdict.zero_window);
            self.part.rst += u32::from(segment.flags & super::tcp::flag::RST != 0);
            self.part.fin += u32::from(segment.flags & super::tcp::flag::FIN != 0);
            repeated = verdict.retransmission;
        }
        if payload_len > 0 && !repeated {
            self.note_payload(way, ts_ns);
            if recognises {
                self.recognise(way, packet);
            }
        }
    }

    /// Which way a packet of this sender goes.
    #[inline]
    pub(crate) fn way(&self, sender: Sender) -> Way {
        if sender == self.initiator { Way::Out } else { Way::In }
    }

    /// Packet time at which it has been quiet for too long.
    #[inline]
    pub(crate) fn deadline_ns(&self, config: &FlowConfig) -> i64 {
        self.seen_ns.saturating_add(self.quiet_limit_ns(config))
    }

    /// Why a packet that has this flow's key is not of this flow, if it is not.
    #[inline]
    pub(crate) fn ends_before(
        &self,
        sender: Sender,
        packet: &Decoded<'_>,
        now_ns: i64,
        config: &FlowConfig,
    ) -> Option<EndReason> {
        if self.deadline_ns(config) <= now_ns {
            return Some(self.end_reason_or(EndReason::Idle));
        }
        if let Some(segment) = segment(0, packet)
            && segment.flags & super::tcp::flag::SYN != 0
            && self.tcp.is_followed_by(self.way(sender), &segment)
        {
            return Some(self.end_reason_or(EndReason::PortReuse));
        }
        let age = now_ns.saturating_sub(self.started_ns);
        (age >= config.active_ns).then_some(EndReason::Active)
    }

    /// `fin` or `rst` for a connection that is over, which is why it ended, whatever was noticed first; else `other`.
    pub(crate) fn end_reason_or(&self, other: EndReason) -> EndReason {
        match (self.tcp.is_over(), self.tcp.was_reset()) {
            (true, true) => EndReason::Rst,
            (true, false) => EndReason::Fin,
            (false, _) => other,
        }
    }

    /// Its application protocol, once recognised.
    pub(crate) fn app_proto(&self) -> Option<&'static str> {
        l7::at(self.app?).map(|p| p.name)
    }

    /// Its application protocol is the one in this place.
    pub(crate) fn set_app(&mut self, place: u8) {
        self.app = Some(place);
    }

    /// Starts a part of the next segment.
    pub(crate) fn begin_part(&mut self) {
        self.part = Part::new(0, self.part.last_ts);
        self.slot = NO_SLOT;
    }

    /// How long it may be quiet.
    #[inline]
    pub(crate) fn quiet_limit_ns(&self, config: &FlowConfig) -> i64 {
        match self.key.ip_proto() {
            TCP if self.tcp.is_over() => config.tcp_closed_ns,
            TCP if self.tcp.is_opening() => config.tcp_opening_ns,
            TCP => config.tcp_ns,
            UDP => config.udp_ns,
            ICMP | ICMPV6 => config.icmp_ns,
            _ => config.other_ns,
        }
    }

    fn note_payload(&mut self, way: Way, ts_ns: i64) {
        match way {
            Way::Out if self.first_request_ts.get().is_none() => self.first_request_ts = MaybeNs::known(ts_ns),
            Way::In if !self.has_response => {
                self.has_response = true;
                self.ttfb_ns = self.first_request_ts.until(ts_ns);
            }
            Way::Out | Way::In => {}
        }
    }

    /// Tells its application protocol from one packet, as well as that can be done.
    fn recognise(&mut self, way: Way, packet: &Decoded<'_>) {
        let probed = self.probed.of_mut(way);
        if self.app.is_none() && *probed < MAX_PROBED && !packet.payload.is_empty() {
            *probed += 1;
            self.app = l7::Hint::of(packet).and_then(|hint| l7::recognise(&hint, packet.payload));
        }
    }
}

/// The TCP header of a packet, with its time.
#[inline]
fn segment(ts_ns: i64, packet: &Decoded<'_>) -> Option<Segment> {
    let tcp = packet.tcp.as_ref()?;
    let payload_len = packet.payload_len.unwrap_or(0);
    Some(Segment { ts_ns, flags: tcp.flags, seq: tcp.seq, ack: tcp.ack, window: tcp.window, payload_len })
}
