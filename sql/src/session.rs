//! A session: parse, plan, run.
//!
//! It is read-only by construction: only kinds of statements that read are planned, the finished plan is searched for
//! nodes that write, and nothing that names a path is reachable but `COPY … TO`, which [`crate::copy`] confines.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use datafusion::{
    catalog::CatalogProviderList,
    common::{ParamValues, ScalarValue, tree_node::TreeNodeRecursion},
    config::Dialect,
    error::DataFusionError,
    execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder, context::SessionContext},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, execute_stream, stream::RecordBatchStreamAdapter},
    prelude::SessionConfig,
    sql::parser::Statement as DfStatement,
};
use futures::TryStreamExt;
use wiretape_engine::View;

use crate::{
    Ast, Database, Kind, Outcome, Prepared, QueryPlan, SetPlan, SqlError, Statement,
    catalog::{self, Planning, Source, Version},
    config::ScanOptions,
    cooperate::CooperativeJoins,
    copy, entries,
    error::Scope,
    filters,
    group::GroupByCode,
    limit::{self, Deadline},
    names, retired, statement, table, udf,
};

/// One connection's view of a [`Database`]. Settings are its own; statements may run at the same time.
pub struct Session {
    database: Arc<Database>,
    context: SessionContext,
    use_index: AtomicBool,
    time_limit: Mutex<Option<Duration>>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("database", &self.database).finish_non_exhaustive()
    }
}

/// Planner state in which every table is of one version of the database.
pub(crate) struct Pinned {
    pub(crate) state: SessionState,
    pub(crate) view: Arc<View>,
    pub(crate) source: Source,
}

/// A query that runs.
pub(crate) struct Begun {
    pub(crate) rows: SendableRecordBatchStream,
    pub(crate) physical: Arc<dyn ExecutionPlan>,
    pub(crate) logical: LogicalPlan,
}

impl Session {
    pub(crate) fn new(database: Arc<Database>) -> Session {
        let options = ScanOptions { use_index: database.config().use_index };
        let source = Source {
            database: Arc::clone(&database),
            version: Version::Newest,
            options,
            planning: Planning::default(),
        };
        let state = SessionStateBuilder::new()
            .with_config(session_config(database.config().threads.max(1)))
            .with_runtime_env(Arc::clone(database.runtime()))
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(CooperativeJoins))
            .with_physical_optimizer_rule(Arc::new(GroupByCode::default()))
            .build();
        let context = SessionContext::new_with_state(state);
        context.register_catalog(catalog::CATALOG, catalog::newest(&source));
        for function in udf::UDFS {
            context.register_udf(function.udf());
        }
        for function in entries::FUNCTIONS {
            context.register_udf(function.udf());
        }
        for function in filters::FILTERS {
            context.register_udf(filters::udf(*function));
        }
        let time_limit = Mutex::new(database.config().time_limit);
        Session { database, context, use_index: AtomicBool::new(options.use_index), time_limit }
    }

    /// The database it reads.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// DataFusion's context: schemas and functions registered here are seen by every later statement.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// Whether later statements use the bitmap indexes. Answers are the same either way.
    pub fn set_use_index(&self, on: bool) {
        self.use_index.store(on, Ordering::Relaxed);
    }

    /// How long each later statement may run; `None` for as long as it takes.
    pub fn set_time_limit(&self, limit: Option<Duration>) {
        *self.time_limit.lock().unwrap_or_else(PoisonError::into_inner) = limit;
    }

    /// How long a statement may run.
    pub fn time_limit(&self) -> Option<Duration> {
        *self.time_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Splits and parses. Text without any statement (empty, blanks, comments, semicolons) gives an empty vector.
    /// Positions of these errors count in the whole of `sql`.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>, SqlError> {
        statement::parse(sql)
    }

    /// Resolves names and types, and refuses what is not a read. Positions of errors count in the statement's own text.
    pub async fn plan(&self, statement: &Statement) -> Result<Prepared, SqlError> {
        match (&statement.ast, statement.kind()) {
            (Ast::Copy(copy), _) => copy::plan(self, statement, copy).await.map(Prepared::Copy),
            (Ast::Sql(ast), Kind::Query | Kind::Explain) => {
                self.plan_query(statement, ast.as_ref()).await.map(Prepared::Query)
            }
            (Ast::Sql(_), Kind::Session) => plan_setting(statement).map(Prepared::Set),
            (Ast::Sql(_), Kind::Copy) => Err(SqlError::new("0A000", "EXPLAIN of COPY is not supported")
                .with_hint("Explain the query that it copies.")),
            (Ast::Sql(_), Kind::Write) => Err(refuse_write(&statement.text)),
        }
    }

    /// Runs a planned statement over the newest version of the database. `params` are the values of `$1`, `$2`, ….
    pub async fn run(&self, prepared: &Prepared, params: Vec<ScalarValue>) -> Result<Outcome, SqlError> {
        let deadline = self.time_limit().map(Deadline::after);
        match prepared {
            Prepared::Query(query) => {
                let rows = Deadline::bound(deadline, self.run_query(query, params)).await?;
                Ok(Outcome::Rows(limit::bounded(rows, deadline)))
            }
            Prepared::Copy(plan) => Deadline::bound(deadline, copy::run(self, plan, deadline)).await,
            Prepared::Set(set) => self.apply(set).map(|()| Outcome::Set),
        }
    }

    /// Parses, plans and runs a text that is one statement without parameters.
    pub async fn query(&self, sql: &str) -> Result<Outcome, SqlError> {
        let mut statements = self.parse(sql)?.into_iter();
        match (statements.next(), statements.next()) {
            (Some(statement), None) => {
                let prepared = self.plan(&statement).await?;
                self.run(&prepared, Vec::new()).await
            }
            (None, _) => Err(SqlError::new("42601", "there is no statement in this text")),
            (Some(_), Some(second)) => {
                let mut error = SqlError::new("42601", "more than one statement where one is expected");
                error.position = Some(second.offset + 1);
                Err(error)
            }
        }
    }

    /// The planner's state over the newest version of the database.
    pub(crate) fn pin(&self) -> Result<Pinned, SqlError> {
        let view = self.database.db().view()?;
        let options = ScanOptions { use_index: self.use_index.load(Ordering::Relaxed) };
        let mut state = self.context.state();
        let now = state.execution_props().query_execution_start_time.and_then(|now| now.timestamp_nanos_opt());
        let source = Source {
            database: Arc::clone(&self.database),
            version: Version::Pinned(Arc::clone(&view)),
            options,
            planning: Planning::at(now.unwrap_or_default()),
        };
        let below: Arc<dyn CatalogProviderList> = Arc::clone(state.catalog_list());
        state.register_catalog_list(catalog::pinned(&below, source.clone()));
        table::register_udfs(&mut state, &view)?;
        entries::register(&mut state, &source)?;
        Ok(Pinned { state, view, source })
    }

    /// Plans `ast`, whose text is that of `statement`.
    pub(crate) async fn plan_query(&self, statement: &Statement, ast: &DfStatement) -> Result<QueryPlan, SqlError> {
        let Pinned { state, view, source } = self.pin()?;
        let scope = Scope { text: &statement.text, state: Some(&state), memory_limit: self.memory_limit() };
        let (plan, names) = names::plan(&state, ast.clone()).await.map_err(|e| scope.explain(&e))?;
        refuse_writing_plan(&plan, &statement.text)?;
        let (plan, expanded) = filters::expand(plan, &source).map_err(|e| scope.explain(&e))?;
        // Type errors belong to planning, but parameters without a type would be taken for one.
        let plan = if plan.get_parameter_types()?.is_empty() {
            state
                .analyzer()
                .execute_and_check(plan, state.config_options(), |_, _| {})
                .map_err(|e| scope.explain(&e))?
        } else {
            plan
        };
        let schema = names.schema(plan.schema().as_arrow());
        Ok(QueryPlan {
            statement: statement.clone(),
            plan,
            state,
            view,
            source,
            names,
            schema,
            packet_ids: None,
            expanded,
        })
    }

    /// Starts a query over the newest version of the database, and returns when its first rows are there or are long
    /// in coming; nothing ends it
    /// but its end or being dropped.
    pub(crate) async fn run_query(
        &self,
        query: &QueryPlan,
        params: Vec<ScalarValue>,
    ) -> Result<SendableRecordBatchStream, SqlError> {
        for beginning in 1.. {
            let fresh = self.newest(query).await?;
            let planned = fresh.as_ref().unwrap_or(query);
            let begun = match self.start(planned, params.clone()).await {
                Ok(rows) => retired::begun(rows).await,
                Err(e) => Err(e),
            };
            if begun.is_ok() || beginning == retired::MAX_BEGINNINGS || !retired::any_of(&planned.view) {
                return begun;
            }
        }
        unreachable!("the last beginning returns")
    }

    /// The query planned anew, when there is a newer version of the database than the one it was planned over, or what it
    /// asks depends on when that is.
    pub(crate) async fn newest(&self, query: &QueryPlan) -> Result<Option<QueryPlan>, SqlError> {
        let is_of_now = entries::asks_for_now(&query.statement.text);
        if Arc::ptr_eq(&self.database.db().view()?, &query.view) && !is_of_now {
            return Ok(None);
        }
        let Ast::Sql(ast) = &query.statement.ast else { return Ok(None) };
        let fresh = self.plan_query(&query.statement, ast).await?;
        match query.packet_ids {
            Some(capture) => copy::only_packet_ids(fresh, capture).map(Some),
            None => Ok(Some(fresh)),
        }
    }

    /// Starts a query over the version of the database that it was planned over.
    pub(crate) async fn start(
        &self,
        query: &QueryPlan,
        params: Vec<ScalarValue>,
    ) -> Result<SendableRecordBatchStream, SqlError> {
        Ok(self.begin(query, params).await?.rows)
    }

    /// As [`start`](Self::start), with the plans that run.
    pub(crate) async fn begin(&self, query: &QueryPlan, params: Vec<ScalarValue>) -> Result<Begun, SqlError> {
        let mut state = query.state.clone();
        state.mark_start_execution(); // now() is when this run began, not when the statement was planned
        let scope = Scope { text: &query.statement.text, state: Some(&query.state), memory_limit: self.memory_limit() };
        let begin = async {
            let logical = match params.is_empty() {
                true => query.plan.clone(),
                false => {
                    let bound = query.plan.clone().with_param_values(ParamValues::from(params))?;
                    filters::expand(bound, &query.source)?.0
                }
            };
            let physical = state.create_physical_plan(&logical).await?;
            let rows = execute_stream(Arc::clone(&physical), state.task_ctx())?;
            Ok((rows, physical, logical))
        };
        let (rows, physical, logical) = begin.await.map_err(|e| scope.explain(&e))?;
        let memory_limit = self.memory_limit();
        let explain = move |e| DataFusionError::from(Scope { text: "", state: None, memory_limit }.explain(&e));
        let rows = names::renamed(rows, &query.names);
        let rows = Box::pin(RecordBatchStreamAdapter::new(rows.schema(), rows.map_err(explain)));
        Ok(Begun { rows, physical, logical })
    }

    pub(crate) fn memory_limit(&self) -> usize {
        self.database.config().memory_limit_bytes
    }

    fn apply(&self, set: &SetPlan) -> Result<(), SqlError> {
        match set.name.as_str() {
            USE_INDEX => self.set_use_index(parse_bool(set)?),
            TIME_LIMIT => self.set_time_limit(parse_duration(set)?),
            _ => return Err(unknown_setting(&set.name)),
        }
        Ok(())
    }
}

/// `SET wiretape.use_index = off`: answer from full scans.
const USE_INDEX: &str = "wiretape.use_index";
/// `SET statement_timeout = '5s'`; a bare number is milliseconds, 0 is no limit, as in PostgreSQL.
const TIME_LIMIT: &str = "statement_timeout";

pub(crate) fn session_config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_default_catalog_and_schema(catalog::CATALOG, catalog::PUBLIC)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true; // positions of errors
    options.execution.time_zone = Some("UTC".to_owned());
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    config
}

fn plan_setting(statement: &Statement) -> Result<SetPlan, SqlError> {
    match statement.assignment() {
        Some((name, value)) if name == USE_INDEX || name == TIME_LIMIT => Ok(SetPlan { name, value }),
        Some((name, _)) => Err(unknown_setting(&name)),
        None => {
            let verb = verb(&statement.text);
            Err(SqlError::new("0A000", format!("{verb} has a meaning only on a connection to wiretape serve")))
        }
    }
}

fn unknown_setting(name: &str) -> SqlError {
    SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
        .with_hint(format!("The settings are {USE_INDEX} and {TIME_LIMIT}."))
}

fn parse_bool(set: &SetPlan) -> Result<bool, SqlError> {
    match set.value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(bad_value(set, "It takes on or off.")),
    }
}

fn parse_duration(set: &SetPlan) -> Result<Option<Duration>, SqlError> {
    let value = set.value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let scale_ms: Option<u64> = match unit.trim() {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let ms = scale_ms.zip(number.parse::<u64>().ok()).and_then(|(scale, n)| n.checked_mul(scale));
    match ms {
        Some(0) => Ok(None),
        Some(ms) => Ok(Some(Duration::from_millis(ms))),
        None => Err(bad_value(set, "It takes a number of milliseconds, or a number with one of ms, s, min, h.")),
    }
}

fn bad_value(set: &SetPlan, hint: &str) -> SqlError {
    SqlError::new("22023", format!("invalid value for parameter \"{}\": \"{}\"", set.name, set.value)).with_hint(hint)
}

fn verb(text: &str) -> String {
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_uppercase()
}

pub(crate) fn refuse_write(text: &str) -> SqlError {
    SqlError::new("25006", format!("cannot execute {} in a read-only database", verb(text)))
        .with_hint("SQL reads and COPY … TO exports; data comes in through wiretape import.")
}

/// A second lock on the door: no plan that writes is run, whatever the parser called it.
fn refuse_writing_plan(plan: &LogicalPlan, text: &str) -> Result<(), SqlError> {
    let mut writes = false;
    plan.apply_with_subqueries(|node| {
        writes |= matches!(
            node,
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_)
        );
        Ok(if writes { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if writes { Err(refuse_write(text)) } else { Ok(()) }
}
