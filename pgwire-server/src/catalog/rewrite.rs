//! What DataFusion cannot plan of psql's catalog queries after datafusion-pg-catalog's own rewriting.
//!
//! - `obj_description(oid, 'pg_class')` and `col_description(oid, place)` become queries of `pg_description`: a function
//!   of ours cannot run one.
//! - `'pg_class'::regclass` has become a search for a table of that name, which finds none: the catalog does not list
//!   itself. It is a number that never changes.
//! - `ARRAY(SELECT …)` becomes an empty array. It collects what nothing here has: memberships of roles, options of TOAST
//!   tables.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Statement, VisitMut, VisitorMut},
    dialect::PostgreSqlDialect,
    parser::Parser,
};

use super::views::PG_CLASS_OID;

/// Rewrites `statement` in place.
pub(super) fn rewrite(statement: &mut Statement) {
    let _ = statement.visit(&mut Rewriting);
}

struct Rewriting;

impl VisitorMut for Rewriting {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let instead = match expr {
            Expr::Function(function) => instead_of(function),
            Expr::Subquery(query) if finds_pg_class(query) => Some(PG_CLASS_OID.to_string()),
            _ => None,
        };
        if let Some(instead) = instead.and_then(|sql| parsed(&sql)) {
            *expr = instead;
        }
        ControlFlow::Continue(())
    }
}

/// What stands for `function`, as SQL; `None` for itself.
fn instead_of(function: &Function) -> Option<String> {
    let name = function.name.0.last()?.as_ident()?.value.to_lowercase();
    let list = match &function.args {
        FunctionArguments::Subquery(_) if name == "array" => return Some("cast(make_array() as text[])".to_owned()),
        FunctionArguments::List(list) => list,
        _ => return None,
    };
    let mut args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.to_string()),
        _ => None,
    });
    let (oid, place) = match (name.as_str(), args.next()??, args.next()??) {
        ("obj_description", oid, class) if class == "'pg_class'" => (oid, "0".to_owned()),
        ("col_description", oid, place) => (oid, place),
        _ => return None,
    };
    // The aggregate is for the planner, which does not know that there is one description at most.
    Some(format!(
        "(select max(description) from pg_catalog.pg_description where objoid = {oid} and objsubid = {place})"
    ))
}

/// Whether `query` is what `'pg_class'::regclass` was rewritten to.
fn finds_pg_class(query: &Query) -> bool {
    let text = query.to_string();
    let names = ["'pg_class'", "'pg_catalog.pg_class'"];
    text.starts_with("SELECT c.oid FROM pg_catalog.pg_class c")
        && names.iter().any(|name| text.contains(&format!("parse_ident({name}")))
}

fn parsed(sql: &str) -> Option<Expr> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(sql).ok()?.parse_expr().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str) -> String {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        rewrite(&mut statement);
        statement.to_string()
    }

    #[test]
    fn descriptions_are_looked_up() {
        let sql = "SELECT pg_catalog.col_description(a.attrelid, a.attnum), obj_description(c.oid, 'pg_class')";
        let lookup = |oid: &str, place: &str| {
            format!(
                "(SELECT max(description) FROM pg_catalog.pg_description WHERE objoid = {oid} AND objsubid = {place})"
            )
        };
        assert_eq!(rewritten(sql), format!("SELECT {}, {}", lookup("a.attrelid", "a.attnum"), lookup("c.oid", "0")));
        let other = "SELECT obj_description(n.oid, 'pg_namespace')";
        assert_eq!(rewritten(other), other);
    }

    #[test]
    fn the_catalog_of_tables_has_its_number() {
        for sql in ["SELECT 'pg_class'::regclass", "SELECT 'pg_catalog.pg_class'::pg_catalog.regclass"] {
            let piece = crate::script::split(sql).unwrap().remove(0);
            assert_eq!(super::super::rewritten(&piece).unwrap().to_string(), "SELECT 1259", "{sql}");
        }
    }

    #[test]
    fn arrays_of_queries_are_empty() {
        assert_eq!(rewritten("SELECT array(select x from t)"), "SELECT CAST(make_array() AS TEXT[])");
    }
}
