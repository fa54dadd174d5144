//! From SQL text to statements: splitting, parsing, and what kind of statement each one is. Nothing is resolved here.

use std::ops::Range;

use datafusion::sql::{
    parser::{DFParserBuilder, Statement as DfStatement},
    sqlparser::{
        ast::{Set, SetExpr, Statement as SqlStatement},
        dialect::PostgreSqlDialect,
        tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
    },
};

pub use crate::copy::{CopySource, CopyStatement, CopyTarget};
use crate::{SqlError, copy, entries::statement as kfl, error::locate};

/// Nesting of parentheses and operators that the parser accepts. Its own default of 50 refuses real dashboards' queries;
/// the stack holds several times this.
const RECURSION_LIMIT: usize = 128;

/// One statement of a text.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its tree.
    pub ast: Ast,
    /// Its own text, without the semicolon and the blanks around it. [`SqlError::position`] counts in this.
    pub text: String,
    /// Characters of the whole text before [`text`](Self::text): add it to a position to point into the whole text.
    pub offset: usize,
}

/// The tree of a statement.
#[derive(Debug, Clone)]
pub enum Ast {
    /// Anything but `COPY … TO`, as DataFusion's parser has it.
    Sql(Box<DfStatement>),
    /// `COPY … TO`, in PostgreSQL's syntax, old and new, and in DataFusion's.
    Copy(Box<CopyStatement>),
}

/// What is to be done with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `SELECT`, `WITH`, `VALUES`, `TABLE`.
    Query,
    /// `EXPLAIN` of a query.
    Explain,
    /// `COPY … TO`.
    Copy,
    /// About the connection: `SET`, `SHOW`, `BEGIN`, `PREPARE`, `FETCH`, `DISCARD`, ….
    Session,
    /// Would change data or its definition; always refused.
    Write,
}

impl Statement {
    /// What is to be done with it.
    pub fn kind(&self) -> Kind {
        match &self.ast {
            Ast::Copy(_) => Kind::Copy,
            Ast::Sql(ast) => kind(ast),
        }
    }

    /// The parser's tree, for statements that are none of DataFusion's own.
    pub fn sql(&self) -> Option<&SqlStatement> {
        match &self.ast {
            Ast::Sql(ast) => match ast.as_ref() {
                DfStatement::Statement(statement) => Some(statement),
                _ => None,
            },
            Ast::Copy(_) => None,
        }
    }

    /// Name and value of a `SET name = value`, the value as text without quotes.
    pub fn assignment(&self) -> Option<(String, String)> {
        let SqlStatement::Set(Set::SingleAssignment { variable, values, .. }) = self.sql()? else { return None };
        let value = values.iter().map(|v| unquoted(&v.to_string())).collect::<Vec<_>>().join(", ");
        Some((variable.to_string().to_ascii_lowercase(), value))
    }
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => text.to_owned(),
    }
}

fn kind(ast: &DfStatement) -> Kind {
    match ast {
        DfStatement::Explain(explain) => match kind(&explain.statement) {
            Kind::Query | Kind::Explain => Kind::Explain,
            other => other,
        },
        DfStatement::Reset(_) => Kind::Session,
        DfStatement::CopyTo(_) => Kind::Copy,
        DfStatement::CreateExternalTable(_) => Kind::Write,
        DfStatement::Statement(statement) => sql_kind(statement),
    }
}

fn sql_kind(statement: &SqlStatement) -> Kind {
    use SqlStatement as S;
    match statement {
        S::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => Kind::Write,
            _ => Kind::Query,
        },
        S::Explain { .. } | S::ExplainTable { .. } => Kind::Explain,
        S::Set(_)
        | S::ShowVariable { .. }
        | S::ShowVariables { .. }
        | S::ShowStatus { .. }
        | S::ShowTables { .. }
        | S::ShowColumns { .. }
        | S::ShowDatabases { .. }
        | S::ShowSchemas { .. }
        | S::ShowFunctions { .. }
        | S::ShowCollation { .. }
        | S::ShowCreate { .. }
        | S::ShowViews { .. }
        | S::StartTransaction { .. }
        | S::Commit { .. }
        | S::Rollback { .. }
        | S::Savepoint { .. }
        | S::ReleaseSavepoint { .. }
        | S::Discard { .. }
        | S::Deallocate { .. }
        | S::Prepare { .. }
        | S::Execute { .. }
        | S::Declare { .. }
        | S::Fetch { .. }
        | S::Close { .. }
        | S::LISTEN { .. }
        | S::UNLISTEN { .. }
        | S::NOTIFY { .. }
        | S::Reset(_) => Kind::Session,
        _ => Kind::Write,
    }
}

/// Splits `text` at its semicolons and parses each statement. Blanks and comments alone give no statement.
pub(crate) fn parse(text: &str) -> Result<Vec<Statement>, SqlError> {
    let mut statements = Vec::new();
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        let parsed = match kfl::at_start(rest) {
            Some(kfl) => {
                statements.extend(parse_slice(text, from + kfl.start..from + kfl.end)?);
                kfl.rest
            }
            None => parse_sql(text, from, &mut statements)?,
        };
        from += parsed;
    }
    Ok(statements)
}

/// Parses the statements from byte `from` of `text` on, up to its end or to a statement that is not SQL; gives the bytes
/// that they take.
fn parse_sql(text: &str, from: usize, statements: &mut Vec<Statement>) -> Result<usize, SqlError> {
    let rest = text.get(from..).unwrap_or_default();
    let mut tokens = Vec::new();
    let tokenized = Tokenizer::new(&PostgreSqlDialect {}, rest).tokenize_with_location_into_buf(&mut tokens);
    let place = |location: Location| locate::byte(rest, location.line, location.column);
    // Behind a semicolon there may be KFL, which the tokens of SQL do not fit.
    let next = tokens.iter().filter(|t| t.token == Token::SemiColon).map(|t| place(t.span.end));
    let until = next.into_iter().find(|at| rest.get(*at..).is_some_and(|rest| kfl::at_start(rest).is_some()));
    if until.is_none()
        && let Err(e) = tokenized
    {
        let before = text.get(..from).map_or(0, |before| before.chars().count());
        let position = locate::offset(rest, e.location.line, e.location.column).map(|at| at + before);
        return Err(SqlError::syntax(e.message.to_lowercase(), position));
    }
    let until = until.unwrap_or(rest.len());
    for tokens in tokens.split(|t| t.token == Token::SemiColon) {
        let mut significant = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF));
        let Some(first) = significant.next() else { continue };
        let last = significant.next_back().unwrap_or(first);
        let (start, end) = (place(first.span.start), place(last.span.end));
        if start < until {
            statements.extend(parse_slice(text, from + start..from + end.max(start))?);
        }
    }
    Ok(until)
}

/// Parses the statement that stands at `range` of `text`.
fn parse_slice(text: &str, range: Range<usize>) -> Result<Option<Statement>, SqlError> {
    let Some(slice) = text.get(range.clone()) else { return Ok(None) };
    let offset = text.get(..range.start).map_or(0, |before| before.chars().count());
    let ast = match kfl::query(slice) {
        Some(query) => parse_one(&query),
        None => parse_one(slice),
    };
    let ast = ast.map_err(|mut e| {
        e.hint = e.hint.or_else(|| kfl::hint(slice, e.position?));
        e.position = e.position.map(|p| p + offset); // the caller has only the whole text to point into
        e
    })?;
    Ok(Some(Statement { ast, text: slice.to_owned(), offset }))
}

fn parse_one(text: &str) -> Result<Ast, SqlError> {
    let dialect = PostgreSqlDialect {};
    let tokens: Vec<TokenWithSpan> = Tokenizer::new(&dialect, text)
        .tokenize_with_location()
        .map_err(|e| SqlError::syntax(e.message, locate::offset(text, e.location.line, e.location.column)))?;
    if copy::is_copy(&tokens) {
        return copy::parse(text, tokens).map(|c| Ast::Copy(Box::new(c)));
    }
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(&dialect)
        .with_recursion_limit(RECURSION_LIMIT)
        .build()
        .map_err(|e| SqlError::in_text(&e, text))?;
    let ast = parser.parse_statement().map_err(|e| SqlError::in_text(&e, text))?;
    let rest = parser.parser.next_token();
    if rest.token == Token::EOF {
        Ok(Ast::Sql(Box::new(ast)))
    } else {
        let position = locate::offset(text, rest.span.start.line, rest.span.start.column);
        Err(SqlError::syntax_near(&rest.token.to_string(), position))
    }
}
