//! `frame(packet_id)`: the captured bytes of a packet, exactly.

use std::{collections::BTreeMap, sync::Arc};

use croaring::Bitmap;
use datafusion::{
    arrow::{
        array::{AsArray, BinaryBuilder},
        datatypes::{DataType, Int64Type},
    },
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use wiretape_engine::View;

use super::evaluate::external;

/// The function over the packets of `view`. An id that names no packet, or one whose raw bytes retention has dropped,
/// gives NULL.
pub(super) fn udf(view: Arc<View>) -> ScalarUDF {
    ScalarUDF::from(FrameUdf { view, signature: Signature::exact(vec![DataType::Int64], Volatility::Stable) })
}

#[derive(Debug)]
struct FrameUdf {
    view: Arc<View>,
    signature: Signature,
}

impl PartialEq for FrameUdf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
    }
}

impl Eq for FrameUdf {}

impl std::hash::Hash for FrameUdf {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.view.version().hash(state);
    }
}

impl ScalarUDFImpl for FrameUdf {
    fn name(&self) -> &'static str {
        "frame"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ids = args
            .args
            .first()
            .ok_or_else(|| DataFusionError::Internal("frame() without its argument".to_owned()))?
            .to_array(args.number_rows)?;
        let ids = ids.as_primitive::<Int64Type>();
        let frames = self.frames(ids.iter().flatten())?;
        let mut out = BinaryBuilder::with_capacity(ids.len(), frames.bytes.len());
        for id in ids {
            out.append_option(id.and_then(|id| frames.get(id)));
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// The frames of one batch of ids, each read once, in one buffer.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    by_id: BTreeMap<i64, std::ops::Range<usize>>,
}

impl Frames {
    fn get(&self, id: i64) -> Option<&[u8]> {
        self.by_id.get(&id).and_then(|range| self.bytes.get(range.clone()))
    }
}

impl FrameUdf {
    fn frames(&self, ids: impl Iterator<Item = i64>) -> Result<Frames> {
        let mut by_segment: BTreeMap<u32, Bitmap> = BTreeMap::new();
        for id in ids {
            if let (Ok(segment), Ok(row)) = (u32::try_from(id >> 32), u32::try_from(id & 0xffff_ffff)) {
                by_segment.entry(segment).or_default().add(row);
            }
        }
        let mut frames = Frames::default();
        for (id, rows) in by_segment {
            let Some(raw) = self.view.raw(id).map_err(external)? else { continue };
            let present = &rows & &Bitmap::from_range(0..raw.rows());
            raw.for_each(present.iter(), 1, |row, packet| -> wiretape_engine::Result<()> {
                let start = frames.bytes.len();
                frames.bytes.extend_from_slice(packet.data);
                frames.by_id.insert(i64::from(id) << 32 | i64::from(row), start..frames.bytes.len());
                Ok(())
            })
            .map_err(external)?;
        }
        Ok(frames)
    }
}
