//! KFL over the tables: a filter of entries becomes a plan over those tables whose rows can be such entries.
//!
//! ```text
//!  text ─kfl::compile─► Filter ─┬─ bind to http:  status_code stands for a column, dns is false ─fold─► filter of its own
//!                               ├─ bind to dns:   … folds to false: the table is not in the plan
//!                               └─ bind to flows: once for each kind of entry that its rows are
//!                                     │ lower: SQL's three-valued logic, NULL for an error
//!                                     ▼
//!                       scan http WHERE status_code >= 500 … ─ union all ─► entries
//! ```
//!
//! What can be asked of one column at a time is lowered to what the bitmap index and the pages' bounds answer; the rest is
//! evaluated row by row by the language itself, in [`functions`]' `kfl_eval`. The language is [`crate::kfl`]; what variables
//! stand for is in the tables' declarations ([`wiretape_engine::table::EntryDef`]).

mod bind;
mod explain;
mod functions;
mod lower;
mod matching;
mod plan;
pub(crate) mod statement;
mod table_function;
mod term;
mod text;
mod values;

use std::sync::Arc;

use datafusion::{
    catalog::TableProvider,
    error::Result,
    execution::{FunctionRegistry, SessionState},
};

pub(crate) use functions::FUNCTIONS;
pub(crate) use matching::KflMatch;

use crate::{
    SqlError,
    catalog::Source,
    filters::FilterError,
    kfl::{self, Filter},
};

/// The view of all entries.
pub(crate) const ENTRIES: &str = "entries";

/// What `text`, the argument of `function`, asks; `now()` is `now_ns`.
fn compile(function: &'static str, text: &str, now_ns: i64) -> Result<Filter> {
    kfl::compile(text, now_ns).map_err(|e| {
        let error = SqlError::new("42601", e.message.clone());
        let error = match e.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        FilterError::in_text_of(function, text, e.span.start, error).into()
    })
}

/// Registers the functions that read the store: `kfl('…')` and `explain_kfl('…')`.
pub(crate) fn register(state: &mut SessionState, source: &Source) -> Result<()> {
    state.register_udtf(table_function::KFL, Arc::new(table_function::Kfl(source.clone())));
    state.register_udf(Arc::new(explain::udf(source.clone())))?;
    Ok(())
}

/// All entries.
pub(crate) fn all(source: &Source) -> Result<Arc<dyn TableProvider>> {
    plan::provider(&compile(table_function::KFL, "", source.planning.now_ns)?, source)
}

/// Whether a filter in `statement`, or one that is a parameter of it, may ask for the time at which it runs.
pub(crate) fn asks_for_now(statement: &str) -> bool {
    let text = statement.to_ascii_lowercase();
    text.contains(table_function::KFL) && (text.contains("now") || text.contains('$'))
}
