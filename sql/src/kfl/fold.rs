//! What has no variables in it, worked out once. An expression whose value is an error stays as it is: its rows are not
//! selected, wherever `&&` and `||` do not absorb it.

use super::ast::Span;
use super::eval::{Budget, eval_within};
use super::typed::{Kind, Macro, Typed};
use super::types::Type;
use super::value::Value;

/// The expression with its constant parts as literals. What would take more than one [`Budget`] in all is left.
pub fn fold(expr: Typed) -> Typed {
    let mut budget = Budget::new();
    folded(expr, &mut budget).0
}

/// What an expression needs to have a value.
#[derive(Debug, Clone, Copy)]
struct Needs {
    /// A variable.
    row: bool,
    /// The outermost macro around it whose variable it has in it, by slot.
    local: Option<usize>,
}

impl Needs {
    const NOTHING: Needs = Needs { row: false, local: None };

    fn and(self, other: Needs) -> Needs {
        let local = match (self.local, other.local) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Needs { row: self.row || other.row, local }
    }

    fn is_nothing(self) -> bool {
        !self.row && self.local.is_none()
    }
}

/// The folded expression, and what its value needs.
fn folded(expr: Typed, budget: &mut Budget) -> (Typed, Needs) {
    let Typed { kind, ty, span } = expr;
    let mut needs = match &kind {
        Kind::Var(_) => Needs { row: true, local: None },
        Kind::Local(local) => Needs { row: false, local: Some(local.slot) },
        _ => Needs::NOTHING,
    };
    let kind = match kind {
        Kind::And(terms) => return joined(terms, span, false, budget),
        Kind::Or(terms) => return joined(terms, span, true, budget),
        Kind::Conditional(parts) => return conditional(*parts, ty, span, budget),
        other => children(other, &mut |child| {
            let (child, child_needs) = folded(child, budget);
            needs = needs.and(child_needs);
            child
        }),
    };
    if let Kind::Macro(of) = &kind {
        needs.local = needs.local.filter(|slot| *slot < of.local.slot);
    }
    valued(Typed { kind, ty, span }, needs, budget)
}

/// An expression that needs nothing as its value. Dyn stays dyn, and so stays as it is.
fn valued(expr: Typed, needs: Needs, budget: &mut Budget) -> (Typed, Needs) {
    if !needs.is_nothing() || matches!(expr.kind, Kind::Literal(_)) || has_dyn(&expr.ty) {
        return (expr, needs);
    }
    match eval_within(&expr, &|_| Value::Null, budget) {
        Ok(value) => (Typed { kind: Kind::Literal(value), ..expr }, needs),
        Err(_) => (expr, needs),
    }
}

/// The children of a node, each replaced.
fn children(kind: Kind, each: &mut impl FnMut(Typed) -> Typed) -> Kind {
    let mut boxed = |child: Box<Typed>| Box::new(each(*child));
    match kind {
        Kind::Not(operand) => Kind::Not(boxed(operand)),
        Kind::Negate(operand) => Kind::Negate(boxed(operand)),
        Kind::Binary(operator, left, right) => Kind::Binary(operator, boxed(left), boxed(right)),
        Kind::Index(operand, index) => Kind::Index(boxed(operand), boxed(index)),
        Kind::List(elements) => Kind::List(elements.into_iter().map(each).collect()),
        Kind::Map(entries) => Kind::Map(entries.into_iter().map(|(key, value)| (each(key), each(value))).collect()),
        Kind::Call(function, args) => Kind::Call(function, args.into_iter().map(each).collect()),
        Kind::Macro(of) => {
            let Macro { kind, range, local, condition, body } = *of;
            let (range, condition, body) = (each(range), condition.map(&mut *each), each(body));
            Kind::Macro(Box::new(Macro { kind, range, local, condition, body }))
        }
        leaf => leaf,
    }
}

/// `&&` (decided by false) or `||` (decided by true): a term that decides is all, the others that are known go.
fn joined(terms: Vec<Typed>, span: Span, decides: bool, budget: &mut Budget) -> (Typed, Needs) {
    let mut left = Vec::with_capacity(terms.len());
    let mut needs = Needs::NOTHING;
    for term in terms {
        let (term, term_needs) = folded(term, budget);
        match term.kind {
            Kind::Literal(Value::Bool(value)) if value == decides => return (truth(value, span), Needs::NOTHING),
            Kind::Literal(Value::Bool(_)) => continue,
            _ => needs = needs.and(term_needs),
        }
        left.push(term);
    }
    match left.pop() {
        None => (truth(!decides, span), needs),
        Some(only) if left.is_empty() && only.ty == Type::Bool => (only, needs),
        Some(last) => {
            left.push(last);
            let kind = if decides { Kind::Or(left) } else { Kind::And(left) };
            (Typed { kind, ty: Type::Bool, span }, needs)
        }
    }
}

fn truth(value: bool, span: Span) -> Typed {
    Typed { kind: Kind::Literal(Value::Bool(value)), ty: Type::Bool, span }
}

/// A condition that is known chooses its arm.
fn conditional(parts: [Typed; 3], ty: Type, span: Span, budget: &mut Budget) -> (Typed, Needs) {
    let [condition, then, otherwise] = parts;
    let (condition, needs) = folded(condition, budget);
    let (then, then_needs) = folded(then, budget);
    let (otherwise, otherwise_needs) = folded(otherwise, budget);
    match condition.kind {
        Kind::Literal(Value::Bool(true)) if then.ty == ty => (then, then_needs),
        Kind::Literal(Value::Bool(false)) if otherwise.ty == ty => (otherwise, otherwise_needs),
        _ => {
            let kind = Kind::Conditional(Box::new([condition, then, otherwise]));
            valued(Typed { kind, ty, span }, needs.and(then_needs).and(otherwise_needs), budget)
        }
    }
}

fn has_dyn(ty: &Type) -> bool {
    match ty {
        Type::Dyn => true,
        Type::List(element) => has_dyn(element),
        Type::Map(key, value) => has_dyn(key) || has_dyn(value),
        _ => false,
    }
}
