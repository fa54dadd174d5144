//! What a name in `ORDER BY` stands for. In PostgreSQL a name that stands alone may be an output column's; within an
//! expression every name is an input column's (PostgreSQL documentation, section 7.5). DataFusion looks among the
//! outputs first, everywhere: `sum(orig_len) as orig_len … order by sum(orig_len)` would then be a sum of sums.
//!
//! So an output that hides a name used within such an expression takes another one. Whether there is an input of that
//! name is known to the planner only: if the query cannot be planned so, the caller plans it as it was written.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use datafusion::sql::{
    parser::Statement as DfStatement,
    sqlparser::{
        ast::{
            Distinct, Expr, Ident, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, Statement as SqlStatement,
            TableFactor, VisitMut, VisitorMut, visit_expressions,
        },
        dialect::PostgreSqlDialect,
        parser::Parser,
    },
};

use super::{column_name, folded, own_name, query_of};

/// Renames the outputs that hide inputs from `ORDER BY`; false if there is none. Names of the rows stay those that
/// [`super::alias_outputs`] gave, by their places.
pub(super) fn free_inputs(ast: &mut DfStatement) -> bool {
    let mut freeing = Freeing { depth: 0, changed: false };
    if let Some(query) = query_of(ast) {
        let _ = query.visit(&mut freeing);
    }
    freeing.changed
}

struct Freeing {
    /// Queries around the one being visited.
    depth: usize,
    changed: bool,
}

impl VisitorMut for Freeing {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        // The rows of the outermost query get their names back later; a query around another needs them at once.
        if self.depth == 0 {
            self.changed |= free(query).is_some();
        } else if all_named(query)
            && let Some(outputs) = free(query)
        {
            self.changed = true;
            *query = under_names(std::mem::replace(query, template()), outputs);
        }
        ControlFlow::Continue(())
    }
}

/// An output of a query, by the name it has now and the name it had.
struct Output {
    now: Ident,
    was: Ident,
}

/// Renames the outputs of `query` that hide inputs; gives all outputs, or `None` if none was renamed.
fn free(query: &mut Query) -> Option<Vec<Output>> {
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let Some(OrderBy { kind: OrderByKind::Expressions(items), .. }) = &mut query.order_by else { return None };
    let hidden: HashSet<String> = items.iter().flat_map(|item| names_within(&item.expr)).collect();
    let mut renamed: HashMap<String, Ident> = HashMap::new();
    let mut outputs = Vec::new();
    for item in &mut select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = folded(alias);
                let was = Ident::with_quote('"', name.clone());
                if hidden.contains(&name) && column_name(expr).as_ref() != Some(&name) {
                    *alias = Ident::with_quote('"', format!("{name}:output"));
                    renamed.insert(name, alias.clone());
                }
                outputs.push(Output { now: alias.clone(), was });
            }
            SelectItem::UnnamedExpr(expr) => {
                let name = Ident::with_quote('"', column_name(expr).unwrap_or_default());
                outputs.push(Output { now: name.clone(), was: name });
            }
            _ => {}
        }
    }
    let by_itself = items.iter_mut().map(|item| &mut item.expr).chain(distinct_on(select));
    for expr in by_itself {
        if let Some(now) = bare_name(expr).and_then(|name| renamed.get(&name)) {
            *expr = Expr::Identifier(now.clone());
        }
    }
    (!renamed.is_empty()).then_some(outputs)
}

/// The expressions of `DISTINCT ON`, in which names mean what they mean in `ORDER BY`.
fn distinct_on(select: &mut Select) -> impl Iterator<Item = &mut Expr> {
    let on = match &mut select.distinct {
        Some(Distinct::On(on)) => Some(on),
        _ => None,
    };
    on.into_iter().flatten()
}

/// The names without a table in an expression that is more than a name.
fn names_within(expr: &Expr) -> HashSet<String> {
    let mut names = HashSet::new();
    if bare_name(expr).is_none() {
        let _ = visit_expressions(expr, |e| {
            if let Expr::Identifier(name) = e {
                names.insert(folded(name));
            }
            ControlFlow::<()>::Continue(())
        });
    }
    names
}

fn bare_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::Nested(inner) => bare_name(inner),
        _ => None,
    }
}

fn all_named(query: &Query) -> bool {
    matches!(query.body.as_ref(), SetExpr::Select(select) if select.projection.iter().all(|item| own_name(item).is_some()))
}

/// `select <outputs under the names they had> from (query)`.
fn under_names(query: Query, outputs: Vec<Output>) -> Query {
    let mut around = template();
    if let SetExpr::Select(select) = around.body.as_mut() {
        let under =
            |output: Output| SelectItem::ExprWithAlias { expr: Expr::Identifier(output.now), alias: output.was };
        select.projection = outputs.into_iter().map(under).collect();
        if let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|from| &mut from.relation) {
            **subquery = query;
        }
    }
    around
}

fn template() -> Query {
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, "select 1 from (select 1) as freed");
    match parsed.map(|mut statements| statements.pop()) {
        Ok(Some(SqlStatement::Query(query))) => *query,
        _ => unreachable!("the text is a query"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The query with its inputs freed; `None` if there was nothing to free.
    fn freed(sql: &str) -> Option<String> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        let mut ast = DfStatement::Statement(Box::new(statement));
        free_inputs(&mut ast).then(|| ast.to_string())
    }

    #[test]
    fn an_output_gives_way_to_the_input_of_its_name() {
        let sql = "SELECT sum(a) AS a, b AS b FROM t GROUP BY b ORDER BY sum(a), A, b + 1";
        let expected = "SELECT sum(a) AS \"a:output\", b AS b FROM t GROUP BY b ORDER BY sum(a), \"a:output\", b + 1";
        assert_eq!(freed(sql).unwrap(), expected);
    }

    #[test]
    fn names_that_stand_alone_and_places_stay() {
        assert_eq!(freed("SELECT sum(a) AS a FROM t ORDER BY a, (a), 1"), None);
        assert_eq!(freed("SELECT sum(a) AS a FROM t ORDER BY t.a + 1"), None);
    }

    #[test]
    fn a_query_within_another_keeps_its_names() {
        let sql = "SELECT * FROM (SELECT b, sum(a) AS a FROM t GROUP BY b ORDER BY -sum(a) LIMIT 5) AS q";
        let expected = "SELECT * FROM (SELECT \"b\" AS \"b\", \"a:output\" AS \"a\" FROM \
            (SELECT b, sum(a) AS \"a:output\" FROM t GROUP BY b ORDER BY -sum(a) LIMIT 5) AS freed) AS q";
        assert_eq!(freed(sql).unwrap(), expected);
    }
}
