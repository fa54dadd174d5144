//! `SET`, `RESET` and `SHOW` of run-time parameters. Parameters of the engines below (`wiretape.*`, `datafusion.*`) are
//! left to the `sql` crate.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::sql::sqlparser::tokenizer::Token;
use pgwire::api::Type;

use super::{Command, command, tag};
use crate::{
    backend::{Backend, Reply},
    encode::Column,
    error::PgError,
    rows::{RowSource, RowStream},
    script::Words,
};

#[derive(Debug)]
enum Parameter {
    Set(String, String),
    Reset(String),
    ResetAll,
    /// Accepted, of no effect: `SET TRANSACTION …`, `SET ROLE …`.
    Ignored,
    Show(String),
    ShowAll,
}

pub(super) fn recognise(mut words: Words<'_>) -> Result<Option<Arc<dyn Command>>, PgError> {
    let found = if words.take("set") {
        set(&mut words)?
    } else if words.take("reset") {
        if words.take("all") {
            Some(Parameter::ResetAll)
        } else {
            own(parameter_name(&mut words)?).map(Parameter::Reset)
        }
    } else if words.take("show") {
        if words.take("all") { Some(Parameter::ShowAll) } else { show(&mut words)? }
    } else {
        None
    };
    let Some(found) = found else { return Ok(None) };
    words.end()?;
    command(found)
}

fn set(words: &mut Words<'_>) -> Result<Option<Parameter>, PgError> {
    if words.take("transaction") || words.take("role") || words.take("constraints") {
        words.skip_rest();
        return Ok(Some(Parameter::Ignored));
    }
    if words.take_all(&["session", "characteristics"]) || words.take_all(&["session", "authorization"]) {
        words.skip_rest();
        return Ok(Some(Parameter::Ignored));
    }
    let _ = words.take("session") || words.take("local");
    let Some(name) = own(parameter_name(words)?) else { return Ok(None) };
    let spelled = matches!(name.as_str(), "time zone" | "names");
    if !spelled && !words.take("to") && !words.take_token(&Token::Eq) {
        return Err(words.unexpected());
    }
    if name == "names" && words.is_end() || words.take("default") || name == "time zone" && words.take("local") {
        return Ok(Some(Parameter::Reset(name)));
    }
    let _ = name == "time zone" && words.take("interval");
    let mut values = vec![words.value()?];
    while words.take_token(&Token::Comma) {
        values.push(words.value()?);
    }
    if name == "time zone" {
        words.skip_rest();
    }
    Ok(Some(Parameter::Set(name, values.join(", "))))
}

fn show(words: &mut Words<'_>) -> Result<Option<Parameter>, PgError> {
    // DataFusion's own listings.
    if ["tables", "columns", "functions", "databases", "schemas", "create"].iter().any(|word| words.take(word)) {
        return Ok(None);
    }
    if words.take_all(&["transaction", "isolation", "level"]) {
        return Ok(Some(Parameter::Show("transaction_isolation".to_owned())));
    }
    Ok(own(parameter_name(words)?).map(Parameter::Show))
}

fn parameter_name(words: &mut Words<'_>) -> Result<String, PgError> {
    if words.take_all(&["time", "zone"]) {
        return Ok("time zone".to_owned());
    }
    if words.take_all(&["session", "authorization"]) {
        return Ok("session authorization".to_owned());
    }
    words.dotted_name()
}

/// `name` unless it belongs to an engine below.
fn own(name: String) -> Option<String> {
    let below = ["wiretape.", "datafusion."].iter().any(|prefix| name.starts_with(prefix));
    (!below).then_some(name)
}

#[async_trait]
impl Command for Parameter {
    fn columns(&self, backend: &Backend) -> Result<Vec<Column>, PgError> {
        match self {
            Parameter::Show(name) => {
                let settings = backend.settings();
                settings.get(name)?;
                let shown = settings.all().map(|(known, _)| known).find(|known| known.eq_ignore_ascii_case(name));
                let shown = shown.unwrap_or(if name == "time zone" { "TimeZone" } else { name });
                Ok(vec![Column::new(shown, Type::TEXT)])
            }
            Parameter::ShowAll => {
                Ok(["name", "setting", "description"].map(|name| Column::new(name, Type::TEXT)).into())
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn run(&self, backend: &mut Backend) -> Result<Reply, PgError> {
        match self {
            Parameter::Set(name, value) => {
                let announcement = backend.settings().set(name, Some(value))?;
                backend.announcements.extend(announcement);
                tag("SET")
            }
            Parameter::Reset(name) => {
                let announcement = backend.settings().set(name, None)?;
                backend.announcements.extend(announcement);
                tag("RESET")
            }
            Parameter::ResetAll => {
                let announcements = backend.settings().reset_all();
                backend.announcements.extend(announcements);
                tag("RESET")
            }
            Parameter::Ignored => tag("SET"),
            Parameter::Show(name) => {
                let value = backend.settings().get(name)?.to_owned();
                Ok(Reply::Rows(RowSource::new(RowStream::texts(vec![vec![value]])?), SHOW))
            }
            Parameter::ShowAll => {
                let all: Vec<(String, String)> =
                    backend.settings().all().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                let blank = vec![String::new(); all.len()];
                let (names, values) = all.into_iter().unzip();
                Ok(Reply::Rows(RowSource::new(RowStream::texts(vec![names, values, blank])?), SHOW))
            }
        }
    }
}

/// The tag of SHOW, which has no number.
pub(crate) const SHOW: &str = "SHOW";
