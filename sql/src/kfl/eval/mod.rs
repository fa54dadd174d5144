//! Runs a checked expression over one row: by itself, without plans or tables. It folds what is constant, and it is what
//! plans are held against.
//!
//! The fact to know: it always ends soon. Each run has a [`Budget`] of steps and of bytes of new values, and what would
//! go over it is an error like any other.

mod operators;

use std::sync::Arc;

use super::functions;
use super::typed::{Function, Kind, Macro, MacroKind, Typed};
use super::value::Value;
use super::vocabulary::Var;

pub use operators::{binary, equals};

/// Why an expression has no value for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvalError {
    /// A number, time or span that does not fit its type.
    Overflow,
    /// Division by zero, or the remainder of it.
    DivisionByZero,
    /// A map has no such key.
    NoSuchKey,
    /// A list has no such element.
    NoSuchElement,
    /// A map literal has a key twice.
    DuplicateKey,
    /// A text that is not what it is converted to, or no pattern, zone or network; what it should be.
    NoSuch(&'static str),
    /// A value that was `dyn` has a type that the operation is not for.
    WrongType,
    /// The expression takes more than its [`Budget`].
    TooMuch,
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EvalError::Overflow => f.write_str("a number does not fit"),
            EvalError::DivisionByZero => f.write_str("division by zero"),
            EvalError::NoSuchKey => f.write_str("no such key"),
            EvalError::NoSuchElement => f.write_str("no such element"),
            EvalError::DuplicateKey => f.write_str("a map has a key twice"),
            EvalError::NoSuch(what) => write!(f, "the text is no {what}"),
            EvalError::WrongType => f.write_str("the value has another type"),
            EvalError::TooMuch => f.write_str("the filter takes too long"),
        }
    }
}

impl std::error::Error for EvalError {}

/// What evaluation may take, all in all.
#[derive(Debug, Clone)]
pub struct Budget {
    steps: u64,
    bytes: u64,
}

impl Budget {
    /// Enough for filters of people: 2 million steps, and 16 MiB of values that are made on the way.
    pub const fn new() -> Budget {
        Budget { steps: 2_000_000, bytes: 16 << 20 }
    }

    /// Takes steps: one for each node, element and sixteen bytes that are looked at.
    pub fn step(&mut self, count: usize) -> Result<(), EvalError> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.steps = self.steps.checked_sub(count).ok_or(EvalError::TooMuch)?;
        Ok(())
    }

    /// Takes memory for a new value.
    pub fn allocate(&mut self, bytes: usize) -> Result<(), EvalError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes = self.bytes.checked_sub(bytes).ok_or(EvalError::TooMuch)?;
        self.step(usize::try_from(bytes / 16).unwrap_or(usize::MAX))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget::new()
    }
}

/// The value of an expression for the row whose variables `row` gives. Each variable must have its type's value.
///
/// # Errors
/// Those of the language. A filter with one does not select the row.
pub fn eval(expr: &Typed, row: &dyn Fn(&'static Var) -> Value) -> Result<Value, EvalError> {
    eval_within(expr, row, &mut Budget::new())
}

/// As [`eval`], with what is left of a budget.
///
/// # Errors
/// As [`eval`].
pub fn eval_within(expr: &Typed, row: &dyn Fn(&'static Var) -> Value, budget: &mut Budget) -> Result<Value, EvalError> {
    Evaluator { row, budget, locals: Vec::new() }.value(expr)
}

struct Evaluator<'a> {
    row: &'a dyn Fn(&'static Var) -> Value,
    budget: &'a mut Budget,
    /// The values of the macros' variables, outermost first.
    locals: Vec<Value>,
}

impl Evaluator<'_> {
    fn value(&mut self, expr: &Typed) -> Result<Value, EvalError> {
        self.budget.step(1)?;
        match &expr.kind {
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Var(var) => Ok((self.row)(var)),
            Kind::Local(local) => self.locals.get(local.slot).cloned().ok_or(EvalError::WrongType),
            Kind::Not(operand) => self.truth(operand).map(|value| Value::Bool(!value)),
            Kind::Negate(operand) => operators::negate(&self.value(operand)?),
            Kind::And(terms) => self.all(terms.iter(), false),
            Kind::Or(terms) => self.all(terms.iter(), true),
            Kind::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                binary(*operator, &left, &right, self.budget)
            }
            Kind::Conditional(parts) => {
                let [condition, then, otherwise] = &**parts;
                if self.truth(condition)? { self.value(then) } else { self.value(otherwise) }
            }
            Kind::List(elements) => {
                let elements = elements.iter().map(|element| self.value(element)).collect::<Result<Vec<_>, _>>()?;
                self.list(elements)
            }
            Kind::Map(entries) => self.map(entries),
            Kind::Index(operand, index) => {
                let (operand, index) = (self.value(operand)?, self.value(index)?);
                operators::index(&operand, &index, self.budget)
            }
            Kind::Call(function, args) => self.call(*function, args),
            Kind::Macro(of) => self.comprehension(of),
        }
    }

    fn truth(&mut self, expr: &Typed) -> Result<bool, EvalError> {
        match self.value(expr)? {
            Value::Bool(value) => Ok(value),
            _ => Err(EvalError::WrongType),
        }
    }

    /// `&&` (decided by false) or `||` (decided by true): a value that decides wins over errors.
    fn all<'e>(&mut self, terms: impl Iterator<Item = &'e Typed>, decides: bool) -> Result<Value, EvalError> {
        let mut failure = None;
        for term in terms {
            match self.truth(term) {
                Ok(value) if value == decides => return Ok(Value::Bool(decides)),
                Ok(_) => {}
                Err(EvalError::TooMuch) => return Err(EvalError::TooMuch),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn list(&mut self, elements: Vec<Value>) -> Result<Value, EvalError> {
        self.budget.allocate(elements.len() * size_of::<Value>())?;
        Ok(Value::List(elements.into()))
    }

    fn map(&mut self, entries: &[(Typed, Typed)]) -> Result<Value, EvalError> {
        let mut made: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (key, value) = (self.value(key)?, self.value(value)?);
            if !matches!(key, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::String(_)) {
                return Err(EvalError::WrongType);
            }
            for (other, _) in &made {
                if equals(other, &key, self.budget)? {
                    return Err(EvalError::DuplicateKey);
                }
            }
            made.push((key, value));
        }
        self.budget.allocate(made.len() * size_of::<(Value, Value)>())?;
        Ok(Value::Map(made.into()))
    }

    fn call(&mut self, function: Function, args: &[Typed]) -> Result<Value, EvalError> {
        let args = args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>, _>>()?;
        functions::apply(function, &args, self.budget)
    }

    fn comprehension(&mut self, of: &Macro) -> Result<Value, EvalError> {
        let elements: Arc<[Value]> = match self.value(&of.range)? {
            Value::List(elements) => elements,
            Value::Map(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
            _ => return Err(EvalError::WrongType),
        };
        let value = match of.kind {
            MacroKind::All => self.quantified(of, &elements, false),
            MacroKind::Exists => self.quantified(of, &elements, true),
            MacroKind::ExistsOne => self.exactly_one(of, &elements),
            MacroKind::Filter => self.filtered(of, &elements),
            MacroKind::Map => self.mapped(of, &elements),
        };
        self.locals.truncate(of.local.slot);
        value
    }

    /// Sets the macro's variable.
    fn bind(&mut self, of: &Macro, element: &Value) {
        self.locals.resize(of.local.slot, Value::Null);
        self.locals.push(element.clone());
    }

    fn quantified(&mut self, of: &Macro, elements: &[Value], decides: bool) -> Result<Value, EvalError> {
        let mut failure = None;
        for element in elements {
            self.bind(of, element);
            match self.truth(&of.body) {
                Ok(value) if value == decides => return Ok(Value::Bool(decides)),
                Ok(_) => {}
                Err(EvalError::TooMuch) => return Err(EvalError::TooMuch),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(Value::Bool(!decides)), Err)
    }

    fn exactly_one(&mut self, of: &Macro, elements: &[Value]) -> Result<Value, EvalError> {
        let mut count = 0usize;
        for element in elements {
            self.bind(of, element);
            count += usize::from(self.truth(&of.body)?);
        }
        Ok(Value::Bool(count == 1))
    }

    fn filtered(&mut self, of: &Macro, elements: &[Value]) -> Result<Value, EvalError> {
        let mut kept = Vec::new();
        for element in elements {
            self.bind(of, element);
            if self.truth(&of.body)? {
                kept.push(element.clone());
            }
        }
        self.list(kept)
    }

    fn mapped(&mut self, of: &Macro, elements: &[Value]) -> Result<Value, EvalError> {
        let mut made = Vec::new();
        for element in elements {
            self.bind(of, element);
            if of.condition.as_ref().map_or(Ok(true), |condition| self.truth(condition))? {
                made.push(self.value(&of.body)?);
            }
        }
        self.list(made)
    }
}
