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
mod shown;
mod stage;
mod stamp;
mod tap;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod waiting;

use conversation::{Conversation, Held};
use copies::{Copied, Firsts};
pub use limits::{L7Counters, L7Limits};
use out::{Rows, TooMuch};
pub use protocol::Protocol;
pub(crate) use protocol::{Hint, at, recognise};
pub use protocols::PROTOCOLS;
use shown::Shown;
pub(crate) use stage::Stage;
pub(crate) use stamp::Stamp;
pub(crate) use tap::Tap;

use crate::flow::{Ended, Pair};
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
}

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
        L7 { slots: Vec::new(), rows: Rows::new(limits, capture_source, node), hand: 0, firsts: Firsts::default() }
    }

    /// Rows from now on belong to this segment.
    pub(crate) fn begin_segment(&mut self, segment: u32) {
        self.rows.begin_segment(segment);
    }

    /// Takes in a packet of a flow. Returns the place of the protocol that it showed the flow to speak, if it did.
    #[inline]
    pub(crate) fn packet(&mut self, shown: &Shown<'_>) -> Option<u8> {
        let flow = &shown.flow;
        let read_at = self.read_at(shown)?;
        let Some(Slot::Read(conversation)) = self.slots.get_mut(read_at) else { return None };
        if read_at == flow.place as usize {
            conversation.packet(shown, &mut self.rows);
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

    /// Whether nothing more is read of the flow in that place.
    pub(crate) fn is_silent(&self, place: u32) -> bool {
        matches!(self.slots.get(place as usize), Some(Slot::Silent))
    }

    /// Where the conversation is read that a packet is of: elsewhere, if its flow is a copy. `None` for what is not read.
    #[inline]
    fn read_at(&mut self, shown: &Shown<'_>) -> Option<usize> {
        let (flow, said) = (&shown.flow, &shown.said);
        let at = flow.place as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let says_nothing = said.says_nothing();
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
                let copied = self.firsts.original(shown);
                if let Some(copied) = copied.filter(|copied| self.is_read(*copied)) {
                    *self.slots.get_mut(at)? = Slot::Copy(copied);
                    return Some(copied.place as usize);
                }
                shown.begins
            }
        };
        *self.slots.get_mut(at)? = Slot::Read(Box::new(Conversation::new(shown.ends, begins)));
        Some(at)
    }

    /// Whether the flow of which this is a copy is read.
    fn is_read(&self, copied: Copied) -> bool {
        let slot = self.slots.get(copied.place as usize);
        matches!(slot, Some(Slot::Read(conversation)) if conversation.flow_id() == copied.flow_id)
    }

    /// Ends the conversation of a flow that has ended.
    pub(crate) fn end(&mut self, ended: Ended) {
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
