//! What was said: application protocols, read from reassembled streams into rows of one table per protocol.
//!
//! ```text
//! packet ─► Conversation: Half (bytes in order) ─► probes ─► Dissector ─► Out: rows of the protocol's table
//! ```
//!
//! The one fact to know: a protocol is one file with its table, its probe and its dissector, and one line in [`PROTOCOLS`].
//! Content decides what a flow speaks, ports are hints. Rows are a pure function of the packets and the segments'
//! boundaries, and no bytes can make anything here fail or take more memory than [`L7Limits`] says.

use wiretape_engine::{Result, TableDef};

mod call;
mod conversation;
mod copies;
mod cursor;
mod datagrams;
mod dissector;
mod framed;
mod inbox;
mod json;
mod limits;
mod names;
mod out;
mod probes;
mod protocol;
mod protocols;
mod reassembly;
mod recognising;
mod scope;
mod secrets;
mod stamp;
mod tap;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod waiting;

use conversation::{Conversation, Held, Place};
use copies::{Copied, Firsts};
pub use limits::{L7Counters, L7Limits};
use out::{Rows, TooMuch};
pub use protocol::Protocol;
pub(crate) use protocol::{Hint, at, recognise};
pub use protocols::PROTOCOLS;
use reassembly::Order;
pub(crate) use stamp::Stamp;
pub(crate) use tap::Tap;

use crate::{
    decode::Decoded,
    flow::{Ended, FlowTable, Observed, Pair, flag},
};
use dissector::End;

/// All conversations of a capture, and their rows.
#[derive(Debug)]
pub(crate) struct L7 {
    /// By the place of their flow in the flow table.
    slots: Vec<Slot>,
    rows: Rows,
    /// The conversation that makes room next, when too much is held.
    hand: usize,
    firsts: Firsts,
    /// The latest packet time so far, and packets since one was earlier than one before it.
    latest_ns: i64,
    in_order: u32,
}

/// Packets in order of time, over all flows, after which a capture that was seen to mix its packets is taken for one that does not.
const ORDERLY_PACKETS: u32 = 128;

/// How far times go back where packets are mixed, ns, at most. Where they go back further, another capture was appended.
const MIXED_NS: i64 = 1_000_000_000;

/// What is known of a flow's conversation.
#[derive(Debug, Default)]
enum Slot {
    /// Nothing was said.
    #[default]
    Unused,
    /// It is read.
    Read(Box<Conversation>),
    /// It was given up because too much was held: what is said from now on is read as from the middle.
    GivenUp,
    /// It is the same as that of another flow, which is where it is read.
    Copy(Copied),
    /// It is not read: unknown, or encrypted.
    Silent,
}

impl L7 {
    pub(crate) fn new(limits: L7Limits, capture_source: String, node: Option<String>) -> L7 {
        L7 {
            slots: Vec::new(),
            rows: Rows::new(limits, capture_source, node),
            hand: 0,
            firsts: Firsts::default(),
            latest_ns: 0,
            in_order: ORDERLY_PACKETS,
        }
    }

    /// Rows from now on belong to this segment.
    pub(crate) fn begin_segment(&mut self, segment: u32) {
        self.rows.begin_segment(segment);
    }

    /// Takes in a packet of a flow. Returns the place of the protocol that it showed the flow to speak, if it did.
    #[inline]
    pub(crate) fn packet(
        &mut self,
        flows: &FlowTable,
        flow: &Observed,
        (at, tap): (Stamp, Tap),
        packet: &Decoded<'_>,
    ) -> Option<u8> {
        let order = self.order(at.ts_ns);
        let read_at = self.read_at(flows, flow, at.ts_ns, packet)?;
        let Some(Slot::Read(conversation)) = self.slots.get_mut(read_at) else { return None };
        if read_at == flow.place as usize {
            let is_reset = packet.tcp.is_some_and(|tcp| tcp.flags & flag::RST != 0) && flows.was_reset(flow.place);
            conversation.packet(Place { way: flow.way, at, tap, order, is_reset }, packet, &mut self.rows);
        }
        let spoken = conversation.spoken;
        self.account(read_at);
        let told = match self.slots.get_mut(flow.place as usize) {
            Some(Slot::Read(conversation)) => &mut conversation.told,
            Some(Slot::Copy(copied)) => &mut copied.told,
            // It was the last that is read of it.
            _ => return spoken,
        };
        if std::mem::replace(told, spoken) == spoken { None } else { spoken }
    }

    /// Where the conversation is read that a packet is of: elsewhere, if its flow is a copy. `None` for what is not read.
    #[inline]
    fn read_at(&mut self, flows: &FlowTable, flow: &Observed, ts_ns: i64, packet: &Decoded<'_>) -> Option<usize> {
        let at = flow.place as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let says_nothing = packet.payload_len.unwrap_or(0) == 0 && packet.icmp.is_none();
        let begins = match self.slots.get(at)? {
            Slot::Silent => return None,
            Slot::Read(_) => return Some(at),
            Slot::Copy(copied) => {
                let copied = *copied;
                match self.slots.get(copied.place as usize) {
                    _ if self.is_read(copied) => return Some(copied.place as usize),
                    Some(Slot::Silent) => {
                        *self.slots.get_mut(at)? = Slot::Silent;
                        return None;
                    }
                    _ if says_nothing => return None,
                    _ => Pair::default(),
                }
            }
            // What says nothing, a scan for example, takes no memory here.
            _ if says_nothing => return None,
            Slot::GivenUp => Pair::default(),
            Slot::Unused => {
                let copied = self.firsts.original(*flow, ts_ns, packet);
                if let Some(copied) = copied.filter(|copied| self.is_read(*copied)) {
                    *self.slots.get_mut(at)? = Slot::Copy(copied);
                    return Some(copied.place as usize);
                }
                flows.begins(flow.place)
            }
        };
        *self.slots.get_mut(at)? = Slot::Read(Box::new(Conversation::new(flows.ends(flow.place), begins)));
        Some(at)
    }

    /// Whether the flow of which this is a copy is read.
    fn is_read(&self, copied: Copied) -> bool {
        let slot = self.slots.get(copied.place as usize);
        matches!(slot, Some(Slot::Read(conversation)) if conversation.flow_id() == copied.flow_id)
    }

    /// Whether packets are in the order in which they passed: as long as their times do not go back.
    #[inline]
    fn order(&mut self, ts_ns: i64) -> Order {
        let back_ns = self.latest_ns.saturating_sub(ts_ns);
        self.in_order = if (1..=MIXED_NS).contains(&back_ns) { 0 } else { self.in_order.saturating_add(1) };
        self.latest_ns = if back_ns > MIXED_NS { ts_ns } else { self.latest_ns.max(ts_ns) };
        if self.in_order < ORDERLY_PACKETS { Order::Mixed } else { Order::Kept }
    }

    /// Ends the conversations of the flows that have ended.
    #[inline]
    pub(crate) fn end_all(&mut self, flows: &mut FlowTable) {
        while let Some(ended) = flows.take_ended() {
            self.end(ended);
        }
    }

    fn end(&mut self, ended: Ended) {
        let Some(Slot::Read(mut conversation)) = self.slots.get_mut(ended.place as usize).map(std::mem::take) else {
            return;
        };
        conversation.end(if ended.reset { End::Reset } else { End::Quiet }, &mut self.rows);
        self.rows.counters.held(conversation.held, Held::default());
    }

    /// Takes in a log of secrets: it opens the connections that begin from now on.
    pub(crate) fn learn_secrets(&mut self, log: &[u8]) {
        self.rows.secrets.learn(log);
    }

    /// Bytes of memory that rows hold.
    pub(crate) fn rows_bytes(&self) -> usize {
        self.rows.size_bytes()
    }

    /// What was done so far.
    pub(crate) fn counters(&self) -> L7Counters {
        self.rows.counters
    }

    /// A copy of the rows that are new since the last call, by table.
    pub(crate) fn flush(&mut self) -> Result<Vec<(&'static TableDef, arrow::array::RecordBatch)>> {
        self.rows.flush()
    }

    /// The rows of the segment, by table.
    pub(crate) fn seal(&mut self) -> Result<Vec<(&'static TableDef, arrow::array::RecordBatch)>> {
        self.rows.seal()
    }

    /// Keeps count of what the conversation there holds, and makes room when it is too much.
    #[inline]
    fn account(&mut self, slot_at: usize) {
        let Some(slot) = self.slots.get_mut(slot_at) else { return };
        let Slot::Read(conversation) = slot else { return };
        let before = conversation.held;
        if conversation.is_silent() {
            *slot = Slot::Silent;
            return self.rows.counters.held(before, Held::default());
        }
        let after = conversation.size_bytes();
        if after != before {
            conversation.held = after;
            self.rows.counters.held(before, after);
            if self.rows.too_much() != TooMuch::Nothing {
                self.make_room();
            }
            self.rows.counters.note_peaks();
        }
    }

    /// Gives up holes or conversations, one after the other all around the table, until what is held is within the limits: what
    /// comes later is read whatever came before.
    #[cold]
    fn make_room(&mut self) {
        for _ in 0..self.slots.len() {
            let too_much = self.rows.too_much();
            if too_much == TooMuch::Nothing {
                return;
            }
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(slot) = self.slots.get_mut(self.hand) else { continue };
            let Slot::Read(conversation) = slot else { continue };
            let before = conversation.held;
            if too_much == TooMuch::Pending {
                conversation.end(End::Quiet, &mut self.rows);
                *slot = Slot::GivenUp;
                self.rows.counters.held(before, Held::default());
                self.rows.counters.conversations_dropped += 1;
            } else if before.waiting > 0 {
                conversation.give_up_holes(&mut self.rows);
                let after = conversation.size_bytes();
                conversation.held = after;
                self.rows.counters.held(before, after);
            }
        }
    }
}
