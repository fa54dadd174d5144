//! Whether a text is one of many that are known before: as `IN`, but one argument to a planner however many they are, and
//! false for NULL. It is made by filter functions; SQL does not know it by name.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray},
    datatypes::DataType,
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit},
};

use super::{argument, map, per_text};

/// Texts shown in plans.
const SHOWN: usize = 3;

/// The expression that is true where `text` is one of `texts`, and else false.
pub(crate) fn one_of(text: Expr, texts: &[&'static str]) -> Expr {
    let mut shown = texts.iter().copied().take(SHOWN).collect::<Vec<_>>().join(" | ");
    if let Some(more) = texts.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        // Planners take expressions of one name for one expression, so each list has a name of its own.
        let mut hasher = DefaultHasher::new();
        texts.hash(&mut hasher);
        shown.push_str(&format!(" | {more} more #{:016x}", hasher.finish()));
    }
    let signature = Signature::any(2, Volatility::Immutable);
    let function = OneOf { texts: texts.iter().copied().collect(), signature };
    ScalarUDF::new_from_impl(function).call(vec![text, lit(shown)])
}

#[derive(Debug)]
struct OneOf {
    texts: HashSet<&'static str>,
    signature: Signature,
}

impl PartialEq for OneOf {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Eq for OneOf {}

impl Hash for OneOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.texts.len().hash(state);
    }
}

impl ScalarUDFImpl for OneOf {
    fn name(&self) -> &'static str {
        "one_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let known = |texts: &StringViewArray| -> Result<ArrayRef> {
            let answers: BooleanArray = texts.iter().map(|t| t.map(|t| self.texts.contains(t))).collect();
            Ok(Arc::new(answers))
        };
        map(argument(&args, 0)?, |array| {
            let answers = per_text(array, known)?;
            let answers = answers.as_boolean();
            let values = match answers.nulls() {
                Some(valid) => answers.values() & valid.inner(),
                None => answers.values().clone(),
            };
            Ok(Arc::new(BooleanArray::new(values, None)))
        })
    }
}
