//! The flow table: which flow each packet belongs to, and one row per flow and segment.
//!
//! The one fact to know: a flow outlives segments, a row does not. Each segment gets a *part* of every flow that had
//! packets in it or was found to have ended; counters in a part are of that segment only, so that the parts of a flow
//! add up to its packets exactly.
//!
//! ```text
//!   packet ──► key ──► flow (open) ──► counters, TCP analysis, application
//!                        │  ▲ idle? active? another connection?      on every packet of the flow
//!   expiry wheel ────────┘  │ idle?                                  once per time-out without one
//!                        ▼
//!              ended flows of this segment ──┐
//!              open flows with packets ──────┴──► seal: rows sorted by flow_id
//! ```
//!
//! Time is packet time: the clock is the highest time seen so far. When a flow ends depends on its own packets and the
//! clock alone, not on when segments are sealed.
//!
//! Not here: reassembly, application records, names of hosts.

mod community_id;
mod expiry;
mod key;
mod maybe;
mod pair;
mod record;
mod rows;
mod sequence;
mod table;
mod tcp;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use key::{SCTP, TCP, UDP};
pub(crate) use pair::{Pair, Way};
pub(crate) use record::Ends;
pub(crate) use table::Ended;
pub use table::{FlowConfig, FlowCounters, FlowTable, Observed, SealedFlows};
pub(crate) use tcp::{Begin, flag};
