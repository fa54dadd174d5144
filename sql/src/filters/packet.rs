//! `bpf('filter')`: a filter of `pcap-filter(7)`, as tcpdump takes it.

use std::sync::Arc;

use datafusion::{
    error::Result as PlanResult,
    logical_expr::{Expr, exists, lit, out_ref_col},
};
use wiretape_engine::{
    ColumnDef, View,
    table::{IndexKind, Kind},
};

use super::{FilterError, FilterFunction, Rows, columns};
use crate::{
    SqlError,
    bpf::{
        self, BpfError,
        columns::{Bounds, Columns, Field},
    },
    table::{
        FLOW_ID, PACKET_ID,
        frame_filter::{self, Question},
    },
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
    fn expr(&self, text: &str, rows: &Rows<'_>) -> PlanResult<Expr> {
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
    fn of_packet(&self, text: &str, rows: &Rows<'_>) -> PlanResult<Expr> {
        let fault = |e: bpf::BpfError| {
            let error = SqlError::new("42601", e.message);
            let error = match e.hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            };
            FilterError::in_text(self, text, e.position, error)
        };
        let filter = bpf::parse(text).map_err(fault)?;
        let view = rows.view()?;
        has_meaning(&filter, &view).map_err(fault)?;
        let Bounds { must, may } = match has_columns(rows) {
            true => bpf::columns::bounds(&filter),
            false => Bounds { must: Columns::Always(false), may: Columns::Always(true) },
        };
        let (surely, surely_not) = (columns::expr(&must), columns::expr(&may.clone().negate()));
        let named = |name: &str| {
            surely.column_refs().into_iter().chain(surely_not.column_refs()).any(|column| column.name == name)
        };
        let columns = rows.table().columns.iter().filter(|c| named(c.name));
        let columns: Vec<ColumnDef> = columns.copied().collect();
        let indexed = |field: Option<Field>| {
            let name = field.map_or(columns::LAYERS, Field::column);
            columns.iter().any(|c| c.name == name && c.index != IndexKind::None)
        };
        let question = Question {
            text: text.to_owned(),
            filter,
            must: surely,
            must_not: surely_not,
            may: columns::expr(&may.weakened(&indexed)),
            may_not: columns::expr(&must.negate().weakened(&indexed)),
            columns,
        };
        let columns = question.columns.iter().map(|c| rows.column(c.name)).collect();
        frame_filter::call(view, question, rows.column(PACKET_ID), columns)
    }
}

/// Refuses a filter that can be asked of no packet here: of Ethernet frames, or of another link type that was captured.
fn has_meaning(filter: &bpf::Expr, view: &View) -> Result<(), BpfError> {
    let Err(refused) = bpf::compile(filter, ETHERNET) else { return Ok(()) };
    let sealed = view.segments().iter().map(|s| s.id());
    let ids = sealed.chain(view.live().iter().map(|s| s.id()));
    let mut raws = ids.filter_map(|id| view.raw(id).ok().flatten());
    match raws.any(|raw| raw.interfaces().iter().any(|i| bpf::compile(filter, i.link_type).is_ok())) {
        true => Ok(()),
        false => Err(refused),
    }
}

/// Whether the table has the columns that conditions are made of.
fn has_columns(rows: &Rows<'_>) -> bool {
    let has = |name: &str| rows.table().columns.iter().any(|c| c.name == name);
    has(columns::LAYERS) && Field::ALL.iter().all(|field| has(field.column()))
}
