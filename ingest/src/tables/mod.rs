//! The tables that ingest fills, each declared once in a file of its own.

mod coverage;
mod dissection;
mod flows;
mod packets;

pub use coverage::{COVERAGE, CoverageBuilder, CoverageRow};
pub(crate) use dissection::row as dissection_row;
pub use dissection::{DISSECTION, DissectionBuilder, DissectionRow};
pub use flows::{FLOWS, FlowBuilder, FlowRow};
pub use packets::{PACKETS, PacketBuilder, PacketRow};
use wiretape_engine::TableDef;

use crate::l7::PROTOCOLS;

/// Every table, in the order users see them: those of packets, flows, what was recorded and what was read, then one or more per protocol.
pub static TABLES: &[&TableDef] = &ALL;

static FIRST: [&TableDef; 4] = [&PACKETS, &FLOWS, &COVERAGE, &DISSECTION];

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a place out of bounds is an error")]
static ALL: [&TableDef; FIRST.len() + CALL_TABLES] = {
    let mut all = [FIRST[0]; FIRST.len() + CALL_TABLES];
    let mut at = 0;
    while at < FIRST.len() {
        all[at] = FIRST[at];
        at += 1;
    }
    let mut protocol = 0;
    while protocol < PROTOCOLS.len() {
        let tables = PROTOCOLS[protocol].tables;
        let mut table = 0;
        while table < tables.len() {
            all[at] = tables[table].0;
            at += 1;
            table += 1;
        }
        protocol += 1;
    }
    all
};

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a place out of bounds is an error")]
const CALL_TABLES: usize = {
    let (mut count, mut protocol) = (0, 0);
    while protocol < PROTOCOLS.len() {
        count += PROTOCOLS[protocol].tables.len();
        protocol += 1;
    }
    count
};
