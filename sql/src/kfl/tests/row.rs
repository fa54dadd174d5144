//! Rows for tests: some variables have values, the others the zero of their type.

use std::collections::HashMap;

use super::super::eval::{EvalError, eval};
use super::super::{Filter, Value, compile};

/// Variables that have a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Row(pub(super) HashMap<&'static str, Value>);

impl Row {
    pub(super) fn with(mut self, name: &'static str, value: Value) -> Row {
        self.0.insert(name, value);
        self
    }

    pub(super) fn flag(self, name: &'static str) -> Row {
        self.with(name, Value::Bool(true))
    }

    pub(super) fn int(self, name: &'static str, value: i64) -> Row {
        self.with(name, Value::Int(value))
    }

    pub(super) fn text(self, name: &'static str, value: &str) -> Row {
        self.with(name, Value::string(value))
    }

    pub(super) fn list(self, name: &'static str, values: &[&str]) -> Row {
        self.with(name, Value::List(values.iter().map(|value| Value::string(*value)).collect()))
    }

    pub(super) fn map(self, name: &'static str, entries: &[(&str, &str)]) -> Row {
        let entries = entries.iter().map(|(key, value)| (Value::string(*key), Value::string(*value)));
        self.with(name, Value::Map(entries.collect()))
    }

    pub(super) fn value(&self, filter: &Filter) -> Result<Value, EvalError> {
        eval(&filter.expr, &|var| self.0.get(var.name).cloned().unwrap_or_else(|| var.zero()))
    }

    /// Whether the filter selects the row.
    pub(super) fn is_selected(&self, text: &str) -> bool {
        let filter = compile(text, 0).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.value(&filter) == Ok(Value::Bool(true))
    }
}
