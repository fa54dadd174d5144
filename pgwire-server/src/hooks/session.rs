//! What pools and drivers send to tidy a session: `DISCARD`, `DEALLOCATE`, `LISTEN`, `UNLISTEN`. Nothing ever notifies,
//! so listening is accepted and forgotten.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::sql::sqlparser::tokenizer::Token;
use pgwire::messages::response::TransactionStatus;

use super::{Command, command, tag};
use crate::{
    backend::{Backend, Reply},
    error::PgError,
    script::Words,
};

#[derive(Debug)]
enum Tidy {
    DiscardAll,
    /// Plans, sequences, temporary tables: there are none to discard.
    Discard(&'static str),
    Deallocate(String),
    DeallocateAll,
    Listen,
    Unlisten,
}

pub(super) fn recognise(mut words: Words<'_>) -> Result<Option<Arc<dyn Command>>, PgError> {
    let found = if words.take("discard") {
        discard(&mut words)?
    } else if words.take("deallocate") {
        let _ = words.take("prepare");
        if words.take("all") { Tidy::DeallocateAll } else { Tidy::Deallocate(words.name()?) }
    } else if words.take("listen") {
        words.name()?;
        Tidy::Listen
    } else if words.take("unlisten") {
        if !words.take_token(&Token::Mul) {
            words.name()?;
        }
        Tidy::Unlisten
    } else {
        return Ok(None);
    };
    words.end()?;
    command(found)
}

fn discard(words: &mut Words<'_>) -> Result<Tidy, PgError> {
    if words.take("all") {
        Ok(Tidy::DiscardAll)
    } else if words.take("plans") {
        Ok(Tidy::Discard("DISCARD PLANS"))
    } else if words.take("sequences") {
        Ok(Tidy::Discard("DISCARD SEQUENCES"))
    } else if words.take("temp") || words.take("temporary") {
        Ok(Tidy::Discard("DISCARD TEMP"))
    } else {
        Err(words.unexpected())
    }
}

#[async_trait]
impl Command for Tidy {
    async fn run(&self, backend: &mut Backend) -> Result<Reply, PgError> {
        match self {
            Tidy::DiscardAll => {
                if backend.transaction != TransactionStatus::Idle {
                    return Err(PgError::new("25001", "DISCARD ALL cannot run inside a transaction block"));
                }
                backend.statements.clear();
                backend.portals.clear();
                let announcements = backend.settings().reset_all();
                backend.announcements.extend(announcements);
                tag("DISCARD ALL")
            }
            Tidy::Discard(verb) => tag(verb),
            Tidy::Deallocate(name) => match backend.statements.remove(name) {
                Some(_) => tag("DEALLOCATE"),
                None => Err(PgError::new("26000", format!("prepared statement \"{name}\" does not exist"))),
            },
            Tidy::DeallocateAll => {
                backend.statements.clear();
                tag("DEALLOCATE ALL")
            }
            Tidy::Listen => tag("LISTEN"),
            Tidy::Unlisten => tag("UNLISTEN"),
        }
    }
}
