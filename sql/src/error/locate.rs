//! Places in a text: the parser's line and column against PostgreSQL's count of characters.

use datafusion::sql::sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Token, Tokenizer},
};

/// Byte index of `line` and `column`, both from 1 and the column in characters. Beyond the text is its end.
pub(crate) fn byte(text: &str, line: u64, column: u64) -> usize {
    let mut start = 0;
    for _ in 1..line.max(1) {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(at) => start += at + 1,
            None => return text.len(),
        }
    }
    let skip = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    text.get(start..).and_then(|rest| rest.char_indices().nth(skip)).map_or(text.len(), |(at, _)| start + at)
}

/// Characters from 1 of `line` and `column`; `None` for the parser's "nowhere", line 0.
pub(crate) fn offset(text: &str, line: u64, column: u64) -> Option<usize> {
    if line == 0 {
        return None;
    }
    let at = byte(text, line, column);
    text.get(..at).map(|before| before.chars().count() + 1)
}

/// Characters from 1 of the first place where `names` stand, joined by dots, as identifiers.
pub(crate) fn identifier(text: &str, names: &[&str]) -> Option<usize> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().ok()?;
    let pattern = 2 * names.len().checked_sub(1)? + 1;
    let found = tokens.windows(pattern).find(|window| {
        window.iter().enumerate().all(|(i, t)| match &t.token {
            Token::Word(word) if i % 2 == 0 => names.get(i / 2).is_some_and(|name| {
                if word.quote_style.is_some() { word.value == **name } else { word.value.to_lowercase() == **name }
            }),
            Token::Period => i % 2 == 1,
            _ => false,
        })
    })?;
    let start = found.first()?.span.start;
    offset(text, start.line, start.column)
}

/// Characters from 1 of the byte `at` of `argument`, where it stands as the text that the first argument of `function` is.
pub(crate) fn in_argument(text: &str, function: &str, argument: &str, at: usize) -> Option<usize> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().ok()?;
    let mut significant = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_)));
    let mut before: [Option<&Token>; 2] = [None, None];
    let found = significant.find(|t| {
        let is_call = matches!(before, [Some(Token::Word(word)), Some(Token::LParen)]
            if word.value.eq_ignore_ascii_case(function));
        before = [before[1], Some(&t.token)];
        is_call && matches!(&t.token, Token::SingleQuotedString(value) if value == argument)
    })?;
    let start = offset(text, found.span.start.line, found.span.start.column)?;
    // A quote within is written twice.
    let passed = argument.get(..at)?.chars().map(|c| if c == '\'' { 2 } else { 1 }).sum::<usize>();
    Some(start + 1 + passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let text = "select 'é',\n  foo";
        assert_eq!(offset(text, 1, 1), Some(1));
        assert_eq!(offset(text, 2, 3), Some(15));
        assert_eq!(offset(text, 9, 9), Some(18));
        assert_eq!(offset(text, 0, 0), None);
    }

    #[test]
    fn identifiers_are_found_and_strings_and_longer_names_are_not() {
        let text = "select 'foo', foobar, t.FOO, \"foo\" from t";
        assert_eq!(identifier(text, &["foo"]), Some(25));
        assert_eq!(identifier(text, &["t", "foo"]), Some(23));
        assert_eq!(identifier(text, &["nope"]), None);
    }
}
