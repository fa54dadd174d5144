//! `KFL http && status_code >= 500`: a filter as a statement, which lists the entries that it selects by their time.
//!
//! Its text is KFL, not SQL, from behind the word to the first semicolon that is not within a text or a comment.

/// The word that such a statement begins with.
const WORD: &str = "kfl";

/// A statement of this kind at the beginning of a text. Places are bytes of that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KflStatement {
    /// Where the word stands.
    pub start: usize,
    /// Behind the filter's last byte that is not blank; of an empty filter, behind the word.
    pub end: usize,
    /// Behind the semicolon that ends it, or the end of the text.
    pub rest: usize,
}

/// The statement at the beginning of `text`, behind blanks, comments and semicolons of SQL, if it is one of this kind.
pub fn at_start(text: &str) -> Option<KflStatement> {
    let start = skip_blanks(text);
    let filter = word_at(text, start)?;
    let end = filter + end_of_filter(text.get(filter..)?);
    let said = text.get(filter..end)?.trim_end().len();
    Some(KflStatement { start, end: filter + said, rest: (end + 1).min(text.len()) })
}

/// The filter of a statement of this kind, without blanks around it.
pub(crate) fn filter(statement: &str) -> Option<&str> {
    Some(statement.get(word_at(statement, 0)?..)?.trim())
}

/// The query that the statement with this filter stands for.
pub(crate) fn query(filter: &str) -> String {
    format!("select * from {}('{}') order by ts", super::table_function::KFL, filter.replace('\'', "''"))
}

/// Characters from 1 of byte `at` of the filter `text`, if `statement` is the statement with this filter.
pub(crate) fn locate(statement: &str, text: &str, at: usize) -> Option<usize> {
    let said = filter(statement).filter(|said| *said == text)?;
    let start = statement.get(WORD.len()..)?.find(said)? + WORD.len() + at;
    statement.get(..start).map(|before| before.chars().count() + 1)
}

/// Behind the word at byte `start`, if it stands there as a whole word.
fn word_at(text: &str, start: usize) -> Option<usize> {
    let end = start + WORD.len();
    let is_word = text.get(start..end).is_some_and(|word| word.eq_ignore_ascii_case(WORD));
    let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    let next = text.get(end..)?.chars().next();
    // `kfl(…)` could begin no statement of SQL either, but is more likely meant as the function.
    (is_word && next.is_none_or(|c| !goes_on(c))).then_some(end)
}

/// Bytes of blanks, comments and semicolons of SQL that `text` begins with.
fn skip_blanks(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        rest = match rest {
            _ if rest.starts_with("--") => rest.split_once('\n').map_or("", |(_, behind)| behind),
            _ if rest.starts_with("/*") => rest.split_once("*/").map_or("", |(_, behind)| behind),
            _ => return text.len() - rest.len(),
        };
    }
}

/// Where the semicolon stands that ends the filter, or the filter's end.
fn end_of_filter(filter: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = filter.get(at..).filter(|rest| !rest.is_empty()) {
        let piece = match rest {
            _ if rest.starts_with(';') => return at,
            _ if rest.starts_with("//") || rest.starts_with('#') => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with(['"', '\'']) => {
                let before = filter.get(..at).unwrap_or("");
                quoted(rest, before.ends_with(['r', 'R']) || before.ends_with(['b', 'B']) && is_raw_bytes(before))
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += piece;
    }
    filter.len()
}

/// Whether the prefix of a text ends in `rb`.
fn is_raw_bytes(before: &str) -> bool {
    before.len() >= 2 && before.get(before.len() - 2..).is_some_and(|p| p.eq_ignore_ascii_case("rb"))
}

/// Bytes of the text that `rest` begins with; in a raw one a backslash is nothing special.
fn quoted(rest: &str, is_raw: bool) -> usize {
    let quote = rest.get(..1).unwrap_or("\"");
    let triple = quote.repeat(3);
    let close = if rest.starts_with(&triple) { triple.as_str() } else { quote };
    let mut at = close.len();
    while let Some(inner) = rest.get(at..).filter(|inner| !inner.is_empty()) {
        if inner.starts_with(close) {
            return at + close.len();
        }
        let escapes = inner.starts_with('\\') && !is_raw;
        at += inner.chars().take(if escapes { 2 } else { 1 }).map(char::len_utf8).sum::<usize>();
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Option<(&str, &str)> {
        at_start(text).map(|s| (&text[s.start..s.end], &text[s.rest..]))
    }

    /// A semicolon ends the filter only where it is neither in a text nor in a comment.
    #[test]
    fn a_statement_ends_at_its_own_semicolon() {
        assert_eq!(split("KFL http; select 1"), Some(("KFL http", " select 1")));
        assert_eq!(split(" ;; -- hm\n/* so */ kfl  a == \"x;\\\";\" ;b"), Some(("kfl  a == \"x;\\\";\"", "b")));
        assert_eq!(split("kfl a == r'\\'; x"), Some(("kfl a == r'\\'", " x")));
        assert_eq!(
            split("kfl a == '''it's; ''' // so; it\n && b;"),
            Some(("kfl a == '''it's; ''' // so; it\n && b", ""))
        );
        assert_eq!(split("kfl"), Some(("kfl", "")));
        assert_eq!(split("kfl ;"), Some(("kfl", "")));
        assert_eq!(split("kfl \"no end;"), Some(("kfl \"no end;", "")));
    }

    /// Only the word itself begins one.
    #[test]
    fn other_statements_are_left_alone() {
        for sql in ["select * from kfl('http')", "kflx", "kfl_x", "", "-- kfl\nselect 1", "kfl.x"] {
            assert_eq!(split(sql), None, "{sql}");
        }
    }

    /// Places in the filter are told as places in the statement.
    #[test]
    fn places_are_of_the_statement() {
        assert_eq!(locate("KFL  é == 1", "é == 1", 3), Some(8));
        assert_eq!(locate("select 1", "1", 0), None);
    }
}
