//! The tables that ingest fills, each declared once in a file of its own.

mod coverage;
mod flows;
mod packets;

pub use coverage::{COVERAGE, CoverageBuilder, CoverageRow};
pub use flows::{FLOWS, FlowBuilder, FlowRow};
pub use packets::{PACKETS, PacketBuilder, PacketRow};
use wiretape_engine::TableDef;

/// Every table, in the order users see them.
pub static TABLES: &[&TableDef] = &[&PACKETS, &FLOWS, &COVERAGE];
