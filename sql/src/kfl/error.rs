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

/// A fault before it is known which line it stands in. Behind a pointer, because those who recurse hand it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    span: Span,
    message: String,
    hint: Option<String>,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { span, message: message.into(), hint: None }))
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The fault where what was looked at begins at this byte.
    pub(super) fn moved(mut self, by: usize) -> Self {
        self.0.span = Span { start: self.0.span.start + by, end: self.0.span.end + by };
        self
    }

    /// The fault of a whole that this one is a part of.
    pub(super) fn about(mut self, span: Span, message: impl FnOnce(&str) -> String) -> Self {
        self.0.span = span;
        self.0.message = message(&self.0.message);
        self
    }

    /// The fault within this text.
    pub(super) fn within(self, text: &str) -> KflError {
        let Parts { span, message, hint } = *self.0;
        let end = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let before = text.get(..end).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        KflError {
            span,
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
            message: shortened(message),
            hint: hint.map(shortened),
        }
    }
}

/// What is said, at most 1000 characters of it: names and literals in it may be as long as a filter.
fn shortened(said: String) -> String {
    const LONGEST: usize = 1000;
    match said.char_indices().nth(LONGEST) {
        Some((end, _)) => said.get(..end).unwrap_or("").to_owned() + "…",
        None => said,
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
