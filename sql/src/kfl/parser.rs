//! Tokens into an [`Expr`]: operators by their precedence, macros as the calls they look like.
//!
//! The fact to know: a tree is never higher than [`MAX_DEPTH`], whatever the text, so that all who walk it may recurse.
//! Chains of `&&` and of `||` are one node, however long.

use super::ast::{BinaryOp, Call, Expr, ExprKind, Name, Span, UnaryOp};
use super::error::Fault;
use super::lexer::{self, Token, TokenKind};
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

/// How tightly `||`, `&&`, relations, sums and products bind.
const OR: u8 = 1;
const AND: u8 = 2;
const RELATION: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;

/// Reads an expression of CEL.
pub(super) fn parse(text: &str) -> Result<Expr, Fault> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the filter is {} bytes long, over the limit of {MAX_TEXT_BYTES}", text.len());
        return Err(Fault::new(Span { start: MAX_TEXT_BYTES, end: text.len() }, message));
    }
    let mut parser = Parser { text, tokens: lexer::tokens(text)?, at: 0, depth: 0 };
    let node = parser.expression()?;
    match parser.token().kind {
        TokenKind::End => Ok(node.expr),
        _ => Err(parser.unexpected("an operator")),
    }
}

/// An expression and how high its tree is.
struct Node {
    expr: Expr,
    height: usize,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// How many expressions are begun.
    depth: usize,
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
        let condition = self.operation(OR)?;
        let node = if self.take("?") {
            let then = self.expression()?;
            self.expect(":", "`:`, the other half of `?`")?;
            let otherwise = self.expression()?;
            let span = condition.expr.span.to(otherwise.expr.span);
            let height = condition.height.max(then.height).max(otherwise.height);
            let arms = Box::new([condition.expr, then.expr, otherwise.expr]);
            higher(ExprKind::Conditional(arms), span, height)?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    /// Operands joined by operators that bind at least so tightly.
    fn operation(&mut self, least: u8) -> Result<Node, Fault> {
        let mut left = self.unary()?;
        while let Some((operator, power)) = self.operator().filter(|(_, power)| *power >= least) {
            left = match operator {
                Some(operator) => {
                    self.at += 1;
                    let right = self.operation(power + 1)?;
                    let span = left.expr.span.to(right.expr.span);
                    let height = left.height.max(right.height);
                    let kind = ExprKind::Binary(operator, Box::new(left.expr), Box::new(right.expr));
                    higher(kind, span, height)?
                }
                None => self.chain(left, power)?,
            };
        }
        Ok(left)
    }

    /// The rest of `a && b && …` or `a || b || …`.
    fn chain(&mut self, first: Node, power: u8) -> Result<Node, Fault> {
        let symbol = if power == AND { "&&" } else { "||" };
        let (mut span, mut height, mut terms) = (first.expr.span, first.height, vec![first.expr]);
        while self.take(symbol) {
            let term = self.operation(power + 1)?;
            span = span.to(term.expr.span);
            height = height.max(term.height);
            terms.push(term.expr);
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
            node = higher(ExprKind::Unary(operator, Box::new(node.expr)), span, node.height)?;
        }
        Ok(node)
    }

    /// An operand with the selectors, calls and indexes behind it.
    fn member(&mut self, sign: Option<Span>) -> Result<Node, Fault> {
        let mut node = self.primary(sign)?;
        loop {
            if self.take(".") {
                let (field, name_span) = self.field()?;
                node = if self.take("(") {
                    self.call(field, name_span, Some(node))?
                } else {
                    let span = node.expr.span.to(name_span);
                    higher(ExprKind::Select(Box::new(node.expr), field), span, node.height)?
                };
            } else if self.take("[") {
                let index = self.expression()?;
                let end = self.expect("]", "`]`")?;
                let (span, height) = (node.expr.span.to(end), node.height.max(index.height));
                node = higher(ExprKind::Index(Box::new(node.expr), Box::new(index.expr)), span, height)?;
            } else if self.is_symbol("{") {
                let fault = Fault::new(self.token().span, "there are no messages to make");
                return Err(fault.hint("a map is `{\"key\": value}`, with no name before it"));
            } else {
                return Ok(node);
            }
        }
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
        let call = Call { name, name_span, target: target.map(|target| Box::new(target.expr)), args };
        higher(ExprKind::Call(call), start.to(end), height)
    }

    /// Expressions up to what closes them, their height and where that stands. A list may end with a comma.
    fn sequence(&mut self, closing: &'static str) -> Result<(Vec<Expr>, usize, Span), Fault> {
        let (mut exprs, mut height) = (Vec::new(), 0);
        while !self.is_symbol(closing) {
            let node = self.expression()?;
            height = height.max(node.height);
            exprs.push(node.expr);
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
        let Token { kind, span } = self.token().clone();
        self.at += 1;
        let leaf = |kind, span| Ok(Node { expr: Expr { kind, span }, height: 1 });
        let literal = |value| leaf(ExprKind::Literal(value), sign.map_or(span, |sign| sign.to(span)));
        match kind {
            TokenKind::Int(magnitude) => literal(Value::Int(signed(magnitude, sign.is_some(), span)?)),
            TokenKind::Double(value) => literal(Value::Double(if sign.is_some() { -value } else { value })),
            TokenKind::Uint(value) => literal(Value::Uint(value)),
            TokenKind::String(text) => literal(Value::string(text)),
            TokenKind::Bytes(bytes) => literal(Value::Bytes(bytes.into())),
            TokenKind::Word(word) if word == "true" || word == "false" => literal(Value::Bool(word == "true")),
            TokenKind::Word(word) if word == "null" => literal(Value::Null),
            TokenKind::Word(word) => self.name(word, span, span, false),
            TokenKind::Symbol(".") => {
                let Token { kind: TokenKind::Word(word), span: name_span } = self.token().clone() else {
                    return Err(self.unexpected("a name"));
                };
                self.at += 1;
                self.name(word, name_span, span.to(name_span), true)
            }
            TokenKind::Symbol("(") => {
                let node = self.expression()?;
                self.expect(")", "`)`")?;
                Ok(node)
            }
            TokenKind::Symbol("[") => {
                let (elements, height, end) = self.sequence("]")?;
                higher(ExprKind::List(elements), span.to(end), height)
            }
            TokenKind::Symbol("{") => self.map(span),
            _ => {
                self.at -= 1;
                Err(self.unexpected("a value"))
            }
        }
    }

    /// A variable or a function call.
    fn name(&mut self, text: String, name_span: Span, span: Span, is_rooted: bool) -> Result<Node, Fault> {
        if RESERVED.contains(&text.as_str()) || KEYWORDS.contains(&text.as_str()) {
            self.at -= 1;
            let fault = Fault::new(name_span, format!("`{text}` is a reserved word of CEL and no name"));
            return Err(if text == "in" { fault.hint("`in` stands between a value and a list") } else { fault });
        }
        if self.take("(") {
            return self.call(text, name_span, None);
        }
        Ok(Node { expr: Expr { kind: ExprKind::Ident(Name { text, is_rooted }), span }, height: 1 })
    }

    /// The entries of a map, whose brace is open.
    fn map(&mut self, start: Span) -> Result<Node, Fault> {
        let (mut entries, mut height) = (Vec::new(), 0);
        while !self.is_symbol("}") {
            let key = self.expression()?;
            self.expect(":", "`:` and the value of the key")?;
            let value = self.expression()?;
            height = height.max(key.height).max(value.height);
            entries.push((key.expr, value.expr));
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
    Ok(Node { expr: Expr { kind, span }, height: below + 1 })
}

fn too_deep(span: Span) -> Fault {
    Fault::new(span, format!("the filter is nested deeper than {MAX_DEPTH}"))
        .hint("use `in` with a list, or `&&` and `||`")
}

fn signed(magnitude: u64, is_negative: bool, span: Span) -> Result<i64, Fault> {
    let value = if is_negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.ok_or_else(|| Fault::new(span, "the number does not fit in 64 bits with a sign").hint("write `u` behind it"))
}
