//! A query that goes on: after each look at the database, the rows that have come since the one before, as `tail -f` has it.
//!
//! A packet comes once, in the order of its id. A row of parts (a flow) changes while it lives and comes when it has ended: the
//! part that says so is stored exactly once. A call comes once, in the order of its id among those that came with it. So a
//! followed query reads one table, or the view of a group of tables, and gives one row for one row; sorting, grouping and limits
//! have no meaning in it.

use std::{
    collections::{BTreeMap, HashSet},
    ops::{ControlFlow, Range},
};

use arrow::{
    array::AsArray,
    datatypes::{Int64Type, UInt8Type},
    record_batch::RecordBatch,
};
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
    table::{CALL_ID, ENDS, PACKET_ID, PART, grouped},
};

/// Ids asked for at a time.
const MAX_IDS: usize = 1000;

/// A followed query between two looks.
#[derive(Debug)]
pub struct Follow {
    statement: Statement,
    /// What the table goes by in the statement.
    alias: String,
    seen: Seen,
}

/// Up to where rows were given.
#[derive(Debug)]
enum Seen {
    /// Of a table whose rows are numbered in the order they came: every id below this one.
    Below(&'static TableDef, i64),
    /// Of others: which.
    Keys(Keys),
}

/// The rows that were given, by key.
#[derive(Debug)]
struct Keys {
    /// The column of keys.
    key: &'static str,
    /// Each table, and of open segments and those sealed since, the keys in it.
    tables: Vec<(&'static TableDef, BTreeMap<u32, Known>)>,
    sealed_to: u32,
}

/// What is known of a segment.
#[derive(Debug, Default)]
struct Known {
    keys: HashSet<i64>,
    /// Rows looked at.
    rows: u64,
}

impl Session {
    /// Begins to follow a query: rows that are there already are not given. Refuses what is more than a selection from one
    /// table.
    pub async fn follow(&self, statement: &Statement) -> Result<Follow, SqlError> {
        // As it stands first, so that mistakes are told with their places.
        self.plan(statement).await?;
        let (seen, alias) = self.followed(statement)?;
        Ok(Follow { statement: statement.clone(), alias, seen })
    }

    /// The rows that have come since the last call, by parts that are each the outcome of a query. Empty when there are
    /// none.
    pub async fn news(&self, follow: &mut Follow) -> Result<Vec<Outcome>, SqlError> {
        let view = self.database().db().view()?;
        let Follow { statement, alias, seen } = follow;
        let order = seen.order().map(|column| format!("{alias}.{column}"));
        let conditions = match (seen.news(&view)?, &seen) {
            (News::Ids(ids), _) if ids.is_empty() => Vec::new(),
            (News::Ids(ids), _) => {
                vec![format!("{alias}.{PACKET_ID} >= {} and {alias}.{PACKET_ID} < {}", ids.start, ids.end)]
            }
            (News::Keys(keys), Seen::Keys(Keys { key, .. })) => {
                let list = |keys: &[i64]| keys.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
                keys.chunks(MAX_IDS).map(|keys| format!("{alias}.{key} in ({})", list(keys))).collect()
            }
            (News::Keys(_), _) => Vec::new(),
        };
        let mut outcomes = Vec::new();
        for condition in conditions {
            let narrowed = narrowed(statement, &condition, order.as_deref())?;
            let prepared = self.plan(&narrowed).await?;
            outcomes.push(self.run(&prepared, Vec::new()).await?);
        }
        Ok(outcomes)
    }

    /// What there is by now of the statement's one table, and what the table goes by.
    fn followed(&self, statement: &Statement) -> Result<(Seen, String), SqlError> {
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
        let db = self.database().db();
        let seen = last.map(|name| Seen::all_of(&name, db.tables(), db.view()?.as_ref())).transpose()?.flatten();
        let seen = seen.ok_or_else(|| {
            SqlError::new("0A000", format!("{name} cannot be followed"))
                .with_hint("These can: packets, flows, calls and the tables of calls, such as http and dns.")
        })?;
        let alias = alias.as_ref().map_or_else(|| name.0.last().map(ToString::to_string), |a| Some(a.name.to_string()));
        Ok((seen, alias.unwrap_or_default()))
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

/// What has come.
enum News {
    /// Rows of these ids.
    Ids(Range<i64>),
    /// Rows with these keys, ascending.
    Keys(Vec<i64>),
}

impl Seen {
    /// What there is of the table or view of this name, if it can be followed.
    fn all_of(name: &str, tables: &[&'static TableDef], view: &View) -> Result<Option<Seen>, SqlError> {
        let Some(mut seen) = Seen::of(name, tables, last_sealed(view)) else { return Ok(None) };
        seen.news(view)?;
        Ok(Some(seen))
    }

    /// Nothing of it but what is sealed.
    fn of(name: &str, tables: &[&'static TableDef], sealed_to: u32) -> Option<Seen> {
        let keys = |key, of: &dyn Fn(&TableDef) -> bool| {
            let tables = tables.iter().filter(|t| of(t)).map(|t| (*t, BTreeMap::new())).collect();
            Some(Seen::Keys(Keys { key, tables, sealed_to }))
        };
        if grouped::groups(tables).iter().any(|group| group.view == name) {
            return keys(CALL_ID, &|t: &TableDef| t.group.is_some_and(|group| group.view == name));
        }
        let table = tables.iter().copied().find(|t| t.name == name && !t.system)?;
        match table.part_key {
            Some(key) => keys(key, &|t: &TableDef| t.name == name),
            None if table.group.is_some() => keys(CALL_ID, &|t: &TableDef| t.name == name),
            None => table.column(PACKET_ID).map(|_| Seen::Below(table, 0)),
        }
    }

    /// The column by which rows that come together are sorted.
    fn order(&self) -> Option<&'static str> {
        match self {
            Seen::Below(..) => Some(PACKET_ID),
            Seen::Keys(Keys { key: CALL_ID, .. }) => Some(CALL_ID),
            Seen::Keys(_) => None,
        }
    }

    /// What has come since the last call.
    fn news(&mut self, view: &View) -> Result<News, SqlError> {
        match self {
            Seen::Below(table, from) => {
                let to = end_of_rows(view, table);
                Ok(News::Ids(std::mem::replace(from, to)..to))
            }
            Seen::Keys(keys) => keys.news(view).map(News::Keys),
        }
    }
}

impl Keys {
    /// Keys of rows that have come, or of rows of parts that have ended, since the last call.
    fn news(&mut self, view: &View) -> Result<Vec<i64>, SqlError> {
        let Keys { key, tables, sealed_to } = self;
        let key: &str = key;
        let mut news = Vec::new();
        for (table, by_segment) in tables {
            let names: &[&str] = if table.part_key.is_some() { &[key, PART] } else { &[key] };
            for segment in view.segments().iter().filter(|s| s.id() > *sealed_to) {
                let known = by_segment.remove(&segment.id()).unwrap_or_default().keys;
                for batch in segment.read_columns(table.name, names)? {
                    news.extend(done(&batch, key).filter(|key| !known.contains(key)));
                }
            }
            let columns: Vec<usize> = names.iter().filter_map(|name| table.column(name).map(|(at, _)| at)).collect();
            for segment in view.live() {
                let known = by_segment.entry(segment.id()).or_default();
                let before = std::mem::replace(&mut known.rows, segment.rows(table.name));
                let batches: Box<dyn Iterator<Item = _>> = match table.part_key {
                    _ if known.rows == before => continue,
                    Some(_) => segment.read(table, &columns),
                    None => Box::new(segment.read_after(table, &columns, before)),
                };
                for batch in batches {
                    news.extend(done(&batch?, key).filter(|key| known.keys.insert(*key)));
                }
            }
        }
        *sealed_to = (*sealed_to).max(last_sealed(view));
        news.sort_unstable();
        Ok(news)
    }
}

/// The keys of a batch; where rows have parts, of the parts that hold their row's end.
fn done(batch: &RecordBatch, key: &str) -> impl Iterator<Item = i64> {
    let keys = batch.column_by_name(key).map(|c| c.as_primitive::<Int64Type>().clone());
    let parts = batch.column_by_name(PART).map(|c| c.as_primitive::<UInt8Type>().clone());
    let keys = keys.map(|keys| keys.values().to_vec()).unwrap_or_default();
    let ends = move |at: usize| parts.as_ref().and_then(|p| p.values().get(at)).is_none_or(|part| part & ENDS != 0);
    keys.into_iter().enumerate().filter(move |(at, _)| ends(*at)).map(|(_, key)| key)
}
