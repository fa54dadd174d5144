//! One client from its first byte to its last: the message loop. What a message does is in [`simple`] and [`extended`];
//! how results are sent is in [`send`].

mod extended;
mod send;
mod simple;
mod startup;

use std::sync::Arc;

use pgwire::messages::{
    PgWireBackendMessage, PgWireFrontendMessage,
    response::{ReadyForQuery, TransactionStatus},
    startup::ParameterStatus,
};
use tokio::{io::AsyncRead, io::AsyncWrite, sync::watch};
use wiretape_sql::Database;

use crate::{
    backend::Backend,
    cancel::{Cancels, Interrupts, Stop, shutting_down},
    catalog::Catalog,
    error::PgError,
    wire::{ReceiveError, Receiver, Sender},
};

/// What every connection of a server shares.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) database: Arc<Database>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) cancels: Arc<Cancels>,
    pub(crate) shutdown: watch::Receiver<bool>,
    pub(crate) keys: Arc<pgwire::api::RandomPidSecretKeyGenerator>,
}

/// Whether a connection may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Welcome,
    /// The limit of connections is reached: cancel requests are heard, sessions are refused.
    Full,
}

/// Serves one client on `reader` and `writer`.
pub(crate) async fn serve(
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
    shared: Shared,
    admission: Admission,
) {
    let mut receiver = Receiver::new(reader);
    let mut sender = Sender::new(writer);
    if let Some((backend, interrupts)) = startup::run(&mut receiver, &mut sender, &shared, admission).await {
        Connection { receiver, sender, backend, interrupts, skipping: false }.run().await;
    } else {
        let _ = sender.close().await;
    }
}

/// A client that has been let in.
#[derive(Debug)]
struct Connection {
    receiver: Receiver,
    sender: Sender,
    backend: Backend,
    interrupts: Interrupts,
    /// After an error in the extended protocol, everything up to Sync is left out.
    skipping: bool,
}

impl Connection {
    async fn run(mut self) {
        loop {
            let message = tokio::select! {
                biased;
                () = self.interrupts.shutdown() => {
                    self.sender.put_error(shutting_down());
                    break;
                }
                message = self.receiver.next() => message,
            };
            let message = match message {
                Ok(Some(PgWireFrontendMessage::Terminate(_)) | None) | Err(ReceiveError::Io(_)) => break,
                Ok(Some(message)) => message,
                Err(ReceiveError::Protocol(text)) => {
                    self.sender.put_error(PgError::fatal("08P01", text));
                    break;
                }
            };
            match self.handle(message).await {
                Ok(()) => {}
                Err(Stop::ClientGone) => return,
                Err(Stop::Error(error)) => {
                    self.sender.put_error(error);
                    break;
                }
            }
        }
        let _ = self.sender.close().await;
    }

    /// Handles one message. An error here ends the connection; errors of statements are told the client within.
    async fn handle(&mut self, message: PgWireFrontendMessage) -> Result<(), Stop> {
        if self.skipping && !matches!(message, PgWireFrontendMessage::Sync(_)) {
            return Ok(());
        }
        match message {
            PgWireFrontendMessage::Query(query) => {
                let result = Box::pin(self.query(&query.query)).await;
                self.report(result)?;
                self.end_implicit_transaction();
                self.ready().await
            }
            PgWireFrontendMessage::Sync(_) => {
                self.skipping = false;
                self.end_implicit_transaction();
                self.ready().await
            }
            PgWireFrontendMessage::Flush(_) => self.flush().await,
            // COPY FROM is refused, so data for it can only be what a client sent before it knew.
            PgWireFrontendMessage::CopyData(_)
            | PgWireFrontendMessage::CopyDone(_)
            | PgWireFrontendMessage::CopyFail(_) => Ok(()),
            message => {
                let result = Box::pin(self.extended(message)).await;
                let failed = result.is_err();
                self.report(result)?;
                if failed {
                    self.skipping = true;
                    self.flush().await?;
                } else if self.sender.is_full() {
                    self.flush().await?;
                }
                Ok(())
            }
        }
    }

    /// Tells the client of a failed statement. Fatal errors and a client that is gone are passed on.
    fn report(&mut self, result: Result<(), Stop>) -> Result<(), Stop> {
        match result {
            Err(Stop::Error(error)) if !error.is_fatal() => {
                self.backend.statement_failed();
                self.sender.put_error(error);
                Ok(())
            }
            other => other,
        }
    }

    /// ReadyForQuery, and everything gathered goes out.
    async fn ready(&mut self) -> Result<(), Stop> {
        let status = self.backend.transaction;
        self.put(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status)))?;
        self.flush().await
    }

    /// Outside a transaction block, what statements left open ends with them.
    fn end_implicit_transaction(&mut self) {
        if self.backend.transaction == TransactionStatus::Idle {
            self.backend.end_transaction();
        }
    }

    fn put(&mut self, message: PgWireBackendMessage) -> Result<(), Stop> {
        self.sender.put(message).map_err(Stop::Error)
    }

    /// Tells the client of the parameters that changed, and what else it should know.
    fn announce(&mut self) -> Result<(), Stop> {
        for notice in std::mem::take(&mut self.backend.notices) {
            self.put(PgWireBackendMessage::NoticeResponse(crate::error::notice(notice)))?;
        }
        for (name, value) in std::mem::take(&mut self.backend.announcements) {
            self.put(parameter_status(name, &value))?;
        }
        Ok(())
    }

    /// Writes what has gathered; ends with the server or the client.
    async fn flush(&mut self) -> Result<(), Stop> {
        tokio::select! {
            biased;
            written = self.sender.flush() => written.map_err(Stop::from),
            () = self.interrupts.shutdown() => Err(Stop::Error(shutting_down())),
        }
    }
}

/// A ParameterStatus message.
fn parameter_status(name: &str, value: &str) -> PgWireBackendMessage {
    PgWireBackendMessage::ParameterStatus(ParameterStatus::new(name.to_owned(), value.to_owned()))
}
