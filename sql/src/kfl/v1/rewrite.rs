//! Fields, flags and helpers of v1 as what they are in KFL2.

use super::super::ast::{BinaryOp, Call, Expr, ExprKind, Name, Span, UnaryOp};
use super::super::check;
use super::super::error::{Fault, excerpt};
use super::super::parser;
use super::super::renamed::{self, Unit};
use super::super::time;
use super::super::types::Type;
use super::super::value::Value;
use super::super::vocabulary;
use super::compare;

/// Names of v1 that are true or false, and what they are now.
const FLAGS: &[(&str, &str)] = &[("https", "tls && http"), ("error", "error_type != \"\"")];

/// Helpers of v1 that have no form in KFL2, and why.
const GONE: &[(&str, &str)] = &[
    ("limit", "how many rows come is no part of the filter"),
    ("rlimit", "how many rows come is no part of the filter"),
    ("leftOff", "where to go on is no part of the filter"),
    ("redact", "a filter does not change rows"),
    ("json", "bodies are text: `request.body.contains(\"…\")` or `request.body.matches(\"…\")`"),
    ("xml", "bodies are text: `request.body.contains(\"…\")` or `request.body.matches(\"…\")`"),
    ("months", "months have no fixed length: `now() - duration(\"720h\")`"),
    ("years", "years have no fixed length: `now() - duration(\"8760h\")`"),
];

/// Helpers that give a time so far from now, by the seconds of their unit.
const SPANS: &[(&str, i64)] = &[("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", 86_400), ("weeks", 604_800)];

/// An expression of v1 in KFL2, and whether anything of v1 was in it.
pub(super) fn rewrite(expr: Expr, text: &str) -> Result<(Expr, bool), Fault> {
    let mut rewriter = Rewriter { text, has_v1: false };
    let expr = rewriter.expr(expr)?;
    Ok((expr, rewriter.has_v1))
}

pub(super) struct Rewriter<'a> {
    text: &'a str,
    /// Something of v1 was found.
    pub(super) has_v1: bool,
}

impl Rewriter<'_> {
    /// Only hands on: whatever it holds itself it holds once for each level of nesting.
    pub(super) fn expr(&mut self, expr: Expr) -> Result<Expr, Fault> {
        let span = expr.span;
        match expr.kind {
            ExprKind::Binary(operator, left, right) => self.binary(operator, left, right, span),
            ExprKind::Call(call) => self.call(call, span),
            ExprKind::Select(operand, field) => self.field(operand, field, span),
            ExprKind::Ident(name) => Ok(self.flag(name, span)),
            kind => Ok(Expr { kind: self.kind(kind)?, span }),
        }
    }

    /// What means the same in v1, if it is not of v1 alone.
    fn kind(&mut self, kind: ExprKind) -> Result<ExprKind, Fault> {
        Ok(match kind {
            ExprKind::And(terms) => ExprKind::And(self.each(terms)?.into_iter().flat_map(conjuncts).collect()),
            ExprKind::Or(terms) => ExprKind::Or(self.each(terms)?),
            ExprKind::List(elements) => ExprKind::List(self.each(elements)?),
            ExprKind::Unary(operator, operand) => ExprKind::Unary(operator, self.boxed(*operand)?),
            ExprKind::Index(operand, index) => ExprKind::Index(self.boxed(*operand)?, self.boxed(*index)?),
            ExprKind::Conditional(parts) => {
                let [condition, then, otherwise] = *parts;
                ExprKind::Conditional(Box::new([self.expr(condition)?, self.expr(then)?, self.expr(otherwise)?]))
            }
            other => other,
        })
    }

    fn boxed(&mut self, expr: Expr) -> Result<Box<Expr>, Fault> {
        self.expr(expr).map(Box::new)
    }

    fn each(&mut self, exprs: Vec<Expr>) -> Result<Vec<Expr>, Fault> {
        let mut rewritten = Vec::with_capacity(exprs.len());
        for expr in exprs {
            rewritten.push(self.expr(expr)?);
        }
        Ok(rewritten)
    }

    /// A path: the field of v1 that it is or begins with, by its name in KFL2.
    fn field(&mut self, operand: Box<Expr>, field: String, span: Span) -> Result<Expr, Fault> {
        let path = format!("{operand}.{field}");
        if let Some(known) = renamed::v1(&path) {
            self.has_v1 |= known.kfl2 != path;
            return Ok(parsed(known.kfl2, span));
        }
        if vocabulary::variable(&path).is_some() || matches!(operand.kind, ExprKind::Ident(_)) {
            return Ok(Expr { kind: ExprKind::Select(operand, field), span });
        }
        let had_v1 = self.has_v1;
        let rewritten = self.boxed((*operand).clone())?;
        if matches!(check::type_of(&rewritten), None | Some(Type::Map(..))) {
            return Ok(Expr { kind: ExprKind::Select(rewritten, field), span });
        }
        self.has_v1 = had_v1;
        Ok(Expr { kind: ExprKind::Select(operand, field), span })
    }

    /// A name alone.
    fn flag(&mut self, name: Name, span: Span) -> Expr {
        let right = FLAGS.iter().find(|(v1, _)| *v1 == name.text).map(|(_, right)| *right);
        let right = right.or_else(|| renamed::v1(&name.text).map(|field| field.kfl2));
        match right {
            Some(right) => {
                self.has_v1 |= right != name.text;
                parsed(right, span)
            }
            None => Expr { kind: ExprKind::Ident(name), span },
        }
    }

    fn call(&mut self, call: Call, span: Span) -> Result<Expr, Fault> {
        if let Some((_, hint)) = GONE.iter().find(|(name, _)| *name == call.name) {
            let message = format!("`{}` of KFL v1 has no form in KFL2", excerpt(self.text, span));
            return Err(Fault::new(span, message).hint(*hint));
        }
        match (call.target, call.name.as_str(), call.args.as_slice()) {
            (Some(target), "exists", []) => {
                self.has_v1 = true;
                let target = self.expr(*target)?;
                compare::is_there(target, span).ok_or_else(|| {
                    let message = format!("what `{}` asks is not clear", excerpt(self.text, span));
                    Fault::new(span, message).hint("compare it with the zero of its type")
                })
            }
            (None, parser::V1_PATTERN, [_]) => {
                let fault = Fault::new(span, "a pattern of KFL v1 is compared with `==` or `!=` only");
                Err(fault.hint("in KFL2 write `x.matches(\"…\")`"))
            }
            (None, name, args) if SPANS.iter().any(|(unit, _)| *unit == name) || name == "datetime" => {
                let ns = self.time(name, args, span)?;
                self.has_v1 = true;
                Ok(ns)
            }
            (target, _, _) => {
                let target = target.map(|target| self.expr(*target)).transpose()?.map(Box::new);
                let kind = ExprKind::Call(Call { target, args: self.each(call.args)?, ..call });
                Ok(Expr { kind, span })
            }
        }
    }

    /// `seconds(-5)` and `datetime("…")`.
    fn time(&mut self, name: &str, args: &[Expr], span: Span) -> Result<Expr, Fault> {
        let unclear = |hint: &str| {
            let message = format!("what `{}` asks is not clear", excerpt(self.text, span));
            Err(Fault::new(span, message).hint(hint))
        };
        match (args, SPANS.iter().find(|(unit, _)| *unit == name)) {
            ([Expr { kind: ExprKind::Literal(Value::Int(count)), .. }], Some((_, seconds))) => {
                let Some(ns) = count.checked_mul(*seconds).and_then(|all| all.checked_mul(1_000_000_000)) else {
                    return unclear("it reaches too far");
                };
                let (sign, length) = if ns < 0 { ("-", -ns) } else { ("+", ns) };
                Ok(parsed(&format!("now() {sign} duration(\"{}\")", time::format_duration(length)), span))
            }
            ([Expr { kind: ExprKind::Literal(Value::String(text)), .. }], None) => match compare::us_time(text) {
                Some(time) => Ok(parsed(&format!("timestamp(\"{time}\")"), span)),
                None => unclear("write `timestamp(\"2026-03-02T17:00:00Z\")`"),
            },
            _ => unclear("write `now() - duration(\"5m\")`"),
        }
    }

    fn binary(&mut self, operator: BinaryOp, left: Box<Expr>, right: Box<Expr>, span: Span) -> Result<Expr, Fault> {
        let flag = compare::protocol(operator, &left, &right).or_else(|| compare::protocol(operator, &right, &left));
        if let Some(flag) = flag {
            self.has_v1 = true;
            return Ok(flag);
        }
        let (left_unit, right_unit) = (unit(&left), unit(&right));
        let left = self.side(left, right_unit)?;
        let right = self.side(right, left_unit)?;
        compare::compared(self, operator, left, right, span)
    }

    /// An operand, which is compared with something that counts in this unit.
    fn side(&mut self, side: Box<Expr>, unit: Unit) -> Result<Box<Expr>, Fault> {
        let is_pattern =
            matches!(&side.kind, ExprKind::Call(call) if call.name == parser::V1_PATTERN && call.target.is_none());
        match unit {
            _ if is_pattern => Ok(side),
            Unit::Same => self.boxed(*side),
            Unit::Millis => self.micros(&side).map(Box::new),
            Unit::Epoch => match &side.kind {
                ExprKind::Literal(Value::Int(millis)) => {
                    let (time, span) = (compare::of_millis(*millis), side.span);
                    self.has_v1 |= time.is_some();
                    Ok(time.map_or(side, |time| Box::new(parsed(&format!("timestamp(\"{time}\")"), span))))
                }
                _ => self.boxed(*side),
            },
        }
    }

    /// A number of milliseconds in microseconds.
    fn micros(&self, side: &Expr) -> Result<Expr, Fault> {
        let micros = match &side.kind {
            ExprKind::Literal(value) => compare::micros(value),
            _ => None,
        };
        let kind = micros.map(|micros| ExprKind::Literal(Value::Int(micros))).ok_or_else(|| {
            let message = format!("`{}` is not a plain number of milliseconds", excerpt(self.text, side.span));
            Fault::new(side.span, message).hint("`elapsed_time` is a number of µs")
        })?;
        Ok(Expr { kind, span: side.span })
    }
}

/// What a number compared with this counts.
fn unit(expr: &Expr) -> Unit {
    match expr.kind {
        ExprKind::Ident(_) | ExprKind::Select(..) => {
            renamed::v1(&expr.to_string()).map_or(Unit::Same, |field| field.unit)
        }
        _ => Unit::Same,
    }
}

/// A text of KFL2 that is known to be one, at this place.
pub(super) fn parsed(text: &str, span: Span) -> Expr {
    parser::parse(text).unwrap_or(Expr { kind: ExprKind::Literal(Value::Null), span })
}

/// The terms that an expression joins with `&&`.
fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr.kind {
        ExprKind::And(terms) => terms,
        kind => vec![Expr { kind, span: expr.span }],
    }
}

/// `!x`; of `!y` it is y, and of an equality the inequality.
pub(super) fn not(expr: Expr) -> Expr {
    let span = expr.span;
    match expr.kind {
        ExprKind::Unary(UnaryOp::Not, operand) => *operand,
        ExprKind::Binary(BinaryOp::Equal, left, right) => {
            Expr { kind: ExprKind::Binary(BinaryOp::NotEqual, left, right), span }
        }
        ExprKind::Binary(BinaryOp::NotEqual, left, right) => {
            Expr { kind: ExprKind::Binary(BinaryOp::Equal, left, right), span }
        }
        kind => Expr { kind: ExprKind::Unary(UnaryOp::Not, Box::new(Expr { kind, span })), span },
    }
}
