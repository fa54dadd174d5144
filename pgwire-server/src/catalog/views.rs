//! Tables of `pg_catalog` that datafusion-pg-catalog has incomplete: `pg_class` without the columns of options and access
//! lists, which psql asks for, and `pg_description` without our comments. They are views of its tables.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int32Array, RecordBatch, StringArray},
    datatypes::DataType,
};
use datafusion::{
    catalog::TableProvider,
    common::JoinType,
    datasource::{MemTable, ViewTable, provider_as_source},
    error::Result,
    logical_expr::{Expr, LogicalPlanBuilder, cast, col, ident, lit},
    scalar::ScalarValue,
};
use wiretape_sql::Comment;

/// The OID of `pg_class` itself: what `pg_description.classoid` is for tables and their columns.
pub(super) const PG_CLASS_OID: i32 = 1259;

/// Columns of `pg_class` that nothing here has a value for; lists of texts.
const ABSENT: [&str; 2] = ["relacl", "reloptions"];

/// `pg_class` with the columns it lacks.
pub(super) fn pg_class(class: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let mut columns: Vec<Expr> = class.schema().fields().iter().map(|field| ident(field.name())).collect();
    let texts = DataType::new_list(DataType::Utf8, true);
    for name in ABSENT {
        columns.push(lit(ScalarValue::try_from(&texts)?).alias(name));
    }
    columns.push(lit(PG_CLASS_OID).alias("tableoid"));
    let plan = LogicalPlanBuilder::scan("pg_class", provider_as_source(class), None)?.project(columns)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// `pg_description`: the comments, by the OIDs that `pg_class` gives to their tables.
pub(super) fn pg_description(
    comments: &[Comment],
    class: Arc<dyn TableProvider>,
    namespace: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>> {
    let scan = |name, table| LogicalPlanBuilder::scan(name, provider_as_source(table), None);
    let namespaces = scan("n", namespace)?.build()?;
    let classes = scan("c", class)?.build()?;
    let plan = scan("d", Arc::new(described(comments)?) as Arc<dyn TableProvider>)?
        .join(namespaces, JoinType::Inner, (vec!["d.nspname"], vec!["n.nspname"]), None)?
        .join(classes, JoinType::Inner, (vec!["d.relname", "n.oid"], vec!["c.relname", "c.relnamespace"]), None)?
        .project(vec![
            cast(col("c.oid"), DataType::Int32).alias("objoid"),
            lit(PG_CLASS_OID).alias("classoid"),
            col("d.objsubid"),
            col("d.description"),
        ])?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

fn described(comments: &[Comment]) -> Result<MemTable> {
    let texts =
        |text: fn(&Comment) -> &str| Arc::new(StringArray::from_iter_values(comments.iter().map(text))) as ArrayRef;
    let places = comments.iter().map(|comment| i32::try_from(comment.column).unwrap_or(i32::MAX));
    let batch = RecordBatch::try_from_iter([
        ("nspname", texts(|comment| comment.schema)),
        ("relname", texts(|comment| comment.table)),
        ("objsubid", Arc::new(Int32Array::from_iter_values(places)) as ArrayRef),
        ("description", texts(|comment| comment.text)),
    ])?;
    MemTable::try_new(batch.schema(), vec![vec![batch]])
}
