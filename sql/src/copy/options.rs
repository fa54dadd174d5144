//! The options of `COPY`, with PostgreSQL's defaults and checks (PostgreSQL 15 documentation, COPY).

use crate::SqlError;

/// How copied data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyFormat {
    /// PostgreSQL's text: tab-separated, backslash escapes.
    Text,
    /// Comma-separated values.
    Csv,
    /// PostgreSQL's binary.
    Binary,
    /// A capture file of one link type, nanosecond timestamps.
    Pcap,
    /// A capture file with any number of interfaces.
    Pcapng,
    /// Apache Parquet; files only.
    Parquet,
    /// One JSON object a line; files only.
    Json,
}

impl CopyFormat {
    /// Its name in `FORMAT`.
    pub fn name(self) -> &'static str {
        match self {
            CopyFormat::Text => "text",
            CopyFormat::Csv => "csv",
            CopyFormat::Binary => "binary",
            CopyFormat::Pcap => "pcap",
            CopyFormat::Pcapng => "pcapng",
            CopyFormat::Parquet => "parquet",
            CopyFormat::Json => "json",
        }
    }

    /// The format called `name`, in any case.
    pub fn by_name(name: &str) -> Option<CopyFormat> {
        let name = name.to_ascii_lowercase();
        let all = [
            CopyFormat::Text,
            CopyFormat::Csv,
            CopyFormat::Binary,
            CopyFormat::Pcap,
            CopyFormat::Pcapng,
            CopyFormat::Parquet,
            CopyFormat::Json,
        ];
        all.into_iter().find(|f| f.name() == name).or(match name.as_str() {
            "ndjson" | "jsonl" => Some(CopyFormat::Json),
            "cap" => Some(CopyFormat::Pcap),
            _ => None,
        })
    }
}

/// How copied data is written, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// The format.
    pub format: CopyFormat,
    /// Whether the first line names the columns. `None` where not said: off for the client, on for files.
    pub header: Option<bool>,
    /// Between columns.
    pub delimiter: char,
    /// What stands for NULL.
    pub null: String,
    /// Around values that need it, in CSV.
    pub quote: char,
    /// Before a quote within quotes, in CSV.
    pub escape: char,
    /// Whether every value that is not NULL is quoted, in CSV (`FORCE_QUOTE *`).
    pub force_quote: bool,
}

impl CopyOptions {
    /// PostgreSQL's defaults for `format`.
    pub fn new(format: CopyFormat) -> CopyOptions {
        let csv = format == CopyFormat::Csv;
        CopyOptions {
            format,
            header: None,
            delimiter: if csv { ',' } else { '\t' },
            null: if csv { String::new() } else { "\\N".to_owned() },
            quote: '"',
            escape: '"',
            force_quote: false,
        }
    }
}

/// Options as written, before the format is known.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) format: Option<CopyFormat>,
    pub(super) header: Option<bool>,
    pub(super) delimiter: Option<String>,
    pub(super) null: Option<String>,
    pub(super) quote: Option<String>,
    pub(super) escape: Option<String>,
    pub(super) force_quote: bool,
    pub(super) compression: Option<String>,
}

impl Written {
    /// Takes one option; `None` as value is an option without one.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), SqlError> {
        let needed = || {
            value.map(str::to_owned).ok_or_else(|| SqlError::new("42601", format!("option \"{name}\" needs a value")))
        };
        match name {
            "format" => {
                let given = needed()?;
                let format = CopyFormat::by_name(&given).ok_or_else(|| {
                    SqlError::new("22023", format!("COPY format \"{given}\" not recognized"))
                        .with_hint("The formats are text, csv, binary, pcap, pcapng, and for files parquet and json.")
                })?;
                self.format = Some(format);
            }
            "header" => self.header = Some(boolean(name, value)?),
            "delimiter" => self.delimiter = Some(needed()?),
            "null" => self.null = Some(needed()?),
            "quote" => self.quote = Some(needed()?),
            "escape" => self.escape = Some(needed()?),
            "force_quote" => self.force_quote = true,
            "compression" => self.compression = Some(needed()?),
            "encoding" => {
                let given = needed()?;
                if !matches!(given.to_ascii_lowercase().as_str(), "utf8" | "utf-8") {
                    return Err(SqlError::new("0A000", format!("COPY writes UTF8, not {given}")));
                }
            }
            "freeze" | "oids" => return Err(SqlError::new("0A000", format!("COPY option \"{name}\" has no use here"))),
            _ => return Err(SqlError::new("42601", format!("option \"{name}\" not recognized"))),
        }
        Ok(())
    }

    /// The options for `format`, checked as PostgreSQL checks them.
    pub(super) fn finish(&self, format: CopyFormat) -> Result<CopyOptions, SqlError> {
        let lines = matches!(format, CopyFormat::Text | CopyFormat::Csv);
        let mut options = CopyOptions::new(format);
        if !lines && (self.header.is_some() || self.delimiter.is_some() || self.null.is_some()) {
            let message = format!("COPY {} takes no HEADER, DELIMITER or NULL", format.name());
            return Err(SqlError::new("42601", message));
        }
        if format != CopyFormat::Csv && (self.quote.is_some() || self.escape.is_some() || self.force_quote) {
            return Err(SqlError::new("0A000", "COPY quote available only in CSV mode"));
        }
        options.header = self.header;
        options.force_quote = self.force_quote;
        if let Some(null) = &self.null {
            options.null.clone_from(null);
        }
        if let Some(delimiter) = &self.delimiter {
            options.delimiter = one_byte("delimiter", delimiter)?;
        }
        if let Some(quote) = &self.quote {
            options.quote = one_byte("quote", quote)?;
            options.escape = options.quote;
        }
        if let Some(escape) = &self.escape {
            options.escape = one_byte("escape", escape)?;
        }
        if format == CopyFormat::Csv && options.delimiter == options.quote {
            return Err(SqlError::new("22023", "COPY delimiter and quote must be different"));
        }
        Ok(options)
    }
}

fn boolean(name: &str, value: Option<&str>) -> Result<bool, SqlError> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true" | "on" | "1") => Ok(true),
        Some("false" | "off" | "0") => Ok(false),
        Some(_) => Err(SqlError::new("42601", format!("{name} requires a Boolean value"))),
    }
}

fn one_byte(name: &str, text: &str) -> Result<char, SqlError> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii() && !matches!(letter, '\n' | '\r' | '\0') => Ok(letter),
        _ => Err(SqlError::new("0A000", format!("COPY {name} must be a single one-byte character"))),
    }
}
