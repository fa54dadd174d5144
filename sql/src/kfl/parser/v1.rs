//! What the parser reads of KFL v1: words for operators, and patterns as literals.

use super::super::ast::{Call, Expr, ExprKind, Span};
use super::super::error::Fault;
use super::super::lexer::TokenKind;
use super::super::value::Value;
use super::logic::{self, Join};
use super::{Dialect, MAX_DEPTH, Node, Parser, RELATION, SUM, higher, too_deep};

/// Methods that v1's users write between two operands.
const INFIX: &[&str] = &["contains", "startsWith", "endsWith", "matches"];

/// The name of the call that stands for `r"…"`.
pub(in super::super) const PATTERN: &str = "r";

/// `r"…"`.
pub(super) fn pattern(text: String, span: Span) -> Node {
    let arg = Expr { kind: ExprKind::Literal(Value::string(text)), span };
    let call = Call { name: PATTERN.to_owned(), name_span: span, target: None, args: vec![arg] };
    Node { expr: Box::new(Expr { kind: ExprKind::Call(call), span }), height: 2 }
}

impl Parser<'_> {
    pub(super) fn is_v1_pattern(&self, span: Span) -> bool {
        self.dialect == Dialect::V1 && self.text.get(span.start..).is_some_and(|text| text.starts_with(['r', 'R']))
    }

    /// Relations joined by words and symbols: CEL's reading, and a note where v1's is another.
    pub(super) fn v1_logic(&mut self) -> Result<Node, Fault> {
        let first = self.operation(RELATION)?;
        let (mut height, mut terms, mut joins) = (first.height, vec![*first.expr], Vec::new());
        let mut has_words = false;
        loop {
            let (join, is_word) = match &self.token().kind {
                TokenKind::Symbol("&&") => (Join::And, false),
                TokenKind::Symbol("||") => (Join::Or, false),
                TokenKind::Word(word) if word == "and" => (Join::And, true),
                TokenKind::Word(word) if word == "or" => (Join::Or, true),
                _ => break,
            };
            self.at += 1;
            has_words |= is_word;
            let term = self.operation(RELATION)?;
            height = height.max(term.height);
            terms.push(*term.expr);
            joins.push(join);
        }
        self.v1.has_words |= has_words;
        let is_mixed = joins.contains(&Join::And) && joins.contains(&Join::Or);
        let v1 = (has_words && is_mixed).then(|| logic::from_the_right(&terms, &joins));
        let cel = logic::by_precedence(terms, &joins);
        // Joined both ways it is two levels.
        let height = height + joins.len().min(2);
        if height >= MAX_DEPTH {
            return Err(too_deep(cel.span));
        }
        if let Some(v1) = v1.filter(|v1| v1.as_ref() != Some(&cel)) {
            self.v1.is_ambiguous = true;
            self.v1.readings = v1.map(|v1| [v1, cel.clone()]);
        }
        Ok(Node { expr: Box::new(cel), height })
    }

    /// `x contains "y"`, as `x.contains("y")`.
    pub(super) fn infix(&mut self, left: Node) -> Result<Node, Fault> {
        let token = self.token().clone();
        let TokenKind::Word(name) = token.kind else { return Ok(left) };
        if !INFIX.contains(&name.as_str()) {
            return Ok(left);
        }
        self.at += 1;
        self.v1.has_words = true;
        let right = self.operation(SUM)?;
        let (span, height) = (left.expr.span.to(right.expr.span), left.height.max(right.height));
        let call = Call { name, name_span: token.span, target: Some(left.expr), args: vec![*right.expr] };
        higher(ExprKind::Call(call), span, height)
    }
}
