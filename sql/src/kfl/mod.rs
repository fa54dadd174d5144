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
//! It reads no tables and no clock, and knows nothing of the rest of this crate.

pub mod ast;
mod error;
pub mod typed;
pub mod types;
pub mod value;
pub mod vocabulary;

pub use error::KflError;
pub use typed::Typed;
pub use types::Type;
pub use value::Value;

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
