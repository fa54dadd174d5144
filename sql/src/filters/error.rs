//! What is wrong with a call of a filter function: with where it stands, or with its text and where in that.

use std::fmt;

use datafusion::error::DataFusionError;

use super::FilterFunction;
use crate::{SqlError, entries::statement, error::locate};

/// A call that cannot be expanded. Its place in the statement is found when the error is told ([`Self::located`]).
#[derive(Debug, Clone)]
pub(crate) struct FilterError {
    /// The function's name.
    function: &'static str,
    /// The filter and the byte of it where the fault is; `None` when the fault is in the call.
    text: Option<(String, usize)>,
    /// All but the position.
    error: SqlError,
}

impl FilterError {
    /// A fault in the call itself.
    pub(crate) fn of_call(function: &dyn FilterFunction, error: SqlError) -> FilterError {
        Self::of_call_of(function.name(), error)
    }

    /// A fault in the call of a function of this name.
    pub(crate) fn of_call_of(function: &'static str, error: SqlError) -> FilterError {
        FilterError { function, text: None, error }
    }

    /// A fault at byte `at` of the filter `text`.
    pub(crate) fn in_text(function: &dyn FilterFunction, text: &str, at: usize, error: SqlError) -> FilterError {
        Self::in_text_of(function.name(), text, at, error)
    }

    /// A fault at byte `at` of the filter `text`, which a function of this name was called with.
    pub(crate) fn in_text_of(function: &'static str, text: &str, at: usize, error: SqlError) -> FilterError {
        FilterError { function, text: Some((text.to_owned(), at)), error }
    }

    /// The error with its position in `statement`. A filter that does not stand in the statement (it was a parameter, or
    /// put together) is pointed into in words.
    pub(crate) fn located(&self, statement: &str) -> SqlError {
        let error = self.error.clone();
        let Some((text, at)) = &self.text else {
            return error.at(locate::identifier(statement, &[self.function]));
        };
        let found = locate::in_argument(statement, self.function, text, *at);
        match found.or_else(|| statement::locate(statement, text, *at)) {
            Some(position) => error.at(Some(position)),
            None => {
                let character = text.get(..*at).map_or(0, |before| before.chars().count()) + 1;
                error.with_detail(format!("At character {character} of the filter \"{text}\"."))
            }
        }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for FilterError {}

impl From<FilterError> for DataFusionError {
    fn from(error: FilterError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}

/// The filter is made of something that only a row tells.
pub(super) fn not_constant(function: &dyn FilterFunction) -> FilterError {
    let message = format!("the filter of {}() is no constant text", function.name());
    FilterError::of_call(
        function,
        SqlError::new("22023", message).with_hint("Write it out, or give it as a parameter."),
    )
}
