//! Names and types: an [`Expr`] into a [`Typed`], or the reason why not.
//!
//! The fact to know: all types are known here but those of `dyn()`, and literals that can never be read (a pattern, a
//! network, a time) are faults here too, not while rows are looked at.

mod calls;
mod macros;
mod methods;
mod mismatch;
mod operators;

use std::cell::Cell;
use std::sync::Arc;

use super::ast::{Expr, ExprKind, Name, Span};
use super::error::{Fault, excerpt};
use super::suggest;
use super::typed::{Kind, Local, Typed};
use super::types::Type;
use super::value::Value;
use super::vocabulary;

/// Types that have a name in the language.
const TYPE_NAMES: &[(&str, &str)] = &[
    ("bool", "bool"),
    ("int", "int"),
    ("uint", "uint"),
    ("double", "double"),
    ("string", "string"),
    ("bytes", "bytes"),
    ("list", "list"),
    ("map", "map"),
    ("null_type", "null_type"),
    ("type", "type"),
    ("google.protobuf.Timestamp", "timestamp"),
    ("google.protobuf.Duration", "duration"),
];

/// Maps whose keys are names of headers, which are stored in lower case and compared without regard to it.
const HEADER_MAPS: &[&str] = &["request.headers", "response.headers"];

/// Checks an expression, which has to be a bool. `now()` is `now_ns`, ns since 1970.
pub(super) fn check(expr: &Expr, text: &str, now_ns: i64) -> Result<Typed, Fault> {
    let mut checker = Checker { text, now_ns, locals: Vec::new(), patterns: Some(Cell::new(0)) };
    let typed = checker.expr(expr)?;
    match typed.ty {
        Type::Bool | Type::Dyn => Ok(typed),
        _ => Err(checker.no_bool(&typed, "a filter is")),
    }
}

/// The type of an expression of KFL2, if it has one.
pub(super) fn type_of(expr: &Expr) -> Option<Type> {
    Checker { text: "", now_ns: 0, locals: Vec::new(), patterns: None }.expr(expr).ok().map(|typed| typed.ty)
}

struct Checker<'a> {
    text: &'a str,
    now_ns: i64,
    /// The variables of the macros around, outermost first.
    locals: Vec<(Arc<str>, Type)>,
    /// How many patterns were compiled; `None` if none are to be, because only a type is asked for.
    patterns: Option<Cell<usize>>,
}

impl<'a> Checker<'a> {
    /// Only hands on: whatever it holds itself it holds once for each level of nesting.
    fn expr(&mut self, expr: &Expr) -> Result<Typed, Fault> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Literal(value) => Ok(literal(value.clone(), span)),
            ExprKind::Ident(_) | ExprKind::Select(..) => self.path(expr),
            ExprKind::Index(operand, index) => self.index_of(operand, index, span),
            ExprKind::Call(call) => self.call(call, span),
            ExprKind::Unary(operator, operand) => self.unary(*operator, operand, span),
            ExprKind::Binary(operator, left, right) => self.binary(*operator, left, right, span),
            ExprKind::And(terms) => self.logical(terms, "&&", span),
            ExprKind::Or(terms) => self.logical(terms, "||", span),
            ExprKind::Conditional(parts) => self.conditional(parts, span),
            ExprKind::List(elements) => self.list(elements, span),
            ExprKind::Map(entries) => self.map(entries, span),
        }
    }

    fn each(&mut self, exprs: &[Expr]) -> Result<Vec<Typed>, Fault> {
        let mut typed = Vec::with_capacity(exprs.len());
        for expr in exprs {
            typed.push(self.expr(expr)?);
        }
        Ok(typed)
    }

    /// The text of a span, shortened.
    fn said(&self, span: Span) -> String {
        excerpt(self.text, span)
    }

    /// A name with all the dots behind it: the longest variable that it begins with, and keys of maps.
    fn path(&mut self, expr: &Expr) -> Result<Typed, Fault> {
        let mut fields = Vec::new();
        let mut root = expr;
        while let ExprKind::Select(operand, field) = &root.kind {
            fields.push((field.as_str(), root.span));
            root = operand;
        }
        fields.reverse();
        match &root.kind {
            ExprKind::Ident(name) => self.named_path(name, root.span, &fields),
            _ => {
                let operand = self.expr(root)?;
                self.fields(operand, &fields)
            }
        }
    }

    fn named_path(&self, name: &Name, span: Span, fields: &[(&str, Span)]) -> Result<Typed, Fault> {
        if let Some(local) = self.local(name, span) {
            return self.fields(local, fields);
        }
        let mut path = name.text.clone();
        let mut longest = named(&path, span).map(|found| (found, 0));
        for (used, (field, span)) in fields.iter().enumerate() {
            path.push('.');
            path.push_str(field);
            longest = named(&path, *span).map(|found| (found, used + 1)).or(longest);
        }
        match longest {
            Some((found, used)) => self.fields(found, fields.get(used..).unwrap_or(&[])),
            None => Err(self.unknown(&path, fields.last().map_or(span, |(_, whole)| *whole))),
        }
    }

    fn unknown(&self, path: &str, span: Span) -> Fault {
        let fault =
            Fault::new(span, format!("there is no variable `{}`", excerpt(path, Span { start: 0, end: path.len() })));
        suggest::variable(path).into_iter().fold(fault, Fault::hint)
    }

    fn local(&self, name: &Name, span: Span) -> Option<Typed> {
        let found =
            self.locals.iter().enumerate().rev().find(|(_, (local, _))| **local == name.text && !name.is_rooted);
        found.map(|(slot, (name, ty))| {
            let kind = Kind::Local(Local { slot, name: Arc::clone(name) });
            Typed { kind, ty: ty.clone(), span }
        })
    }

    /// `operand.a.b`: keys of maps.
    fn fields(&self, operand: Typed, fields: &[(&str, Span)]) -> Result<Typed, Fault> {
        fields.iter().try_fold(operand, |operand, (field, span)| match &operand.ty {
            Type::Map(..) | Type::Dyn | Type::Never => {
                let key = literal(Value::string(*field), *span);
                self.index(operand, key, *span)
            }
            other => {
                let what = self.said(operand.span);
                let fault = Fault::new(*span, format!("`{what}` is {} and has no `{field}`", mismatch::a(other)));
                let whole = fields.last().map_or(*span, |(_, whole)| *whole);
                let path = self.text.get(whole.start..whole.end).unwrap_or("");
                Err(suggest::variable(path).into_iter().fold(fault, Fault::hint))
            }
        })
    }

    fn index_of(&mut self, operand: &Expr, index: &Expr, span: Span) -> Result<Typed, Fault> {
        let operand = self.expr(operand)?;
        let index = self.expr(index)?;
        self.index(operand, index, span)
    }

    fn index(&self, operand: Typed, index: Typed, span: Span) -> Result<Typed, Fault> {
        let (wanted, ty) = match &operand.ty {
            Type::List(element) => (Type::Int, (**element).clone()),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Never => (Type::Dyn, Type::Dyn),
            other => {
                let what = self.said(operand.span);
                return Err(Fault::new(span, format!("`{what}` is {} and has no elements", mismatch::a(other))));
            }
        };
        if index.ty.unify(&wanted).is_none() {
            let what =
                if matches!(operand.ty, Type::List(_)) { "elements are numbered from 0" } else { "its keys are" };
            let (is, said) = (mismatch::a(&index.ty), self.said(index.span));
            let fault = Fault::new(index.span, format!("`{said}` is {is} and no key of `{}`", self.said(operand.span)));
            return Err(match operand.ty {
                Type::List(_) => {
                    fault.hint(format!("{what}; whether it holds a value: `{said} in {}`", self.said(operand.span)))
                }
                _ => fault.hint(format!("{what} {wanted}")),
            });
        }
        let index = key_of(&operand, index);
        Ok(Typed { kind: Kind::Index(Box::new(operand), Box::new(index)), ty, span })
    }

    fn list(&mut self, elements: &[Expr], span: Span) -> Result<Typed, Fault> {
        let elements = self.each(elements)?;
        let ty = self.one_type(elements.iter(), "a list holds")?;
        Ok(Typed { kind: Kind::List(elements), ty: Type::list(ty), span })
    }

    fn map(&mut self, entries: &[(Expr, Expr)], span: Span) -> Result<Typed, Fault> {
        let mut typed = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.expr(key)?;
            typed.push((key, self.expr(value)?));
        }
        self.map_of(typed, span)
    }

    fn map_of(&self, entries: Vec<(Typed, Typed)>, span: Span) -> Result<Typed, Fault> {
        let is_key = |ty: &Type| matches!(ty, Type::Bool | Type::Int | Type::Uint | Type::String | Type::Dyn);
        if let Some((key, _)) = entries.iter().find(|(key, _)| !is_key(&key.ty)) {
            let message = format!("`{}` is {} and no key", self.said(key.span), mismatch::a(&key.ty));
            return Err(Fault::new(key.span, message).hint("keys are string, int, uint or bool"));
        }
        let key = self.one_type(entries.iter().map(|(key, _)| key), "keys of a map have")?;
        let value = self.one_type(entries.iter().map(|(_, value)| value), "values of a map have")?;
        Ok(Typed { kind: Kind::Map(entries), ty: Type::map(key, value), span })
    }

    /// The type that all have.
    fn one_type<'t>(&self, all: impl Iterator<Item = &'t Typed>, what: &str) -> Result<Type, Fault> {
        let mut ty = Type::Never;
        for one in all {
            ty = ty.unify(&one.ty).ok_or_else(|| {
                let (said, is) = (self.said(one.span), mismatch::a(&one.ty));
                Fault::new(one.span, format!("{what} one type: `{said}` is {is}, the others are {ty}"))
            })?;
        }
        Ok(ty)
    }
}

/// What a name alone stands for: a variable, or a type.
fn named(path: &str, span: Span) -> Option<Typed> {
    if let Some(var) = vocabulary::variable(path) {
        return Some(Typed { kind: Kind::Var(var), ty: var.ty.ty(), span });
    }
    let (_, name) = TYPE_NAMES.iter().find(|(spelled, _)| *spelled == path)?;
    Some(literal(Value::Type(name), span))
}

fn literal(value: Value, span: Span) -> Typed {
    Typed { ty: value.ty(), kind: Kind::Literal(value), span }
}

/// A key of this map: of headers in lower case.
fn key_of(map: &Typed, key: Typed) -> Typed {
    let is_of_headers = matches!(&map.kind, Kind::Var(var) if HEADER_MAPS.contains(&var.name));
    match key.kind {
        Kind::Literal(Value::String(text)) if is_of_headers && text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            literal(Value::string(text.to_ascii_lowercase()), key.span)
        }
        _ => key,
    }
}
