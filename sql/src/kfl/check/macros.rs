//! Macros: `exists` and its like over lists and maps, and `has(m.k)`.

use std::sync::Arc;

use super::super::ast::{BinaryOp, Call, Expr, ExprKind, Span};
use super::super::error::Fault;
use super::super::typed::{Kind, Local, Macro, MacroKind, Typed};
use super::super::types::Type;
use super::super::value::Value;
use super::super::vocabulary;
use super::mismatch::{a, zero};
use super::{Checker, key_of, literal};

/// The macro of this name.
pub(super) fn kind(name: &str) -> Option<MacroKind> {
    Some(match name {
        "all" => MacroKind::All,
        "exists" => MacroKind::Exists,
        "exists_one" => MacroKind::ExistsOne,
        "filter" => MacroKind::Filter,
        "map" => MacroKind::Map,
        _ => return None,
    })
}

impl Checker<'_> {
    pub(super) fn comprehension(
        &mut self,
        kind: MacroKind,
        target: &Expr,
        call: &Call,
        span: Span,
    ) -> Result<Typed, Fault> {
        let range = self.expr(target)?;
        let element = self.element(&range, call)?;
        let (name, condition, body) = self.arguments(kind, &range, call)?;
        let local = Local { slot: self.locals.len(), name: name.into() };
        self.locals.push((Arc::clone(&local.name), element));
        let inside = self.inside(kind, condition, body, &call.name);
        self.locals.pop();
        let (condition, body) = inside?;
        Ok(finished(Macro { kind, range, local, condition, body }, span))
    }

    /// The type of what a macro goes over.
    fn element(&self, range: &Typed, call: &Call) -> Result<Type, Fault> {
        match &range.ty {
            Type::List(element) | Type::Map(element, _) => Ok((**element).clone()),
            Type::Dyn | Type::Never => Ok(Type::Dyn),
            _ if call.args.is_empty() => Err(self.no_arguments(range, call)),
            other => {
                let (said, name) = (self.said(range.span), &call.name);
                let message = format!("`{said}` is {}, and `{name}` goes over a list or a map", a(other));
                Err(Fault::new(call.name_span, message))
            }
        }
    }

    /// The name of an element, the condition of `map` and the body.
    fn arguments<'c>(
        &self,
        kind: MacroKind,
        range: &Typed,
        call: &'c Call,
    ) -> Result<(&'c str, Option<&'c Expr>, &'c Expr), Fault> {
        let (local, condition, body) = match call.args.as_slice() {
            [local, body] => (local, None, body),
            [local, condition, body] if kind == MacroKind::Map => (local, Some(condition), body),
            _ => return Err(self.no_arguments(range, call)),
        };
        match &local.kind {
            ExprKind::Ident(name) if !name.is_rooted => Ok((&name.text, condition, body)),
            _ => {
                let message = format!("`{}` is no name for an element", self.said(local.span));
                let hint = format!("write `{}.{}(v, …)`, where v stands for each", self.said(range.span), call.name);
                Err(Fault::new(local.span, message).hint(hint))
            }
        }
    }

    /// What is asked of each element.
    fn inside(
        &mut self,
        kind: MacroKind,
        condition: Option<&Expr>,
        body: &Expr,
        name: &str,
    ) -> Result<(Option<Typed>, Typed), Fault> {
        let condition = condition.map(|condition| self.expr(condition)).transpose()?;
        let body = self.expr(body)?;
        let predicate = if kind == MacroKind::Map { condition.as_ref() } else { Some(&body) };
        if let Some(predicate) = predicate
            && !matches!(predicate.ty, Type::Bool | Type::Dyn | Type::Never)
        {
            return Err(self.no_bool(predicate, &format!("`{name}` asks of each element")));
        }
        Ok((condition, body))
    }

    fn no_arguments(&self, range: &Typed, call: &Call) -> Fault {
        let (said, name) = (self.said(range.span), &call.name);
        let fault =
            Fault::new(call.name_span, format!("`{name}` wants a name for an element, and what is asked of it"));
        match &range.ty {
            Type::List(_) | Type::Map(..) => fault.hint(format!("write `{said}.{name}(v, v == \"…\")`")),
            ty => match zero(ty) {
                Some("false") | None => fault,
                Some(zero) => fault.hint(format!("whether there is one: `{said} != {zero}`")),
            },
        }
    }

    /// `has(m.k)`: whether a map has a key. Variables are always there.
    pub(super) fn has(&mut self, call: &Call, span: Span) -> Result<Typed, Fault> {
        let [arg] = call.args.as_slice() else { return Err(self.arity(call, 1)) };
        let ExprKind::Select(operand, field) = &arg.kind else { return Err(self.no_key(arg)) };
        if let Some(fault) = self.always_there(arg) {
            return Err(fault);
        }
        let map = self.expr(operand)?;
        self.has_key(map, field, arg.span, span)
    }

    fn has_key(&self, map: Typed, field: &str, arg: Span, span: Span) -> Result<Typed, Fault> {
        if !matches!(map.ty, Type::Map(..) | Type::Dyn | Type::Never) {
            let message = format!("`{}` is {} and has no fields", self.said(map.span), a(&map.ty));
            return Err(Fault::new(arg, message));
        }
        let key = key_of(&map, literal(Value::string(field), arg));
        let kind = Kind::Binary(BinaryOp::In, Box::new(key), Box::new(map));
        Ok(Typed { kind, ty: Type::Bool, span })
    }

    /// The fault of asking for a variable.
    fn always_there(&self, arg: &Expr) -> Option<Fault> {
        let said = arg.to_string();
        let is_shadowed = self.locals.iter().any(|(local, _)| said.starts_with(&format!("{local}.")));
        let var = vocabulary::variable(&said).filter(|_| !is_shadowed)?;
        let fault = Fault::new(arg.span, format!("`{said}` is a variable and always there"));
        let ty = var.ty.ty();
        Some(match (&ty, zero(&ty)) {
            (Type::List(_) | Type::Map(..), _) => fault.hint(format!("write `size({said}) > 0`")),
            (Type::Bool, _) => fault.hint(format!("write `{said}`")),
            (_, Some(zero)) => fault.hint(format!("write `{said} != {zero}`")),
            _ => fault,
        })
    }

    /// The fault of `has` of something else than `m.k`.
    fn no_key(&self, arg: &Expr) -> Fault {
        let fault = Fault::new(arg.span, "`has` wants a key of a map, as in `has(request.headers.host)`");
        match &arg.kind {
            ExprKind::Index(map, key) => {
                fault.hint(format!("write `{} in {}`", self.said(key.span), self.said(map.span)))
            }
            ExprKind::Ident(name) if vocabulary::variable(&name.text).is_some() => {
                fault.hint("a variable is always there; compare it with the zero of its type")
            }
            _ => fault,
        }
    }
}

/// A macro with its type.
fn finished(of: Macro, span: Span) -> Typed {
    let ty = match of.kind {
        MacroKind::All | MacroKind::Exists | MacroKind::ExistsOne => Type::Bool,
        MacroKind::Map => Type::list(of.body.ty.clone()),
        MacroKind::Filter => match &of.range.ty {
            Type::Map(key, _) => Type::list((**key).clone()),
            other => other.clone(),
        },
    };
    Typed { kind: Kind::Macro(Box::new(of)), ty, span }
}
