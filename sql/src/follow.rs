//! A query that goes on: after each look at the database, the rows that have come since the one before, as `tail -f` has it.
//!
//! A row of a table without parts comes once, in the order of its id. A row of parts (a flow) changes while it lives and
//! comes when it has ended: the part that says so is stored exactly once. So a followed query reads one table and gives one
//! row for one row; sorting, grouping and limits have no meaning in it.

use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
};

use arrow::{array::AsArray, datatypes::Int64Type, record_batch::RecordBatch};
use datafusion::sql::{
    parser::Statement as DfStatement,
    sqlparser::{
        ast::{
            Expr, Function, GroupByExpr, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query,
            Select, SetExpr, Spanned, Statement as SqlStatement, TableFactor, visit_expressions,
        },
        dialect::PostgreSqlDialect,
        parser::Parser,
    },
};
use wiretape_engine::{TableDef, View};

use crate::{
    Ast, Outcome, Session, SqlError, Statement,
    error::locate,
    table::{ENDS, PART},
};

/// Ids asked for at a time.
const MAX_IDS: usize = 1000;

/// A followed query between two looks.
#[derive(Debug)]
pub struct Follow {
    statement: Statement,
    table: &'static TableDef,
    /// What the table goes by in the statement.
    alias: String,
    seen: Seen,
}

/// Up to where rows were given.
#[derive(Debug)]
enum Seen {
    /// Every id below this one.
    Below(i64),
    /// By segment, the keys of rows that had ended. Only open segments, and those sealed since, are still of interest.
    Ended { by_segment: BTreeMap<u32, HashSet<i64>>, sealed_to: u32 },
}

/// The column that numbers the rows of a table without parts in the order they came.
const ROW_ID: &str = "packet_id";

impl Session {
    /// Begins to follow a query: rows that are there already are not given. Refuses what is more than a selection from one
    /// table.
    pub async fn follow(&self, statement: &Statement) -> Result<Follow, SqlError> {
        // As it stands first, so that mistakes are told with their places.
        self.plan(statement).await?;
        let (table, alias) = self.followed(statement)?;
        let view = self.database().db().view()?;
        let mut seen = match table.part_key {
            None => Seen::Below(end_of_rows(&view, table)),
            Some(_) => Seen::Ended { by_segment: BTreeMap::new(), sealed_to: last_sealed(&view) },
        };
        seen.ended_since(&view, table)?;
        Ok(Follow { statement: statement.clone(), table, alias, seen })
    }

    /// The rows that have come since the last call, by parts that are each the outcome of a query. Empty when there are
    /// none.
    pub async fn news(&self, follow: &mut Follow) -> Result<Vec<Outcome>, SqlError> {
        let view = self.database().db().view()?;
        let mut conditions = Vec::new();
        let mut order = None;
        let column = |name: &str| format!("{}.{name}", follow.alias);
        match (&mut follow.seen, follow.table.part_key) {
            (Seen::Below(from), _) => {
                let to = end_of_rows(&view, follow.table);
                if to > *from {
                    let id = column(ROW_ID);
                    conditions.push(format!("{id} >= {from} and {id} < {to}"));
                }
                *from = to;
                order = Some(column(ROW_ID));
            }
            (seen @ Seen::Ended { .. }, key) => {
                let ids = seen.ended_since(&view, follow.table)?;
                for ids in ids.chunks(MAX_IDS) {
                    let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
                    conditions.push(format!("{} in ({list})", column(key.unwrap_or(ROW_ID))));
                }
            }
        }
        let mut outcomes = Vec::new();
        for condition in conditions {
            let narrowed = narrowed(&follow.statement, &condition, order.as_deref())?;
            let prepared = self.plan(&narrowed).await?;
            outcomes.push(self.run(&prepared, Vec::new()).await?);
        }
        Ok(outcomes)
    }

    /// The one table of the statement and what it goes by.
    fn followed(&self, statement: &Statement) -> Result<(&'static TableDef, String), SqlError> {
        let refuse = |what: &str| {
            SqlError::new("0A000", format!("a query with {what} cannot be followed")).with_hint(
                "Follow SELECT … FROM one table WHERE …; send its rows into another program to count or sort them.",
            )
        };
        let query = query_of(statement).ok_or_else(|| refuse("anything but SELECT"))?;
        let select = plain_select(query).map_err(refuse)?;
        let [from] = select.from.as_slice() else { return Err(refuse("several tables, or none,")) };
        let TableFactor::Table { name, alias, .. } = &from.relation else {
            return Err(refuse("anything but a table in FROM"));
        };
        if !from.joins.is_empty() {
            return Err(refuse("a join"));
        }
        self.refuse_aggregates(statement, select)?;
        let last = name.0.last().and_then(ObjectNamePart::as_ident).map(|i| i.value.to_lowercase());
        let tables = self.database().db().tables();
        let table = tables.iter().copied().find(|t| Some(t.name) == last.as_deref() && !t.system);
        let table = table.filter(|t| t.part_key.is_some() || t.column(ROW_ID).is_some());
        let table = table.ok_or_else(|| {
            let names = tables.iter().filter(|t| !t.system).map(|t| t.name).collect::<Vec<_>>().join(" and ");
            SqlError::new("0A000", format!("{name} cannot be followed")).with_hint(format!("These can: {names}."))
        })?;
        Ok((table, alias.as_ref().map_or_else(|| table.name.to_owned(), |a| a.name.to_string())))
    }

    fn refuse_aggregates(&self, statement: &Statement, select: &Select) -> Result<(), SqlError> {
        let state = self.context().state();
        let found = visit_expressions(select, |e| match e {
            Expr::Function(f) if f.over.is_some() || is_aggregate(f, &state) => ControlFlow::Break(f.clone()),
            _ => ControlFlow::Continue(()),
        });
        let ControlFlow::Break(function) = found else { return Ok(()) };
        let start = function.span().start;
        let mut error = SqlError::new(
            "0A000",
            format!("a query with {}() cannot be followed: it is over only when all rows are", function.name),
        )
        .with_hint("Follow the rows themselves, and ask again for their sums.");
        error.position = locate::offset(&statement.text, start.line, start.column);
        Err(error)
    }
}

fn is_aggregate(f: &Function, state: &datafusion::execution::SessionState) -> bool {
    state.aggregate_functions().contains_key(&f.name.to_string().to_lowercase())
}

fn query_of(statement: &Statement) -> Option<&Query> {
    match statement.sql()? {
        SqlStatement::Query(query) => Some(query),
        _ => None,
    }
}

/// The query's SELECT, or what it has that cannot be followed.
fn plain_select(query: &Query) -> Result<&Select, &'static str> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Err("UNION or VALUES") };
    let no_groups = matches!(&select.group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
    match () {
        () if query.with.is_some() => Err("WITH"),
        () if query.order_by.is_some() => Err("ORDER BY"),
        () if query.limit_clause.is_some() || query.fetch.is_some() => Err("LIMIT"),
        () if select.distinct.is_some() => Err("DISTINCT"),
        () if !no_groups || select.having.is_some() => Err("GROUP BY"),
        () => Ok(select),
    }
}

/// The statement with one more condition, and sorted.
fn narrowed(statement: &Statement, condition: &str, order: Option<&str>) -> Result<Statement, SqlError> {
    let parse = |text: &str| Parser::new(&PostgreSqlDialect {}).try_with_sql(text)?.parse_expr();
    let internal = |e| SqlError::new("XX000", format!("a condition of our own: {e}"));
    let mut narrowed = statement.clone();
    if let Ast::Sql(ast) = &mut narrowed.ast
        && let DfStatement::Statement(sql) = ast.as_mut()
        && let SqlStatement::Query(query) = sql.as_mut()
        && let SetExpr::Select(select) = query.body.as_mut()
    {
        let ours = parse(condition).map_err(internal)?;
        query.order_by = match order {
            Some(column) => Some(OrderBy {
                kind: OrderByKind::Expressions(vec![OrderByExpr {
                    expr: parse(column).map_err(internal)?,
                    options: OrderByOptions { asc: None, nulls_first: None },
                    with_fill: None,
                }]),
                interpolate: None,
            }),
            None => None,
        };
        select.selection = Some(match select.selection.take() {
            None => ours,
            Some(theirs) => Expr::BinaryOp {
                left: Box::new(Expr::Nested(Box::new(theirs))),
                op: datafusion::sql::sqlparser::ast::BinaryOperator::And,
                right: Box::new(Expr::Nested(Box::new(ours))),
            },
        });
    }
    Ok(narrowed)
}

/// The id behind the last row of `table` in `view`.
fn end_of_rows(view: &View, table: &TableDef) -> i64 {
    let open = view.live().iter().rev().map(|s| (s.id(), s.rows(table.name)));
    let sealed = view.segments().iter().rev().map(|s| (s.id(), s.rows(table.name)));
    let last = open.chain(sealed).find(|(_, rows)| *rows > 0);
    last.map_or(0, |(id, rows)| (i64::from(id) << 32).saturating_add(i64::try_from(rows).unwrap_or(i64::MAX)))
}

fn last_sealed(view: &View) -> u32 {
    view.segments().last().map_or(0, |s| s.id())
}

impl Seen {
    /// Keys of rows that have ended since the last call.
    fn ended_since(&mut self, view: &View, table: &'static TableDef) -> Result<Vec<i64>, SqlError> {
        let Seen::Ended { by_segment, sealed_to } = self else { return Ok(Vec::new()) };
        let columns = [table.part_key.unwrap_or(ROW_ID), PART].map(|name| table.column(name).map_or(0, |(at, _)| at));
        let mut news = Vec::new();
        for segment in view.segments().iter().filter(|s| s.id() > *sealed_to) {
            let known = by_segment.remove(&segment.id()).unwrap_or_default();
            for batch in segment.read(table.name)? {
                let batch = batch.project(&columns).map_err(wiretape_engine::Error::from)?;
                news.extend(ended(&batch).filter(|key| !known.contains(key)));
            }
        }
        *sealed_to = (*sealed_to).max(last_sealed(view));
        for segment in view.live() {
            let known = by_segment.entry(segment.id()).or_default();
            for batch in segment.read(table, &columns) {
                news.extend(ended(&batch?).filter(|key| known.insert(*key)));
            }
        }
        Ok(news)
    }
}

/// Keys of the parts that hold their row's end, of a batch of keys and parts.
fn ended(batch: &RecordBatch) -> impl Iterator<Item = i64> {
    let keys = batch.column(0).as_primitive::<Int64Type>();
    let parts = batch.column(1).as_primitive::<arrow::datatypes::UInt8Type>();
    keys.values().iter().zip(parts.values()).filter(|(_, part)| **part & ENDS != 0).map(|(key, _)| *key)
}
