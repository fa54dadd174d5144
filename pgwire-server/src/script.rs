//! Cuts the text of a Query message into statements and reads their first words, for the statements this crate answers
//! itself. Only tokens are looked at: what a query means is the `sql` crate's business.

use datafusion::sql::sqlparser::{
    dialect::PostgreSqlDialect,
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use wiretape_sql::{KflStatement, kfl_statement};

use crate::error::PgError;

/// One statement of a text.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Its text, from its first to its last token.
    pub(crate) text: String,
    /// Characters of the whole text before it.
    pub(crate) offset: usize,
    tokens: Vec<Token>,
    /// For each token, the byte of `text` where it begins.
    starts: Vec<usize>,
}

/// The statements of `text`; none for text of blanks, comments and semicolons only.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, PgError> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        let before = text.get(..from).map_or(0, |before| before.chars().count());
        from += match kfl_statement(rest) {
            Some(statement) => {
                pieces.extend(Piece::kfl(rest, &statement, before));
                statement.rest
            }
            None => split_sql(rest, before, &mut pieces)?,
        };
    }
    Ok(pieces)
}

/// The statements of `text` up to one that is not SQL, and the bytes that they take; `before` characters stand before it.
fn split_sql(text: &str, before: usize, pieces: &mut Vec<Piece>) -> Result<usize, PgError> {
    let lines = Lines::new(text);
    let mut tokens = Vec::new();
    let tokenized = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location_into_buf(&mut tokens);
    let ends = tokens.iter().filter(|token| token.token == Token::SemiColon).map(|token| lines.byte(token.span.end));
    let until = ends.into_iter().find(|end| text.get(*end..).is_some_and(|rest| kfl_statement(rest).is_some()));
    if let (None, Err(error)) = (until, tokenized) {
        let position = lines.chars_before(error.location) + 1 + before;
        return Err(PgError::syntax(error.message.to_lowercase(), Some(position)));
    }
    let until = until.unwrap_or(text.len());
    let sql = tokens.split(|token| token.token == Token::SemiColon);
    let own = sql.filter(|tokens| tokens.first().is_some_and(|first| lines.byte(first.span.start) < until));
    pieces.extend(own.filter_map(|tokens| Piece::new(text, &lines, tokens, before)));
    Ok(until)
}

impl Piece {
    /// A statement of KFL, of which only the first word is a token.
    fn kfl(text: &str, statement: &KflStatement, before: usize) -> Option<Self> {
        let own = text.get(statement.start..statement.end)?;
        let skipped = text.get(..statement.start)?.chars().count();
        let word = Token::make_word("kfl", None);
        Some(Self { text: own.to_owned(), offset: before + skipped, tokens: vec![word], starts: vec![0] })
    }

    fn new(text: &str, lines: &Lines<'_>, tokens: &[TokenWithSpan], before: usize) -> Option<Self> {
        let significant = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
        let tokens: Vec<&TokenWithSpan> = tokens.iter().filter(significant).collect();
        let first = lines.byte(tokens.first()?.span.start);
        let end = lines.byte(tokens.last()?.span.end);
        let own = text.get(first..end)?;
        Some(Self {
            text: own.to_owned(),
            offset: before + lines.chars_before(tokens.first()?.span.start),
            starts: tokens.iter().map(|token| lines.byte(token.span.start) - first).collect(),
            tokens: tokens.into_iter().map(|token| token.token.clone()).collect(),
        })
    }

    /// A reader of its words, from the first.
    pub(crate) fn words(&self) -> Words<'_> {
        Words { piece: self, next: 0 }
    }

    /// Whether any word satisfies `test`, which is given it in lower case.
    pub(crate) fn any_word(&self, test: impl Fn(&str) -> bool) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Word(word) if test(&word.value.to_lowercase())))
    }
}

/// Reads the tokens of a [`Piece`] one by one.
#[derive(Debug, Clone)]
pub(crate) struct Words<'a> {
    piece: &'a Piece,
    next: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.piece.tokens.get(self.next)
    }

    /// Takes the next token if it is the unquoted word `word`.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let matches = matches!(self.peek(), Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
        self.next += usize::from(matches);
        matches
    }

    /// Takes `words` if all of them come next, in this order; else takes nothing.
    pub(crate) fn take_all(&mut self, words: &[&str]) -> bool {
        let mut ahead = self.clone();
        let all = words.iter().all(|word| ahead.take(word));
        if all {
            *self = ahead;
        }
        all
    }

    /// Takes the next token if it is `token`.
    pub(crate) fn take_token(&mut self, token: &Token) -> bool {
        let matches = self.peek() == Some(token);
        self.next += usize::from(matches);
        matches
    }

    /// The next token as a name: quoted as it is, unquoted in lower case.
    pub(crate) fn name(&mut self) -> Result<String, PgError> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.next += 1;
                Ok(if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() })
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A name with dots.
    pub(crate) fn dotted_name(&mut self) -> Result<String, PgError> {
        let mut name = self.name()?;
        while self.take_token(&Token::Period) {
            name = format!("{name}.{}", self.name()?);
        }
        Ok(name)
    }

    /// The next token as a value: the inside of a string, a word or a number, which may be negative.
    pub(crate) fn value(&mut self) -> Result<String, PgError> {
        let sign = if self.take_token(&Token::Minus) { "-" } else { "" };
        let value = match self.peek() {
            Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::Number(text, _)) => {
                text.clone()
            }
            Some(Token::Word(word)) => word.value.clone(),
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(format!("{sign}{value}"))
    }

    /// A whole number, which may be negative; `None` takes nothing.
    pub(crate) fn number(&mut self) -> Option<i64> {
        let mut ahead = self.clone();
        let negative = ahead.take_token(&Token::Minus);
        let Some(Token::Number(digits, _)) = ahead.peek() else { return None };
        let number: i64 = digits.parse().ok()?;
        ahead.next += 1;
        *self = ahead;
        Some(if negative { -number } else { number })
    }

    /// Whether nothing is left.
    pub(crate) fn is_end(&self) -> bool {
        self.peek().is_none()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), PgError> {
        if self.is_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Leaves out the rest, for clauses that make no difference here.
    pub(crate) fn skip_rest(&mut self) {
        self.next = self.piece.tokens.len();
    }

    /// The text of what is left, and the characters of the whole text before it.
    pub(crate) fn rest(&self) -> (&'a str, usize) {
        let start = self.piece.starts.get(self.next).copied().unwrap_or(self.piece.text.len());
        let (before, rest) = self.piece.text.split_at_checked(start).unwrap_or(("", &self.piece.text));
        (rest, self.piece.offset + before.chars().count())
    }

    /// 42601 at the next token, in PostgreSQL's words.
    pub(crate) fn unexpected(&self) -> PgError {
        let position = Some(self.rest().1 + 1);
        match self.peek() {
            Some(token) => PgError::syntax(format!("syntax error at or near \"{token}\""), position),
            None => PgError::syntax("syntax error at end of input", position),
        }
    }
}

/// Where each line of a text begins. The tokenizer counts lines and columns from 1, columns in characters.
struct Lines<'a> {
    text: &'a str,
    /// Bytes and characters before each line.
    starts: Vec<(usize, usize)>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let mut starts = vec![(0, 0)];
        let mut chars = 0;
        for (byte, c) in text.char_indices() {
            chars += 1;
            if c == '\n' {
                starts.push((byte + 1, chars));
            }
        }
        Self { text, starts }
    }

    fn line(&self, at: Location) -> (usize, usize, usize) {
        let line = usize::try_from(at.line).unwrap_or(usize::MAX).saturating_sub(1);
        let (byte, chars) = self.starts.get(line).copied().unwrap_or((self.text.len(), 0));
        (byte, chars, usize::try_from(at.column).unwrap_or(usize::MAX).saturating_sub(1))
    }

    fn chars_before(&self, at: Location) -> usize {
        let (_, chars, column) = self.line(at);
        chars + column
    }

    fn byte(&self, at: Location) -> usize {
        let (start, _, column) = self.line(at);
        let line = self.text.get(start..).unwrap_or_default();
        line.char_indices().nth(column).map_or(self.text.len(), |(byte, _)| start + byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_semicolons_are_no_statements() {
        for text in ["", " ", ";", " ; ;", "-- ping", "/* a */ ; -- b\n"] {
            assert!(split(text).unwrap().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_statement_of_kfl_ends_at_its_own_semicolon() {
        let pieces = split("select 1; KFL path == \"é;\\\"\" ; select 2").unwrap();
        let texts: Vec<(&str, usize)> = pieces.iter().map(|p| (p.text.as_str(), p.offset)).collect();
        assert_eq!(texts, [("select 1", 0), ("KFL path == \"é;\\\"\"", 10), ("select 2", 31)]);
    }

    #[test]
    fn statements_keep_their_text_and_place() {
        let pieces = split("select 'é;'; -- x\n  select 2 ;").unwrap();
        let seen: Vec<_> = pieces.iter().map(|piece| (piece.text.as_str(), piece.offset)).collect();
        assert_eq!(seen, [("select 'é;'", 0), ("select 2", 20)]);
    }

    #[test]
    fn the_rest_of_a_statement_is_its_own_text() {
        let pieces = split(";declare \"C 1\" cursor\nfor select  1").unwrap();
        let mut words = pieces[0].words();
        assert!(words.take("DECLARE"));
        assert_eq!(words.name().unwrap(), "C 1");
        assert!(words.take_all(&["cursor", "for"]));
        assert_eq!(words.rest(), ("select  1", 26));
    }

    #[test]
    fn an_unexpected_word_is_pointed_at() {
        let pieces = split("select 1; close").unwrap();
        let mut words = pieces[1].words();
        assert!(words.take("close"));
        assert_eq!(words.name().unwrap_err(), PgError::syntax("syntax error at end of input", Some(16)));
    }
}
