//! Statements about the session rather than the data. They are recognised by their first words, before the SQL parser,
//! because clients use forms that it does not know (`FETCH FORWARD 100 FROM c`, `UNLISTEN *`). Each file of this folder
//! recognises a few and runs them; [`HOOKS`] lists them in the order they are asked.

mod cursor;
mod parameter;
mod session;
mod transaction;

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use crate::{
    backend::{Backend, Reply},
    encode::Column,
    error::PgError,
    script::{Piece, Words},
};

/// A recognised statement.
#[async_trait]
pub(crate) trait Command: Debug + Send + Sync {
    /// The columns of the rows it gives.
    fn columns(&self, _backend: &Backend) -> Result<Vec<Column>, PgError> {
        Ok(Vec::new())
    }

    /// Whether it runs in a failed transaction.
    fn runs_in_failed_transaction(&self) -> bool {
        false
    }

    /// Does it.
    async fn run(&self, backend: &mut Backend) -> Result<Reply, PgError>;
}

/// Recognises a statement: `None` when it is somebody else's, an error when it is ours but malformed.
type Hook = fn(Words<'_>) -> Result<Option<Arc<dyn Command>>, PgError>;

const HOOKS: &[Hook] = &[transaction::recognise, parameter::recognise, cursor::recognise, session::recognise];

/// Asks the hooks in order.
pub(crate) fn recognise(piece: &Piece) -> Result<Option<Arc<dyn Command>>, PgError> {
    for hook in HOOKS {
        if let Some(command) = hook(piece.words())? {
            return Ok(Some(command));
        }
    }
    Ok(None)
}

/// The reply of a command that gives nothing but its tag.
fn tag(tag: &str) -> Result<Reply, PgError> {
    Ok(Reply::Tag(tag.to_owned()))
}

/// A command as hooks give it.
fn command(command: impl Command + 'static) -> Result<Option<Arc<dyn Command>>, PgError> {
    Ok(Some(Arc::new(command)))
}
