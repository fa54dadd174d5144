//! Functions: `size(x)`, `map_get(m, k, d)`, conversions, `now()`.

use super::super::ast::{Call, Span};
use super::super::error::Fault;
use super::super::suggest;
use super::super::time;
use super::super::typed::{Function, Kind, Typed};
use super::super::types::Type;
use super::super::value::Value;
use super::mismatch::a;
use super::{Checker, key_of, literal};

/// Conversions: name, function, what they take and what they give. Lists stand for lists of anything.
const CONVERSIONS: &[(&str, Function, &[Type], Type)] = &[
    ("int", Function::ToInt, &[Type::Int, Type::Uint, Type::Double, Type::String, Type::Timestamp], Type::Int),
    ("uint", Function::ToUint, &[Type::Uint, Type::Int, Type::Double, Type::String], Type::Uint),
    ("double", Function::ToDouble, &[Type::Double, Type::Int, Type::Uint, Type::String], Type::Double),
    (
        "string",
        Function::ToString,
        &[Type::String, Type::Bool, Type::Int, Type::Uint, Type::Double, Type::Bytes, Type::Timestamp, Type::Duration],
        Type::String,
    ),
    ("bytes", Function::ToBytes, &[Type::Bytes, Type::String], Type::Bytes),
    ("bool", Function::ToBool, &[Type::Bool, Type::String], Type::Bool),
    ("timestamp", Function::ToTimestamp, &[Type::Timestamp, Type::String, Type::Int], Type::Timestamp),
    ("duration", Function::ToDuration, &[Type::Duration, Type::String], Type::Duration),
];

/// All functions that are not methods, for suggestions.
pub(in super::super) const FUNCTIONS: &[&str] = &[
    "size",
    "map_get",
    "now",
    "has",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "timestamp",
    "duration",
    "type",
    "dyn",
    "matches",
];

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &Call, span: Span) -> Result<Typed, Fault> {
        match (&call.target, super::macros::kind(&call.name)) {
            (None, _) if call.name == "has" => self.has(call, span),
            (Some(target), Some(kind)) => self.comprehension(kind, target, call, span),
            (None, _) => {
                let args = self.each(&call.args)?;
                self.function(call, args, span)
            }
            (Some(target), None) => {
                let target = self.expr(target)?;
                let args = self.each(&call.args)?;
                self.method(target, args, call, span)
            }
        }
    }

    fn function(&self, call: &Call, args: Vec<Typed>, span: Span) -> Result<Typed, Fault> {
        let known = CONVERSIONS.iter().find(|(name, ..)| *name == call.name);
        match (call.name.as_str(), args.len()) {
            ("now", 0) => Ok(literal(Value::Timestamp(self.now_ns), span)),
            ("size", 1) => self.size(args, span),
            ("map_get", 3) => self.map_get(args, span),
            ("map_get", 2) => {
                let fault = Fault::new(span, "`map_get` wants a map, a key and what to take without it");
                Err(fault.hint(format!("write `map_get({}, {}, \"\")`", self.arg(call, 0), self.arg(call, 1))))
            }
            ("matches", 2) => {
                let (mut args, name) = (args.into_iter(), "matches");
                let (Some(subject), Some(pattern)) = (args.next(), args.next()) else {
                    return Err(self.arity(call, 2));
                };
                self.text_method(Function::Matches, name, subject, pattern, span)
            }
            ("type", 1) => Ok(type_of(args, span)),
            ("dyn", 1) => Ok(Typed { kind: Kind::Call(Function::Dyn, args), ty: Type::Dyn, span }),
            (_, 1) if known.is_some() => match (known, args.into_iter().next()) {
                (Some((name, function, takes, gives)), Some(arg)) => {
                    self.conversion(name, *function, takes, gives, arg, span)
                }
                _ => Err(self.arity(call, 1)),
            },
            (name, _) if FUNCTIONS.contains(&name) => Err(self.arity(call, wanted(name))),
            _ => Err(self.no_function(call)),
        }
    }

    fn no_function(&self, call: &Call) -> Fault {
        let fault = Fault::new(call.name_span, format!("there is no function `{}`", call.name));
        if super::methods::is_method(&call.name) {
            let args = if call.args.len() > 1 { self.arg(call, 1) } else { String::new() };
            let target = if call.args.is_empty() { "x".to_owned() } else { self.arg(call, 0) };
            return fault.hint(format!("it stands behind a dot: `{target}.{}({args})`", call.name));
        }
        suggest::function(&call.name, FUNCTIONS).into_iter().fold(fault, Fault::hint)
    }

    /// The text of an argument.
    pub(super) fn arg(&self, call: &Call, at: usize) -> String {
        call.args.get(at).map_or_else(|| "…".to_owned(), |arg| self.said(arg.span))
    }

    pub(super) fn arity(&self, call: &Call, wanted: usize) -> Fault {
        let arguments = if wanted == 1 { "argument" } else { "arguments" };
        let message = format!("`{}` wants {wanted} {arguments} and has {}", call.name, call.args.len());
        Fault::new(call.name_span, message)
    }

    pub(super) fn size(&self, args: Vec<Typed>, span: Span) -> Result<Typed, Fault> {
        match args.first() {
            Some(arg)
                if !matches!(
                    arg.ty,
                    Type::String | Type::Bytes | Type::List(_) | Type::Map(..) | Type::Dyn | Type::Never
                ) =>
            {
                let message = format!("`{}` is {} and has no size", self.said(arg.span), a(&arg.ty));
                Err(Fault::new(arg.span, message).hint("string, bytes, list and map have one"))
            }
            _ => Ok(Typed { kind: Kind::Call(Function::Size, args), ty: Type::Int, span }),
        }
    }

    fn map_get(&self, args: Vec<Typed>, span: Span) -> Result<Typed, Fault> {
        let texts = Type::map(Type::String, Type::String);
        for (arg, wanted) in args.iter().zip([&texts, &Type::String, &Type::String]) {
            if arg.ty.unify(wanted).is_none() {
                let said = self.said(arg.span);
                let message = format!("`{said}` is {}, and `map_get` wants a {wanted} here", a(&arg.ty));
                return Err(Fault::new(arg.span, message));
            }
        }
        let mut args = args.into_iter();
        let (Some(map), Some(key)) = (args.next(), args.next()) else {
            return Err(Fault::new(span, "`map_get` wants 3 arguments"));
        };
        let key = key_of(&map, key);
        let args = [map, key].into_iter().chain(args).collect();
        Ok(Typed { kind: Kind::Call(Function::MapGet, args), ty: Type::String, span })
    }

    fn conversion(
        &self,
        name: &str,
        function: Function,
        takes: &[Type],
        gives: &Type,
        arg: Typed,
        span: Span,
    ) -> Result<Typed, Fault> {
        if !takes.contains(&arg.ty) && !arg.ty.is_open() {
            let message = format!("`{name}()` makes no {gives} of `{}`, which is {}", self.said(arg.span), a(&arg.ty));
            return Err(Fault::new(arg.span, message));
        }
        match (function, &arg.kind) {
            (Function::ToTimestamp, Kind::Literal(Value::String(text))) => match time::parse_timestamp(text) {
                Some(ns) => Ok(literal(Value::Timestamp(ns), span)),
                None => Err(no_time(text, arg.span)),
            },
            (Function::ToDuration, Kind::Literal(Value::String(text))) => match time::parse_duration(text) {
                Some(ns) => Ok(literal(Value::Duration(ns), span)),
                None => {
                    let fault = Fault::new(arg.span, format!("`{text}` is no span of time"));
                    Err(fault.hint("numbers with h, m, s, ms, us or ns: `1h30m`, `250ms`; a day is `24h`"))
                }
            },
            _ => Ok(Typed { kind: Kind::Call(function, vec![arg]), ty: gives.clone(), span }),
        }
    }
}

/// How many arguments a function wants.
fn wanted(name: &str) -> usize {
    match name {
        "now" => 0,
        "map_get" => 3,
        "matches" => 2,
        _ => 1,
    }
}

/// The type of an argument: known now, unless it is dyn.
fn type_of(args: Vec<Typed>, span: Span) -> Typed {
    match args.first().map(|arg| &arg.ty) {
        Some(ty) if !ty.is_open() => literal(Value::Type(ty.name()), span),
        _ => Typed { kind: Kind::Call(Function::TypeOf, args), ty: Type::Type, span },
    }
}

fn no_time(text: &str, span: Span) -> Fault {
    let fault = Fault::new(span, format!("`{text}` is no time of RFC 3339 between 1677 and 2262"));
    let candidates =
        [format!("{text}Z"), format!("{text}T00:00:00Z"), format!("{text}:00Z"), text.replacen(' ', "T", 1) + "Z"];
    match candidates.into_iter().find(|candidate| time::parse_timestamp(candidate).is_some()) {
        Some(right) => fault.hint(format!("write `timestamp(\"{right}\")`")),
        None => fault.hint("write it as `timestamp(\"2026-03-02T17:00:00Z\")`"),
    }
}
