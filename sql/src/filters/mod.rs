//! Functions that select rows by a text in a language of its own: `bpf('tcp port 443')`.
//!
//! ```text
//!  SELECT … FROM packets p WHERE bpf('tcp port 443') AND ts > …
//!                                └─ expand: whose row is meant? (rows) ─ what does the text ask of it? (FilterFunction)
//!                                   ▼
//!                 WHERE p.proto = 'tcp' AND (p.src_port = 443 OR …) AND ts > …
//! ```
//!
//! Such a function has no columns as arguments. [`expand`] finds the one relation of the query whose rows it can be about
//! and puts in its place an expression over that relation's columns, so that everything below (index, pruning, pages)
//! works as if it had been written out. It does so on the plan, before types are checked: aliases, subqueries, views and
//! joins are resolved by then, and the same function serves `WHERE`, `CASE`, `FILTER` and the list of a `SELECT`.

mod call;
mod columns;
mod error;
mod packet;
mod rows;

use datafusion::{
    common::{
        ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        BinaryExpr, Expr, LogicalPlan, Operator, expr::ScalarFunction, expr_rewriter::NamePreserver,
        simplify::SimplifyContext, utils::merge_schema,
    },
    optimizer::simplify_expressions::ExprSimplifier,
};

pub(crate) use call::{udf, usage};
pub(crate) use error::FilterError;
pub(crate) use rows::Rows;

use crate::{catalog::Source, entries::KflMatch, prepared::parameter_number};

/// A function that stands for an expression over the row it is asked about.
pub(crate) trait FilterFunction: std::fmt::Debug + Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// The expression that is true for exactly those of `rows` that `text` selects. One that holds a subquery asks
    /// [`Rows::must_be_a_filter`] first.
    fn expr(&self, text: &str, rows: &Rows<'_>) -> Result<Expr>;
}

/// Every filter function.
pub(crate) const FILTERS: &[&dyn FilterFunction] = &[&packet::Bpf, &KflMatch];

/// Where in a query a function stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a condition on rows, which may hold subqueries.
    Filter,
    /// Anywhere else: what it gives is a value.
    Value,
}

/// The plan with an expression in the place of every call of a filter function, but for those whose text is a parameter
/// without a value; and the calls with their expressions.
pub(crate) fn expand(plan: LogicalPlan, source: &Source) -> Result<(LogicalPlan, Vec<(String, Expr)>)> {
    let mut expanded = Vec::new();
    if !has_calls(&plan)? {
        return Ok((plan, expanded));
    }
    let plan = plan.transform_up_with_subqueries(|node| expand_in(node, source, &mut expanded)).data()?;
    Ok((plan, expanded))
}

fn has_calls(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|e| Ok(called(e).is_some()))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

/// The numbers of parameters that are the whole text of a filter.
pub(crate) fn parameters(plan: &LogicalPlan) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Some((_, [Expr::Placeholder(parameter), ..])) = called(e) {
                    numbers.extend(parameter_number(&parameter.id));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(numbers)
}

/// The function that `expr` calls, and its arguments.
fn called(expr: &Expr) -> Option<(&'static dyn FilterFunction, &[Expr])> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = expr else { return None };
    Some((call::of(func)?, args))
}

fn expand_in(node: LogicalPlan, source: &Source, all: &mut Vec<(String, Expr)>) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&node.inputs());
    let place = if matches!(node, LogicalPlan::Filter(_)) { Place::Filter } else { Place::Value };
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        let expanded = expr.transform_up(|e| {
            let Some((function, args)) = called(&e) else { return Ok(Transformed::no(e)) };
            let text = match args.first().map(constant).transpose()? {
                Some(Constant::Text(text)) => text,
                Some(Constant::Null) => return Ok(Transformed::yes(Expr::Literal(ScalarValue::Boolean(None), None))),
                Some(Constant::Parameter) => return Ok(Transformed::no(e)),
                Some(Constant::None) | None => return Err(error::not_constant(function).into()),
            };
            let rows = Rows::of(function, &schema, args.get(1), place, source)?;
            let expr = rows.ask(function, &text)?;
            all.push((format!("{}('{text}')", function.name()), expr.clone()));
            Ok(Transformed::yes(expr))
        })?;
        Ok(expanded.update_data(|expr| match place {
            Place::Filter => bare(expr),
            Place::Value => name.restore(expr),
        }))
    })
}

/// A condition on rows without `IS TRUE` where NULL excludes a row as well: what is within then reaches indexes and bounds.
fn bare(condition: Expr) -> Expr {
    match condition {
        Expr::IsTrue(inner) => bare(*inner),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            Expr::BinaryExpr(BinaryExpr::new(Box::new(bare(*left)), op, Box::new(bare(*right))))
        }
        other => other,
    }
}

/// What an argument comes to before any row is read.
enum Constant {
    Text(String),
    Null,
    /// It depends on a parameter that has no value yet.
    Parameter,
    /// It depends on rows.
    None,
}

fn constant(expr: &Expr) -> Result<Constant> {
    if expr.exists(|e| Ok(matches!(e, Expr::Placeholder(_))))? {
        return Ok(Constant::Parameter);
    }
    let simplified = match expr {
        Expr::Literal(..) => expr.clone(),
        _ => ExprSimplifier::new(SimplifyContext::builder().build()).simplify(expr.clone())?,
    };
    let Expr::Literal(value, _) = &simplified else { return Ok(Constant::None) };
    Ok(match value.try_as_str() {
        Some(Some(text)) => Constant::Text(text.to_owned()),
        _ if value.is_null() => Constant::Null,
        _ => Constant::None,
    })
}
