//! `explain_kfl('filter')`: the SQL that a filter means, which can be run as it is.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{AsArray, StringArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
    sql::unparser::{Unparser, dialect::PostgreSqlDialect},
};

use super::{compile, plan};
use crate::catalog::Source;

const NAME: &str = "explain_kfl";

/// The function over one version of the database.
pub(crate) fn udf(source: Source) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Stable);
    ScalarUDF::new_from_impl(ExplainKfl { source, signature })
}

#[derive(Debug)]
struct ExplainKfl {
    source: Source,
    signature: Signature,
}

impl PartialEq for ExplainKfl {
    fn eq(&self, _: &Self) -> bool {
        true // there is one in a statement
    }
}

impl Eq for ExplainKfl {}

impl Hash for ExplainKfl {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for ExplainKfl {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let mut texts = Vec::new();
        for array in &arrays {
            for text in cast(array, &DataType::Utf8)?.as_string::<i32>() {
                texts.push(text.map(|t| self.explain(t)).transpose()?);
            }
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(texts))))
    }
}

impl ExplainKfl {
    fn explain(&self, text: &str) -> Result<String> {
        let filter = compile(NAME, text, self.source.planning.now_ns)?;
        self.source.planning.notice(filter.notice.clone());
        let unparser = Unparser::new(&PostgreSqlDialect {});
        let sql = |expr: &Expr| unparser.expr_to_sql(expr).map(|sql| sql.to_string());
        let mut selects = Vec::new();
        for part in plan::parts(&filter, self.source.tables(), &self.source.view()?, |_| None)? {
            let columns = part.columns.iter().map(|c| shown(c, &sql)).collect::<Result<Vec<_>>>()?;
            selects.push(format!(
                "select {}\nfrom {}\nwhere {}",
                columns.join(", "),
                part.table.name,
                sql(&part.condition)?
            ));
        }
        if selects.is_empty() {
            return Ok(format!("select * from {} where false", super::ENTRIES));
        }
        Ok(selects.join("\nunion all\n"))
    }
}

/// A column with its name, if that says more than the column itself.
fn shown(expr: &Expr, sql: &impl Fn(&Expr) -> Result<String>) -> Result<String> {
    match expr {
        Expr::Alias(alias) => match &*alias.expr {
            Expr::Column(column) if column.name == alias.name => Ok(column.name.clone()),
            inner => Ok(format!("{} as {}", sql(inner)?, alias.name)),
        },
        other => sql(other),
    }
}
