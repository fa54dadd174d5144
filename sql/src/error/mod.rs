//! The one error of this crate, in PostgreSQL's terms: a SQLSTATE, a message in PostgreSQL's wording where PostgreSQL
//! has the same error, and a position in the text. [`Scope::explain`] is the one place where DataFusion's errors become
//! ours.

mod classify;
pub(crate) mod locate;
mod suggest;

use datafusion::error::DataFusionError;

pub(crate) use classify::Scope;

/// Why a statement was refused or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// PostgreSQL's five-character code (PostgreSQL documentation, appendix A).
    pub sqlstate: &'static str,
    /// One line, lower case, without a full stop.
    pub message: String,
    /// Where in the statement's text, in characters from 1.
    pub position: Option<usize>,
    /// More about the cause.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SqlError {}

impl SqlError {
    /// An error without position, detail and hint.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> SqlError {
        SqlError { sqlstate, message: message.into(), position: None, detail: None, hint: None }
    }

    /// With advice, a sentence.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> SqlError {
        self.hint = Some(hint.into());
        self
    }

    /// With more about the cause, a sentence.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> SqlError {
        self.detail = Some(detail.into());
        self
    }

    /// At `position` characters from the start of the text, from 1.
    #[must_use]
    pub fn at(mut self, position: Option<usize>) -> SqlError {
        self.position = position;
        self
    }

    /// The text does not parse.
    pub(crate) fn syntax(message: impl Into<String>, position: Option<usize>) -> SqlError {
        SqlError::new("42601", message).at(position)
    }

    /// The text does not parse, and this is the first word that does not fit.
    pub(crate) fn syntax_near(token: &str, position: Option<usize>) -> SqlError {
        match token {
            "EOF" => SqlError::syntax("syntax error at end of input", position),
            _ => SqlError::syntax(format!("syntax error at or near \"{token}\""), position),
        }
    }

    /// An error of parsing `text`.
    pub(crate) fn in_text(error: &DataFusionError, text: &str) -> SqlError {
        Scope { text, state: None, memory_limit: 0 }.explain(error)
    }
}

/// For errors in the midst of a stream, where the text no longer matters.
impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        SqlError::in_text(&error, "")
    }
}

impl From<wiretape_engine::Error> for SqlError {
    fn from(error: wiretape_engine::Error) -> Self {
        classify::engine(&error)
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}
