//! Tables of the store as DataFusion sees them.
//!
//! ```text
//!  filters ─► predicate: which of them the bitmap index answers exactly
//!          ─► evaluate:  prune segments by time, then AND/OR bitmaps ─► rows of each segment
//!          ─► provider:  only packet_id wanted? ─► rows_exec: straight from the bitmaps, no Parquet
//!                        few rows, and no other filter? ─► pages_exec: the pages that hold them
//!                        else ─► scan: Parquet with a row selection, so that only those pages are decoded
//!          ─► live:      and the rows of open segments, filtered one by one
//! ```

mod causes;
mod evaluate;
mod frame;
pub(crate) mod frame_filter;
pub(crate) mod grouped;
mod has_frame;
mod live;
mod merged;
mod page_file;
mod pages;
mod pages_exec;
mod predicate;
mod provider;
mod rows_exec;
mod scan;
pub(crate) mod scans;
mod selected;

pub(crate) use merged::{ENDS, MergedTable, PART, shown_columns};
pub use scans::{Scan, ScanBy};

/// The column that names a packet, and numbers packets in the order they came: segment << 32 | row.
pub(crate) const PACKET_ID: &str = "packet_id";

/// The key of tables that share their first columns.
pub(crate) const CALL_ID: &str = "call_id";

/// The key of flows, by which packets and calls name theirs.
pub(crate) const FLOW_ID: &str = "flow_id";

use std::sync::Arc;

use datafusion::{catalog::TableProvider, error::Result, execution::FunctionRegistry};
use wiretape_engine::{TableDef, View};

use crate::config::ScanOptions;

/// `table` at the version of `view`. A table of parts shows its rows merged.
pub(crate) fn provider(
    view: &Arc<View>,
    table: &'static TableDef,
    options: ScanOptions,
) -> Result<Arc<dyn TableProvider>> {
    let stored = Arc::new(provider::StoredTable::new(Arc::clone(view), table, options));
    match table.part_key {
        Some(key) => merged::view(stored, table, key),
        None => Ok(stored),
    }
}

/// Registers the functions that read the store: `frame(packet_id)`, `has_frame(packet_id)`.
pub(crate) fn register_udfs(registry: &mut dyn FunctionRegistry, view: &Arc<View>) -> Result<()> {
    registry.register_udf(Arc::new(frame::udf(Arc::clone(view))))?;
    registry.register_udf(Arc::new(has_frame::udf(Arc::clone(view))))?;
    Ok(())
}
