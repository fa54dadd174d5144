//! From a bound filter to SQL.
//!
//! KFL has truth, falsehood and errors; SQL has truth, falsehood and NULL, which behave alike under AND, OR and NOT. What
//! differs is a value that is missing: in KFL it is the zero of its type. To wrap columns in `coalesce` would take them out
//! of reach of indexes and bounds, and all that matters is *where a filter is true*. So negations are pushed down to the
//! leaves first, and a leaf then says exactly where it is true, or where it is false: with `OR column IS NULL` if it is so
//! for the zero, and as it is otherwise. AND and OR of such leaves need no more.
//!
//! | KFL | where it is true | where it is false |
//! |---|---|---|
//! | `status_code >= 500` | `status_code >= 500` | `NOT status_code >= 500 OR status_code IS NULL` |
//! | `a && b` | `a AND b` | `NOT a OR NOT b` |
//! | `m["k"] == "v"` | `kfl_get(m, 'k') = 'v'` | `NOT kfl_get(m, 'k') = 'v'`: NULL, an error, without the key |
//! | anything else | `kfl_eval('…', 'variable', column, …)` | `NOT kfl_eval(…)` |

use datafusion::{
    functions::{core::expr_fn::coalesce, string::expr_fn as string},
    functions_nested::expr_fn::array_has,
    logical_expr::{BinaryExpr, Expr, Operator, lit},
};

use super::{
    bind::{Bound, Columns, variables},
    functions,
    term::{Term, column, literal, scalar},
    text,
};
use crate::{
    kfl::{
        self, Typed, Value,
        ast::BinaryOp,
        typed::{Function, Kind},
        types::Type,
    },
    udf,
};

/// Leaves that are lowered one by one. A filter of more is evaluated as a whole: plans of thousands of nodes take longer
/// to make than rows to read.
const MAX_LEAVES: usize = 500;

/// The condition that is true for exactly those entries that the filter selects. It has no errors: what is one is NULL.
pub(super) fn lower(bound: &Bound) -> Expr {
    let lowering = Lowering { columns: &bound.columns };
    if leaves(&bound.filter) > MAX_LEAVES {
        return lowering.evaluated(&bound.filter);
    }
    lowering.truth(&bound.filter, true)
}

fn leaves(expr: &Typed) -> usize {
    match &expr.kind {
        Kind::Not(a) => leaves(a),
        Kind::And(all) | Kind::Or(all) => all.iter().map(leaves).sum(),
        _ => 1,
    }
}

/// A leaf in SQL: NULL where it is an error, or where its one operand is missing.
struct Leaf {
    expr: Expr,
    /// The operand that may be missing, and what the leaf is then.
    missing: Option<(Expr, bool)>,
}

struct Lowering<'a> {
    columns: &'a Columns,
}

impl Lowering<'_> {
    /// True for exactly the rows where the value of `expr` is `wanted`.
    fn truth(&self, expr: &Typed, wanted: bool) -> Expr {
        match &expr.kind {
            Kind::Literal(Value::Bool(truth)) => lit(*truth == wanted),
            Kind::Not(inner) => self.truth(inner, !wanted),
            Kind::And(all) | Kind::Or(all) => {
                let is_and = matches!(expr.kind, Kind::And(_));
                let operator = if is_and == wanted { Operator::And } else { Operator::Or };
                joined(operator, all.iter().map(|e| self.truth(e, wanted)).collect())
            }
            Kind::Var(var) => match column(var, self.columns) {
                Some(column) if wanted => column,
                Some(column) => column.is_not_true(),
                None => lit(!wanted),
            },
            _ => self.leaf_truth(expr, wanted),
        }
    }

    fn leaf_truth(&self, expr: &Typed, wanted: bool) -> Expr {
        let leaf = self.leaf(expr).unwrap_or_else(|| Leaf { expr: self.evaluated(expr), missing: None });
        let said = if wanted { leaf.expr } else { Expr::Not(Box::new(leaf.expr)) };
        match leaf.missing {
            Some((operand, then)) if then == wanted => said.or(operand.is_null()),
            _ => said,
        }
    }

    /// `expr` in SQL's own operators, where they mean the same.
    fn leaf(&self, expr: &Typed) -> Option<Leaf> {
        match &expr.kind {
            Kind::Binary(BinaryOp::In, element, list) => self.membership(expr, element, list),
            Kind::Binary(operator, left, right) => self.comparison(expr, *operator, left, right),
            Kind::Call(function, args) => self.method(expr, *function, args),
            _ => None,
        }
    }

    fn comparison(&self, expr: &Typed, operator: BinaryOp, left: &Typed, right: &Typed) -> Option<Leaf> {
        let comparable = matches!(left.ty, Type::Int | Type::String | Type::Timestamp) && left.ty == right.ty;
        let operator = sql_operator(operator).filter(|_| comparable)?;
        let binary = |a, b| Expr::BinaryExpr(BinaryExpr::new(Box::new(a), operator, Box::new(b)));
        if let (Some(term), Some(value)) = (Term::of(left, self.columns), literal(right)) {
            return Some(self.of_one(expr, term, |operand| binary(operand, value)));
        }
        if let (Some(value), Some(term)) = (literal(left), Term::of(right, self.columns)) {
            return Some(self.of_one(expr, term, |operand| binary(value, operand)));
        }
        let (left, right) = (Term::of(left, self.columns)?, Term::of(right, self.columns)?);
        Some(Leaf { expr: binary(left.exact(), right.exact()), missing: None })
    }

    fn membership(&self, expr: &Typed, element: &Typed, range: &Typed) -> Option<Leaf> {
        if let (Some(term), Some(values)) = (Term::of(element, self.columns), constants(range)) {
            return Some(self.of_one(expr, term, |operand| operand.in_list(values, false)));
        }
        let (Kind::Literal(Value::String(text)), Kind::Var(var)) = (&element.kind, &range.kind) else { return None };
        let collection = column(var, self.columns)?;
        if matches!(range.ty, Type::Map(..)) {
            return Some(Leaf { expr: functions::HAS.call(vec![collection, lit(&**text)]), missing: None });
        }
        if let Some(elements) = functions::list_elements(&collection)
            && !text.is_empty()
        {
            let equals = elements.iter().map(|e| coalesce(vec![e.clone(), lit("")]).eq(lit(&**text))).collect();
            return Some(Leaf { expr: joined(Operator::Or, equals), missing: None });
        }
        let expr = array_has(collection.clone(), lit(&**text));
        Some(Leaf { expr, missing: Some((collection, false)) })
    }

    fn method(&self, expr: &Typed, function: Function, args: &[Typed]) -> Option<Leaf> {
        let [subject, Typed { kind: Kind::Literal(Value::String(argument)), .. }] = args else { return None };
        let called: fn(Expr, Expr) -> Expr = match function {
            Function::Contains => |s, t| string::contains(s, t),
            Function::StartsWith => |s, t| string::starts_with(s, t),
            Function::EndsWith => |s, t| string::ends_with(s, t),
            Function::Matches => |s, t| functions::MATCHES.call(vec![s, t]),
            Function::InCidr => |s, t| udf::ip_in_cidr(s, t),
            _ => return None,
        };
        let term = Term::of(subject, self.columns)?;
        Some(self.of_one(expr, term, |operand| called(operand, lit(&**argument))))
    }

    /// The leaf `expr`, which asks `term` alone.
    fn of_one(&self, expr: &Typed, term: Term, ask: impl FnOnce(Expr) -> Expr) -> Leaf {
        let operand = term.expr.clone();
        let missing = term.null.map(|zero| (operand, is_true_of(expr, zero)));
        Leaf { expr: ask(term.expr), missing }
    }

    /// `expr` by the language's own evaluator.
    fn evaluated(&self, expr: &Typed) -> Expr {
        let mut vars = Vec::new();
        variables(expr, &mut vars);
        let mut args = vec![lit(text::of(expr))];
        for var in vars {
            if let Some(column) = column(var, self.columns) {
                args.extend([lit(var.name), column]);
            }
        }
        functions::EVAL.call(args)
    }
}

/// Whether a leaf is true when its one operand has the value `zero`.
fn is_true_of(leaf: &Typed, zero: Value) -> bool {
    let put = |operand: &Typed| match operand.kind {
        Kind::Literal(_) | Kind::List(_) => operand.clone(),
        _ => Typed { kind: Kind::Literal(zero.clone()), ty: operand.ty.clone(), span: operand.span },
    };
    let kind = match &leaf.kind {
        Kind::Binary(operator, a, b) => Kind::Binary(*operator, Box::new(put(a)), Box::new(put(b))),
        Kind::Call(function, args) => Kind::Call(*function, args.iter().map(put).collect()),
        other => other.clone(),
    };
    let asked = Typed { kind, ty: leaf.ty.clone(), span: leaf.span };
    matches!(kfl::fold(asked).kind, Kind::Literal(Value::Bool(true)))
}

/// The elements of a list of constants, in SQL.
fn constants(list: &Typed) -> Option<Vec<Expr>> {
    match &list.kind {
        Kind::Literal(Value::List(elements)) => elements.iter().map(|e| scalar(e).map(lit)).collect(),
        Kind::List(elements) => elements.iter().map(literal).collect(),
        _ => None,
    }
}

fn sql_operator(operator: BinaryOp) -> Option<Operator> {
    Some(match operator {
        BinaryOp::Equal => Operator::Eq,
        BinaryOp::NotEqual => Operator::NotEq,
        BinaryOp::Less => Operator::Lt,
        BinaryOp::LessOrEqual => Operator::LtEq,
        BinaryOp::Greater => Operator::Gt,
        BinaryOp::GreaterOrEqual => Operator::GtEq,
        _ => return None,
    })
}

/// All of `exprs` with `operator` between, as a tree of little height.
pub(super) fn joined(operator: Operator, mut exprs: Vec<Expr>) -> Expr {
    match exprs.len() {
        0 => lit(operator == Operator::And),
        1 => exprs.remove(0),
        n => {
            let right = exprs.split_off(n / 2);
            let (left, right) = (joined(operator, exprs), joined(operator, right));
            Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
        }
    }
}
