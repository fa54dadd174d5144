//! SQL cursors: `DECLARE c CURSOR FOR …`, `FETCH`, `MOVE`, `CLOSE`. A cursor is a portal with a name, so Describe and
//! Execute of the extended protocol reach it too. Cursors go forward only.

use std::sync::Arc;

use async_trait::async_trait;
use pgwire::messages::response::TransactionStatus;

use super::{Command, command, tag};
use crate::{
    backend::{Backend, Portal, PortalState, Reply, Work},
    encode::{Column, Format},
    error::PgError,
    rows::RowSource,
    script::{Piece, Words, split},
};

#[derive(Debug)]
enum Cursor {
    Declare {
        name: String,
        hold: bool,
        query: Piece,
    },
    /// `None` takes all that is left.
    Fetch {
        name: String,
        rows: Option<u64>,
    },
    Move {
        name: String,
        rows: Option<u64>,
    },
    Close(String),
    CloseAll,
}

pub(super) fn recognise(mut words: Words<'_>) -> Result<Option<Arc<dyn Command>>, PgError> {
    let found = if words.take("declare") {
        return declare(words);
    } else if words.take("fetch") {
        let (name, rows) = fetched(&mut words)?;
        Cursor::Fetch { name, rows }
    } else if words.take("move") {
        let (name, rows) = fetched(&mut words)?;
        Cursor::Move { name, rows }
    } else if words.take("close") {
        if words.take("all") { Cursor::CloseAll } else { Cursor::Close(words.name()?) }
    } else {
        return Ok(None);
    };
    words.end()?;
    command(found)
}

fn declare(mut words: Words<'_>) -> Result<Option<Arc<dyn Command>>, PgError> {
    let name = words.name()?;
    while !words.take("cursor") {
        let known = words.take("binary")
            || words.take("insensitive")
            || words.take("asensitive")
            || words.take_all(&["no", "scroll"])
            || words.take("scroll");
        if !known {
            return Err(words.unexpected());
        }
    }
    let hold = words.take_all(&["with", "hold"]);
    let _ = words.take_all(&["without", "hold"]);
    if !words.take("for") {
        return Err(words.unexpected());
    }
    let (text, offset) = words.rest();
    let mut pieces = split(text)?;
    match (pieces.pop(), pieces.is_empty()) {
        (Some(mut query), true) => {
            query.offset += offset;
            command(Cursor::Declare { name, hold, query })
        }
        _ => Err(words.unexpected()),
    }
}

/// `[NEXT | FORWARD [n | ALL] | n | ALL] [FROM | IN] name`
fn fetched(words: &mut Words<'_>) -> Result<(String, Option<u64>), PgError> {
    let backward = ["prior", "backward", "first", "last", "absolute", "relative"];
    if backward.iter().any(|word| words.take(word)) {
        return Err(backward_scan());
    }
    let forward = words.take("forward");
    let rows = if words.take("all") {
        None
    } else if let Some(count) = words.number() {
        Some(u64::try_from(count).map_err(|_| backward_scan())?)
    } else {
        let _ = !forward && words.take("next");
        Some(1)
    };
    let _ = words.take("from") || words.take("in");
    Ok((words.name()?, rows))
}

fn backward_scan() -> PgError {
    PgError::new("55000", "cursor can only scan forward").with_hint("declare another cursor to start again")
}

#[async_trait]
impl Command for Cursor {
    fn columns(&self, backend: &Backend) -> Result<Vec<Column>, PgError> {
        match self {
            Cursor::Fetch { name, .. } => Ok(backend.portal(name)?.columns.to_vec()),
            _ => Ok(Vec::new()),
        }
    }

    async fn run(&self, backend: &mut Backend) -> Result<Reply, PgError> {
        match self {
            Cursor::Declare { name, hold, query } => {
                if !hold && backend.transaction == TransactionStatus::Idle {
                    return Err(PgError::new("25P01", "DECLARE CURSOR can only be used in transaction blocks"));
                }
                open(backend, name, *hold, query).await
            }
            Cursor::Fetch { name, rows } => Ok(Reply::Rows(source(backend, name)?.limited(*rows), "FETCH")),
            Cursor::Move { name, rows } => {
                let moved = skip(&source(backend, name)?, *rows).await?;
                tag(&format!("MOVE {moved}"))
            }
            Cursor::Close(name) => {
                backend.portal(name)?;
                backend.portals.remove(name);
                tag("CLOSE CURSOR")
            }
            Cursor::CloseAll => {
                backend.portals.clear();
                tag("CLOSE CURSOR ALL")
            }
        }
    }
}

async fn open(backend: &mut Backend, name: &str, hold: bool, query: &Piece) -> Result<Reply, PgError> {
    let statement = backend.prepare(query, &[]).await?;
    if !matches!(statement.work, Work::Planned(_)) {
        return Err(PgError::new("42601", "a cursor is for a query"));
    }
    if !statement.parameters.is_empty() {
        return Err(PgError::new("42P02", "there is no parameter $1"));
    }
    let columns = Arc::new(backend.columns(&statement.work)?);
    match backend.start(&statement.work, Vec::new()).await? {
        Reply::Rows(source, _) => {
            let formats = vec![Format::Text; columns.len()];
            let state = PortalState::Rows(source, "FETCH");
            let portal = Portal { work: Work::Empty, params: Vec::new(), columns, formats, state, hold };
            backend.keep_portal(name, portal)?;
            tag("DECLARE CURSOR")
        }
        _ => Err(PgError::new("42601", "a cursor is for a query")),
    }
}

fn source(backend: &Backend, name: &str) -> Result<RowSource, PgError> {
    match &backend.portal(name)?.state {
        PortalState::Rows(source, _) => Ok(source.clone()),
        _ => Err(PgError::new("55000", format!("portal \"{name}\" cannot be fetched from"))),
    }
}

async fn skip(source: &RowSource, rows: Option<u64>) -> Result<u64, PgError> {
    let mut stream = source.stream.lock().await;
    let mut moved = 0;
    while rows.is_none_or(|rows| moved < rows) {
        if stream.take_row().is_some() {
            moved += 1;
        } else if !stream.advance().await? {
            break;
        }
    }
    Ok(moved)
}
