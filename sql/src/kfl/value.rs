//! What expressions evaluate to.

use std::sync::Arc;

use super::types::Type;

/// A value of the language. Copies are cheap: what is long is shared.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number without a sign.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// Octets.
    Bytes(Arc<[u8]>),
    /// Nanoseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Nanoseconds.
    Duration(i64),
    /// Elements in order.
    List(Arc<[Value]>),
    /// Keys with their values, in the order of writing; of equal keys there is one.
    Map(Arc<[(Value, Value)]>),
    /// The name of a type, as [`Type::name`] has it.
    Type(&'static str),
}

impl Value {
    /// A text.
    pub fn string(text: impl Into<Arc<str>>) -> Value {
        Value::String(text.into())
    }

    /// Its type. A list or map takes that of its first element.
    pub fn ty(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Uint(_) => Type::Uint,
            Value::Double(_) => Type::Double,
            Value::String(_) => Type::String,
            Value::Bytes(_) => Type::Bytes,
            Value::Timestamp(_) => Type::Timestamp,
            Value::Duration(_) => Type::Duration,
            Value::List(elements) => Type::list(elements.first().map_or(Type::Never, Value::ty)),
            Value::Map(entries) => {
                let (key, value) = entries.first().map_or((Type::Never, Type::Never), |(k, v)| (k.ty(), v.ty()));
                Type::map(key, value)
            }
            Value::Type(_) => Type::Type,
        }
    }
}
