//! Properties: what is printed reads as the same, and what is folded has the same value.

use super::super::ast::{Expr, ExprKind, Span};
use super::super::eval::{Budget, EvalError, eval_within};
use super::super::{check, fold, parser};
use super::generator::Generator;
use super::known::KNOWN;
use super::row::Row;
use super::values::texts;

/// An expression without its places.
fn bare(expr: Expr) -> Expr {
    let each = |exprs: Vec<Expr>| exprs.into_iter().map(bare).collect::<Vec<_>>();
    let boxed = |expr: Box<Expr>| Box::new(bare(*expr));
    let kind = match expr.kind {
        ExprKind::Select(operand, field) => ExprKind::Select(boxed(operand), field),
        ExprKind::Index(operand, index) => ExprKind::Index(boxed(operand), boxed(index)),
        ExprKind::Call(mut call) => {
            call.name_span = Span::default();
            call.target = call.target.map(boxed);
            call.args = each(call.args);
            ExprKind::Call(call)
        }
        ExprKind::Unary(operator, operand) => ExprKind::Unary(operator, boxed(operand)),
        ExprKind::Binary(operator, left, right) => ExprKind::Binary(operator, boxed(left), boxed(right)),
        ExprKind::And(terms) => ExprKind::And(each(terms)),
        ExprKind::Or(terms) => ExprKind::Or(each(terms)),
        ExprKind::Conditional(parts) => ExprKind::Conditional(Box::new((*parts).map(bare))),
        ExprKind::List(elements) => ExprKind::List(each(elements)),
        ExprKind::Map(entries) => {
            ExprKind::Map(entries.into_iter().map(|(key, value)| (bare(key), bare(value))).collect())
        }
        leaf => leaf,
    };
    Expr { kind, span: Span::default() }
}

/// Proves that print(parse(x)) reads as the same tree, for filters of people, of every operator, and of chance.
#[test]
fn what_is_printed_reads_as_the_same() {
    let mut generator = Generator::new();
    let generated = (0..3000).map(|_| generator.bool(4)).collect::<Vec<_>>();
    let soups = (0..20_000).map(|_| generator.soup()).collect::<Vec<_>>();
    let known = KNOWN.iter().map(|(_, text)| (*text).to_owned());
    let signs = ["-(5)", "-(-5)", "--x", "!!x", "!(-x)", "-(5).a", "a - -5", "(a ? b : c) ? d : e", "-1.5.a"];
    let mut count = 0;
    let all = known.chain(texts()).chain(generated).chain(soups).chain(signs.map(str::to_owned));
    for text in all {
        let Ok(expr) = parser::parse(&text) else { continue };
        let printed = expr.to_string();
        let again = parser::parse(&printed).unwrap_or_else(|error| panic!("{text} as {printed}: {error:?}"));
        assert_eq!(bare(expr), bare(again), "{text} as {printed}");
        count += 1;
    }
    assert!(count > 3500, "{count}");
}

/// Proves that folding keeps the value, errors included, for rows of every kind.
#[test]
fn folding_keeps_the_value() {
    let mut generator = Generator::new();
    for _ in 0..5000 {
        let text = generator.bool(4);
        let expr = check::check(&parser::parse(&text).unwrap(), &text, 0).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let folded = fold::fold(expr.clone());
        for row in rows() {
            let value = |expr| {
                eval_within(expr, &|var| row.0.get(var.name).cloned().unwrap_or_else(|| var.zero()), &mut Budget::new())
            };
            // Which of several errors it is depends on what was folded away before it.
            let plain = |value: Result<_, EvalError>| value.map_err(|_| ());
            assert_eq!(plain(value(&expr)), plain(value(&folded)), "{text}");
        }
    }
}

/// Rows that differ in all variables that the generator uses.
pub(super) fn rows() -> [Row; 3] {
    [
        Row::default(),
        Row::default()
            .flag("http")
            .int("status_code", 500)
            .int("elapsed_time", i64::MAX)
            .int("dst.port", 31)
            .text("path", "/api/é")
            .text("method", "GET")
            .text("src.pod.name", "x-id")
            .map("request.headers", &[("x-id", "GET"), ("é", "")])
            .list("dns_questions", &["a", "GET", ""]),
        Row::default()
            .flag("dns")
            .int("status_code", -3)
            .int("elapsed_time", i64::MIN)
            .list("dns_questions", &["/api"]),
    ]
}
