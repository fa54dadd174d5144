//! KFL2, Kubeshark's filter language: one expression of CEL over the variables of an entry, checked before it runs.
//!
//! ```text
//!  text ─parser─► Expr ─check─► Typed ─fold─► Filter      for plans, and for eval: one row at a time
//!     └─v1 (the language before it) ─► KFL2 text ─┘
//! ```
//!
//! The one fact to know: a variable that does not apply is the zero of its type and never missing, while a map's key that
//! is not there is an error, which `||` and `&&` absorb and which selects nothing.
//!
//! It reads no tables and no clock, and knows nothing of the rest of this crate. `docs/kfl.md` is the language's reference.
//!
//! ```
//! # use wiretape_sql::kfl::{self, Value};
//! let filter = kfl::compile("http && status_code >= 500", 0)?;
//! let row = |var: &kfl::vocabulary::Var| match var.name {
//!     "http" => Value::Bool(true),
//!     "status_code" => Value::Int(503),
//!     _ => var.zero(),
//! };
//! assert_eq!(kfl::eval::eval(&filter.expr, &row), Ok(Value::Bool(true)));
//! # Ok::<(), kfl::KflError>(())
//! ```

pub mod ast;
mod check;
pub mod cidr;
mod error;
pub mod eval;
mod fold;
pub mod functions;
mod lexer;
mod literal;
mod parser;
pub mod pattern;
mod print;
mod renamed;
mod suggest;
#[cfg(test)]
mod tests;
pub mod time;
pub mod typed;
pub mod types;
mod v1;
pub mod value;
pub mod vocabulary;

pub use error::KflError;
pub use fold::fold;
pub use typed::Typed;
pub use types::Type;
pub use value::Value;

/// Longest filter text in bytes: room for thousands of values, and a bound on everything built from it.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Highest tree of an expression, and deepest nesting of parentheses: far beyond what people write, far within a thread's
/// stack. Chains of `&&` and of `||` are one level, however long.
pub const MAX_DEPTH: usize = 128;

/// A filter that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// What it asks, of type bool. Subexpressions without variables are values already.
    pub expr: Typed,
    /// It in KFL2: the text itself, or what it was translated to. `true` for the empty text.
    pub kfl2: String,
    /// What the user should know: that the text was read as KFL v1.
    pub notice: Option<String>,
}

/// Understands a filter. `now()` in it is `now_ns`, ns since 1970-01-01 UTC.
///
/// # Errors
/// Whatever is wrong with the text, with its place and the nearest right form.
pub fn compile(text: &str, now_ns: i64) -> Result<Filter, KflError> {
    let result = match kfl2(text, now_ns) {
        Ok(filter) => Ok(filter),
        Err(fault) => v1::filter(text, now_ns).unwrap_or(Err(fault)),
    };
    result.map_err(|fault| fault.within(text))
}

/// Reads, checks and folds a text of KFL2. The empty text is `true`.
fn kfl2(text: &str, now_ns: i64) -> Result<Filter, error::Fault> {
    let source = if lexer::is_blank(text) { "true" } else { text };
    let expr = parser::parse(source)?;
    let expr = fold::fold(check::check(&expr, source, now_ns)?);
    Ok(Filter { expr, kfl2: source.to_owned(), notice: None })
}
