//! What is wrong with a filter, and where.

use std::fmt;

use super::ast::Span;

/// A filter that cannot be understood. The fault is always in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KflError {
    /// The bytes at fault.
    pub span: Span,
    /// Line at which they begin, from 1.
    pub line: usize,
    /// Column at which they begin, in characters from 1.
    pub column: usize,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The nearest right form, where it is known.
    pub hint: Option<String>,
}

impl fmt::Display for KflError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for KflError {}

/// A fault before it is known which line it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The fault where what was looked at begins at this byte.
    pub(super) fn moved(mut self, by: usize) -> Self {
        self.span = Span { start: self.span.start + by, end: self.span.end + by };
        self
    }

    /// The fault within this text.
    pub(super) fn within(self, text: &str) -> KflError {
        let end = (0..=self.span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let before = text.get(..end).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        KflError {
            span: self.span,
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// The bytes of a span, shortened to what fits into a message.
pub(super) fn excerpt(text: &str, span: Span) -> String {
    const LONGEST: usize = 60;
    let said = text.get(span.start..span.end).unwrap_or("").trim();
    if said.chars().count() <= LONGEST {
        return said.to_owned();
    }
    let begin: String = said.chars().take(LONGEST - 1).collect();
    begin + "…"
}
