//! The session's run-time parameters (PostgreSQL's "GUCs"). Most exist because clients set or ask for them and would
//! fail otherwise; only `statement_timeout` changes what this server does. A changed parameter marked `reported` is
//! announced to the client with a ParameterStatus message.

use std::{collections::BTreeMap, time::Duration};

use crate::error::PgError;

/// What `server_version` begins with: the PostgreSQL version whose catalogs and texts clients may expect.
pub(crate) const POSTGRES_VERSION: &str = "15.0";
/// The same as a number, for `server_version_num`.
const POSTGRES_VERSION_NUM: &str = "150000";

/// The longest value kept; clients set names and lists, not documents.
const MAX_VALUE_BYTES: usize = 8 << 10;
/// Parameters of the form `a.b` that a session may invent, as PostgreSQL lets it.
const MAX_CUSTOM: usize = 256;

/// Who may change a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// The session.
    Session,
    /// Nobody.
    Fixed,
}

/// What the server knows about one parameter.
#[derive(Debug)]
struct Parameter {
    name: &'static str,
    default: &'static str,
    access: Access,
    reported: bool,
}

const fn session(name: &'static str, default: &'static str) -> Parameter {
    Parameter { name, default, access: Access::Session, reported: false }
}

const fn fixed(name: &'static str, default: &'static str) -> Parameter {
    Parameter { name, default, access: Access::Fixed, reported: false }
}

const fn reported(parameter: Parameter) -> Parameter {
    Parameter { reported: true, ..parameter }
}

/// The product and its version, as `server_version` and `version()` name it.
pub(crate) const PRODUCT: &str = concat!("Wiretape ", env!("CARGO_PKG_VERSION"));
const SERVER_VERSION: &str = concat!("15.0 (Wiretape ", env!("CARGO_PKG_VERSION"), ")");

/// All parameters, in the order of `SHOW ALL`.
static PARAMETERS: &[Parameter] = &[
    reported(session("application_name", "")),
    session("array_nulls", "on"),
    session("backslash_quote", "safe_encoding"),
    session("bytea_output", "hex"),
    session("check_function_bodies", "on"),
    reported(session("client_encoding", "UTF8")),
    session("client_min_messages", "notice"),
    reported(session("DateStyle", "ISO, MDY")),
    session("default_transaction_deferrable", "off"),
    session("default_transaction_isolation", "read committed"),
    reported(session("default_transaction_read_only", "on")),
    session("enable_seqscan", "on"),
    session("escape_string_warning", "on"),
    session("extra_float_digits", "1"),
    session("geqo", "on"),
    session("idle_in_transaction_session_timeout", "0"),
    session("idle_session_timeout", "0"),
    reported(fixed("in_hot_standby", "off")),
    reported(fixed("integer_datetimes", "on")),
    reported(session("IntervalStyle", "postgres")),
    reported(fixed("is_superuser", "off")),
    session("jit", "off"),
    fixed("lc_collate", "C"),
    fixed("lc_ctype", "C"),
    session("lc_messages", "C"),
    session("lc_monetary", "C"),
    session("lc_numeric", "C"),
    session("lc_time", "C"),
    session("lock_timeout", "0"),
    fixed("max_connections", "100"),
    fixed("max_identifier_length", "63"),
    fixed("max_index_keys", "32"),
    session("row_security", "on"),
    session("search_path", "\"$user\", public"),
    reported(fixed("server_encoding", "UTF8")),
    reported(fixed("server_version", SERVER_VERSION)),
    fixed("server_version_num", POSTGRES_VERSION_NUM),
    session("session_replication_role", "origin"),
    reported(fixed("session_authorization", "")),
    reported(session("standard_conforming_strings", "on")),
    session("statement_timeout", "0"),
    session("synchronize_seqscans", "on"),
    session("synchronous_commit", "on"),
    reported(session("TimeZone", "UTC")),
    session("transaction_deferrable", "off"),
    session("transaction_isolation", "read committed"),
    session("transaction_read_only", "on"),
    session("work_mem", "4MB"),
    session("xmloption", "content"),
];

/// The parameters of one session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Values at connection start, where they differ from the table's.
    initial: BTreeMap<&'static str, String>,
    /// Values set since.
    changed: BTreeMap<&'static str, String>,
    custom: BTreeMap<String, String>,
}

/// A change the client is to be told of: the parameter's name and new value.
pub(crate) type Announcement = Option<(&'static str, String)>;

impl Settings {
    /// The settings of a new session of `user`. `requested` are the start-up message's parameters; unknown ones are
    /// ignored, because drivers send many.
    pub(crate) fn new(user: &str, requested: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut settings = Self::default();
        settings.initial.insert("session_authorization", user.to_owned());
        for (name, value) in requested {
            if let Some(parameter) = find(&name).filter(|p| p.access == Access::Session)
                && let Ok(value) = accepted(parameter, &value)
            {
                settings.initial.insert(parameter.name, value);
            }
        }
        settings
    }

    /// The value of `name`, in any case; 42704 when there is no such parameter.
    pub(crate) fn get(&self, name: &str) -> Result<&str, PgError> {
        let name = alias(name);
        match find(name) {
            Some(parameter) => Ok(self.value(parameter)),
            None => self.custom.get(&name.to_lowercase()).map(String::as_str).ok_or_else(|| unrecognized(name)),
        }
    }

    /// Sets `name`; `None` puts it back to its value at connection start.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) -> Result<Announcement, PgError> {
        let name = alias(name);
        let Some(parameter) = find(name) else { return self.set_custom(name, value).map(|()| None) };
        if parameter.access == Access::Fixed {
            return Err(PgError::new("55P02", format!("parameter \"{}\" cannot be changed", parameter.name)));
        }
        let before = self.value(parameter).to_owned();
        match value {
            Some(value) => self.changed.insert(parameter.name, accepted(parameter, value)?),
            None => self.changed.remove(parameter.name),
        };
        let now = self.value(parameter);
        Ok((parameter.reported && now != before).then(|| (parameter.name, now.to_owned())))
    }

    /// Puts everything back to connection start.
    pub(crate) fn reset_all(&mut self) -> Vec<(&'static str, String)> {
        self.custom.clear();
        let changed: Vec<&'static str> = self.changed.keys().copied().collect();
        changed.iter().filter_map(|name| self.set(name, None).ok().flatten()).collect()
    }

    /// Name and value of every parameter.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let custom = self.custom.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        PARAMETERS.iter().map(|parameter| (parameter.name, self.value(parameter))).chain(custom)
    }

    /// Name and value of those a client is told of at start.
    pub(crate) fn reported(&self) -> impl Iterator<Item = (&'static str, &str)> {
        PARAMETERS.iter().filter(|p| p.reported).map(|parameter| (parameter.name, self.value(parameter)))
    }

    /// How long a statement may run; `None` for ever.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let value = self.get("statement_timeout").ok()?;
        parse_duration(value).filter(|timeout| !timeout.is_zero())
    }

    fn value(&self, parameter: &Parameter) -> &str {
        let own = self.changed.get(parameter.name).or_else(|| self.initial.get(parameter.name));
        own.map_or(parameter.default, String::as_str)
    }

    fn set_custom(&mut self, name: &str, value: Option<&str>) -> Result<(), PgError> {
        let key = name.to_lowercase();
        if !key.contains('.') {
            return Err(unrecognized(name));
        }
        match value {
            None => drop(self.custom.remove(&key)),
            Some(value) if value.len() > MAX_VALUE_BYTES => return Err(invalid(name, "…")),
            Some(_) if self.custom.len() >= MAX_CUSTOM && !self.custom.contains_key(&key) => {
                return Err(PgError::new("53400", format!("more than {MAX_CUSTOM} parameters of the session's own")));
            }
            Some(value) => drop(self.custom.insert(key, value.to_owned())),
        }
        Ok(())
    }
}

/// `version()`: clients parse the beginning.
pub(crate) fn version_text() -> String {
    format!("PostgreSQL {POSTGRES_VERSION} ({PRODUCT}) on {}", std::env::consts::ARCH)
}

fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name))
}

/// The names that SQL spells in several words.
fn alias(name: &str) -> &str {
    match name.to_ascii_lowercase().as_str() {
        "time zone" => "TimeZone",
        "names" => "client_encoding",
        "transaction isolation level" => "transaction_isolation",
        "session authorization" => "session_authorization",
        _ => name,
    }
}

/// The value as it is kept, or why it is not accepted.
fn accepted(parameter: &Parameter, value: &str) -> Result<String, PgError> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(invalid(parameter.name, "…"));
    }
    match parameter.name {
        "client_encoding" => {
            let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
            match plain.to_ascii_uppercase().as_str() {
                "UTF8" | "UNICODE" => Ok("UTF8".to_owned()),
                "SQLASCII" => Ok("SQL_ASCII".to_owned()),
                _ => Err(PgError::new("0A000", format!("client_encoding \"{value}\" is not supported"))
                    .with_hint("use UTF8")),
            }
        }
        "statement_timeout" if parse_duration(value).is_none() => Err(invalid(parameter.name, value)),
        "standard_conforming_strings"
            if !matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1") =>
        {
            Err(PgError::new("0A000", "standard_conforming_strings cannot be turned off"))
        }
        "default_transaction_read_only" | "transaction_read_only" => Ok("on".to_owned()),
        // The output is ISO whatever the client asks for; the part after the comma is only about input.
        "DateStyle" => Ok(match value.to_ascii_uppercase() {
            style if style.contains("DMY") => "ISO, DMY".to_owned(),
            style if style.contains("YMD") => "ISO, YMD".to_owned(),
            _ => "ISO, MDY".to_owned(),
        }),
        "IntervalStyle" => Ok("postgres".to_owned()),
        _ => Ok(value.to_owned()),
    }
}

/// `250`, `250ms`, `5s`, `2min`, `1h`, `1d`; a bare number counts milliseconds.
fn parse_duration(value: &str) -> Option<Duration> {
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(factor)?))
}

fn unrecognized(name: &str) -> PgError {
    PgError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
}

fn invalid(name: &str, value: &str) -> PgError {
    PgError::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_a_reported_parameter_is_announced() {
        let mut settings = Settings::new("ann", []);
        assert_eq!(settings.set("work_mem", Some("1MB")), Ok(None));
        assert_eq!(settings.set("timezone", Some("Europe/Oslo")), Ok(Some(("TimeZone", "Europe/Oslo".to_owned()))));
        assert_eq!(settings.set("TIME ZONE", Some("Europe/Oslo")), Ok(None));
        assert_eq!(settings.reset_all(), [("TimeZone", "UTC".to_owned())]);
    }

    #[test]
    fn start_up_parameters_are_what_reset_returns_to() {
        let requested = [("application_name".to_owned(), "psql".to_owned()), ("nonsense".to_owned(), "1".to_owned())];
        let mut settings = Settings::new("ann", requested);
        assert_eq!(settings.set("application_name", Some("x")).unwrap().unwrap().1, "x");
        assert_eq!(settings.set("application_name", None).unwrap().unwrap().1, "psql");
        assert_eq!(settings.get("session_authorization"), Ok("ann"));
    }

    #[test]
    fn durations_read_as_in_postgresql() {
        assert_eq!(parse_duration("250"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("2min"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("fast"), None);
    }

    #[test]
    fn unknown_and_fixed_parameters_are_refused() {
        let mut settings = Settings::default();
        assert_eq!(settings.get("nope").unwrap_err().sqlstate, "42704");
        assert_eq!(settings.set("server_version", Some("9")).unwrap_err().sqlstate, "55P02");
        assert_eq!(settings.set("my.own", Some("1")), Ok(None));
        assert_eq!(settings.get("My.Own"), Ok("1"));
    }

    #[test]
    fn every_parameter_postgresql_reports_is_reported() {
        let names: Vec<_> = PARAMETERS.iter().filter(|p| p.reported).map(|p| p.name).collect();
        assert_eq!(names.len(), 13, "{names:?}");
    }
}
