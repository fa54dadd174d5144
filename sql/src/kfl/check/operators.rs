//! Which operands operators take, and what they give.

use super::super::ast::{BinaryOp, Expr, Span, UnaryOp};
use super::super::error::Fault;
use super::super::typed::{Kind, Typed};
use super::super::types::Type;
use super::mismatch::a;
use super::{Checker, key_of};

impl Checker<'_> {
    pub(super) fn unary(&mut self, operator: UnaryOp, operand: &Expr, span: Span) -> Result<Typed, Fault> {
        let operand = self.expr(operand)?;
        self.unary_of(operator, operand, span)
    }

    fn unary_of(&self, operator: UnaryOp, operand: Typed, span: Span) -> Result<Typed, Fault> {
        match operator {
            UnaryOp::Not if matches!(operand.ty, Type::Bool | Type::Dyn | Type::Never) => {
                Ok(Typed { kind: Kind::Not(Box::new(operand)), ty: Type::Bool, span })
            }
            UnaryOp::Not => Err(self.no_bool(&operand, "`!` wants")),
            UnaryOp::Negate if matches!(operand.ty, Type::Int | Type::Double | Type::Dyn | Type::Never) => {
                let ty = operand.ty.clone();
                Ok(Typed { kind: Kind::Negate(Box::new(operand)), ty, span })
            }
            UnaryOp::Negate => {
                let message =
                    format!("`{}` is {}, and `-` wants int or double", self.said(operand.span), a(&operand.ty));
                Err(Fault::new(operand.span, message))
            }
        }
    }

    /// `&&` and `||`. Those within parentheses join their like.
    pub(super) fn logical(&mut self, terms: &[Expr], symbol: &str, span: Span) -> Result<Typed, Fault> {
        let terms = self.each(terms)?;
        let is_and = symbol == "&&";
        let mut flat = Vec::with_capacity(terms.len());
        for term in terms {
            if !matches!(term.ty, Type::Bool | Type::Dyn | Type::Never) {
                return Err(self.no_bool(&term, &format!("`{symbol}` joins")));
            }
            match term.kind {
                Kind::And(inner) if is_and => flat.extend(inner),
                Kind::Or(inner) if !is_and => flat.extend(inner),
                _ => flat.push(term),
            }
        }
        let kind = if is_and { Kind::And(flat) } else { Kind::Or(flat) };
        Ok(Typed { kind, ty: Type::Bool, span })
    }

    pub(super) fn conditional(&mut self, parts: &[Expr; 3], span: Span) -> Result<Typed, Fault> {
        let [condition, then, otherwise] = parts;
        let condition = self.expr(condition)?;
        let then = self.expr(then)?;
        let otherwise = self.expr(otherwise)?;
        self.conditional_of(Box::new([condition, then, otherwise]), span)
    }

    fn conditional_of(&self, parts: Box<[Typed; 3]>, span: Span) -> Result<Typed, Fault> {
        let [condition, then, otherwise] = &*parts;
        if !matches!(condition.ty, Type::Bool | Type::Dyn | Type::Never) {
            return Err(self.no_bool(condition, "the condition of `?` is"));
        }
        let Some(ty) = then.ty.unify(&otherwise.ty) else {
            let message = format!(
                "both arms of `?` have one type: `{}` is {}, `{}` {}",
                self.said(then.span),
                a(&then.ty),
                self.said(otherwise.span),
                a(&otherwise.ty)
            );
            return Err(Fault::new(otherwise.span, message));
        };
        Ok(Typed { kind: Kind::Conditional(parts), ty, span })
    }

    pub(super) fn binary(&mut self, operator: BinaryOp, left: &Expr, right: &Expr, span: Span) -> Result<Typed, Fault> {
        let left = self.expr(left)?;
        let right = self.expr(right)?;
        self.binary_of(operator, left, right, span)
    }

    fn binary_of(&self, operator: BinaryOp, left: Typed, right: Typed, span: Span) -> Result<Typed, Fault> {
        let ty = match operator {
            BinaryOp::In => return self.membership(left, right, span),
            BinaryOp::Equal | BinaryOp::NotEqual => left.ty.unify(&right.ty).map(|_| Type::Bool),
            BinaryOp::Less | BinaryOp::LessOrEqual | BinaryOp::Greater | BinaryOp::GreaterOrEqual => {
                if let Some(fault) = self.no_order(operator, &left, &right) {
                    return Err(fault);
                }
                left.ty.unify(&right.ty).map(|_| Type::Bool)
            }
            BinaryOp::Add => sum(&left.ty, &right.ty),
            BinaryOp::Subtract => difference(&left.ty, &right.ty),
            BinaryOp::Multiply | BinaryOp::Divide => {
                product(&left.ty, &right.ty, &[Type::Int, Type::Uint, Type::Double])
            }
            BinaryOp::Remainder => product(&left.ty, &right.ty, &[Type::Int, Type::Uint]),
        };
        match ty {
            Some(ty) => Ok(Typed { kind: Kind::Binary(operator, Box::new(left), Box::new(right)), ty, span }),
            None => Err(self.mismatch(operator, &left, &right, span)),
        }
    }

    fn membership(&self, left: Typed, right: Typed, span: Span) -> Result<Typed, Fault> {
        let wanted = match &right.ty {
            Type::List(element) => element,
            Type::Map(key, _) => key,
            Type::Dyn | Type::Never => &Type::Dyn,
            _ => return Err(self.no_container(&left, &right)),
        };
        if left.ty.unify(wanted).is_none() {
            return Err(self.no_member(&left, &right, wanted));
        }
        let left = key_of(&right, left);
        let kind = Kind::Binary(BinaryOp::In, Box::new(left), Box::new(right));
        Ok(Typed { kind, ty: Type::Bool, span })
    }
}

/// The type of `left + right`.
fn sum(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Timestamp, Type::Duration) | (Type::Duration, Type::Timestamp) => Some(Type::Timestamp),
        _ => left.unify(right).filter(|ty| {
            matches!(
                ty,
                Type::Int
                    | Type::Uint
                    | Type::Double
                    | Type::String
                    | Type::Bytes
                    | Type::List(_)
                    | Type::Duration
                    | Type::Dyn
                    | Type::Never
            )
        }),
    }
}

/// The type of `left - right`.
fn difference(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
        (Type::Timestamp, Type::Timestamp) => Some(Type::Duration),
        _ => product(left, right, &[Type::Int, Type::Uint, Type::Double, Type::Duration]),
    }
}

/// One of these types, which both operands have.
fn product(left: &Type, right: &Type, of: &[Type]) -> Option<Type> {
    left.unify(right).filter(|ty| of.contains(ty) || ty.is_open())
}
