//! Tokens into an [`Expr`]: terms, parentheses, `not`, and which qualifiers a bare value inherits.
//!
//! `port 80 or 443` means `port 80 or port 443`: a value without qualifiers takes those of the primitive before it.
//! A parenthesis opens with the qualifiers that hold before it and leaves them as they were when it closes. After a
//! primitive that takes no value (`tcp`, `len > 5`) there is nothing to inherit. Primitives themselves are read in
//! `primitive`, arithmetic in `sum`.

use super::MAX_DEPTH;
use super::MAX_TEXT_BYTES;
use super::ast::{Expr, Join, Step, Test};
use super::error::BpfError;
use super::lexer::{self, Symbol, Token};
use super::qualifier::{self, Qualifiers};
use super::words::{self, Word};

/// Reads a filter in the language of `pcap-filter(7)`. Host names are not resolved.
///
/// # Errors
/// Whatever is wrong with the text, with its place; also a text over 64 KiB or nested deeper than 128.
pub fn parse(text: &str) -> Result<Expr, BpfError> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the filter is {} bytes long, over the limit of {MAX_TEXT_BYTES}", text.len());
        return Err(BpfError::new(MAX_TEXT_BYTES, message));
    }
    let mut parser = Parser { text, token: Token::End, start: 0, end: 0, depth: 0 };
    parser.advance()?;
    if parser.token == Token::End {
        return Ok(Expr::All);
    }
    let (expr, _) = parser.expression(None, Place::First)?;
    match parser.token {
        Token::End => Ok(expr),
        Token::Symbol(Symbol::Close) => {
            Err(BpfError::new(parser.start, "`)` closes nothing").hint("no `(` stands before it"))
        }
        _ => Err(parser.unexpected("`and` or `or`")),
    }
}

/// What may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The start of an expression: primitives.
    First,
    /// After qualifiers: values, or a parenthesis of values.
    Qualified,
    /// After `and` or `or`: either.
    Joined,
}

/// What was read at a place.
pub(super) enum Operand {
    /// A test, and the qualifiers that hold after it.
    Term(Expr, Option<Qualifiers>),
    /// A value that took the qualifiers before it; `grouped` if it came in parentheses.
    Value { expr: Expr, grouped: bool },
    /// A number whose meaning depends on what follows it.
    Number(u32, usize),
    /// Arithmetic that nothing has compared yet, and where it began.
    Sum(Vec<Step>, usize),
}

/// Reads one token ahead.
pub(super) struct Parser<'a> {
    text: &'a str,
    pub(super) token: Token<'a>,
    /// Where the current token begins.
    pub(super) start: usize,
    /// Where the current token ends.
    end: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn advance(&mut self) -> Result<(), BpfError> {
        (self.start, self.token, self.end) = lexer::token(self.text, self.end)?;
        Ok(())
    }

    /// The current token as written.
    pub(super) fn spelling(&self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or("")
    }

    pub(super) fn accept(&mut self, symbol: Symbol) -> Result<bool, BpfError> {
        let found = self.token == Token::Symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn accept_word(&mut self, word: Word) -> Result<bool, BpfError> {
        let found = self.token == Token::Word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(super) fn expect(&mut self, symbol: Symbol, wanted: &str) -> Result<(), BpfError> {
        if self.accept(symbol)? { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    /// Runs `inner` one level deeper, up to the limit.
    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, BpfError>) -> Result<T, BpfError> {
        if self.depth >= MAX_DEPTH {
            return Err(BpfError::new(self.start, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// The current token does not fit; `wanted` says what would.
    pub(super) fn unexpected(&self, wanted: &str) -> BpfError {
        let spelling = self.spelling();
        match self.token {
            Token::End => BpfError::new(self.start, format!("the filter ends where {wanted} is expected")),
            Token::Word(Word::Foreign(what)) => qualifier::foreign(self.start, spelling, what),
            Token::Name(name) => {
                let error = BpfError::new(self.start, format!("`{spelling}` stands where {wanted} is expected"));
                match words::nearest(name) {
                    Some(word) => error.hint(format!("did you mean `{word}`?")),
                    None => error,
                }
            }
            _ => BpfError::new(self.start, format!("`{spelling}` stands where {wanted} is expected")),
        }
    }

    /// Operands joined by `and` and `or`, as far as they go.
    fn expression(
        &mut self,
        inherited: Option<Qualifiers>,
        place: Place,
    ) -> Result<(Expr, Option<Qualifiers>), BpfError> {
        let (start, spelling) = (self.start, self.spelling());
        match self.operand(inherited, place)? {
            Operand::Term(first, qualifiers) => self.joined(first, qualifiers),
            Operand::Value { expr, .. } => Ok((expr, inherited)),
            Operand::Number(..) => Err(BpfError::new(start, format!("`{spelling}` alone is not a test"))
                .hint(format!("write `port {spelling}`, `host {spelling}` or a comparison"))),
            Operand::Sum(_, at) => Err(uncompared(at)),
        }
    }

    /// What follows a first term: any number of operands, each inheriting from the one before.
    fn joined(
        &mut self,
        first: Expr,
        mut qualifiers: Option<Qualifiers>,
    ) -> Result<(Expr, Option<Qualifiers>), BpfError> {
        let mut rest = Vec::new();
        while let Some(join) = self.join()? {
            match self.operand(qualifiers, Place::Joined)? {
                Operand::Term(expr, after) => {
                    rest.push((join, expr));
                    qualifiers = after;
                }
                Operand::Value { expr, .. } => rest.push((join, expr)),
                Operand::Number(value, at) => rest.push((join, qualifier::number(qualifiers, value, at)?)),
                Operand::Sum(_, at) => return Err(uncompared(at)),
            }
        }
        Ok((chain(first, rest), qualifiers))
    }

    fn join(&mut self) -> Result<Option<Join>, BpfError> {
        if self.accept(Symbol::And)? {
            Ok(Some(Join::And))
        } else if self.accept(Symbol::Or)? {
            Ok(Some(Join::Or))
        } else {
            Ok(None)
        }
    }

    /// One operand: a value, a primitive, a comparison, a negation or a parenthesis.
    pub(super) fn operand(&mut self, inherited: Option<Qualifiers>, place: Place) -> Result<Operand, BpfError> {
        let start = self.start;
        match self.token {
            Token::Symbol(Symbol::Not) => {
                self.advance()?;
                self.deeper(|parser| parser.negation(inherited, place))
            }
            Token::Symbol(Symbol::Open) => {
                self.advance()?;
                let inner = self.deeper(|parser| parser.parenthesis(inherited, place))?;
                if place == Place::Qualified { Ok(inner) } else { self.comparison(inner) }
            }
            Token::Number(value) => {
                self.advance()?;
                let number = Operand::Number(value, start);
                if place == Place::Qualified { Ok(number) } else { self.comparison(number) }
            }
            Token::Name(_) | Token::Dotted(_) | Token::Ipv6(_) | Token::Mac(_) => {
                if place == Place::First {
                    return Err(qualifier::unqualified(self.token, self.spelling(), start));
                }
                let expr = self.value(inherited)?;
                Ok(Operand::Value { expr, grouped: false })
            }
            _ if place == Place::Qualified => Err(self.unexpected("a value")),
            _ => self.primitive(),
        }
    }

    fn negation(&mut self, inherited: Option<Qualifiers>, place: Place) -> Result<Operand, BpfError> {
        Ok(match self.operand(inherited, place)? {
            Operand::Term(expr, qualifiers) => Operand::Term(Expr::Not(Box::new(expr)), qualifiers),
            Operand::Value { expr, .. } => Operand::Value { expr: Expr::Not(Box::new(expr)), grouped: false },
            Operand::Number(value, at) => {
                let expr = qualifier::number(inherited, value, at)?;
                Operand::Value { expr: Expr::Not(Box::new(expr)), grouped: false }
            }
            Operand::Sum(_, at) => return Err(uncompared(at)),
        })
    }

    /// What stands between `(` and `)`, and the `)`.
    fn parenthesis(&mut self, inherited: Option<Qualifiers>, place: Place) -> Result<Operand, BpfError> {
        let start = self.start;
        let operand = match self.operand(inherited, place)? {
            Operand::Term(first, qualifiers) => {
                let (expr, _) = self.joined(first, qualifiers)?;
                Operand::Term(expr, inherited)
            }
            Operand::Value { grouped: true, .. } => {
                return Err(BpfError::new(start, "two parentheses around values begin at the same place")
                    .hint("leave out the inner one"));
            }
            Operand::Value { expr, .. } => self.values(expr, inherited)?,
            Operand::Number(value, at) if self.at_join() => {
                let first = qualifier::number(inherited, value, at)?;
                self.values(first, inherited)?
            }
            other => other,
        };
        self.expect(Symbol::Close, "`)`")?;
        Ok(operand)
    }

    fn at_join(&self) -> bool {
        matches!(self.token, Token::Symbol(Symbol::And | Symbol::Or))
    }

    /// The rest of a parenthesis whose first operand is a value: all are values.
    fn values(&mut self, first: Expr, inherited: Option<Qualifiers>) -> Result<Operand, BpfError> {
        let mut rest = Vec::new();
        while let Some(join) = self.join()? {
            match self.operand(inherited, Place::Qualified)? {
                Operand::Value { expr, .. } | Operand::Term(expr, _) => rest.push((join, expr)),
                Operand::Number(value, at) => rest.push((join, qualifier::number(inherited, value, at)?)),
                Operand::Sum(_, at) => return Err(uncompared(at)),
            }
        }
        Ok(Operand::Value { expr: chain(first, rest), grouped: true })
    }

    /// The values that qualifiers apply to: one, or a parenthesis of several.
    pub(super) fn qualified(&mut self, qualifiers: Qualifiers) -> Result<Operand, BpfError> {
        let expr = match self.operand(Some(qualifiers), Place::Qualified)? {
            Operand::Number(value, at) => qualifier::number(Some(qualifiers), value, at)?,
            Operand::Value { expr, .. } | Operand::Term(expr, _) => expr,
            Operand::Sum(_, at) => return Err(uncompared(at)),
        };
        Ok(Operand::Term(expr, Some(qualifiers)))
    }
}

/// A primitive that leaves nothing to inherit.
pub(super) fn plain(position: usize, test: Test) -> Operand {
    Operand::Term(Expr::Test { position, test }, None)
}

fn chain(first: Expr, rest: Vec<(Join, Expr)>) -> Expr {
    if rest.is_empty() { first } else { Expr::Chain { first: Box::new(first), rest } }
}

fn uncompared(position: usize) -> BpfError {
    BpfError::new(position, "this number is not compared with anything").hint("write a comparison, as in `len > 100`")
}
