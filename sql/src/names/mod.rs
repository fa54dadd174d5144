//! The names of output columns, as PostgreSQL gives them: `count` for `count(*)`, the column's name for a cast,
//! `?column?` for a literal; and any name twice.
//!
//! DataFusion has other names and wants each once. So expressions get aliases on the syntax tree before planning
//! ([`alias_outputs`]), unique ones where PostgreSQL's would clash, and the right names are put back on the rows
//! ([`renamed`]). Formats that find columns by name take [`unique_names`] instead.

mod figure;
mod inputs;

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{Field, Schema, SchemaRef},
};
use datafusion::{
    common::Column,
    error::Result,
    execution::{SendableRecordBatchStream, SessionState},
    logical_expr::{Expr as PlanExpr, LogicalPlan, LogicalPlanBuilder},
    physical_plan::stream::RecordBatchStreamAdapter,
    sql::{
        parser::{CopyToSource, Statement as DfStatement},
        sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr, Statement as SqlStatement, TableFactor},
    },
};
use futures::StreamExt;

use figure::figured;
use inputs::free_inputs;

/// The name PostgreSQL gives what has none.
const UNNAMED: &str = "?column?";

/// The output names of a query; `None` stands for a `*` of as many columns as are left.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OutputNames(Vec<Option<String>>);

impl OutputNames {
    /// `schema` under these names, of which some may be equal.
    pub(crate) fn schema(&self, schema: &Schema) -> SchemaRef {
        let count = schema.fields().len();
        let before = self.0.iter().take_while(|name| name.is_some()).count();
        let after = self.0.iter().rev().take_while(|name| name.is_some()).count();
        let known = |index: usize| {
            let from_end = count - index;
            if index < before {
                self.0.get(index)
            } else if before < self.0.len() && from_end <= after {
                self.0.get(self.0.len() - from_end)
            } else {
                None
            }
        };
        let name = |index: usize| known(index).and_then(Option::as_deref);
        let fields = schema.fields().iter().enumerate().map(|(index, field)| under(field, name(index)));
        Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
    }

    /// `plan` with its columns under these names, made unique: what a writer of files takes.
    pub(crate) fn project(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let wanted = unique_names(&self.schema(plan.schema().as_arrow()));
        if wanted.fields().iter().zip(plan.schema().fields()).all(|(wanted, now)| wanted.name() == now.name()) {
            return Ok(plan);
        }
        let now = plan.schema().iter().map(|(table, field)| Column::new(table.cloned(), field.name()));
        let columns: Vec<PlanExpr> =
            now.zip(wanted.fields()).map(|(now, wanted)| PlanExpr::Column(now).alias(wanted.name())).collect();
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }
}

fn under(field: &Field, name: Option<&str>) -> Field {
    match name {
        Some(name) => field.clone().with_name(name),
        None => field.clone(),
    }
}

/// `schema` with a number behind a name that was there before (`count`, `count:2`): for formats in which a name must
/// lead to one column.
pub fn unique_names(schema: &Schema) -> SchemaRef {
    let own: HashSet<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut taken: HashSet<String> = HashSet::new();
    let mut unique = |name: &String| {
        let mut unique = name.clone();
        let mut number = 1;
        while taken.contains(&unique) || (number > 1 && own.contains(unique.as_str())) {
            number += 1;
            unique = format!("{name}:{number}");
        }
        taken.insert(unique.clone());
        unique
    };
    let fields: Vec<Field> = schema.fields().iter().map(|field| under(field, Some(&unique(field.name())))).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// `rows` with `names` on them.
pub(crate) fn renamed(rows: SendableRecordBatchStream, names: &OutputNames) -> SendableRecordBatchStream {
    let names = names.clone();
    let schema = names.schema(&rows.schema());
    let rename = move |batch: Result<RecordBatch>| {
        let (schema, columns, rows) = batch?.into_parts();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(names.schema(&schema), columns, &options)?)
    };
    Box::pin(RecordBatchStreamAdapter::new(schema, rows.map(rename)))
}

/// Who sees a query's names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The client.
    Output,
    /// A query around it.
    Inner,
}

/// Plans `ast` with names as in PostgreSQL: those it gives to rows, and those that `ORDER BY` finds. What PostgreSQL would
/// refuse for want of an input of some name is planned as DataFusion understands it.
pub(crate) async fn plan(state: &SessionState, mut ast: DfStatement) -> Result<(LogicalPlan, OutputNames)> {
    let names = alias_outputs(&mut ast);
    let mut freed = ast.clone();
    if free_inputs(&mut freed)
        && let Ok(plan) = state.statement_to_plan(freed).await
    {
        return Ok((plan, names));
    }
    Ok((state.statement_to_plan(ast).await?, names))
}

/// Aliases what needs it in the query that `ast` is, explains or copies, and gives the names of its rows.
fn alias_outputs(ast: &mut DfStatement) -> OutputNames {
    let explains = matches!(ast, DfStatement::Explain(_));
    match query_of(ast).map(|query| alias_query(query, Level::Output)) {
        Some(names) if !explains => names,
        _ => OutputNames::default(),
    }
}

fn query_of(ast: &mut DfStatement) -> Option<&mut Query> {
    match ast {
        DfStatement::Statement(statement) => match statement.as_mut() {
            SqlStatement::Query(query) => Some(query),
            _ => None,
        },
        DfStatement::Explain(explain) => query_of(&mut explain.statement),
        DfStatement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => Some(query),
            CopyToSource::Relation(_) => None,
        },
        _ => None,
    }
}

fn alias_query(query: &mut Query, level: Level) -> OutputNames {
    for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
        alias_query(&mut table.query, Level::Inner);
    }
    alias_body(&mut query.body, level)
}

fn alias_body(body: &mut SetExpr, level: Level) -> OutputNames {
    match body {
        SetExpr::Select(select) => alias_select(select, level),
        SetExpr::Query(query) => alias_query(query, level),
        SetExpr::SetOperation { left, right, .. } => {
            alias_body(right, level);
            alias_body(left, level)
        }
        _ => OutputNames::default(),
    }
}

fn alias_select(select: &mut Select, level: Level) -> OutputNames {
    for from in &mut select.from {
        let joined = from.joins.iter_mut().map(|join| &mut join.relation);
        for table in std::iter::once(&mut from.relation).chain(joined) {
            if let TableFactor::Derived { subquery, .. } = table {
                alias_query(subquery, Level::Inner);
            }
        }
    }
    // What a `*` brings along may clash with anything; inside, names matter more than clashes.
    let has_wildcard = level == Level::Output && select.projection.iter().any(is_wildcard);
    let mut taken: HashSet<String> = select.projection.iter().filter_map(own_name).collect();
    let mut seen = HashSet::new();
    let names = select.projection.iter_mut().map(|item| alias_item(item, has_wildcard, &mut taken, &mut seen));
    OutputNames(names.collect())
}

/// The names that items have by themselves and keep.
fn own_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        SelectItem::UnnamedExpr(expr) => column_name(expr),
        _ => None,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn alias_item(
    item: &mut SelectItem,
    has_wildcard: bool,
    taken: &mut HashSet<String>,
    seen: &mut HashSet<String>,
) -> Option<String> {
    let (expr, name) = match item {
        SelectItem::UnnamedExpr(expr) => {
            let name = figured(expr).unwrap_or_else(|| UNNAMED.to_owned());
            let is_column = column_name(expr).is_some();
            if is_column && !has_wildcard && seen.insert(name.clone()) {
                return Some(name);
            }
            (expr.clone(), name)
        }
        SelectItem::ExprWithAlias { expr, alias } => {
            let name = folded(alias);
            if seen.insert(name.clone()) {
                return Some(name);
            }
            (expr.clone(), name)
        }
        _ => return None,
    };
    let mut unique = name.clone();
    let mut number = 1;
    // Under a wildcard any name may be a table's, so none is safe as it is.
    while !taken.insert(unique.clone()) || (has_wildcard && number == 1) {
        number += 1;
        unique = format!("{name}:{number}");
    }
    seen.insert(unique.clone());
    *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', unique) };
    Some(name)
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(names) => names.last().map(folded),
        _ => None,
    }
}

fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use datafusion::sql::sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

    use super::*;

    fn aliased(sql: &str) -> (String, Vec<Option<String>>) {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        let mut ast = DfStatement::Statement(Box::new(statement));
        let names = alias_outputs(&mut ast);
        (ast.to_string(), names.0)
    }

    fn shown(schema: &Schema) -> Vec<&str> {
        schema.fields().iter().map(|field| field.name().as_str()).collect()
    }

    fn names(sql: &str) -> Vec<String> {
        aliased(sql).1.into_iter().map(|name| name.unwrap_or_else(|| "*".to_owned())).collect()
    }

    #[test]
    fn expressions_are_named_as_postgresql_names_them() {
        let sql = "select count(*), Sum(x), x::text, 1, 'a'::int, t.y, (z), case when a then b end, a + b, true, \
                   extract(epoch from ts), exists (select 1), (select max(q) from t), pg_catalog.version(), interval '1 s'";
        let expected = [
            "count", "sum", "x", "?column?", "int4", "y", "z", "case", "?column?", "bool", "extract", "exists", "max",
            "version", "interval",
        ];
        assert_eq!(names(sql), expected);
    }

    #[test]
    fn clashing_names_get_unique_aliases_and_keep_their_name() {
        let (sql, names) = aliased("select ts, ts::date, 1, 1, a as ts from t");
        assert_eq!(
            sql,
            "SELECT ts, ts::DATE AS \"ts:2\", 1 AS \"?column?\", 1 AS \"?column?:2\", a AS \"ts:3\" FROM t"
        );
        assert_eq!(names.into_iter().flatten().collect::<Vec<_>>(), ["ts", "ts", "?column?", "?column?", "ts"]);
    }

    #[test]
    fn names_beside_a_wildcard_are_put_back_from_both_ends() {
        let (sql, names) = aliased("select a, *, count(*) from t");
        assert_eq!(sql, "SELECT a AS \"a:2\", *, count(*) AS \"count:2\" FROM t");
        let fields: Vec<_> =
            ["a:2", "a", "b", "count:2"].map(|name| Field::new(name, DataType::Int64, true)).into_iter().collect();
        assert_eq!(shown(&OutputNames(names).schema(&Schema::new(fields))), ["a", "a", "b", "count"]);
    }

    #[test]
    fn what_must_be_found_by_its_name_has_one_of_its_own() {
        let fields: Vec<_> =
            ["a", "a", "a:2", "b", "a"].map(|name| Field::new(name, DataType::Int64, true)).into_iter().collect();
        assert_eq!(shown(&unique_names(&Schema::new(fields))), ["a", "a:3", "a:2", "b", "a:4"]);
    }

    #[test]
    fn an_alias_without_quotes_is_in_lower_case() {
        assert_eq!(names("select 1 as One, 2 as \"Two\""), ["one", "Two"]);
    }

    #[test]
    fn inner_queries_offer_the_same_names() {
        let (sql, _) = aliased("with c as (select count(*) from t) select count from (select max(x) from c) d");
        assert!(sql.contains("count(*) AS \"count\"") && sql.contains("max(x) AS \"max\""), "{sql}");
    }
}
