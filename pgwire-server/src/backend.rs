//! The state of one connection between messages, and the way of a statement through it: recognise, plan, start. It
//! touches no socket: what is to be sent is a [`Reply`].

use std::{
    any::Any,
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use datafusion::{scalar::ScalarValue, sql::parser::Statement as DfStatement};
use futures::FutureExt;
use pgwire::{api::Type, messages::response::TransactionStatus};
use wiretape_sql::{Ast, CopyOut, Database, Kind, Outcome, Prepared, Session};

use crate::{
    catalog::{self, Catalog},
    encode::{Column, Format, columns},
    error::PgError,
    hooks::{self, Command},
    params::Parameter,
    rows::{QUERY_PLAN, RowSource, RowStream, plan_lines},
    script::Piece,
    settings::Settings,
};

/// Prepared statements of one connection; drivers with caches keep some hundreds.
const MAX_STATEMENTS: usize = 10_000;
/// Portals and cursors of one connection. Each may hold a query's memory.
const MAX_PORTALS: usize = 1000;

/// What a statement turned out to be.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Nothing: blanks or a comment.
    Empty,
    /// Answered by this crate.
    Command(Arc<dyn Command>),
    /// Answered by the `sql` crate.
    Planned(Arc<Planned>),
}

/// A statement the `sql` crate has planned.
#[derive(Debug)]
pub(crate) struct Planned {
    prepared: Prepared,
    kind: Kind,
    columns: Vec<Column>,
    /// Characters of the client's text before the statement's, to move positions by; `None` when the text planned is
    /// not the client's.
    offset: Option<usize>,
}

/// A statement that Parse prepared, or one of a Query message.
#[derive(Debug, Clone)]
pub(crate) struct PreparedStatement {
    pub(crate) work: Work,
    pub(crate) parameters: Vec<Parameter>,
}

/// What a statement gives when it is started.
#[derive(Debug)]
pub(crate) enum Reply {
    /// EmptyQueryResponse.
    Empty,
    /// CommandComplete with this tag.
    Tag(String),
    /// Rows; the tag is this verb and their number.
    Rows(RowSource, &'static str),
    /// CopyOutResponse, data, `COPY n`.
    Copy(CopyOut, Vec<Column>),
}

/// A bound statement, begun or not, or a cursor.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) work: Work,
    pub(crate) params: Vec<ScalarValue>,
    pub(crate) columns: Arc<Vec<Column>>,
    pub(crate) formats: Vec<Format>,
    pub(crate) state: PortalState,
    /// Outlives the transaction (`WITH HOLD`).
    pub(crate) hold: bool,
}

/// How far a portal has come.
#[derive(Debug)]
pub(crate) enum PortalState {
    Bound,
    Rows(RowSource, &'static str),
    Done,
}

impl PortalState {
    /// The tag of a statement that gave `rows` rows.
    pub(crate) fn tag(verb: &str, rows: u64) -> String {
        match verb {
            "SELECT" | "FETCH" => format!("{verb} {rows}"),
            verb => verb.to_owned(),
        }
    }
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Backend {
    session: Session,
    settings: Arc<Mutex<Settings>>,
    pub(crate) transaction: TransactionStatus,
    /// Names of savepoints, oldest first.
    pub(crate) savepoints: Vec<String>,
    pub(crate) statements: HashMap<String, Arc<PreparedStatement>>,
    pub(crate) portals: HashMap<String, Portal>,
    /// Changed parameters that the client was not told of yet.
    pub(crate) announcements: Vec<(&'static str, String)>,
    /// Notices that the client was not sent yet.
    pub(crate) notices: Vec<String>,
}

impl Backend {
    /// The state of a new connection to `database`.
    pub(crate) fn new(database: &Arc<Database>, catalog: &Catalog, settings: Settings) -> Result<Self, PgError> {
        let session = database.session();
        let settings = Arc::new(Mutex::new(settings));
        catalog.install(session.context(), &settings)?;
        Ok(Self {
            session,
            settings,
            transaction: TransactionStatus::Idle,
            savepoints: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            announcements: Vec::new(),
            notices: Vec::new(),
        })
    }

    /// The run-time parameters.
    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Recognises and plans one statement; `declared` are the parameter types the client gave.
    pub(crate) async fn prepare(&self, piece: &Piece, declared: &[u32]) -> Result<PreparedStatement, PgError> {
        if let Some(command) = hooks::recognise(piece)? {
            return Ok(PreparedStatement { work: Work::Command(command), parameters: Vec::new() });
        }
        if self.transaction == TransactionStatus::Error {
            return Err(transaction_failed());
        }
        unwound(self.plan(piece, declared)).await
    }

    async fn plan(&self, piece: &Piece, declared: &[u32]) -> Result<PreparedStatement, PgError> {
        let rewritten = catalog::rewritten(piece);
        let offset = rewritten.is_none().then_some(piece.offset);
        let located = |error: PgError| match offset {
            Some(offset) => error.shifted(offset),
            None => error.without_position(),
        };
        let parsed = self.session.parse(&piece.text).map_err(PgError::from);
        let mut statement = match (parsed, &rewritten) {
            (Ok(mut statements), _) if statements.len() == 1 => statements.remove(0),
            // Texts that only the catalog's own parser reads.
            (_, Some(_)) => self.session.parse("select 1").map_err(PgError::from)?.remove(0),
            (Ok(_), None) => return Err(PgError::internal("the statement was not cut where it ends")),
            (Err(error), None) => return Err(located(error)),
        };
        if let Some(ast) = rewritten {
            statement.ast = Ast::Sql(Box::new(DfStatement::Statement(Box::new(ast))));
        }
        let kind = statement.kind();
        let prepared = Box::pin(self.session.plan(&statement)).await.map_err(|error| located(error.into()))?;
        let columns = match (&prepared, kind) {
            (_, Kind::Explain) => vec![Column::new(QUERY_PLAN, Type::TEXT)],
            (Prepared::Copy(copy), _) => columns(&copy.schema()),
            _ => columns(&prepared.schema()),
        };
        let inferred = prepared.parameter_types().map_err(PgError::from)?;
        let count = inferred.len().max(declared.len());
        let parameters = (0..count)
            .map(|i| {
                let inferred = inferred.get(i).and_then(Option::as_ref);
                Parameter::new(inferred, declared.get(i).copied().unwrap_or(0))
            })
            .collect();
        let planned = Planned { prepared, kind, columns, offset };
        Ok(PreparedStatement { work: Work::Planned(Arc::new(planned)), parameters })
    }

    /// The columns of the rows `work` will give; none when it gives no rows.
    pub(crate) fn columns(&self, work: &Work) -> Result<Vec<Column>, PgError> {
        match work {
            Work::Empty => Ok(Vec::new()),
            Work::Command(command) => command.columns(self),
            Work::Planned(planned) if planned.kind == Kind::Copy => Ok(Vec::new()),
            Work::Planned(planned) => Ok(planned.columns.clone()),
        }
    }

    /// Starts `work`. In a failed transaction only what ends it runs.
    pub(crate) async fn start(&mut self, work: &Work, params: Vec<ScalarValue>) -> Result<Reply, PgError> {
        let allowed = match work {
            Work::Empty => true,
            Work::Command(command) => command.runs_in_failed_transaction(),
            Work::Planned(_) => false,
        };
        if self.transaction == TransactionStatus::Error && !allowed {
            return Err(transaction_failed());
        }
        match work {
            Work::Empty => Ok(Reply::Empty),
            Work::Command(command) => unwound(command.run(self)).await,
            Work::Planned(planned) => {
                let reply = unwound(self.run(planned, params)).await;
                self.notices.extend(planned.prepared.notices());
                reply
            }
        }
    }

    async fn run(&self, planned: &Planned, params: Vec<ScalarValue>) -> Result<Reply, PgError> {
        let outcome = Box::pin(self.session.run(&planned.prepared, params)).await.map_err(|error| {
            let error = PgError::from(error);
            planned.offset.map_or_else(|| error.clone().without_position(), |offset| error.clone().shifted(offset))
        })?;
        Ok(match outcome {
            Outcome::Rows(stream) if planned.kind == Kind::Explain => {
                Reply::Rows(RowSource::new(RowStream::running(plan_lines(stream))), "EXPLAIN")
            }
            Outcome::Rows(stream) => Reply::Rows(RowSource::new(RowStream::running(stream)), "SELECT"),
            Outcome::CopyOut(copy) => Reply::Copy(copy, planned.columns.clone()),
            Outcome::Copied { rows, .. } => Reply::Tag(format!("COPY {rows}")),
            Outcome::Set => Reply::Tag("SET".to_owned()),
        })
    }

    /// Keeps a prepared statement.
    pub(crate) fn keep_statement(&mut self, name: &str, statement: PreparedStatement) -> Result<(), PgError> {
        if !name.is_empty() && self.statements.contains_key(name) {
            return Err(PgError::new("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        if self.statements.len() >= MAX_STATEMENTS {
            return Err(PgError::new("53400", format!("more than {MAX_STATEMENTS} prepared statements")));
        }
        self.statements.insert(name.to_owned(), Arc::new(statement));
        Ok(())
    }

    /// Keeps a portal or cursor.
    pub(crate) fn keep_portal(&mut self, name: &str, portal: Portal) -> Result<(), PgError> {
        if !name.is_empty() && self.portals.contains_key(name) {
            return Err(PgError::new("42P03", format!("cursor \"{name}\" already exists")));
        }
        if self.portals.len() >= MAX_PORTALS {
            return Err(PgError::new("53400", format!("more than {MAX_PORTALS} open cursors")));
        }
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// The cursor or portal called `name`.
    pub(crate) fn portal(&self, name: &str) -> Result<&Portal, PgError> {
        self.portals.get(name).ok_or_else(|| PgError::new("34000", format!("cursor \"{name}\" does not exist")))
    }

    /// A transaction ended: cursors without HOLD end with it.
    pub(crate) fn end_transaction(&mut self) {
        self.transaction = TransactionStatus::Idle;
        self.savepoints.clear();
        self.portals.retain(|_, portal| portal.hold);
    }

    /// A statement failed.
    pub(crate) fn statement_failed(&mut self) {
        self.transaction = self.transaction.to_error_state();
    }
}

fn transaction_failed() -> PgError {
    PgError::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

/// Runs `work`; a panic in it is an error of the statement, not the end of the connection. The future is boxed, because
/// planning recurses and its futures, nested by value, would take most of a thread's stack.
async fn unwound<T>(work: impl Future<Output = Result<T, PgError>>) -> Result<T, PgError> {
    AssertUnwindSafe(Box::pin(work))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(PgError::internal(&panic_text(&*panic))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    format!("the statement failed in an unforeseen way: {text}")
}
