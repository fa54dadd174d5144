//! A checked expression: names are resolved, each node has its type, and every operation is one that its operands have.
//!
//! The facts to know for those who evaluate it elsewhere:
//! - `And` and `Or` absorb errors: `false && error` is false and `true || error` true, in any order.
//! - Errors while evaluating are: overflow of int and uint, division by 0, a key or index that is not there, a text that is
//!   no number, time, pattern or address, and operations on `dyn` values that have the wrong type. A row whose value is an
//!   error is not selected.
//! - A variable that does not apply has the zero of its type; there is no missing value but `null` itself.

use std::sync::Arc;

use super::ast::{BinaryOp, Span};
use super::types::Type;
use super::value::Value;
use super::vocabulary::Var;

/// A checked expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    /// What it is.
    pub kind: Kind,
    /// The type of its value.
    pub ty: Type,
    /// Its bytes of the KFL2 text.
    pub span: Span,
}

/// The forms of a checked expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A value known before any row is. `now()` is one.
    Literal(Value),
    /// A variable of the vocabulary.
    Var(&'static Var),
    /// The variable of a macro around it.
    Local(Local),
    /// `!x`, of a bool.
    Not(Box<Typed>),
    /// `-x`, of int or double.
    Negate(Box<Typed>),
    /// `a && b && …`, two or more, none of them an `And`.
    And(Vec<Typed>),
    /// `a || b || …`, two or more, none of them an `Or`.
    Or(Vec<Typed>),
    /// Comparison, membership or arithmetic. Both operands have one type, but:
    /// `in` has an element and a list, or a key and a map; `+` and `-` may have timestamps and durations.
    Binary(BinaryOp, Box<Typed>, Box<Typed>),
    /// Condition, then, otherwise.
    Conditional(Box<[Typed; 3]>),
    /// A list literal.
    List(Vec<Typed>),
    /// A map literal.
    Map(Vec<(Typed, Typed)>),
    /// An element of a list by number, or a value of a map by key; `m.k` is here as `m["k"]`.
    Index(Box<Typed>, Box<Typed>),
    /// A function or method; what stands before the dot is the first argument.
    Call(Function, Vec<Typed>),
    /// A macro over the elements of a list or the keys of a map.
    Macro(Box<Macro>),
}

/// The variable of a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// How many macros are around the one that it belongs to: different for all that can be seen at one place.
    pub slot: usize,
    /// As written.
    pub name: Arc<str>,
}

/// `range.exists(local, body)` and its like.
#[derive(Debug, Clone, PartialEq)]
pub struct Macro {
    /// Which one.
    pub kind: MacroKind,
    /// The list, or the map whose keys are taken.
    pub range: Typed,
    /// What stands for an element in `condition` and `body`.
    pub local: Local,
    /// Only in `range.map(local, condition, body)`: elements for which it is false are left out.
    pub condition: Option<Typed>,
    /// A bool; of `map` any type.
    pub body: Typed,
}

/// The macros that go over elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacroKind {
    /// All satisfy it. As `&&` over the elements, errors included.
    All,
    /// Any satisfies it. As `||` over the elements, errors included.
    Exists,
    /// Exactly one satisfies it; an error of any element is an error.
    ExistsOne,
    /// Those that satisfy it.
    Filter,
    /// The body for each.
    Map,
}

/// Functions and methods. Their arguments have been checked; `T` below is decided by the argument's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `s.contains(t)`: (string, string) → bool.
    Contains,
    /// `s.startsWith(t)`: (string, string) → bool.
    StartsWith,
    /// `s.endsWith(t)`: (string, string) → bool.
    EndsWith,
    /// `s.matches(re)`: (string, string) → bool. An RE2 pattern, found anywhere; see [`super::pattern`].
    Matches,
    /// `s.in_cidr(t)`: (string, string) → bool. Ours. False where `s` is no address; see [`super::cidr`].
    InCidr,
    /// `size(x)`: string (code points), bytes, list, map → int.
    Size,
    /// `map_get(m, k, d)`: (map(string, string), string, string) → string.
    MapGet,
    /// `int(x)`: int, uint, double, string, timestamp (seconds) → int.
    ToInt,
    /// `uint(x)`: int, uint, double, string → uint.
    ToUint,
    /// `double(x)`: int, uint, double, string → double.
    ToDouble,
    /// `string(x)`: bool, int, uint, double, string, bytes (UTF-8), timestamp, duration → string.
    ToString,
    /// `bytes(x)`: string, bytes → bytes.
    ToBytes,
    /// `bool(x)`: bool, string → bool.
    ToBool,
    /// `timestamp(x)`: string (RFC 3339), int (seconds), timestamp → timestamp.
    ToTimestamp,
    /// `duration(x)`: string (`1h5m10s`), duration → duration.
    ToDuration,
    /// `type(x)` of a dyn → type; of anything else it is a literal.
    TypeOf,
    /// `dyn(x)`: T → dyn. The same value.
    Dyn,
    /// `t.getHours()` and its like: (timestamp), (timestamp, string zone) or, of the last four, (duration) → int; see
    /// [`super::time`].
    Part(TimePart),
}

/// What can be read off a timestamp; of a duration only the last four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// Year.
    FullYear,
    /// Month, 0 to 11.
    Month,
    /// Day of the month, 1 to 31.
    Date,
    /// Day of the month, 0 to 30.
    DayOfMonth,
    /// Day of the week, 0 (Sunday) to 6.
    DayOfWeek,
    /// Day of the year, 0 to 365.
    DayOfYear,
    /// Hour, 0 to 23; of a duration all of its hours.
    Hours,
    /// Minute, 0 to 59; of a duration all of its minutes.
    Minutes,
    /// Second, 0 to 59; of a duration all of its seconds.
    Seconds,
    /// Milliseconds within the second, 0 to 999.
    Milliseconds,
}
