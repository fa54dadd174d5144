//! `kfl('filter')`: the entries that a filter selects, as a table.

use std::sync::Arc;

use datafusion::{
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::ScalarValue,
    error::Result,
    logical_expr::Expr,
};

use super::{compile, plan};
use crate::{SqlError, catalog::Source, filters::FilterError};

/// Its name in SQL.
pub(crate) const KFL: &str = "kfl";

/// The function over one version of the database.
#[derive(Debug)]
pub(crate) struct Kfl(pub(crate) Source);

impl TableFunctionImpl for Kfl {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let text = text(args.exprs())?;
        let filter = compile(KFL, text, self.0.planning.now_ns)?;
        self.0.planning.notice(filter.notice.clone());
        plan::provider(&filter, &self.0)
    }
}

/// The one argument.
fn text(args: &[Expr]) -> Result<&str> {
    match args {
        [Expr::Literal(value, _)] if value.try_as_str().flatten().is_some() => {
            Ok(value.try_as_str().flatten().unwrap_or(""))
        }
        [Expr::Placeholder(_) | Expr::Literal(ScalarValue::Null, _)] => Err(wrong(
            "0A000",
            "the filter of kfl() has to stand in the statement",
            "WHERE kfl_match($1) takes a parameter.",
        )),
        _ => Err(wrong("42883", "kfl() takes one text", "It is kfl('filter').")),
    }
}

fn wrong(sqlstate: &'static str, message: &str, hint: &str) -> datafusion::error::DataFusionError {
    FilterError::of_call_of(KFL, SqlError::new(sqlstate, message).with_hint(hint)).into()
}
