//! What a TCP flow's packets say about the connection: its state, what was sent twice, how long things took.
//!
//! Nothing is reassembled: this sees headers only, so it costs the same for a cut capture. Which segment is new, late
//! or repeated is decided in [`sequence`](super::sequence). The rest is defined here:
//!
//! - **Duplicate acknowledgement** (RFC 5681 section 2): no payload, no SYN, FIN or RST, the same acknowledgement and
//!   window as its sender's last, while data of the other side is outstanding. (Wireshark does not ask for that, so it
//!   counts copies of one packet and answers to spurious retransmissions too.)
//! - **Zero window**: a window of 0 without SYN, FIN or RST.
//! - **RTT**: from a new data segment to the first acknowledgement that covers it, one segment at a time and direction;
//!   a retransmission or a filled hole before that gives the sample up (Karn, RFC 6298 section 3).
//! - **Handshake**: first SYN to the initiator's acknowledgement of the SYN-ACK, SYN retransmissions included.
//! - **RST** is believed when its number is near what the sender sent or the receiver acknowledged, so that a blindly
//!   forged one (RFC 5961) does not end the flow; it counts as a packet all the same.
//!
//! ```text
//!           SYN            SYN-ACK             ACK of src            FIN            both FINs acknowledged
//!   (new) ──────► syn_sent ──────► syn_received ──────► established ─────► closing ──────────────────────► closed
//!     └── anything else ──► midstream ────────────────────────────────────────┘        RST in any but closed ──► reset
//! ```

use super::{
    maybe::MaybeNs,
    pair::{Pair, Way},
    sequence::{Arrival, Peer, Sequence, Space, Start, distance},
};

/// TCP flags (RFC 9293 3.1).
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 2;
    pub(crate) const RST: u8 = 4;
    pub(crate) const ACK: u8 = 16;
}

/// Bits of `completeness`, those of Wireshark's `tcp.completeness`.
mod complete {
    pub(super) const SYN: u8 = 1;
    pub(super) const SYN_ACK: u8 = 2;
    pub(super) const ACK: u8 = 4;
    pub(super) const DATA: u8 = 8;
    pub(super) const FIN: u8 = 16;
    pub(super) const RST: u8 = 32;
}

/// How far a believable RST may lie from what is known: a usual scaled window. A blind one is that near once in 2048.
const RST_WINDOW: i32 = 1 << 20;

/// A TCP header with its payload length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) ts_ns: i64,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) payload_len: u32,
}

impl Segment {
    fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    fn is(&self, set: u8, of: u8) -> bool {
        self.flags & of == set
    }

    /// A SYN that opens: not a SYN-ACK, and not the nonsense of SYN with RST.
    pub(crate) fn opens(&self) -> bool {
        self.is(flag::SYN, flag::SYN | flag::ACK | flag::RST)
    }

    /// A SYN-ACK.
    pub(crate) fn answers(&self) -> bool {
        self.is(flag::SYN | flag::ACK, flag::SYN | flag::ACK | flag::RST)
    }
}

/// What a segment adds to its direction's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) retransmission: bool,
    pub(crate) out_of_order: bool,
    pub(crate) dup_ack: bool,
    pub(crate) zero_window: bool,
}

/// The state of a connection, as in `flows.tcp_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    SynSent,
    SynReceived,
    Established,
    Closing,
    Closed,
    Reset,
    Midstream,
}

impl State {
    /// The name in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::SynSent => "syn_sent",
            State::SynReceived => "syn_received",
            State::Established => "established",
            State::Closing => "closing",
            State::Closed => "closed",
            State::Reset => "reset",
            State::Midstream => "midstream",
        }
    }
}

/// One side of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    sent: Sequence,
    /// Highest acknowledgement sent, once `has_acked`.
    ack: u32,
    /// One past its FIN, once `has_fin`.
    fin_end: u32,
    /// One past the segment whose acknowledgement is awaited since `sample_ts`.
    sample_end: u32,
    /// Window last announced.
    window: u16,
    has_acked: bool,
    has_fin: bool,
    fin_acked: bool,
    sample_ts: MaybeNs,
    rtt_ns: MaybeNs,
}

impl Side {
    fn acked(&self) -> Option<u32> {
        self.has_acked.then_some(self.ack)
    }

    /// Takes in an acknowledgement of what this side sent.
    #[inline]
    fn is_acknowledged(&mut self, ack: u32, ts_ns: i64) {
        if self.sample_ts.get().is_some() && distance(ack, self.sample_end) >= 0 {
            if let Some(took) = self.sample_ts.until(ts_ns).get() {
                self.rtt_ns = MaybeNs::known(self.rtt_ns.get().map_or(took, |least| least.min(took)));
            }
            self.sample_ts = MaybeNs::default();
        }
        self.fin_acked |= self.has_fin && distance(ack, self.fin_end) >= 0;
    }
}

/// Where the bytes of one direction begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Begin {
    /// The number of the first byte, where the SYN is known.
    pub(crate) first: Option<u32>,
    /// The number of the byte that the other end expects next, by the last that it said.
    pub(crate) acked: Option<u32>,
}

/// A connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tcp {
    sides: Pair<Side>,
    /// First SYN.
    syn_ts: MaybeNs,
    handshake_ns: MaybeNs,
    completeness: u8,
    /// The initiator acknowledged something after its SYN.
    confirmed: bool,
    reset: bool,
}

impl Tcp {
    /// Takes in a segment.
    #[inline]
    pub(crate) fn observe(&mut self, way: Way, segment: &Segment) -> Verdict {
        self.note_completeness(segment);
        if segment.has(flag::RST) {
            self.reset |= self.believes_reset(way, segment) && self.state() != State::Closed;
            return Verdict::default();
        }
        let mut verdict =
            Verdict { zero_window: segment.window == 0 && !segment.has(flag::SYN | flag::FIN), ..Verdict::default() };
        let arrival = self.take(way, segment);
        verdict.retransmission = arrival == Arrival::Retransmission;
        verdict.out_of_order = arrival == Arrival::OutOfOrder;
        if segment.has(flag::ACK) {
            verdict.dup_ack = arrival == Arrival::Empty && self.is_dup_ack(way, segment);
            self.acknowledge(way, segment);
        }
        self.sides.of_mut(way).window = segment.window;
        self.time_handshake(way, segment);
        verdict
    }

    /// Where the bytes of each direction begin, as far as that is known.
    pub(crate) fn begins(&self) -> Pair<Begin> {
        // A flow that took over from another one has a SYN of long ago.
        let began = self.completeness & (complete::SYN | complete::SYN_ACK) != 0;
        let begin = |side: &Side, peer: &Side| Begin {
            first: (began && side.sent.start == Start::Syn).then(|| side.sent.first.wrapping_add(1)),
            acked: peer.acked(),
        };
        let Pair { out, back } = &self.sides;
        Pair { out: begin(out, back), back: begin(back, out) }
    }

    /// The connection as a flow sees it that takes over from one at its active time-out: what was sent stays known,
    /// what was seen begins anew.
    pub(crate) fn carried_over(mut self) -> Tcp {
        self.sides.out.rtt_ns = MaybeNs::default();
        self.sides.back.rtt_ns = MaybeNs::default();
        Tcp { completeness: 0, syn_ts: MaybeNs::default(), handshake_ns: MaybeNs::default(), ..self }
    }

    /// Whether a packet that has this connection's addresses and ports belongs to another, later one: a SYN with a
    /// number of its own (a retransmitted SYN has the same), or such a SYN-ACK when this one is over.
    pub(crate) fn is_followed_by(&self, way: Way, segment: &Segment) -> bool {
        let (sender, receiver) = match way {
            Way::Out => (&self.sides.out, &self.sides.back),
            Way::In => (&self.sides.back, &self.sides.out),
        };
        let foreign = !sender.sent.may_begin_with(segment.seq, receiver.acked());
        if segment.opens() {
            return foreign || (sender.sent.start == Start::Unseen && self.is_over());
        }
        segment.answers() && self.is_over() && foreign
    }

    /// Whether only stragglers are to be expected: both FINs or an RST were seen.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.reset || (self.sides.out.has_fin && self.sides.back.has_fin)
    }

    /// Whether it ended by RST. Only meaningful when it [is over](Self::is_over).
    pub(crate) fn was_reset(&self) -> bool {
        self.reset
    }

    /// Whether the handshake is still to be completed.
    #[inline]
    pub(crate) fn is_opening(&self) -> bool {
        !self.confirmed && self.completeness & (complete::SYN | complete::SYN_ACK) != 0
    }

    /// The state after the last packet.
    pub(crate) fn state(&self) -> State {
        let Pair { out, back } = &self.sides;
        if self.reset {
            State::Reset
        } else if out.fin_acked && back.fin_acked {
            State::Closed
        } else if out.has_fin || back.has_fin {
            State::Closing
        } else if self.completeness & (complete::SYN | complete::SYN_ACK) == 0 {
            State::Midstream
        } else if self.confirmed {
            State::Established
        } else if self.completeness & complete::SYN_ACK != 0 {
            State::SynReceived
        } else {
            State::SynSent
        }
    }

    /// Bits of what was seen, as in `flows.completeness`.
    pub(crate) fn completeness(&self) -> u8 {
        self.completeness
    }

    /// SYN to the end of the handshake, ns.
    pub(crate) fn handshake_ns(&self) -> Option<i64> {
        self.handshake_ns.get()
    }

    /// Smallest time from data sent that way to its acknowledgement, ns.
    pub(crate) fn rtt_ns(&self, way: Way) -> Option<i64> {
        self.sides.of(way).rtt_ns.get()
    }

    fn note_completeness(&mut self, segment: &Segment) {
        let bit = |flags, bit| if segment.has(flags) { bit } else { 0 };
        self.completeness |= bit(flag::FIN, complete::FIN) | bit(flag::RST, complete::RST);
        if segment.has(flag::SYN) {
            self.completeness |= if segment.has(flag::ACK) { complete::SYN_ACK } else { complete::SYN };
        } else if segment.payload_len > 0 {
            self.completeness |= complete::DATA;
        } else if segment.has(flag::ACK) {
            self.completeness |= complete::ACK;
        }
    }

    fn take(&mut self, way: Way, segment: &Segment) -> Arrival {
        let (sender, receiver) = self.sides.sender_and_receiver(way);
        let (syn, fin) = (u32::from(segment.has(flag::SYN)), u32::from(segment.has(flag::FIN)));
        let space = Space { payload: segment.payload_len, control: syn + fin };
        let end = segment.seq.wrapping_add(space.len());
        if syn != 0 {
            sender.sent.begin_at_syn(segment.seq);
        }
        let peer = Peer { acked: receiver.acked(), window_closed: receiver.has_acked && receiver.window == 0 };
        let arrival = sender.sent.take(segment.seq, space, peer);
        if fin != 0 {
            (sender.has_fin, sender.fin_end) = (true, end);
        }
        match arrival {
            Arrival::New if segment.payload_len > 0 && sender.sample_ts.get().is_none() => {
                (sender.sample_end, sender.sample_ts) = (end, MaybeNs::known(segment.ts_ns));
            }
            Arrival::Retransmission | Arrival::OutOfOrder => sender.sample_ts = MaybeNs::default(),
            _ => {}
        }
        arrival
    }

    fn is_dup_ack(&self, way: Way, segment: &Segment) -> bool {
        let (sender, receiver) = match way {
            Way::Out => (&self.sides.out, &self.sides.back),
            Way::In => (&self.sides.back, &self.sides.out),
        };
        !segment.has(flag::SYN | flag::FIN)
            && sender.acked() == Some(segment.ack)
            && sender.window == segment.window
            && segment.window != 0
            && receiver.sent.start != Start::Unseen
            && distance(receiver.sent.next, segment.ack) > 0
    }

    fn acknowledge(&mut self, way: Way, segment: &Segment) {
        let (sender, receiver) = self.sides.sender_and_receiver(way);
        if segment.has(flag::SYN) && receiver.sent.start == Start::Unseen {
            receiver.sent.infer_syn(segment.ack);
        }
        receiver.is_acknowledged(segment.ack, segment.ts_ns);
        if !sender.has_acked || distance(segment.ack, sender.ack) > 0 {
            (sender.has_acked, sender.ack) = (true, segment.ack);
        }
    }

    fn time_handshake(&mut self, way: Way, segment: &Segment) {
        if segment.opens() {
            if self.syn_ts.get().is_none() {
                self.syn_ts = MaybeNs::known(segment.ts_ns);
            }
        } else if way == Way::Out && !segment.has(flag::SYN) && segment.has(flag::ACK) && !self.confirmed {
            self.confirmed = true;
            if self.completeness & complete::SYN_ACK != 0 {
                self.handshake_ns = self.syn_ts.until(segment.ts_ns);
            }
        }
    }

    fn believes_reset(&self, way: Way, segment: &Segment) -> bool {
        let (sender, receiver) = match way {
            Way::Out => (&self.sides.out, &self.sides.back),
            Way::In => (&self.sides.back, &self.sides.out),
        };
        let near = |number: u32| distance(segment.seq, number).unsigned_abs() <= RST_WINDOW.unsigned_abs();
        sender.sent.start == Start::Unseen
            || near(sender.sent.next)
            || receiver.acked().is_some_and(near)
            || (segment.has(flag::ACK) && segment.ack == receiver.sent.next)
    }
}
