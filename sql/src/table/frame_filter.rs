//! A filter of `pcap-filter(7)` run over the captured bytes of packets: what columns could not decide.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanBuilder, RecordBatch, RecordBatchOptions},
    buffer::BooleanBuffer,
    compute::cast,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use datafusion::{
    common::tree_node::TreeNode,
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit},
    physical_expr::PhysicalExpr,
};
use wiretape_engine::{ColumnDef, View, raw::RawReader};

use super::evaluate::{external, physical};
use crate::{
    SqlError,
    bpf::{self, Program},
};

/// A filter, and what columns say of it. The conditions name columns without a table.
#[derive(Debug)]
pub(crate) struct Question {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) filter: bpf::Expr,
    /// The columns that the conditions look at.
    pub(crate) columns: Vec<ColumnDef>,
    /// Where it is true, the filter selects the packet; where `must_not` is, it does not.
    pub(crate) must: Expr,
    pub(crate) must_not: Expr,
    /// Where it is false, the filter does not select the packet; where `may_not` is, it does. On indexed columns alone.
    pub(crate) may: Expr,
    pub(crate) may_not: Expr,
}

/// The call `bpf(text, packet_id, …)` over the packets of `view`: what the conditions of `question` say of the `columns`, and
/// where they leave it open, what the filter says of the packet's bytes. NULL for an id that names no packet, and for a
/// packet of a link type that the filter has no meaning for.
///
/// # Errors
/// When run: a packet has to be looked at whose bytes retention has removed, or that cannot be read.
pub(crate) fn call(view: Arc<View>, question: Question, packet_id: Expr, columns: Vec<Expr>) -> Result<Expr> {
    let fields = question.columns.iter().map(|c| Field::new(c.name, c.kind.data_type(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let (must, must_not) = (physical(&question.must, &schema)?, physical(&question.must_not, &schema)?);
    let signature = Signature::any(columns.len() + 2, Volatility::Stable);
    let mut args = vec![lit(question.text.as_str()), packet_id];
    args.extend(columns);
    let (programs, asked) = (Mutex::default(), AtomicU64::new(0));
    Ok(ScalarUDF::from(FrameFilter { view, question, schema, must, must_not, programs, asked, signature }).call(args))
}

/// What `filter` asks, if it is a call of this function, and the packets whose bytes were looked at so far.
pub(crate) fn asked(filter: &Expr) -> Option<(&Question, u64)> {
    let Expr::ScalarFunction(call) = filter else { return None };
    let function = call.func.inner().downcast_ref::<FrameFilter>()?;
    Some((&function.question, function.asked.load(Ordering::Relaxed)))
}

/// Whether `filter` calls this function anywhere.
pub(super) fn is_in(filter: &Expr) -> bool {
    filter.exists(|e| Ok(asked(e).is_some())).unwrap_or(false)
}

/// Programs by link type; none where the filter has no meaning on it.
type Programs = HashMap<u16, Option<Arc<Program>>>;

#[derive(Debug)]
struct FrameFilter {
    view: Arc<View>,
    question: Question,
    /// Of the columns that the conditions look at.
    schema: SchemaRef,
    must: Arc<dyn PhysicalExpr>,
    must_not: Arc<dyn PhysicalExpr>,
    programs: Mutex<Programs>,
    /// Packets whose bytes were looked at.
    asked: AtomicU64,
    signature: Signature,
}

impl PartialEq for FrameFilter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view) && self.question.filter == other.question.filter
    }
}

impl Eq for FrameFilter {}

impl Hash for FrameFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view.version().hash(state);
        self.question.text.hash(state);
    }
}

impl ScalarUDFImpl for FrameFilter {
    fn name(&self) -> &'static str {
        "bpf"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [_, ids, columns @ ..] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("bpf() without its arguments".to_owned()));
        };
        let rows = args.number_rows;
        let ids = ids.to_array(rows)?;
        let ids = ids.as_primitive::<Int64Type>();
        let (must, must_not) = self.decided(columns, rows)?;
        let open = |row: &usize| ids.is_valid(*row) && !must.value(*row) && !must_not.value(*row);
        let answers = self.answers((0..rows).filter(open).map(|row| ids.value(row)))?;
        let mut out = BooleanBuilder::with_capacity(rows);
        for (row, id) in ids.iter().enumerate() {
            out.append_option(match id {
                Some(_) if must.value(row) => Some(true),
                Some(_) if must_not.value(row) => Some(false),
                Some(id) => answers.get(&id).copied().flatten(),
                None => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

impl FrameFilter {
    /// Where columns say yes, and where they say no.
    fn decided(&self, columns: &[ColumnarValue], rows: usize) -> Result<(BooleanBuffer, BooleanBuffer)> {
        let arrays = columns
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| -> Result<ArrayRef> { Ok(cast(&column.to_array(rows)?, field.data_type())?) });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        let holds = |condition: &Arc<dyn PhysicalExpr>| -> Result<BooleanBuffer> {
            let answers = condition.evaluate(&batch)?.into_array(rows)?;
            let answers = answers.as_boolean();
            Ok(match answers.nulls() {
                Some(valid) => answers.values() & valid.inner(),
                None => answers.values().clone(),
            })
        };
        Ok((holds(&self.must)?, holds(&self.must_not)?))
    }

    /// What the filter says of each packet of `ids`, whose bytes are read in their order on disk, each once.
    fn answers(&self, ids: impl Iterator<Item = i64>) -> Result<HashMap<i64, Option<bool>>> {
        let mut by_segment: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for id in ids {
            if let (Ok(segment), Ok(row)) = (u32::try_from(id >> 32), u32::try_from(id & 0xffff_ffff)) {
                by_segment.entry(segment).or_default().push(row);
            }
        }
        let mut answers = HashMap::new();
        for (segment, mut rows) in by_segment {
            let Some(raw) = self.view.raw(segment).map_err(external)? else {
                match (self.view.segment(segment), rows.first()) {
                    (Some(_), Some(row)) => return Err(removed(segment, *row).into()),
                    _ => continue,
                }
            };
            rows.sort_unstable();
            rows.dedup();
            rows.truncate(rows.partition_point(|row| *row < raw.rows()));
            self.asked.fetch_add(u64::try_from(rows.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
            let programs = self.programs(&raw);
            raw.for_each(rows, 1, |row, packet| -> wiretape_engine::Result<()> {
                let program = usize::try_from(packet.interface).ok().and_then(|at| programs.get(at));
                let answer = program.and_then(Option::as_ref).map(|p| p.matches(packet.data, packet.orig_len));
                answers.insert(i64::from(segment) << 32 | i64::from(row), answer);
                Ok(())
            })
            .map_err(external)?;
        }
        Ok(answers)
    }

    /// The program of each interface.
    fn programs(&self, raw: &RawReader) -> Vec<Option<Arc<Program>>> {
        let mut known = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = |link_type| bpf::compile(&self.question.filter, link_type).ok().map(Arc::new);
        let of = |i: &wiretape_engine::raw::Interface| {
            known.entry(i.link_type).or_insert_with(|| compiled(i.link_type)).clone()
        };
        raw.interfaces().iter().map(of).collect()
    }
}

fn removed(segment: u32, row: u32) -> SqlError {
    let id = i64::from(segment) << 32 | i64::from(row);
    SqlError::new("55000", format!("the filter needs the bytes of packet {id}, which retention has removed"))
        .with_hint("Narrow the query by ts to packets whose bytes are there, or ask columns instead.")
}
