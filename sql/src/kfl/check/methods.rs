//! Methods: those of strings, the parts of times, and `size()`.

use super::super::ast::{Call, Span};
use super::super::cidr::Cidr;
use super::super::error::Fault;
use super::super::pattern::{self, MAX_PATTERNS};
use super::super::suggest;
use super::super::time::Zone;
use super::super::typed::{Function, Kind, TimePart, Typed};
use super::super::types::Type;
use super::super::value::Value;
use super::Checker;
use super::mismatch::a;

/// Methods of a string with a string, which give a bool.
const TEXT_METHODS: &[(&str, Function)] = &[
    ("contains", Function::Contains),
    ("startsWith", Function::StartsWith),
    ("endsWith", Function::EndsWith),
    ("matches", Function::Matches),
    ("in_cidr", Function::InCidr),
];

/// Parts of a timestamp; the last four also of a duration.
const PARTS: &[(&str, TimePart)] = &[
    ("getFullYear", TimePart::FullYear),
    ("getMonth", TimePart::Month),
    ("getDate", TimePart::Date),
    ("getDayOfMonth", TimePart::DayOfMonth),
    ("getDayOfWeek", TimePart::DayOfWeek),
    ("getDayOfYear", TimePart::DayOfYear),
    ("getHours", TimePart::Hours),
    ("getMinutes", TimePart::Minutes),
    ("getSeconds", TimePart::Seconds),
    ("getMilliseconds", TimePart::Milliseconds),
];

/// All that can stand behind a dot with parentheses, for suggestions.
const METHODS: &[&str] = &[
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "in_cidr",
    "size",
    "exists",
    "all",
    "exists_one",
    "filter",
    "map",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

pub(super) fn is_method(name: &str) -> bool {
    METHODS.contains(&name)
}

impl Checker<'_> {
    pub(super) fn method(&self, target: Typed, args: Vec<Typed>, call: &Call, span: Span) -> Result<Typed, Fault> {
        if let Some((_, part)) = PARTS.iter().find(|(name, _)| *name == call.name) {
            return self.part(*part, target, args, call, span);
        }
        if let Some((name, function)) = TEXT_METHODS.iter().find(|(name, _)| *name == call.name) {
            let mut args = args.into_iter();
            let (Some(arg), None) = (args.next(), args.next()) else { return Err(self.arity(call, 1)) };
            if !matches!(target.ty, Type::String | Type::Dyn | Type::Never) {
                return Err(self.no_text(&target, call));
            }
            return self.text_method(*function, name, target, arg, span);
        }
        if call.name == "size" {
            return if call.args.is_empty() { self.size(vec![target], span) } else { Err(self.arity(call, 0)) };
        }
        let said = self.said(target.span);
        let fault = Fault::new(call.name_span, format!("there is no method `{}`", call.name));
        Err(suggest::method(&call.name, &said, &target.ty, METHODS).into_iter().fold(fault, Fault::hint))
    }

    /// `target.name(arg)`, both strings.
    pub(super) fn text_method(
        &self,
        function: Function,
        name: &str,
        target: Typed,
        arg: Typed,
        span: Span,
    ) -> Result<Typed, Fault> {
        for text in [&target, &arg] {
            if !matches!(text.ty, Type::String | Type::Dyn | Type::Never) {
                let said = self.said(text.span);
                let fault = Fault::new(text.span, format!("`{said}` is {}, and `{name}` wants a string", a(&text.ty)));
                return Err(match text.kind {
                    Kind::Literal(_) => fault.hint(format!("put it in quotes: `\"{said}\"`")),
                    _ if text.ty == Type::Int => fault.hint(format!("write `string({said})`")),
                    _ => fault,
                });
            }
        }
        if let Kind::Literal(Value::String(text)) = &arg.kind {
            self.readable(function, text, arg.span)?;
        }
        Ok(Typed { kind: Kind::Call(function, vec![target, arg]), ty: Type::Bool, span })
    }

    /// Whether a pattern or a network is one.
    fn readable(&self, function: Function, text: &str, span: Span) -> Result<(), Fault> {
        match (function, &self.patterns) {
            (Function::Matches, Some(patterns)) => {
                patterns.set(patterns.get() + 1);
                if patterns.get() > MAX_PATTERNS {
                    let fault = Fault::new(span, format!("the filter has more than {MAX_PATTERNS} patterns"));
                    return Err(fault.hint("join them: `x.matches(\"a|b\")`"));
                }
                let compiled = pattern::compile(text);
                compiled.map(|_| ()).map_err(|error| Fault::new(span, error.0).hint("patterns are RE2's"))
            }
            (Function::InCidr, _) if Cidr::parse(text).is_none() => {
                let fault = Fault::new(span, format!("`{text}` is no network"));
                Err(fault.hint("write one as `10.0.0.0/8` or `2001:db8::/32`"))
            }
            _ => Ok(()),
        }
    }

    /// A method of strings behind something else.
    fn no_text(&self, target: &Typed, call: &Call) -> Fault {
        let (said, name, arg) = (self.said(target.span), &call.name, self.arg(call, 0));
        let message = format!("`{said}` is {} and has no `{name}`, which is for strings", a(&target.ty));
        let fault = Fault::new(call.name_span, message);
        match &target.ty {
            Type::List(element) if **element == Type::String && name == "contains" => fault.hint(format!(
                "whether it holds one: `{arg} in {said}`; whether any has it within: `{said}.exists(v, v.contains({arg}))`"
            )),
            Type::List(element) if **element == Type::String => {
                fault.hint(format!("write `{said}.exists(v, v.{name}({arg}))`"))
            }
            Type::List(_) => fault.hint(format!("write `{arg} in {said}`")),
            Type::Map(..) => fault.hint(format!("write `{arg} in {said}` for a key, `{said}[\"key\"].{name}({arg})` for a value")),
            Type::Int | Type::Uint | Type::Double => fault.hint(format!("write `string({said}).{name}({arg})`, or compare numbers")),
            Type::Bytes => fault.hint(format!("write `string({said}).{name}({arg})`")),
            _ => fault,
        }
    }

    fn part(&self, part: TimePart, target: Typed, args: Vec<Typed>, call: &Call, span: Span) -> Result<Typed, Fault> {
        let of_duration =
            matches!(part, TimePart::Hours | TimePart::Minutes | TimePart::Seconds | TimePart::Milliseconds);
        let said = self.said(target.span);
        match target.ty {
            Type::Timestamp | Type::Dyn | Type::Never => {}
            Type::Duration if of_duration && call.args.is_empty() => {}
            Type::Duration if of_duration => return Err(self.arity(call, 0)),
            ref other => {
                let fault = Fault::new(call.name_span, format!("`{said}` is {} and has no `{}`", a(other), call.name));
                return Err(match other {
                    Type::Duration => fault.hint("a span has getHours, getMinutes, getSeconds and getMilliseconds"),
                    _ => fault.hint("it is for times, such as `timestamp`"),
                });
            }
        }
        if args.len() > 1 {
            return Err(self.arity(call, 1));
        }
        if let Some(zone) = args.first() {
            self.zone(zone)?;
        }
        let args = std::iter::once(target).chain(args).collect();
        Ok(Typed { kind: Kind::Call(Function::Part(part), args), ty: Type::Int, span })
    }

    fn zone(&self, zone: &Typed) -> Result<(), Fault> {
        let hint = "a zone is `\"Europe/Berlin\"`, `\"UTC\"` or `\"+02:00\"`";
        let said = self.said(zone.span);
        match (&zone.ty, &zone.kind) {
            (_, Kind::Literal(Value::String(name))) if Zone::parse(name).is_none() => {
                Err(Fault::new(zone.span, format!("there is no time zone `{name}`")).hint(hint))
            }
            (Type::String | Type::Dyn | Type::Never, _) => Ok(()),
            (other, _) => Err(Fault::new(zone.span, format!("`{said}` is {} and no time zone", a(other))).hint(hint)),
        }
    }
}
