//! `BEGIN`, `COMMIT`, `ROLLBACK`, savepoints. The data is read-only, so a transaction is a state and nothing else: the
//! clients' `T` and `E`, the life of cursors, and 25P02 after an error.

use std::sync::Arc;

use async_trait::async_trait;
use pgwire::messages::response::TransactionStatus;

use super::{Command, command, tag};
use crate::{
    backend::{Backend, Reply},
    error::PgError,
    script::Words,
};

/// Savepoints of one transaction; psqlODBC sets one for each statement.
const MAX_SAVEPOINTS: usize = 10_000;

#[derive(Debug)]
enum Transaction {
    Begin(&'static str),
    Commit,
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
}

pub(super) fn recognise(mut words: Words<'_>) -> Result<Option<Arc<dyn Command>>, PgError> {
    let found = if words.take("begin") {
        let _ = words.take("work") || words.take("transaction");
        modes(&mut words)?;
        Transaction::Begin("BEGIN")
    } else if words.take_all(&["start", "transaction"]) {
        modes(&mut words)?;
        Transaction::Begin("START TRANSACTION")
    } else if words.take("commit") || words.take("end") {
        ending(&mut words);
        Transaction::Commit
    } else if words.take("rollback") || words.take("abort") {
        ending(&mut words);
        if words.take("to") {
            let _ = words.take("savepoint");
            Transaction::RollbackTo(words.name()?)
        } else {
            Transaction::Rollback
        }
    } else if words.take("savepoint") {
        Transaction::Savepoint(words.name()?)
    } else if words.take("release") {
        let _ = words.take("savepoint");
        Transaction::Release(words.name()?)
    } else {
        return Ok(None);
    };
    words.end()?;
    command(found)
}

/// Isolation and access modes: every transaction is a read-only one of the strictest kind.
fn modes(words: &mut Words<'_>) -> Result<(), PgError> {
    if words.is_end() || words.take("isolation") || words.take("read") || words.take("not") || words.take("deferrable")
    {
        words.skip_rest();
        Ok(())
    } else {
        Err(words.unexpected())
    }
}

fn ending(words: &mut Words<'_>) {
    let _ = words.take("work") || words.take("transaction");
    let _ = words.take_all(&["and", "no", "chain"]);
}

#[async_trait]
impl Command for Transaction {
    fn runs_in_failed_transaction(&self) -> bool {
        matches!(self, Transaction::Commit | Transaction::Rollback | Transaction::RollbackTo(_))
    }

    async fn run(&self, backend: &mut Backend) -> Result<Reply, PgError> {
        match self {
            Transaction::Begin(verb) => {
                backend.transaction = backend.transaction.to_in_transaction_state();
                tag(verb)
            }
            Transaction::Commit => {
                let failed = backend.transaction == TransactionStatus::Error;
                backend.end_transaction();
                tag(if failed { "ROLLBACK" } else { "COMMIT" })
            }
            Transaction::Rollback => {
                backend.end_transaction();
                tag("ROLLBACK")
            }
            Transaction::Savepoint(name) => {
                in_transaction(backend, "SAVEPOINT")?;
                if backend.savepoints.len() >= MAX_SAVEPOINTS {
                    return Err(PgError::new("53400", format!("more than {MAX_SAVEPOINTS} savepoints")));
                }
                backend.savepoints.push(name.clone());
                tag("SAVEPOINT")
            }
            Transaction::Release(name) => {
                in_transaction(backend, "RELEASE SAVEPOINT")?;
                let index = savepoint(backend, name)?;
                backend.savepoints.truncate(index);
                tag("RELEASE")
            }
            Transaction::RollbackTo(name) => {
                in_transaction(backend, "ROLLBACK TO SAVEPOINT")?;
                let index = savepoint(backend, name)?;
                backend.savepoints.truncate(index + 1);
                backend.transaction = TransactionStatus::Transaction;
                tag("ROLLBACK")
            }
        }
    }
}

fn in_transaction(backend: &Backend, verb: &str) -> Result<(), PgError> {
    match backend.transaction {
        TransactionStatus::Idle => Err(PgError::new("25P01", format!("{verb} can only be used in transaction blocks"))),
        _ => Ok(()),
    }
}

fn savepoint(backend: &Backend, name: &str) -> Result<usize, PgError> {
    let index = backend.savepoints.iter().rposition(|savepoint| savepoint == name);
    index.ok_or_else(|| PgError::new("3B001", format!("savepoint \"{name}\" does not exist")))
}
