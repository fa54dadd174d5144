//! The types of the language, which every expression has before it runs.

use std::{fmt, sync::Arc};

/// A type of CEL, as far as this language has values of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// `null` alone.
    Null,
    /// `true`, `false`.
    Bool,
    /// 64 bits with a sign.
    Int,
    /// 64 bits without a sign.
    Uint,
    /// A 64-bit floating-point number (IEEE 754).
    Double,
    /// Unicode text.
    String,
    /// Octets.
    Bytes,
    /// A point in time: ns since 1970-01-01 UTC in 64 bits, which reaches from 1677 to 2262.
    Timestamp,
    /// A span of time in ns, 64 bits with a sign: 292 years either way.
    Duration,
    /// Elements of one type, in order.
    List(Arc<Type>),
    /// Keys and values, each of one type. Keys are bool, int, uint or string.
    Map(Arc<Type>, Arc<Type>),
    /// What `type(x)` gives.
    Type,
    /// Not known before it runs: only `dyn(x)` makes it.
    Dyn,
    /// What an empty list or map literal holds: it fits every type.
    Never,
}

impl Type {
    /// A list of these.
    pub fn list(element: Type) -> Type {
        Type::List(Arc::new(element))
    }

    /// A map of these.
    pub fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    /// The name that `type(x)` compares with: without what a list or a map holds.
    pub fn name(&self) -> &'static str {
        match self {
            Type::Null => "null_type",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Uint => "uint",
            Type::Double => "double",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            Type::List(_) => "list",
            Type::Map(..) => "map",
            Type::Type => "type",
            Type::Dyn => "dyn",
            Type::Never => "nothing",
        }
    }

    /// The one type that both fit: themselves if they are the same, the other one where one is empty or not known.
    pub fn unify(&self, other: &Type) -> Option<Type> {
        Some(match (self, other) {
            (a, b) if a == b => a.clone(),
            (Type::Never, known) | (known, Type::Never) => known.clone(),
            (Type::Dyn, _) | (_, Type::Dyn) => Type::Dyn,
            (Type::List(a), Type::List(b)) => Type::list(a.unify(b)?),
            (Type::Map(ak, av), Type::Map(bk, bv)) => Type::map(ak.unify(bk)?, av.unify(bv)?),
            _ => return None,
        })
    }

    /// Whether nothing can be said about it before it runs.
    pub fn is_open(&self) -> bool {
        matches!(self, Type::Dyn | Type::Never)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::List(element) => write!(f, "list({element})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            plain => f.write_str(plain.name()),
        }
    }
}
