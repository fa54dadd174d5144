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
#[cfg(test)]
mod testing;
mod text;
mod waiting;

use conversation::Conversation;
pub use limits::{L7Counters, L7Limits};
use out::Rows;
pub use protocol::Protocol;
pub(crate) use protocol::{Hint, at, recognise};
pub use protocols::PROTOCOLS;
pub(crate) use stamp::Stamp;

use crate::{
    decode::Decoded,
    flow::{Ended, FlowTable, Observed},
};
use dissector::End;

/// All conversations of a capture, and their rows.
#[derive(Debug)]
pub(crate) struct L7 {
    /// By the place of their flow in the flow table.
    conversations: Vec<Option<Box<Conversation>>>,
    rows: Rows,
    /// The conversation that makes room next, when too much is held.
    hand: usize,
}

impl L7 {
    pub(crate) fn new(limits: L7Limits, capture_source: String, node: Option<String>) -> L7 {
        L7 { conversations: Vec::new(), rows: Rows::new(limits, capture_source, node), hand: 0 }
    }

    /// Rows from now on belong to this segment.
    pub(crate) fn begin_segment(&mut self, segment: u32) {
        self.rows.begin_segment(segment);
    }

    /// Takes in a packet of a flow. Returns the place of the protocol that it showed the flow to speak, if it did.
    #[inline]
    pub(crate) fn packet(&mut self, flows: &FlowTable, flow: &Observed, at: Stamp, packet: &Decoded<'_>) -> Option<u8> {
        let place = flow.place as usize;
        if self.conversations.len() <= place {
            self.conversations.resize_with(place + 1, || None);
        }
        let slot = self.conversations.get_mut(place)?;
        // What says nothing, a scan for example, takes no memory here.
        if slot.is_none() && packet.payload_len.unwrap_or(0) == 0 && packet.icmp.is_none() {
            return None;
        }
        let conversation = slot.get_or_insert_with(|| Box::new(Conversation::new(flows.ends(flow.place))));
        let before = conversation.size_bytes();
        let spoken = conversation.packet(flow.way, at, packet, &mut self.rows);
        let after = conversation.size_bytes();
        self.account(before, after);
        spoken
    }

    /// Ends the conversations of the flows that have ended.
    #[inline]
    pub(crate) fn end_all(&mut self, flows: &mut FlowTable) {
        while let Some(ended) = flows.take_ended() {
            self.end(ended);
        }
    }

    fn end(&mut self, ended: Ended) {
        let Some(mut conversation) = self.conversations.get_mut(ended.place as usize).and_then(Option::take) else {
            return;
        };
        let before = conversation.size_bytes();
        conversation.end(if ended.reset { End::Reset } else { End::Quiet }, &mut self.rows);
        self.account(before, (0, 0));
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

    /// Keeps count of what is held, and makes room when it is too much.
    #[inline]
    fn account(&mut self, before: (usize, usize), after: (usize, usize)) {
        let counters = &mut self.rows.counters;
        counters.pending_bytes = (counters.pending_bytes + after.0 as u64).saturating_sub(before.0 as u64);
        counters.waiting_bytes = (counters.waiting_bytes + after.1 as u64).saturating_sub(before.1 as u64);
        let limits = self.rows.limits;
        if counters.pending_bytes > limits.pending_bytes as u64 || counters.waiting_bytes > limits.waiting_bytes as u64
        {
            self.make_room();
        }
    }

    /// Gives up conversations, one after the other all around the table, until what is held is within the limits: what comes
    /// later is read whatever came before.
    #[cold]
    fn make_room(&mut self) {
        for _ in 0..self.conversations.len() {
            let L7Counters { pending_bytes, waiting_bytes, .. } = self.rows.counters;
            let limits = self.rows.limits;
            if pending_bytes <= limits.pending_bytes as u64 && waiting_bytes <= limits.waiting_bytes as u64 {
                return;
            }
            self.hand = (self.hand + 1) % self.conversations.len();
            let Some(conversation) = self.conversations.get_mut(self.hand).and_then(Option::as_mut) else { continue };
            let (pending, waiting) = conversation.size_bytes();
            if pending + waiting > 0 {
                conversation.end(End::Quiet, &mut self.rows);
                let counters = &mut self.rows.counters;
                counters.pending_bytes = counters.pending_bytes.saturating_sub(pending as u64);
                counters.waiting_bytes = counters.waiting_bytes.saturating_sub(waiting as u64);
                counters.conversations_dropped += 1;
            }
        }
    }
}
