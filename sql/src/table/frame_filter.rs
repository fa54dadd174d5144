//! A filter of `pcap-filter(7)` run over the captured bytes of packets: what columns could not decide.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use datafusion::{
    arrow::{
        array::{AsArray, BooleanBuilder},
        datatypes::{DataType, Int64Type},
    },
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use wiretape_engine::{View, raw::RawReader};

use super::evaluate::external;
use crate::{
    SqlError,
    bpf::{self, Program},
};

/// The function `bpf_bytes(text, packet_id, must, may)` over the packets of `view`: true where `must` is, false where `may`
/// is not, and else what `filter` (which `text` shows in plans) says of the packet's bytes. NULL for an id that names no
/// packet, and for a packet of a link type that the filter has no meaning for.
///
/// # Errors
/// When run: a packet has to be looked at whose bytes retention has removed, or that cannot be read.
pub(crate) fn udf(view: Arc<View>, filter: bpf::Expr) -> ScalarUDF {
    let types = vec![DataType::Utf8, DataType::Int64, DataType::Boolean, DataType::Boolean];
    let signature = Signature::exact(types, Volatility::Stable);
    ScalarUDF::from(FrameFilter { view, filter, programs: Mutex::default(), asked: AtomicU64::new(0), signature })
}

/// The text of `filter`, a call of this function, and the packets whose bytes it was asked about so far.
pub(crate) fn asked(filter: &Expr) -> Option<(String, u64)> {
    let Expr::ScalarFunction(call) = filter else { return None };
    let function = call.func.inner().downcast_ref::<FrameFilter>()?;
    let Some(Expr::Literal(text, _)) = call.args.first() else { return None };
    Some((text.try_as_str().flatten().unwrap_or_default().to_owned(), function.asked.load(Ordering::Relaxed)))
}

/// The condition on columns that `filter`, a call of this function, is true under without a look at bytes.
pub(super) fn must_of(filter: &Expr) -> Option<&Expr> {
    let Expr::ScalarFunction(call) = filter else { return None };
    call.func.inner().downcast_ref::<FrameFilter>()?;
    let [_, _, must, _] = call.args.as_slice() else { return None };
    Some(must)
}

/// Programs by link type; none where the filter has no meaning on it.
type Programs = HashMap<u16, Option<Arc<Program>>>;

#[derive(Debug)]
struct FrameFilter {
    view: Arc<View>,
    filter: bpf::Expr,
    programs: Mutex<Programs>,
    /// Packets whose bytes were looked at.
    asked: AtomicU64,
    signature: Signature,
}

impl PartialEq for FrameFilter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view) && self.filter == other.filter
    }
}

impl Eq for FrameFilter {}

impl Hash for FrameFilter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view.version().hash(state);
    }
}

impl ScalarUDFImpl for FrameFilter {
    fn name(&self) -> &'static str {
        "bpf_bytes"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [_, ids, must, may] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("bpf_bytes() without its arguments".to_owned()));
        };
        let rows = args.number_rows;
        let (ids, must, may) = (ids.to_array(rows)?, must.to_array(rows)?, may.to_array(rows)?);
        let (ids, must, may) = (ids.as_primitive::<Int64Type>(), must.as_boolean(), may.as_boolean());
        let asked = ids.iter().zip(must).zip(may).filter_map(|((id, must), may)| match (must, may) {
            (Some(true), _) | (_, Some(false)) => None,
            _ => id,
        });
        let answers = self.answers(asked)?;
        let mut out = BooleanBuilder::with_capacity(rows);
        for ((id, must), may) in ids.iter().zip(must).zip(may) {
            out.append_option(match (id, must, may) {
                (None, ..) => None,
                (_, Some(true), _) => Some(true),
                (_, _, Some(false)) => Some(false),
                (Some(id), ..) => answers.get(&id).copied().flatten(),
            });
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

impl FrameFilter {
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
        let compiled = |link_type| bpf::compile(&self.filter, link_type).ok().map(Arc::new);
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
