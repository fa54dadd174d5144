//! What is wrong with a filter, and where.

use std::fmt;

/// A filter that cannot be read, or cannot be asked of the link type at hand. The fault is always in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpfError {
    /// Byte offset of the fault in the text, from 0.
    pub position: usize,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The right form, where it is known.
    pub hint: Option<String>,
}

impl BpfError {
    pub(super) fn new(position: usize, message: impl Into<String>) -> Self {
        Self { position, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for BpfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.position, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BpfError {}
