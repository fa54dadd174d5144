//! DataFusion's errors to SQLSTATE, wording, position and hint. Where DataFusion has a type for an error, the type
//! decides; where it has only a sentence, the sentence does, and the table of tests in `tests.rs` notices when a new
//! version words it anew.

use arrow::error::ArrowError;
use datafusion::{
    common::{Column, SchemaError},
    error::DataFusionError,
    execution::SessionState,
    sql::sqlparser::parser::ParserError,
};

use super::{SqlError, locate, suggest};
use crate::{
    filters::{self, FilterError},
    udf,
};

/// What to do where a file may be damaged.
const VERIFY: &str = "wiretape verify checks every file of the database.";

/// What is known where an error is explained.
pub(crate) struct Scope<'a> {
    /// The statement's text.
    pub(crate) text: &'a str,
    /// The planner's state, for names to suggest.
    pub(crate) state: Option<&'a SessionState>,
    /// The memory limit, bytes; 0 when not known.
    pub(crate) memory_limit: usize,
}

impl Scope<'_> {
    /// The error in PostgreSQL's terms.
    pub(crate) fn explain(&self, error: &DataFusionError) -> SqlError {
        // The first of several errors is the one that stands first in the text.
        if let DataFusionError::Collection(errors) = error.find_root()
            && let Some(first) = errors.first()
        {
            return self.explain(first);
        }
        let position = error
            .diagnostic()
            .and_then(|d| d.span)
            .and_then(|s| locate::offset(self.text, s.start.line, s.start.column));
        let mut explained = self.explain_root(error.find_root());
        explained.position = position.or(explained.position);
        explained
    }

    fn explain_root(&self, root: &DataFusionError) -> SqlError {
        match root {
            DataFusionError::SQL(error, _) => self.syntax(error),
            DataFusionError::SchemaError(error, _) => self.schema(error),
            DataFusionError::ArrowError(error, _) => arrow(error),
            DataFusionError::ResourcesExhausted(message) => self.exhausted(message),
            DataFusionError::External(error) => match error.downcast_ref::<FilterError>() {
                Some(error) => error.located(self.text),
                None => external(error.as_ref()),
            },
            DataFusionError::NotImplemented(message) => SqlError::new("0A000", one_line(message)),
            DataFusionError::Configuration(message) => SqlError::new("22023", one_line(message)),
            DataFusionError::IoError(error) => SqlError::new("58030", error.to_string()),
            DataFusionError::ObjectStore(error) => SqlError::new("58030", error.to_string()),
            DataFusionError::ParquetError(error) => unreadable(&error.to_string()),
            DataFusionError::Plan(message) | DataFusionError::Execution(message) => self.sentence(message),
            DataFusionError::ExecutionJoin(error) if error.is_cancelled() => {
                SqlError::new("57014", "canceling statement due to user request")
            }
            DataFusionError::ExecutionJoin(error) => SqlError::new("XX000", one_line(&error.to_string()))
                .with_hint(format!("{VERIFY} If it finds nothing, this is a fault of the program.")),
            other => SqlError::new("XX000", one_line(&other.strip_backtrace())),
        }
    }

    fn syntax(&self, error: &ParserError) -> SqlError {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => {
                return SqlError::new("54001", "the statement is nested too deeply");
            }
        };
        let (message, position) = split_position(self.text, message);
        let Some((expected, found)) = message.strip_prefix("Expected: ").and_then(|m| m.rsplit_once(", found: "))
        else {
            return SqlError::syntax(lower_first(message), position);
        };
        // At the end of input the parser gives no place.
        let position = position.or_else(|| (found == "EOF").then(|| self.text.chars().count() + 1));
        SqlError::syntax_near(found, position).with_detail(format!("Expected {expected}."))
    }

    fn schema(&self, error: &SchemaError) -> SqlError {
        match error {
            SchemaError::FieldNotFound { field, valid_fields } => self.unknown_column(field, valid_fields),
            SchemaError::AmbiguousReference { field } => {
                SqlError::new("42702", format!("column reference \"{}\" is ambiguous", field.name))
                    .at(locate::identifier(self.text, &[field.name.as_str()]))
            }
            SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
                SqlError::new("42701", format!("column name \"{name}\" appears more than once"))
                    .with_hint("Give one of them another name with AS.")
            }
        }
    }

    fn unknown_column(&self, field: &Column, valid: &[Column]) -> SqlError {
        let relation = field.relation.as_ref().map(|r| r.table());
        let known = relation.is_none_or(|r| valid.iter().any(|v| v.relation.as_ref().is_some_and(|t| t.table() == r)));
        let at = match relation {
            Some(r) => locate::identifier(self.text, &[r, &field.name]),
            None => locate::identifier(self.text, &[&field.name]),
        };
        if let Some(relation) = relation.filter(|_| !known) {
            return SqlError::new("42P01", format!("missing FROM-clause entry for table \"{relation}\"")).at(at);
        }
        let shown = relation.map_or_else(
            || format!("column \"{}\" does not exist", field.name),
            |r| format!("column {r}.{} does not exist", field.name),
        );
        let candidates =
            valid.iter().filter(|v| relation.is_none() || v.relation.as_ref().map(|r| r.table()) == relation);
        let error = SqlError::new("42703", shown).at(at);
        match suggest::nearest(&field.name, candidates.map(|v| v.name.as_str())) {
            Some(name) => error.with_hint(format!("Did you mean \"{name}\"?")),
            None => error,
        }
    }

    fn unknown_table(&self, qualified: &str) -> SqlError {
        let parts: Vec<&str> = qualified.split('.').collect();
        let name = parts.last().copied().unwrap_or(qualified);
        let catalog = self.state.map(|s| s.config_options().catalog.clone());
        let default_schema = catalog.as_ref().map_or("public", |c| c.default_schema.as_str());
        let schema = parts.len().checked_sub(2).and_then(|i| parts.get(i)).copied().unwrap_or(default_schema);
        let shown = if schema == default_schema { name.to_owned() } else { format!("{schema}.{name}") };
        let at = locate::identifier(self.text, &[schema, name]).or_else(|| locate::identifier(self.text, &[name]));
        let error = SqlError::new("42P01", format!("relation \"{shown}\" does not exist")).at(at);
        let tables = self.state.map(all_tables).unwrap_or_default();
        let wanted = tables.iter().filter(|(s, _)| s == schema).map(|(_, t)| t.as_str());
        if let Some(near) = suggest::nearest(name, wanted) {
            let near = if schema == default_schema { near.to_owned() } else { format!("{schema}.{near}") };
            return error.with_hint(format!("Did you mean \"{near}\"?"));
        }
        match tables.iter().find(|(_, t)| t == name) {
            Some((schema, table)) => error.with_hint(format!("There is \"{schema}.{table}\".")),
            None => error.with_hint("The table system.tables lists what there is."),
        }
    }

    fn unknown_function(&self, name: &str) -> SqlError {
        let error = SqlError::new("42883", format!("function {name} does not exist"))
            .at(locate::identifier(self.text, &[name]));
        let Some(state) = self.state else { return error };
        let mut known: Vec<&str> = state.scalar_functions().keys().map(String::as_str).collect();
        known.extend(state.aggregate_functions().keys().map(String::as_str));
        known.extend(state.window_functions().keys().map(String::as_str));
        known.sort_unstable();
        match suggest::nearest(name, known) {
            Some(near) => error.with_hint(format!("Did you mean \"{near}\"?")),
            None => error,
        }
    }

    /// `call` is the function with the types it was given, as DataFusion names them; our own functions name them as SQL
    /// does, and say what they take.
    fn wrong_arguments(&self, message: &str, call: &str) -> SqlError {
        let name = call.split_once('(').map_or(call, |(name, _)| name);
        let ours = quoted_before(message, "External error: ", ". No function matches");
        let shown = ours.map_or_else(|| format!("function {call} does not exist"), str::to_owned);
        let usage = udf::usage(name).or_else(|| filters::usage(name));
        let hint = usage.unwrap_or_else(|| "You might need to add explicit type casts.".to_owned());
        SqlError::new("42883", shown).at(locate::identifier(self.text, &[name])).with_hint(hint)
    }

    fn exhausted(&self, message: &str) -> SqlError {
        let disk = message.contains("disk") || message.contains("temp");
        let error = if disk {
            SqlError::new("53100", "the disk space for spilling is used up")
                .with_hint("Narrow the query, or raise the spill limit.")
        } else {
            let limit = match self.memory_limit {
                0 => String::new(),
                bytes => format!(" of {} MiB", bytes >> 20),
            };
            SqlError::new("53200", format!("out of memory: the statement needs more than the memory limit{limit}"))
                .with_hint("Narrow the query by time or columns, or raise the limit with --memory-limit.")
        };
        error.with_detail(one_line(message))
    }

    /// Errors that DataFusion has only words for.
    fn sentence(&self, message: &str) -> SqlError {
        if let Some(name) = quoted_before(message, "table '", "' not found") {
            return self.unknown_table(name);
        }
        if let Some(name) = quoted_before(message, "table function '", "' not found") {
            return self.unknown_function(name);
        }
        if let Some(name) = quoted_before(message, "Invalid function '", "'") {
            return self.unknown_function(name);
        }
        if let Some(call) = quoted_before(message, "argument types '", "'") {
            return self.wrong_arguments(message, call);
        }
        if let Some(schema) = message.strip_prefix("failed to resolve schema: ") {
            return SqlError::new("3F000", format!("schema \"{schema}\" does not exist"));
        }
        if message.contains("must appear in the GROUP BY clause")
            && let Some(column) = quoted_before(message, "column \"", "\" must appear")
        {
            let rule = "must appear in the GROUP BY clause or be used in an aggregate function";
            return SqlError::new("42803", format!("column \"{column}\" {rule}"));
        }
        SqlError::new(sqlstate_of(message), one_line(message))
    }
}

/// Parts of DataFusion's sentences, and the SQLSTATE they stand for. The first that fits is taken.
const SENTENCES: &[(&str, &str)] = &[
    ("Divide by zero", "22012"),
    ("divide by zero", "22012"),
    ("division by zero", "22012"),
    ("No function matches", "42883"),
    ("does not support", "42883"),
    ("Failed to coerce", "42883"),
    ("failed to match any signature", "42883"),
    ("function expects", "42883"),
    ("Cannot infer common", "42804"),
    ("Cannot get result type", "42804"),
    ("Cannot coerce", "42804"),
    ("type coercion", "42804"),
    ("Cannot create filter with non-boolean", "42804"),
    ("Argument of", "42804"),
    ("Unsupported CAST", "42846"),
    ("Cannot cast", "42846"),
    ("Cannot automatically convert", "42846"),
    ("Error parsing timestamp", "22007"),
    ("Overflow", "22003"),
    ("overflow", "22003"),
    ("out of range", "22003"),
    ("must appear in the GROUP BY", "42803"),
    ("must be in the GROUP BY", "42803"),
    ("could not be resolved from available columns", "42803"),
    ("Projections require unique expression names", "42701"),
    ("No value found for placeholder", "42P02"),
    ("Placeholder", "42P18"),
    ("Unsupported", "0A000"),
    ("not supported", "0A000"),
    ("not implemented", "0A000"),
];

fn sqlstate_of(message: &str) -> &'static str {
    SENTENCES.iter().find(|(part, _)| message.contains(part)).map_or("42000", |(_, state)| state)
}

fn arrow(error: &ArrowError) -> SqlError {
    match error {
        ArrowError::DivideByZero => SqlError::new("22012", "division by zero"),
        ArrowError::ArithmeticOverflow(message) => SqlError::new("22003", format!("value out of range: {message}")),
        ArrowError::CastError(message) if is_out_of_range(message) => SqlError::new("22003", lower_first(message)),
        ArrowError::CastError(message) => SqlError::new("22P02", lower_first(message)),
        ArrowError::ParseError(message) => SqlError::new("22007", lower_first(message)),
        ArrowError::NotYetImplemented(message) => SqlError::new("0A000", lower_first(message)),
        ArrowError::MemoryError(message) => SqlError::new("53200", lower_first(message)),
        ArrowError::IoError(message, _) => SqlError::new("58030", message.clone()),
        ArrowError::ParquetError(message) => unreadable(message),
        ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => {
            let state = match sqlstate_of(message) {
                "42000" => "22000",
                known => known,
            };
            SqlError::new(state, lower_first(message))
        }
        ArrowError::ExternalError(error) => external(error.as_ref()),
        other => SqlError::new("XX000", other.to_string()),
    }
}

/// Arrow has one type for text that is no number and for numbers that do not fit.
fn is_out_of_range(message: &str) -> bool {
    ["Overflow", "out of range", "an't cast value"].iter().any(|part| message.contains(part))
}

fn external(error: &(dyn std::error::Error + Send + Sync + 'static)) -> SqlError {
    if let Some(error) = error.downcast_ref::<SqlError>() {
        return error.clone();
    }
    if let Some(error) = error.downcast_ref::<wiretape_engine::Error>() {
        return engine(error);
    }
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        return SqlError::in_text(error, "");
    }
    SqlError::new("XX000", one_line(&error.to_string()))
}

/// What a file of the database says that cannot be read as it is.
fn unreadable(message: &str) -> SqlError {
    SqlError::new("XX001", format!("a file cannot be read: {}", one_line(message))).with_hint(VERIFY)
}

/// The store's errors. Their messages already say where and what.
pub(super) fn engine(error: &wiretape_engine::Error) -> SqlError {
    use wiretape_engine::Error as E;
    let state = match error {
        E::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => "58P01",
        E::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => "53100",
        E::Io { .. } => "58030",
        E::Damaged { .. } | E::NotADatabase { .. } => "XX001",
        E::Locked { .. } => "55006",
        E::Missing { .. } => "02000",
        E::Limit { .. } => "54000",
        _ => "XX000",
    };
    let explained = SqlError::new(state, error.to_string());
    match error {
        E::Damaged { .. } => explained.with_hint(VERIFY),
        _ => explained,
    }
}

fn all_tables(state: &SessionState) -> Vec<(String, String)> {
    let Some(catalog) = state.catalog_list().catalog(&state.config_options().catalog.default_catalog) else {
        return Vec::new();
    };
    let mut tables = Vec::new();
    for schema in catalog.schema_names() {
        for table in catalog.schema(&schema).map(|s| s.table_names()).unwrap_or_default() {
            tables.push((schema.clone(), table));
        }
    }
    tables
}

/// The parser puts the place at the end of its sentence: ` at Line: 1, Column: 8`.
fn split_position<'a>(text: &str, message: &'a str) -> (&'a str, Option<usize>) {
    let Some((before, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let place = place
        .split_once(", Column: ")
        .and_then(|(line, column)| locate::offset(text, line.trim().parse().ok()?, column.trim().parse().ok()?));
    (before, place)
}

fn quoted_before<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once(after).map(|(name, _)| name)
}

/// The first line, as a message of ours.
fn one_line(message: &str) -> String {
    let line = message.lines().find(|l| !l.trim().is_empty()).unwrap_or(message);
    lower_first(line.trim().trim_end_matches('.'))
}

/// Lower case at the start, but for words that are capitals throughout.
fn lower_first(message: &str) -> String {
    let mut letters = message.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(std::iter::once(second)).chain(letters).collect()
        }
        _ => message.to_owned(),
    }
}
