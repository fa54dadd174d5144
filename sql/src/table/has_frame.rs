//! `has_frame(packet_id)`: whether the captured bytes of a packet are there, without reading them.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{AsArray, BooleanArray},
        datatypes::{DataType, Int64Type},
    },
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use wiretape_engine::View;

/// The function over the packets of `view`: false for an id that names no segment, and where retention has dropped the raw
/// bytes.
pub(super) fn udf(view: Arc<View>) -> ScalarUDF {
    ScalarUDF::from(HasFrame { view, signature: Signature::exact(vec![DataType::Int64], Volatility::Stable) })
}

#[derive(Debug)]
struct HasFrame {
    view: Arc<View>,
    signature: Signature,
}

impl PartialEq for HasFrame {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.view, &other.view)
    }
}

impl Eq for HasFrame {}

impl Hash for HasFrame {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view.version().hash(state);
    }
}

impl ScalarUDFImpl for HasFrame {
    fn name(&self) -> &'static str {
        "has_frame"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let id = args
            .args
            .first()
            .ok_or_else(|| DataFusionError::Internal("has_frame() without its argument".to_owned()))?;
        let ids = id.to_array(args.number_rows)?;
        let found: BooleanArray =
            ids.as_primitive::<Int64Type>().iter().map(|id| id.map(|id| self.holds(id))).collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

impl HasFrame {
    fn holds(&self, packet_id: i64) -> bool {
        let Ok(segment) = u32::try_from(packet_id >> 32) else { return false };
        match self.view.segment(segment) {
            Some(sealed) => sealed.raw_component().is_some(),
            None => self.view.live().iter().any(|open| open.id() == segment),
        }
    }
}
