//! Values of protocols that have types of their own, written as JSON text for people to read and functions to take apart.

use std::fmt::Write;

/// Appends a text as a JSON string.
pub(crate) fn push_string(to: &mut String, text: &str) {
    to.push('"');
    for c in text.chars() {
        match c {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                // Writing to a string cannot fail.
                let _ = write!(to, "\\u{:04x}", u32::from(c));
            }
            c => to.push(c),
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    /// Proves that any text becomes one JSON string that means it.
    #[test]
    fn texts_are_escaped() {
        proptest::proptest!(|(text: String)| {
            let mut json = String::new();
            super::push_string(&mut json, &text);
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        });
    }
}
