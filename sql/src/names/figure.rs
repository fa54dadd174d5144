//! PostgreSQL's name of an expression: the rules of its `FigureColname` (`parse_target.c`).

use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, SetExpr, TrimWhereField, Value};

use super::{column_name, folded};

/// PostgreSQL's name of an expression; `None` where it has none.
pub(super) fn figured(expr: &Expr) -> Option<String> {
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
