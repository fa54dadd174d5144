//! `bpf('filter')`: a filter of `pcap-filter(7)`, as tcpdump takes it.

use std::sync::Arc;

use datafusion::{
    error::Result,
    logical_expr::{Expr, exists, lit, out_ref_col},
};
use wiretape_engine::table::Kind;

use super::{FilterError, FilterFunction, Rows};
use crate::{
    SqlError, bpf,
    table::{FLOW_ID, PACKET_ID, frame_filter},
};

/// Link type of Ethernet, which a filter is tried on first.
const ETHERNET: u16 = 1;

/// The table of packets.
const PACKETS: &str = "packets";
/// First and last packet of a call.
const FIRST: &str = "first_packet_id";
const LAST: &str = "last_packet_id";

/// The function.
#[derive(Debug)]
pub(super) struct Bpf;

impl FilterFunction for Bpf {
    fn name(&self) -> &'static str {
        "bpf"
    }

    /// A packet is selected when it matches; a call or a flow when one of its packets does.
    fn expr(&self, text: &str, rows: &Rows<'_>) -> Result<Expr> {
        if rows.table().name == PACKETS {
            return self.of_packet(text, rows);
        }
        rows.must_be_a_filter(self)?;
        let packets = rows.all_of(PACKETS)?;
        let outer = |name: &str| out_ref_col(Kind::I64.data_type(), rows.name(name));
        let mut of_row = packets.column(FLOW_ID).eq(outer(FLOW_ID));
        if rows.table().columns.iter().any(|c| c.name == FIRST) {
            of_row = of_row.and(packets.column(PACKET_ID).between(outer(FIRST), outer(LAST)));
        }
        let found = rows.scan(PACKETS)?.filter(self.of_packet(text, &packets)?)?.filter(of_row)?;
        Ok(exists(Arc::new(found.project([lit(1)])?.build()?)))
    }
}

impl Bpf {
    /// The expression over a row of packets.
    fn of_packet(&self, text: &str, rows: &Rows<'_>) -> Result<Expr> {
        let fault = |e: bpf::BpfError| {
            let error = SqlError::new("42601", e.message);
            let error = match e.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            };
            FilterError::in_text(self, text, e.position, error)
        };
        let filter = bpf::parse(text).map_err(fault)?;
        bpf::compile(&filter, ETHERNET).map_err(fault)?;
        let bytes = frame_filter::udf(rows.view()?, filter);
        Ok(bytes.call(vec![lit(text), rows.column(PACKET_ID), lit(false), lit(true)]))
    }
}
