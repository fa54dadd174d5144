//! Tokens into an [`Expr`]: operators by their precedence, macros as the calls they look like.
//!
//! The fact to know: a tree is never higher than [`MAX_DEPTH`], whatever the text, so that all who walk it may recurse.
//! Chains of `&&` and of `||` are one node, however long.

mod logic;
mod v1;

use super::ast::{BinaryOp, Call, Expr, ExprKind, Name, Span, UnaryOp};
use super::error::Fault;
use super::lexer::{self, Token, TokenKind};
use super::renamed;
use super::value::Value;
use super::{MAX_DEPTH, MAX_TEXT_BYTES};

/// Words that CEL keeps for itself; they are good names behind a dot.
pub(super) const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
/// Words that are no names anywhere.
pub(super) const KEYWORDS: &[&str] = &["true", "false", "null", "in"];

pub(super) use v1::PATTERN as V1_PATTERN;

/// How tightly `||`, `&&`, relations, sums and products bind.
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;

/// Reads an expression of CEL.
pub(super) fn parse(text: &str) -> Result<Expr, Fault> {
    read(text, Dialect::Kfl2).map(|(expr, _)| expr)
}

/// Reads an expression of CEL that may have the words of KFL v1 in it; what it has of them.
pub(super) fn parse_v1(text: &str) -> Result<(Expr, V1Words), Fault> {
    read(text, Dialect::V1)
}

/// Which words are operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Kfl2,
    /// `and`, `or` and `contains` are; `r"…"` is the call `r("…")`, a pattern.
    V1,
}

/// What a text has of KFL v1.
#[derive(Debug, Default)]
pub(super) struct V1Words {
    /// A word is an operator.
    pub(super) has_words: bool,
    /// `and` and `or` are mixed without parentheses so that v1 and CEL differ.
    pub(super) is_ambiguous: bool,
    /// What v1 makes of that, and what CEL does, if it is not too long to show.
    pub(super) readings: Option<[Expr; 2]>,
}

fn read(text: &str, dialect: Dialect) -> Result<(Expr, V1Words), Fault> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the filter is {} bytes long, over the limit of {MAX_TEXT_BYTES}", text.len());
        return Err(Fault::new(Span { start: MAX_TEXT_BYTES, end: text.len() }, message));
    }
    let v1 = V1Words::default();
    let mut parser = Parser { text, tokens: lexer::tokens(text)?, at: 0, depth: 0, dialect, v1 };
    let node = parser.expression()?;
    match parser.token().kind {
        TokenKind::End => Ok((*node.expr, parser.v1)),
        _ => Err(parser.unexpected("an operator")),
    }
}

/// An expression and how high its tree is. Small, because all that recurse hand it on.
struct Node {
    expr: Box<Expr>,
    height: usize,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// How many expressions are begun.
    depth: usize,
    dialect: Dialect,
    v1: V1Words,
}

const END: &Token = &Token { kind: TokenKind::End, span: Span { start: 0, end: 0 } };

impl Parser<'_> {
    fn token(&self) -> &Token {
        self.tokens.get(self.at).or(self.tokens.last()).unwrap_or(END)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.token().kind, TokenKind::Symbol(found) if found == symbol)
    }

    /// Passes a symbol, if it stands here.
    fn take(&mut self, symbol: &str) -> bool {
        let is_here = self.is_symbol(symbol);
        self.at += usize::from(is_here);
        is_here
    }

    /// Passes a symbol that has to stand here; its span.
    fn expect(&mut self, symbol: &'static str, what: &str) -> Result<Span, Fault> {
        let span = self.token().span;
        if self.take(symbol) { Ok(span) } else { Err(self.unexpected(what)) }
    }

    fn expression(&mut self) -> Result<Node, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep(self.token().span));
        }
        let condition = if self.dialect == Dialect::V1 { self.v1_logic()? } else { self.operation(OR)? };
        let node = if self.take("?") { self.conditional(condition)? } else { condition };
        self.depth -= 1;
        Ok(node)
    }

    /// The arms behind a condition and its `?`.
    fn conditional(&mut self, condition: Node) -> Result<Node, Fault> {
        let then = self.expression()?;
        self.expect(":", "`:`, the other half of `?`")?;
        let otherwise = self.expression()?;
        let span = condition.expr.span.to(otherwise.expr.span);
        let height = condition.height.max(then.height).max(otherwise.height);
        let arms = Box::new([*condition.expr, *then.expr, *otherwise.expr]);
        higher(ExprKind::Conditional(arms), span, height)
    }

    /// Operands joined by operators that bind at least so tightly.
    fn operation(&mut self, least: u8) -> Result<Node, Fault> {
        let mut left = self.unary()?;
        while let Some((operator, power)) = self.operator().filter(|(_, power)| *power >= least) {
            left = match operator {
                Some(operator) => self.binary(operator, left, power)?,
                None => self.chain(left, power)?,
            };
        }
        if self.dialect == Dialect::V1 && least <= RELATION { self.infix(left) } else { Ok(left) }
    }

    /// The operator that stands here and its right operand.
    fn binary(&mut self, operator: BinaryOp, left: Node, power: u8) -> Result<Node, Fault> {
        self.at += 1;
        let right = self.operation(power + 1)?;
        let (span, height) = (left.expr.span.to(right.expr.span), left.height.max(right.height));
        higher(ExprKind::Binary(operator, left.expr, right.expr), span, height)
    }

    /// The rest of `a && b && …` or `a || b || …`.
    fn chain(&mut self, first: Node, power: u8) -> Result<Node, Fault> {
        let symbol = if power == AND { "&&" } else { "||" };
        let (mut span, mut height, mut terms) = (first.expr.span, first.height, vec![*first.expr]);
        while self.take(symbol) {
            let term = self.operation(power + 1)?;
            span = span.to(term.expr.span);
            height = height.max(term.height);
            terms.push(*term.expr);
        }
        higher(if power == AND { ExprKind::And(terms) } else { ExprKind::Or(terms) }, span, height)
    }

    /// The operator that stands here and how tightly it binds; `None` for `&&` and `||`.
    fn operator(&self) -> Option<(Option<BinaryOp>, u8)> {
        let binary = |operator, power| Some((Some(operator), power));
        match &self.token().kind {
            TokenKind::Word(word) if word == "in" => binary(BinaryOp::In, RELATION),
            TokenKind::Symbol("||") => Some((None, OR)),
            TokenKind::Symbol("&&") => Some((None, AND)),
            TokenKind::Symbol("==") => binary(BinaryOp::Equal, RELATION),
            TokenKind::Symbol("!=") => binary(BinaryOp::NotEqual, RELATION),
            TokenKind::Symbol("<") => binary(BinaryOp::Less, RELATION),
            TokenKind::Symbol("<=") => binary(BinaryOp::LessOrEqual, RELATION),
            TokenKind::Symbol(">") => binary(BinaryOp::Greater, RELATION),
            TokenKind::Symbol(">=") => binary(BinaryOp::GreaterOrEqual, RELATION),
            TokenKind::Symbol("+") => binary(BinaryOp::Add, SUM),
            TokenKind::Symbol("-") => binary(BinaryOp::Subtract, SUM),
            TokenKind::Symbol("*") => binary(BinaryOp::Multiply, PRODUCT),
            TokenKind::Symbol("/") => binary(BinaryOp::Divide, PRODUCT),
            TokenKind::Symbol("%") => binary(BinaryOp::Remainder, PRODUCT),
            _ => None,
        }
    }

    /// `!` and `-` in front of an operand. A sign right before a number is part of the number.
    fn unary(&mut self) -> Result<Node, Fault> {
        let first = self.at;
        let mut operators = Vec::new();
        while let Some(operator) = match self.token().kind {
            TokenKind::Symbol("!") => Some(UnaryOp::Not),
            TokenKind::Symbol("-") => Some(UnaryOp::Negate),
            _ => None,
        } {
            operators.push((operator, self.token().span));
            self.at += 1;
        }
        let is_number = matches!(self.token().kind, TokenKind::Int(_) | TokenKind::Double(_));
        let sign = operators.pop_if(|(operator, _)| *operator == UnaryOp::Negate && is_number);
        if let Some((operator, span)) = operators.iter().find(|(operator, _)| *operator != first_of(&operators)) {
            let symbol = if *operator == UnaryOp::Not { "!" } else { "-" };
            return Err(Fault::new(*span, format!("`{symbol}` cannot follow another sign")).hint("use parentheses"));
        }
        debug_assert!(self.at >= first);
        let mut node = self.member(sign.map(|(_, span)| span))?;
        for (operator, span) in operators.into_iter().rev() {
            let span = span.to(node.expr.span);
            node = higher(ExprKind::Unary(operator, node.expr), span, node.height)?;
        }
        Ok(node)
    }

    /// An operand with the selectors, calls and indexes behind it.
    fn member(&mut self, sign: Option<Span>) -> Result<Node, Fault> {
        let mut node = self.primary(sign)?;
        loop {
            node = match self.token().kind {
                TokenKind::Symbol(".") => self.select(node)?,
                TokenKind::Symbol("[") => self.index(node)?,
                TokenKind::Symbol("{") => {
                    let fault = Fault::new(self.token().span, "there are no messages to make");
                    return Err(fault.hint("a map is `{\"key\": value}`, with no name before it"));
                }
                _ => return Ok(node),
            };
        }
    }

    /// `.field` or `.method(args)` behind an operand.
    fn select(&mut self, operand: Node) -> Result<Node, Fault> {
        self.at += 1;
        let (field, name_span) = self.field()?;
        if self.take("(") {
            return self.call(field, name_span, Some(operand));
        }
        let span = operand.expr.span.to(name_span);
        higher(ExprKind::Select(operand.expr, field), span, operand.height)
    }

    /// `[index]` behind an operand.
    fn index(&mut self, operand: Node) -> Result<Node, Fault> {
        self.at += 1;
        let index = self.expression()?;
        let end = self.expect("]", "`]`")?;
        let (span, height) = (operand.expr.span.to(end), operand.height.max(index.height));
        higher(ExprKind::Index(operand.expr, index.expr), span, height)
    }

    /// The name behind a dot.
    fn field(&mut self) -> Result<(String, Span), Fault> {
        let Token { kind, span } = self.token().clone();
        match kind {
            TokenKind::Word(word) if !KEYWORDS.contains(&word.as_str()) => {
                self.at += 1;
                Ok((word, span))
            }
            TokenKind::String(_) => {
                Err(self.unexpected("a name").hint("a key in quotes stands in brackets: `m[\"key\"]`"))
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// What stands in the parentheses of a call, which are open.
    fn call(&mut self, name: String, name_span: Span, target: Option<Node>) -> Result<Node, Fault> {
        let start = target.as_ref().map_or(name_span, |target| target.expr.span);
        let (args, height, end) = self.sequence(")")?;
        let height = target.as_ref().map_or(height, |target| target.height.max(height));
        let call = Call { name, name_span, target: target.map(|target| target.expr), args };
        higher(ExprKind::Call(call), start.to(end), height)
    }

    /// Expressions up to what closes them, their height and where that stands. A list may end with a comma.
    fn sequence(&mut self, closing: &'static str) -> Result<(Vec<Expr>, usize, Span), Fault> {
        let (mut exprs, mut height) = (Vec::new(), 0);
        while !self.is_symbol(closing) {
            let node = self.expression()?;
            height = height.max(node.height);
            exprs.push(*node.expr);
            if !self.take(",") {
                break;
            }
            if closing == ")" && self.is_symbol(closing) {
                return Err(self.unexpected("a value"));
            }
        }
        let end = self.expect(closing, if closing == "]" { "`,` or `]`" } else { "`,` or `)`" })?;
        Ok((exprs, height, end))
    }

    fn primary(&mut self, sign: Option<Span>) -> Result<Node, Fault> {
        match self.token().kind {
            TokenKind::Symbol("(") => {
                self.at += 1;
                let node = self.expression()?;
                self.expect(")", "`)`")?;
                Ok(node)
            }
            TokenKind::Symbol("[") => self.list(),
            TokenKind::Symbol("{") => self.map(),
            TokenKind::Symbol(".") => self.rooted(),
            TokenKind::Symbol(_) | TokenKind::End => Err(self.unexpected("a value")),
            _ => self.leaf(sign),
        }
    }

    /// A literal or a name.
    fn leaf(&mut self, sign: Option<Span>) -> Result<Node, Fault> {
        let Token { kind, span } = self.token().clone();
        self.at += 1;
        let value = match kind {
            TokenKind::Int(magnitude) => Value::Int(signed(magnitude, sign.is_some(), span)?),
            TokenKind::Double(value) => Value::Double(if sign.is_some() { -value } else { value }),
            TokenKind::Uint(value) => Value::Uint(value),
            TokenKind::String(text) if self.is_v1_pattern(span) => return Ok(v1::pattern(text, span)),
            TokenKind::String(text) => Value::string(text),
            TokenKind::Bytes(bytes) => Value::Bytes(bytes.into()),
            TokenKind::Word(word) => match word.as_str() {
                "true" | "false" => Value::Bool(word == "true"),
                "null" => Value::Null,
                _ => return self.name(word, span, span, false),
            },
            TokenKind::Symbol(_) | TokenKind::End => return Err(self.unexpected("a value")),
        };
        Ok(leaf(ExprKind::Literal(value), sign.map_or(span, |sign| sign.to(span))))
    }

    /// `.name`, the variable of that name whatever a macro calls so.
    fn rooted(&mut self) -> Result<Node, Fault> {
        let dot = self.token().span;
        self.at += 1;
        let Token { kind: TokenKind::Word(word), span } = self.token().clone() else {
            return Err(self.unexpected("a name"));
        };
        self.at += 1;
        self.name(word, span, dot.to(span), true)
    }

    fn list(&mut self) -> Result<Node, Fault> {
        let start = self.token().span;
        self.at += 1;
        let (elements, height, end) = self.sequence("]")?;
        higher(ExprKind::List(elements), start.to(end), height)
    }

    /// A variable or a function call.
    fn name(&mut self, text: String, name_span: Span, span: Span, is_rooted: bool) -> Result<Node, Fault> {
        if RESERVED.contains(&text.as_str()) || KEYWORDS.contains(&text.as_str()) {
            self.at -= 1;
            let fault = Fault::new(name_span, format!("`{text}` is a reserved word of CEL and no name"));
            return Err(match renamed::elsewhere(&text) {
                Some(hint) => fault.hint(hint),
                None if text == "in" => fault.hint("`in` stands between a value and a list"),
                None => fault,
            });
        }
        if self.take("(") {
            return self.call(text, name_span, None);
        }
        Ok(leaf(ExprKind::Ident(Name { text, is_rooted }), span))
    }

    fn map(&mut self) -> Result<Node, Fault> {
        let start = self.token().span;
        self.at += 1;
        let (mut entries, mut height) = (Vec::new(), 0);
        while !self.is_symbol("}") {
            let key = self.expression()?;
            self.expect(":", "`:` and the value of the key")?;
            let value = self.expression()?;
            height = height.max(key.height).max(value.height);
            entries.push((*key.expr, *value.expr));
            if !self.take(",") {
                break;
            }
        }
        let end = self.expect("}", "`,` or `}`")?;
        higher(ExprKind::Map(entries), start.to(end), height)
    }

    /// The token that stands here is not what could.
    fn unexpected(&self, wanted: &str) -> Fault {
        let Token { kind, span } = self.token();
        let said = self.text.get(span.start..span.end).unwrap_or("");
        match kind {
            TokenKind::End if self.at == 0 => Fault::new(*span, "there is nothing here"),
            TokenKind::End => Fault::new(*span, format!("the filter ends where {wanted} is missing")),
            TokenKind::Symbol(closing @ (")" | "]" | "}")) if wanted == "an operator" => {
                Fault::new(*span, format!("`{closing}` closes nothing"))
            }
            TokenKind::Symbol(_) => Fault::new(*span, format!("`{said}` stands where {wanted} is missing")),
            _ => instead(said, Fault::new(*span, format!("`{said}` stands where {wanted} is missing"))),
        }
    }
}

/// Words of other languages, where an operator is missing.
fn instead(said: &str, fault: Fault) -> Fault {
    match said.to_ascii_lowercase().as_str() {
        "and" => fault.hint("write `&&`"),
        "or" => fault.hint("write `||`"),
        "not" | "is" => fault.hint("write `!x`, `x == y` or `x != y`"),
        "contains" => fault.hint("write `x.contains(\"…\")`"),
        "startswith" => fault.hint("write `x.startsWith(\"…\")`"),
        "endswith" => fault.hint("write `x.endsWith(\"…\")`"),
        "matches" | "like" | "ilike" | "regexp" => fault.hint("write `x.matches(\"…\")`"),
        "between" => fault.hint("write `x >= a && x <= b`"),
        "eq" => fault.hint("write `==`"),
        "ne" => fault.hint("write `!=`"),
        "lt" | "le" | "gt" | "ge" => fault.hint("write `<`, `<=`, `>` or `>=`"),
        _ => fault,
    }
}

fn first_of(operators: &[(UnaryOp, Span)]) -> UnaryOp {
    operators.first().map_or(UnaryOp::Not, |(operator, _)| *operator)
}

/// A node above trees of at most this height.
fn higher(kind: ExprKind, span: Span, below: usize) -> Result<Node, Fault> {
    if below >= MAX_DEPTH {
        return Err(too_deep(span));
    }
    Ok(Node { expr: Box::new(Expr { kind, span }), height: below + 1 })
}

fn leaf(kind: ExprKind, span: Span) -> Node {
    Node { expr: Box::new(Expr { kind, span }), height: 1 }
}

fn too_deep(span: Span) -> Fault {
    Fault::new(span, format!("the filter is nested deeper than {MAX_DEPTH}"))
        .hint("use `in` with a list, or `&&` and `||`")
}

fn signed(magnitude: u64, is_negative: bool, span: Span) -> Result<i64, Fault> {
    let value = if is_negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.ok_or_else(|| Fault::new(span, "the number does not fit in 64 bits with a sign").hint("write `u` behind it"))
}
