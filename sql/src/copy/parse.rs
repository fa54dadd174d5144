//! The syntax of `COPY … TO`: PostgreSQL's, its old form without parentheses that psql's `\copy` still sends, and
//! DataFusion's `STORED AS`, `PARTITIONED BY` and `OPTIONS`.

use datafusion::sql::sqlparser::{
    dialect::PostgreSqlDialect,
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};

use super::{CopyFormat, CopySource, CopyStatement, CopyTarget, options::Written};
use crate::{SqlError, error::locate, session::refuse_write};

/// Whether the statement begins with the word `COPY`.
pub(crate) fn is_copy(tokens: &[TokenWithSpan]) -> bool {
    let first = tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_)));
    first.is_some_and(|t| matches!(&t.token, Token::Word(w) if w.keyword == Keyword::COPY && w.quote_style.is_none()))
}

/// Parses the tokens of `text`, which begin with `COPY`.
pub(crate) fn parse(text: &str, tokens: Vec<TokenWithSpan>) -> Result<CopyStatement, SqlError> {
    let dialect = PostgreSqlDialect {};
    let mut copy = CopyParser {
        text,
        parser: Parser::new(&dialect).with_tokens_with_locations(tokens),
        written: Written::default(),
        partitioned_by: Vec::new(),
        file_options: Vec::new(),
    };
    copy.statement()
}

struct CopyParser<'a> {
    text: &'a str,
    parser: Parser<'a>,
    written: Written,
    partitioned_by: Vec<String>,
    file_options: Vec<(String, String)>,
}

impl CopyParser<'_> {
    fn statement(&mut self) -> Result<CopyStatement, SqlError> {
        self.keyword(Keyword::COPY)?;
        let source = self.source()?;
        if self.parser.parse_keyword(Keyword::FROM) {
            return Err(refuse_write("COPY FROM").at(None));
        }
        self.keyword(Keyword::TO)?;
        let target = self.target()?;
        self.options()?;
        let format = self.format(&target)?;
        let options = self.written.finish(format)?;
        if let Some(compression) = self.written.compression.take() {
            self.file_options.push(("format.compression".to_owned(), compression));
        }
        let rows_file = matches!(format, CopyFormat::Parquet | CopyFormat::Csv | CopyFormat::Json);
        let extra = !self.partitioned_by.is_empty() || !self.file_options.is_empty();
        if extra && (target == CopyTarget::Stdout || !rows_file) {
            let message = "PARTITIONED BY, OPTIONS and COMPRESSION are for files in parquet, csv or json";
            return Err(SqlError::new("0A000", message));
        }
        Ok(CopyStatement {
            source,
            target,
            options,
            partitioned_by: std::mem::take(&mut self.partitioned_by),
            file_options: std::mem::take(&mut self.file_options),
        })
    }

    fn source(&mut self) -> Result<CopySource, SqlError> {
        if self.parser.consume_token(&Token::LParen) {
            let query = self.parser.parse_query().map_err(|e| self.error(e))?;
            self.parser.expect_token(&Token::RParen).map_err(|e| self.error(e))?;
            return Ok(CopySource::Query(query));
        }
        let name = self.parser.parse_object_name(false).map_err(|e| self.error(e))?;
        let mut columns = Vec::new();
        if self.parser.consume_token(&Token::LParen) {
            columns = self.parser.parse_comma_separated(Parser::parse_identifier).map_err(|e| self.error(e))?;
            self.parser.expect_token(&Token::RParen).map_err(|e| self.error(e))?;
        }
        Ok(CopySource::Table { name, columns: columns.iter().map(ToString::to_string).collect() })
    }

    fn target(&mut self) -> Result<CopyTarget, SqlError> {
        let token = self.parser.next_token();
        match &token.token {
            Token::SingleQuotedString(path) => Ok(CopyTarget::File(path.clone())),
            Token::Word(w) if w.value.eq_ignore_ascii_case("stdout") => Ok(CopyTarget::Stdout),
            Token::Word(w) if w.value.eq_ignore_ascii_case("program") => {
                Err(SqlError::new("0A000", "COPY TO PROGRAM is not supported")
                    .with_hint("Use COPY … TO STDOUT and a pipe on the client's side."))
            }
            _ => Err(self.unexpected(&token, "STDOUT or a file name in quotes")),
        }
    }

    fn options(&mut self) -> Result<(), SqlError> {
        loop {
            let token = self.parser.next_token();
            match &token.token {
                Token::EOF => return Ok(()),
                Token::LParen => self.parenthesised()?,
                Token::Word(w) => {
                    let word = w.value.to_ascii_lowercase();
                    self.old_style(&word, &token)?;
                }
                _ => return Err(self.unexpected(&token, "an option of COPY")),
            }
        }
    }

    /// `(FORMAT csv, HEADER, DELIMITER ';')`, after the opening parenthesis.
    fn parenthesised(&mut self) -> Result<(), SqlError> {
        loop {
            let name = self.parser.next_token();
            let Token::Word(word) = &name.token else { return Err(self.unexpected(&name, "the name of an option")) };
            let word = word.value.to_ascii_lowercase();
            if word == "force_quote" {
                self.star(&word)?;
            } else {
                let value = self.value();
                self.set(&word, value.as_deref(), &name)?;
            }
            let next = self.parser.next_token();
            match next.token {
                Token::Comma => {}
                Token::RParen => return Ok(()),
                _ => return Err(self.unexpected(&next, ", or )")),
            }
        }
    }

    /// `CSV HEADER DELIMITER AS ';'`, and DataFusion's clauses.
    fn old_style(&mut self, word: &str, token: &TokenWithSpan) -> Result<(), SqlError> {
        match word {
            "with" => Ok(()),
            "csv" | "binary" => self.set("format", Some(word), token),
            "header" => self.set("header", None, token),
            "delimiter" | "delimiters" | "null" | "quote" | "escape" | "encoding" => {
                let _ = self.parser.parse_keyword(Keyword::AS); // a noise word
                let value = self.parser.parse_literal_string().map_err(|e| self.error(e))?;
                let name = if word == "delimiters" { "delimiter" } else { word };
                self.set(name, Some(&value), token)
            }
            "force" => {
                let next = self.parser.next_token();
                match &next.token {
                    Token::Word(w) if w.value.eq_ignore_ascii_case("quote") => self.star("force_quote"),
                    _ => Err(self.unexpected(&next, "QUOTE")),
                }
            }
            "stored" => {
                self.keyword(Keyword::AS)?;
                let format = self.parser.next_token();
                self.set("format", Some(&format.token.to_string()), token)
            }
            "partitioned" => {
                self.keyword(Keyword::BY)?;
                self.parser.expect_token(&Token::LParen).map_err(|e| self.error(e))?;
                let columns = self.parser.parse_comma_separated(Parser::parse_identifier).map_err(|e| self.error(e))?;
                self.parser.expect_token(&Token::RParen).map_err(|e| self.error(e))?;
                self.partitioned_by = columns.into_iter().map(|c| c.value).collect();
                Ok(())
            }
            "options" => self.datafusion_options(),
            _ => Err(self.unexpected(token, "an option of COPY")),
        }
    }

    /// `OPTIONS ('format.compression' 'zstd(3)', …)`, after the word.
    fn datafusion_options(&mut self) -> Result<(), SqlError> {
        self.parser.expect_token(&Token::LParen).map_err(|e| self.error(e))?;
        loop {
            let key = self.parser.parse_literal_string().map_err(|e| self.error(e))?;
            let value = self.parser.next_token();
            let value = match &value.token {
                Token::SingleQuotedString(text) | Token::Number(text, _) => text.clone(),
                Token::Word(word) => word.value.clone(),
                _ => return Err(self.unexpected(&value, "the value of the option")),
            };
            self.file_options.push((key, value));
            let next = self.parser.next_token();
            match next.token {
                Token::Comma => {}
                Token::RParen => return Ok(()),
                _ => return Err(self.unexpected(&next, ", or )")),
            }
        }
    }

    /// `*`; quoting single columns by name has found no user yet.
    fn star(&mut self, name: &str) -> Result<(), SqlError> {
        let token = self.parser.next_token();
        match token.token {
            Token::Mul => self.set(name, None, &token),
            _ => Err(SqlError::new("0A000", "FORCE_QUOTE takes only * here").at(self.place(&token))),
        }
    }

    /// The value of an option in parentheses, if it has one.
    fn value(&mut self) -> Option<String> {
        let text = match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) | Token::Number(text, _) => {
                text.clone()
            }
            Token::Word(word) => word.value.clone(),
            _ => return None,
        };
        self.parser.next_token();
        Some(text)
    }

    fn format(&self, target: &CopyTarget) -> Result<CopyFormat, SqlError> {
        let stdout_only = [CopyFormat::Text, CopyFormat::Binary];
        let files_only = [CopyFormat::Parquet, CopyFormat::Json];
        match (target, self.written.format) {
            (CopyTarget::Stdout, Some(format)) if files_only.contains(&format) => {
                Err(SqlError::new("0A000", format!("COPY TO STDOUT has no format {}", format.name()))
                    .with_hint("Name a file, or use wiretape query --format."))
            }
            (CopyTarget::Stdout, given) => Ok(given.unwrap_or(CopyFormat::Text)),
            (CopyTarget::File(_), Some(format)) if stdout_only.contains(&format) => {
                Err(SqlError::new("0A000", format!("COPY TO a file has no format {}", format.name()))
                    .with_hint("Use csv, json, parquet, pcap or pcapng."))
            }
            (CopyTarget::File(_), Some(format)) => Ok(format),
            (CopyTarget::File(name), None) => {
                let extension = name.rsplit_once('.').map_or("", |(_, e)| e);
                let by_name = CopyFormat::by_name(extension).filter(|f| !stdout_only.contains(f));
                by_name.ok_or_else(|| {
                    SqlError::new("22023", format!("the name \"{name}\" does not tell the format"))
                        .with_hint("End it in .pcap, .pcapng, .parquet, .csv or .json, or add (FORMAT …).")
                })
            }
        }
    }

    fn set(&mut self, name: &str, value: Option<&str>, token: &TokenWithSpan) -> Result<(), SqlError> {
        let place = self.place(token);
        self.written.set(name, value).map_err(|e| e.at(place))
    }

    fn keyword(&mut self, keyword: Keyword) -> Result<(), SqlError> {
        self.parser.expect_keyword(keyword).map(|_| ()).map_err(|e| self.error(e))
    }

    fn error(&self, error: ParserError) -> SqlError {
        SqlError::in_text(&error.into(), self.text)
    }

    fn unexpected(&self, token: &TokenWithSpan, expected: &str) -> SqlError {
        let end = || (token.token == Token::EOF).then(|| self.text.chars().count() + 1);
        SqlError::syntax_near(&token.token.to_string(), self.place(token).or_else(end))
            .with_detail(format!("Expected {expected}."))
    }

    fn place(&self, token: &TokenWithSpan) -> Option<usize> {
        locate::offset(self.text, token.span.start.line, token.span.start.column)
    }
}
