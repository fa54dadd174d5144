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
        let (local, condition, body) = match call.args.as_slice() {
            [local, body] => (local, None, body),
            [local, condition, body] if kind == MacroKind::Map => (local, Some(condition), body),
            _ => return Err(self.no_arguments(&range, call)),
        };
        let element = match &range.ty {
            Type::List(element) | Type::Map(element, _) => (**element).clone(),
            Type::Dyn | Type::Never => Type::Dyn,
            other => {
                let message = format!(
                    "`{}` is {}, and `{}` goes over a list or a map",
                    self.said(range.span),
                    a(other),
                    call.name
                );
                return Err(Fault::new(call.name_span, message));
            }
        };
        let name = match &local.kind {
            ExprKind::Ident(name) if !name.is_rooted => name.text.as_str(),
            _ => {
                let message = format!("`{}` is no name for an element", self.said(local.span));
                let hint = format!("write `{}.{}(v, …)`, where v stands for each", self.said(range.span), call.name);
                return Err(Fault::new(local.span, message).hint(hint));
            }
        };
        let local = Local { slot: self.locals.len(), name: name.into() };
        self.locals.push((Arc::clone(&local.name), element));
        let inside = self.inside(kind, condition, body, &call.name);
        self.locals.pop();
        let (condition, body) = inside?;
        let ty = match kind {
            MacroKind::All | MacroKind::Exists | MacroKind::ExistsOne => Type::Bool,
            MacroKind::Map => Type::list(body.ty.clone()),
            MacroKind::Filter => match &range.ty {
                Type::Map(key, _) => Type::list((**key).clone()),
                other => other.clone(),
            },
        };
        let of = Macro { kind, range, local, condition, body };
        Ok(Typed { kind: Kind::Macro(Box::new(of)), ty, span })
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
        let said = self.said(arg.span);
        if let ExprKind::Select(operand, field) = &arg.kind {
            let is_shadowed = self.locals.iter().any(|(local, _)| said.starts_with(&format!("{local}.")));
            if let Some(var) = vocabulary::variable(&said.replace(char::is_whitespace, "")).filter(|_| !is_shadowed) {
                let fault = Fault::new(arg.span, format!("`{said}` is a variable and always there"));
                let ty = var.ty.ty();
                return Err(match (&ty, zero(&ty)) {
                    (Type::List(_) | Type::Map(..), _) => fault.hint(format!("write `size({said}) > 0`")),
                    (Type::Bool, _) => fault.hint(format!("write `{said}`")),
                    (_, Some(zero)) => fault.hint(format!("write `{said} != {zero}`")),
                    _ => fault,
                });
            }
            let map = self.expr(operand)?;
            if matches!(map.ty, Type::Map(..) | Type::Dyn | Type::Never) {
                let key = key_of(&map, literal(Value::string(field.as_str()), arg.span));
                let kind = Kind::Binary(BinaryOp::In, Box::new(key), Box::new(map));
                return Ok(Typed { kind, ty: Type::Bool, span });
            }
            let message = format!("`{}` is {} and has no fields", self.said(map.span), a(&map.ty));
            return Err(Fault::new(arg.span, message));
        }
        let fault = Fault::new(arg.span, "`has` wants a key of a map, as in `has(request.headers.host)`");
        Err(match &arg.kind {
            ExprKind::Index(map, key) => {
                fault.hint(format!("write `{} in {}`", self.said(key.span), self.said(map.span)))
            }
            ExprKind::Ident(name) if vocabulary::variable(&name.text).is_some() => {
                fault.hint("a variable is always there; compare it with the zero of its type")
            }
            _ => fault,
        })
    }
}
