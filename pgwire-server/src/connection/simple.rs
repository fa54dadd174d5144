//! The simple protocol: a Query message with any number of statements, results in text.

use crate::{
    backend::{PortalState, Reply},
    cancel::Stop,
    script::{self, Piece},
};

use super::{Connection, send::Sent};

impl Connection {
    /// Runs the statements of `text` in order up to the first that fails. ReadyForQuery is the caller's.
    pub(super) async fn query(&mut self, text: &str) -> Result<(), Stop> {
        // As in PostgreSQL, a simple query ends the unnamed statement and portal.
        self.backend.statements.remove("");
        self.backend.portals.remove("");
        let pieces = script::split(text)?;
        if pieces.is_empty() {
            return self.put_empty();
        }
        for piece in &pieces {
            self.statement(piece).await?;
        }
        Ok(())
    }

    async fn statement(&mut self, piece: &Piece) -> Result<(), Stop> {
        let timeout = self.backend.settings().statement_timeout();
        self.interrupts.begin(timeout);
        let prepare = self.backend.prepare(piece, &[]);
        let statement = self.interrupts.guard(&mut self.receiver, prepare).await??;
        if !statement.parameters.is_empty() {
            return Err(crate::error::PgError::new("42P02", "there is no parameter $1").into());
        }
        let columns = self.backend.columns(&statement.work)?;
        let start = self.backend.start(&statement.work, Vec::new());
        match self.interrupts.guard(&mut self.receiver, start).await?? {
            Reply::Empty => self.put_empty(),
            Reply::Tag(tag) => {
                self.announce()?;
                self.put_tag(tag)
            }
            Reply::Rows(mut source, verb) => {
                self.announce()?;
                self.put_row_description(&columns, &[])?;
                match self.send_rows(&mut source, &[], 0).await? {
                    Sent::All(rows) => self.put_tag(PortalState::tag(verb, rows)),
                    Sent::Suspended => Ok(()),
                }
            }
            Reply::Copy(copy, columns) => {
                self.announce()?;
                self.send_copy(copy, &columns).await
            }
        }
    }
}
