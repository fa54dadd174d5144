//! A call of a filter function as DataFusion's planner sees it: text in, and perhaps the row's key; a truth value out.

use std::hash::{Hash, Hasher};

use arrow::datatypes::DataType;
use datafusion::{
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

use super::{FILTERS, FilterFunction};
use crate::SqlError;

/// The function as DataFusion takes it, to be resolved by its name. [`expand`](super::expand) replaces its calls.
pub(crate) fn udf(function: &'static dyn FilterFunction) -> ScalarUDF {
    ScalarUDF::new_from_impl(Call { function, signature: Signature::user_defined(Volatility::Stable) })
}

/// The filter function that `udf` stands for.
pub(super) fn of(udf: &ScalarUDF) -> Option<&'static dyn FilterFunction> {
    udf.inner().downcast_ref::<Call>().map(|call| call.function)
}

/// What the function called `name` takes, as a sentence, if it is one of these.
pub(crate) fn usage(name: &str) -> Option<String> {
    let known = FILTERS.iter().any(|f| f.name() == name);
    known.then(|| format!("It is {name}('filter'), or {name}('filter', p.packet_id) where tables are joined."))
}

#[derive(Debug)]
struct Call {
    function: &'static dyn FilterFunction,
    signature: Signature,
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function.name() == other.function.name()
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name().hash(state);
    }
}

impl ScalarUDFImpl for Call {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        use DataType as D;
        let text = |t: &DataType| matches!(t, D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Null);
        match given {
            [filter] if text(filter) => Ok(vec![D::Utf8]),
            [filter, D::Int64] if text(filter) => Ok(vec![D::Utf8, D::Int64]),
            _ => {
                let name = self.function.name();
                Err(SqlError::new("42883", format!("function {name} does not take these arguments")).into())
            }
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Internal(format!("{}() was not expanded", self.function.name())))
    }
}
