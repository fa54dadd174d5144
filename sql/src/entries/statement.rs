//! `KFL http && status_code >= 500`: a filter as a statement, which lists the entries that it selects by their time; with `EXPLAIN`
//! before it, how they are found.
//!
//! Its text is KFL, not SQL, from behind the word to the first semicolon that is not within a text or a comment.

/// The word before the filter.
const WORD: &str = "kfl";

/// The words that may stand before it, in this order; those behind the first only with it.
const EXPLAIN: [&str; 3] = ["explain", "analyze", "verbose"];

/// A statement of this kind at the beginning of a text. Places are bytes of that text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KflStatement {
    /// Where its first word stands.
    pub start: usize,
    /// Behind the filter's last byte that is not blank; of an empty filter, behind the word before it.
    pub end: usize,
    /// Behind the semicolon that ends it, or the end of the text.
    pub rest: usize,
}

/// The statement at the beginning of `text`, behind blanks, comments and semicolons of SQL, if it is one of this kind.
pub fn at_start(text: &str) -> Option<KflStatement> {
    let start = skip_blanks(text);
    let filter = start + filter_at(text.get(start..)?)?;
    let end = filter + end_of_filter(text.get(filter..)?);
    let said = text.get(filter..end)?.trim_end().len();
    Some(KflStatement { start, end: filter + said, rest: (end + 1).min(text.len()) })
}

/// The query that a statement of this kind stands for.
pub(crate) fn query(statement: &str) -> Option<String> {
    let (words, filter) = statement.split_at_checked(filter_at(statement)?)?;
    let explain = words.get(..words.len() - WORD.len())?;
    let filter = filter.trim().replace('\'', "''");
    Some(format!("{explain}select * from {}('{filter}') order by ts", super::table_function::KFL))
}

/// What to say of an error of SQL at character `position` of `statement`, if what stands there is the word.
pub(crate) fn hint(statement: &str, position: usize) -> Option<String> {
    let (before, _) = statement.char_indices().nth(position.checked_sub(1)?)?;
    word_at(statement, before, WORD)?;
    Some(format!(
        "A filter is a statement of its own; within another it is SELECT * FROM {}('filter').",
        super::table_function::KFL
    ))
}

/// Characters from 1 of byte `at` of the filter `text`, if `statement` is the statement with this filter.
pub(crate) fn locate(statement: &str, text: &str, at: usize) -> Option<usize> {
    let behind = filter_at(statement)?;
    let filter = statement.get(behind..)?;
    let start = behind + filter.len() - filter.trim_start().len() + at;
    let before = statement.get(..start).filter(|_| filter.trim() == text)?;
    Some(before.chars().count() + 1)
}

/// Where the filter begins in `statement`, behind the word, if it is one of this kind.
fn filter_at(statement: &str) -> Option<usize> {
    let mut at = 0;
    for word in EXPLAIN {
        match word_at(statement, at, word) {
            Some(end) => at = end + skip_blanks(statement.get(end..)?),
            None if at == 0 => break,
            None => {}
        }
    }
    word_at(statement, at, WORD)
}

/// Behind `word` at byte `start`, if it stands there as a whole word.
fn word_at(text: &str, start: usize, word: &str) -> Option<usize> {
    let end = start + word.len();
    let is_word = text.get(start..end).is_some_and(|said| said.eq_ignore_ascii_case(word));
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
        assert_eq!(split(";explain /* it */ Verbose kfl a; b"), Some(("explain /* it */ Verbose kfl a", " b")));
    }

    /// What stands before the word stays, and what stands behind it is a text of SQL.
    #[test]
    fn a_statement_stands_for_a_query() {
        let of = |statement: &str| query(statement).unwrap();
        assert_eq!(of("KFL  a == 'b'"), "select * from kfl('a == ''b''') order by ts");
        assert_eq!(of("explain analyze KFL"), "explain analyze select * from kfl('') order by ts");
    }

    /// Who writes the word where SQL has none is told how it is said there.
    #[test]
    fn a_filter_within_another_statement_is_told_apart() {
        assert!(hint("copy (KFL http) to 'x'", 7).is_some_and(|hint| hint.contains("kfl('filter')")));
        assert_eq!(hint("copy (KFL http) to 'x'", 6), None);
        assert_eq!(hint("é", 0), None);
    }

    /// Only the word itself begins one.
    #[test]
    fn other_statements_are_left_alone() {
        for sql in [
            "select * from kfl('http')",
            "kflx",
            "kfl_x",
            "",
            "-- kfl\nselect 1",
            "kfl.x",
            "explain",
            "analyze kfl",
            "explain select 1",
        ] {
            assert_eq!(split(sql), None, "{sql}");
        }
    }

    /// Places in the filter are told as places in the statement.
    #[test]
    fn places_are_of_the_statement() {
        assert_eq!(locate("KFL  é == 1", "é == 1", 3), Some(8));
        assert_eq!(locate("explain kfl a == b", "a == b", 5), Some(18));
        assert_eq!(locate("KFL a", "b", 0), None);
        assert_eq!(locate("select 1", "1", 0), None);
    }
}
