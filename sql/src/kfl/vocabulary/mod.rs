//! The variables: their names, types and meanings, once for the checker, the docs and what is lowered.
//!
//! A dotted name is one flat variable: `src.pod.name` is no field of anything. A variable that does not apply to an entry
//! has the zero of its type, but `grpc_status` has -1.

mod calls;
mod entries;
mod ours;

use std::{collections::HashMap, fmt, sync::LazyLock};

use super::types::Type;
use super::value::Value;

/// A variable.
#[derive(PartialEq, Eq, Hash)]
pub struct Var {
    /// Its name, dots included.
    pub name: &'static str,
    /// Its type.
    pub ty: VarType,
    /// What it means: units, values.
    pub meaning: &'static str,
}

/// Numbers that are not 0 where they do not apply: a gRPC status of 0 is OK.
const NOT_ZERO: &[(&str, i64)] = &[("grpc_status", -1)];

impl Var {
    /// What it is where it does not apply.
    pub fn zero(&self) -> Value {
        let number = NOT_ZERO.iter().find(|(name, _)| *name == self.name);
        number.map_or_else(|| self.ty.zero(), |(_, number)| Value::Int(*number))
    }
}

impl fmt::Debug for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.ty.ty())
    }
}

/// The types that variables have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VarType {
    /// bool
    Bool,
    /// int
    Int,
    /// string
    String,
    /// bytes
    Bytes,
    /// timestamp
    Timestamp,
    /// list(string)
    StringList,
    /// map(string, string)
    StringMap,
}

impl VarType {
    /// The zero of the type; see [`Var::zero`].
    pub fn zero(self) -> Value {
        match self {
            VarType::Bool => Value::Bool(false),
            VarType::Int => Value::Int(0),
            VarType::String => Value::string(""),
            VarType::Bytes => Value::Bytes([].into()),
            VarType::Timestamp => Value::Timestamp(0),
            VarType::StringList => Value::List([].into()),
            VarType::StringMap => Value::Map([].into()),
        }
    }

    /// As a type of the language.
    pub fn ty(self) -> Type {
        match self {
            VarType::Bool => Type::Bool,
            VarType::Int => Type::Int,
            VarType::String => Type::String,
            VarType::Bytes => Type::Bytes,
            VarType::Timestamp => Type::Timestamp,
            VarType::StringList => Type::list(Type::String),
            VarType::StringMap => Type::map(Type::String, Type::String),
        }
    }
}

/// Variables that belong together.
#[derive(Debug)]
pub struct Group {
    /// Heading of their table in the docs.
    pub title: &'static str,
    /// Where they come from.
    pub origin: Origin,
    /// They.
    pub vars: &'static [Var],
}

/// Where a variable comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Kubeshark's KFL2 has it.
    Kubeshark,
    /// It is an addition of Wiretape.
    Wiretape,
}

/// All groups, in the order of the docs.
pub const GROUPS: &[&[Group]] = &[entries::GROUPS, calls::GROUPS, ours::GROUPS];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Var>> =
    LazyLock::new(|| variables().map(|var| (var.name, var)).collect());

/// All groups, in the order of the docs.
pub fn groups() -> impl Iterator<Item = &'static Group> {
    GROUPS.iter().copied().flatten()
}

/// All variables, in the order of the docs.
pub fn variables() -> impl Iterator<Item = &'static Var> {
    groups().flat_map(|group| group.vars)
}

/// The variable of this name.
pub fn variable(name: &str) -> Option<&'static Var> {
    BY_NAME.get(name).copied()
}

const fn var(name: &'static str, ty: VarType, meaning: &'static str) -> Var {
    Var { name, ty, meaning }
}

const fn flag(name: &'static str, meaning: &'static str) -> Var {
    var(name, VarType::Bool, meaning)
}

const fn int(name: &'static str, meaning: &'static str) -> Var {
    var(name, VarType::Int, meaning)
}

const fn text(name: &'static str, meaning: &'static str) -> Var {
    var(name, VarType::String, meaning)
}

const fn list(name: &'static str, meaning: &'static str) -> Var {
    var(name, VarType::StringList, meaning)
}

const fn map(name: &'static str, meaning: &'static str) -> Var {
    var(name, VarType::StringMap, meaning)
}

const fn group(title: &'static str, vars: &'static [Var]) -> Group {
    Group { title, origin: Origin::Kubeshark, vars }
}

const fn our_group(title: &'static str, vars: &'static [Var]) -> Group {
    Group { title, origin: Origin::Wiretape, vars }
}
