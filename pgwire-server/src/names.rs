//! The names of output columns, as PostgreSQL gives them: `count` for `count(*)`, the column's name for a cast,
//! `?column?` for a literal; and any name twice. DataFusion has other names and wants each once, so expressions get
//! aliases on the syntax tree before planning, unique ones where PostgreSQL's would clash, and the right names are put
//! back into the RowDescription. The rules are those of PostgreSQL's `FigureColname` (`parse_target.c`).

use std::collections::HashSet;

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, TrimWhereField, Value,
};

use crate::encode::Column;

/// The name PostgreSQL gives what has none.
const UNNAMED: &str = "?column?";

/// The output names of a query; `None` stands for a `*` of as many columns as are left.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OutputNames(Vec<Option<String>>);

impl OutputNames {
    /// The columns of `schema` under these names.
    pub(crate) fn columns(&self, schema: &Schema) -> Vec<Column> {
        let fields = schema.fields();
        let before = self.0.iter().take_while(|name| name.is_some()).count();
        let after = self.0.iter().rev().take_while(|name| name.is_some()).count();
        let known = |index: usize| {
            let from_end = fields.len() - index;
            if index < before {
                self.0.get(index)
            } else if before < self.0.len() && from_end <= after {
                self.0.get(self.0.len() - from_end)
            } else {
                None
            }
        };
        let name = |index: usize| known(index).and_then(Option::as_deref);
        fields.iter().enumerate().map(|(i, field)| Column::of_field(field, name(i).unwrap_or(field.name()))).collect()
    }
}

/// Who sees a query's names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The client.
    Output,
    /// A query around it.
    Inner,
}

/// Aliases what needs it in `query` and gives the names of its output.
pub(crate) fn alias_outputs(query: &mut Query) -> OutputNames {
    alias_query(query, Level::Output)
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
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
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
            let name = alias.value.clone();
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

/// PostgreSQL's name of an expression; `None` where it has none.
fn figured(expr: &Expr) -> Option<String> {
    let fixed = |name: &str| Some(name.to_owned());
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => column_name(expr),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figured(inner),
        Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).map(folded),
        Expr::Cast { expr, data_type, .. } => figured(expr).or_else(|| Some(type_name(&data_type.to_string()))),
        Expr::TypedString(typed) => Some(type_name(&typed.data_type.to_string())),
        Expr::Interval(_) => fixed("interval"),
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(figured_column).or_else(|| fixed("case")),
        Expr::Exists { .. } => fixed("exists"),
        Expr::Array(_) => fixed("array"),
        Expr::Extract { .. } => fixed("extract"),
        Expr::Substring { .. } => fixed("substring"),
        Expr::Position { .. } => fixed("position"),
        Expr::Overlay { .. } => fixed("overlay"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        Expr::Tuple(_) => fixed("row"),
        Expr::Trim { trim_where, .. } => fixed(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => fixed("bool"),
        Expr::Subquery(query) => subquery_name(query),
        _ => None,
    }
}

/// A name strong enough to be a CASE's: a column's or a function's.
fn figured_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Function(_) => figured(expr),
        _ => None,
    }
}

fn subquery_name(query: &Query) -> Option<String> {
    match query.body.as_ref() {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            SelectItem::UnnamedExpr(expr) => figured(expr),
            _ => None,
        },
        _ => None,
    }
}

/// PostgreSQL's own name of a type that SQL spells differently.
fn type_name(spelled: &str) -> String {
    let lower = spelled.to_lowercase();
    let base = lower.split('(').next().unwrap_or_default().trim();
    let name = match base {
        "bigint" | "int8" => "int8",
        "int" | "integer" | "int4" => "int4",
        "smallint" | "int2" => "int2",
        "double precision" | "double" | "float" | "float8" => "float8",
        "real" | "float4" => "float4",
        "boolean" | "bool" => "bool",
        "decimal" | "numeric" | "dec" => "numeric",
        "character varying" | "varchar" => "varchar",
        "char" | "character" => "bpchar",
        "timestamp with time zone" | "timestamptz" => "timestamptz",
        other => other.rsplit('.').next().unwrap_or(other),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::sql::sqlparser::{ast::Statement, dialect::PostgreSqlDialect, parser::Parser};

    use super::*;

    fn aliased(sql: &str) -> (String, Vec<Option<String>>) {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
        let Some(Statement::Query(mut query)) = statements.pop() else { panic!("a query") };
        let names = alias_outputs(&mut query);
        (query.to_string(), names.0)
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
        let columns = OutputNames(names).columns(&Schema::new(fields));
        assert_eq!(columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["a", "a", "b", "count"]);
    }

    #[test]
    fn inner_queries_offer_the_same_names() {
        let (sql, _) = aliased("with c as (select count(*) from t) select count from (select max(x) from c) d");
        assert!(sql.contains("count(*) AS \"count\"") && sql.contains("max(x) AS \"max\""), "{sql}");
    }
}
