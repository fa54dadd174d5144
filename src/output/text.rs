//! One cell as text for people: times as `2026-11-20 17:23:05.123456789` in UTC, NULL as nothing, and no byte that a
//! terminal would obey. Packets carry text that strangers chose.

use std::{fmt::Write as _, io};

use arrow::{
    array::{Array, ArrayRef},
    datatypes::DataType,
    util::display::{ArrayFormatter, DurationFormat, FormatOptions},
};
use unicode_width::UnicodeWidthStr;

const OPTIONS: FormatOptions<'static> = FormatOptions::new()
    .with_null("")
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_duration_format(DurationFormat::Pretty);

/// The cells of one column.
pub(super) struct Cells<'a> {
    column: &'a ArrayRef,
    formatter: ArrayFormatter<'a>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(column: &'a ArrayRef) -> io::Result<Cells<'a>> {
        let formatter = ArrayFormatter::try_new(column.as_ref(), &OPTIONS).map_err(io::Error::other)?;
        Ok(Cells { column, formatter })
    }

    /// The value, unescaped; `None` for NULL.
    pub(super) fn text(&self, row: usize) -> Option<String> {
        // A value that cannot be formatted, such as a time outside the calendar, is shown as the reason.
        let text = |value: &dyn std::fmt::Display| {
            let mut text = String::new();
            match write!(text, "{value}") {
                Ok(()) => text,
                Err(_) => "(cannot be shown)".to_owned(),
            }
        };
        (!self.column.is_null(row)).then(|| text(&self.formatter.value(row)))
    }

    /// The value's lines, each made safe for a terminal.
    pub(super) fn lines(&self, row: usize) -> Vec<String> {
        self.text(row).unwrap_or_default().lines().map(|line| escaped(line.to_owned())).collect()
    }

    /// The value made safe for a terminal, cut to `max_width` columns.
    pub(super) fn shown(&self, row: usize, max_width: usize) -> String {
        self.text(row).map(|text| shortened(escaped(text), max_width)).unwrap_or_default()
    }
}

/// Whether values of this type line up on the right.
pub(super) fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_number(value),
        other => other.is_numeric(),
    }
}

/// Control characters and those that reorder text, as escapes.
fn escaped(text: String) -> String {
    let disturbs = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(disturbs) {
        return text;
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        if disturbs(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

fn shortened(text: String, max_width: usize) -> String {
    if text.len() <= max_width || text.width() <= max_width {
        return text;
    }
    let mut short = String::new();
    let mut width = 1; // of the ellipsis
    for c in text.chars() {
        width += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if width > max_width {
            break;
        }
        short.push(c);
    }
    short.push('…');
    short
}
