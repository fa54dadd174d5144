//! What goes wrong, as PostgreSQL clients are told it: severity, SQLSTATE, message, position, detail, hint.

use std::borrow::Cow;

use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use wiretape_sql::SqlError;

/// Bytes of a message, detail or hint that are sent; clients limit error messages to 30 000 bytes in all.
const MAX_TEXT_BYTES: usize = 8000;

/// Whether the connection survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    Error,
    Fatal,
}

/// An error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PgError {
    severity: Severity,
    pub(crate) sqlstate: Cow<'static, str>,
    pub(crate) message: String,
    position: Option<usize>,
    detail: Option<String>,
    hint: Option<String>,
}

/// A NOTICE of severity NOTICE.
pub(crate) fn notice(text: String) -> NoticeResponse {
    let fields = [(b'S', "NOTICE".to_owned()), (b'V', "NOTICE".to_owned()), (b'C', "00000".to_owned()), (b'M', text)];
    NoticeResponse::new(fields.into())
}

impl PgError {
    /// An error that fails the statement.
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            sqlstate: Cow::Borrowed(sqlstate),
            message: message.into(),
            position: None,
            detail: None,
            hint: None,
        }
    }

    /// An error that ends the connection.
    pub(crate) fn fatal(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::new(sqlstate, message) }
    }

    /// A fault of ours.
    pub(crate) fn internal(message: &str) -> Self {
        Self::new("XX000", message)
    }

    /// 42601 at `position`, characters from 1.
    pub(crate) fn syntax(message: impl Into<String>, position: Option<usize>) -> Self {
        Self { position, ..Self::new("42601", message) }
    }

    /// 57014, the client asked.
    pub(crate) fn cancelled() -> Self {
        Self::new("57014", "canceling statement due to user request")
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Moves the position by `chars`, for a statement that is not the first of its text.
    pub(crate) fn shifted(mut self, chars: usize) -> Self {
        self.position = self.position.map(|position| position + chars);
        self
    }

    /// Without its position, for a text that is not the one the client sent.
    pub(crate) fn without_position(mut self) -> Self {
        self.position = None;
        self
    }

    /// For those who are no client.
    pub(crate) fn into_sql(self) -> SqlError {
        let sqlstate = match self.sqlstate {
            Cow::Borrowed(sqlstate) => sqlstate,
            Cow::Owned(_) => "XX000",
        };
        SqlError::new(sqlstate, self.message)
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.severity == Severity::Fatal
    }
}

impl From<SqlError> for PgError {
    fn from(error: SqlError) -> Self {
        Self {
            severity: Severity::Error,
            sqlstate: Cow::Owned(error.sqlstate.to_string()),
            message: error.message,
            position: error.position,
            detail: error.detail,
            hint: error.hint,
        }
    }
}

impl From<PgError> for ErrorResponse {
    fn from(error: PgError) -> Self {
        let severity = match error.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', error.sqlstate.into_owned()),
            (b'M', shortened(error.message)),
        ];
        fields.extend(error.detail.map(|text| (b'D', shortened(text))));
        fields.extend(error.hint.map(|text| (b'H', shortened(text))));
        fields.extend(error.position.map(|position| (b'P', position.to_string())));
        ErrorResponse::new(fields)
    }
}

/// Cut to the limit, and without the zero bytes that would end the field early.
fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    if text.contains('\0') { text.replace('\0', "\\0") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_absent_are_not_sent() {
        let response = ErrorResponse::from(PgError::syntax("no", Some(3)).shifted(10).with_hint("try"));
        let codes: Vec<u8> = response.fields.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, b"SVCMHP");
        assert_eq!(response.fields[5].1, "13");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let response = ErrorResponse::from(PgError::internal(&"é".repeat(10_000)));
        assert!(response.fields[3].1.len() <= MAX_TEXT_BYTES);
    }
}
