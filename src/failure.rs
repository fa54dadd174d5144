//! Why a command did not do what it was asked: a message, where it is about SQL the place in the text, and what to do.

use std::{error::Error, fmt};

use wiretape_sql::SqlError;

/// The one error of the binary. Prints as `error: …`, then the SQL line with a caret, then `hint: …`.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    /// Extract of the text at fault and the caret below it.
    place: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), place: None, detail: None, hint: None }
    }

    /// With what to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// With the place in `text` that it is about: a character, counted from 1.
    pub(crate) fn at(self, text: &str, position: usize) -> Failure {
        Failure { place: caret(text, position), ..self }
    }

    /// An SQL error in `text`, whose statement begins `offset` characters into it.
    pub(crate) fn in_sql(error: SqlError, text: &str, offset: usize) -> Failure {
        let place = error.position.and_then(|position| caret(text, offset + position));
        Failure { message: error.message, place, detail: error.detail, hint: error.hint }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n{place}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\ndetail: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Every other error by its text, with the causes that the text does not already name.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        let any: &(dyn Error + 'static) = &error;
        if let Some(sql) = any.downcast_ref::<SqlError>() {
            return Failure::in_sql(sql.clone(), "", 0);
        }
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Failure::new(message)
    }
}

/// The line that holds character `position` (from 1) of `text`, and a caret below that character.
fn caret(text: &str, position: usize) -> Option<String> {
    let mut before = position.checked_sub(1)?;
    let lines = text.lines().count();
    for (n, line) in text.split('\n').enumerate() {
        let len = line.chars().count();
        if before <= len {
            let label = if lines > 1 { format!("line {}: ", n + 1) } else { "  ".to_owned() };
            let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let left: String = shown.chars().take(before).collect();
            let gap = unicode_width::UnicodeWidthStr::width(left.as_str()) + label.len();
            return Some(format!("{label}{}\n{}^", shown.trim_end(), " ".repeat(gap)));
        }
        before -= len + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_word() {
        let error = SqlError::new("42703", "column \"scr\" does not exist").at(Some(8)).with_hint("Did you mean src?");
        let expected =
            "error: column \"scr\" does not exist\n  select scr from packets\n         ^\nhint: Did you mean src?";
        assert_eq!(Failure::in_sql(error, "select scr from packets", 0).to_string(), expected);
    }

    #[test]
    fn the_caret_finds_its_line_in_a_script_and_wide_characters_count_double() {
        let script = "select 1;\nselect '日本',\n  x";
        let at = |position| caret(script, position).unwrap();
        assert_eq!(at(26), "line 3:   x\n          ^");
        assert_eq!(at(18), "line 2: select '日本',\n               ^");
        assert_eq!(at(22), "line 2: select '日本',\n                     ^");
    }

    #[test]
    fn a_position_outside_the_text_gives_no_caret() {
        assert_eq!(caret("select", 99), None);
        assert_eq!(caret("select", 0), None);
    }

    #[test]
    fn causes_are_named_once() {
        #[derive(Debug)]
        struct Outer(std::io::Error, &'static str);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.1)
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let cause = || std::io::Error::other("disk full");
        assert_eq!(Failure::from(Outer(cause(), "x.pcap")).to_string(), "error: x.pcap: disk full");
        assert_eq!(Failure::from(Outer(cause(), "x.pcap: disk full")).to_string(), "error: x.pcap: disk full");
    }
}
