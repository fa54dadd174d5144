//! From the first byte to the first ReadyForQuery: encryption requests, cancel requests, the start-up message, who is
//! let in, and what the client is told about the server.

use std::time::Duration;

use pgwire::{
    api::{ClientInfo, DefaultClient, PidSecretKeyGenerator},
    messages::{
        PgWireBackendMessage, PgWireFrontendMessage, ProtocolVersion, SslNegotiationMetaMessage,
        response::{GssEncResponse, ReadyForQuery, SslResponse, TransactionStatus},
        startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, Startup},
    },
};

use super::{Admission, Shared, parameter_status};
use crate::{
    backend::Backend,
    cancel::Interrupts,
    error::PgError,
    settings::Settings,
    wire::{ReceiveError, Receiver, Sender},
};

/// How long a client may take to say who it is.
const STARTUP_TIME: Duration = Duration::from_secs(30);

/// Brings a client to its first ReadyForQuery; `None` when it was no session, or none that is let in. What was gathered
/// for it is written by the caller.
pub(super) async fn run(
    receiver: &mut Receiver,
    sender: &mut Sender,
    shared: &Shared,
    admission: Admission,
) -> Option<(Backend, Interrupts)> {
    let startup = match tokio::time::timeout(STARTUP_TIME, first_message(receiver, sender)).await {
        Ok(Ok(First::Session(startup))) => startup,
        Ok(Ok(First::Cancel(cancel))) => {
            shared.cancels.cancel(cancel.pid, &cancel.secret_key);
            return None;
        }
        Ok(Err(ReceiveError::Protocol(text))) => {
            sender.put_error(PgError::fatal("08P01", text));
            return None;
        }
        Ok(Ok(First::Nothing) | Err(ReceiveError::Io(_))) | Err(_) => return None,
    };
    match enter(sender, shared, admission, startup) {
        Ok(entered) => {
            receiver.expect_messages();
            sender.flush().await.ok()?;
            Some(entered)
        }
        Err(error) => {
            sender.put_error(error);
            None
        }
    }
}

/// What a connection turned out to be for.
enum First {
    Session(Startup),
    Cancel(pgwire::messages::cancel::CancelRequest),
    Nothing,
}

async fn first_message(receiver: &mut Receiver, sender: &mut Sender) -> Result<First, ReceiveError> {
    loop {
        match receiver.next().await? {
            Some(PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::PostgresSsl(_))) => {
                let _ = sender.put(PgWireBackendMessage::SslResponse(SslResponse::Refuse));
                sender.flush().await?;
            }
            Some(PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::PostgresGss(_))) => {
                let _ = sender.put(PgWireBackendMessage::GssEncResponse(GssEncResponse::Refuse));
                sender.flush().await?;
            }
            Some(PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::None)) => receiver.expect_startup(),
            Some(PgWireFrontendMessage::Startup(startup)) => return Ok(First::Session(startup)),
            Some(PgWireFrontendMessage::CancelRequest(cancel)) => return Ok(First::Cancel(cancel)),
            Some(_) | None => return Ok(First::Nothing),
        }
    }
}

/// Lets a client in and gathers what it is to be told.
fn enter(
    sender: &mut Sender,
    shared: &Shared,
    admission: Admission,
    startup: Startup,
) -> Result<(Backend, Interrupts), PgError> {
    negotiate(sender, &startup)?;
    if admission == Admission::Full {
        return Err(PgError::fatal("53300", "sorry, too many clients already"));
    }
    let user = startup.parameters.get("user").cloned();
    let user = user.ok_or_else(|| PgError::fatal("28000", "no PostgreSQL user name specified in startup packet"))?;
    let settings = Settings::new(&user, startup.parameters);
    // Any user is let in: the server listens on loopback only, unless it was given users.
    sender.put(PgWireBackendMessage::Authentication(Authentication::Ok))?;
    for (name, value) in settings.reported() {
        sender.put(parameter_status(name, value))?;
    }
    let backend = Backend::new(&shared.database, &shared.catalog, settings)?;
    // Keys of later minor versions are longer than a client of protocol 3.0 reads.
    let mut nobody = DefaultClient::<()>::new(([0, 0, 0, 0], 0).into(), false);
    nobody.set_protocol_version(ProtocolVersion::PROTOCOL3_0);
    let (pid, secret) = shared.keys.generate(&nobody);
    sender.put(PgWireBackendMessage::BackendKeyData(BackendKeyData::new(pid, secret.clone())))?;
    sender.put(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(TransactionStatus::Idle)))?;
    let entry = shared.cancels.enter(pid, secret);
    Ok((backend, Interrupts::new(entry, shared.shutdown.clone())))
}

/// Protocol 3.0 is spoken; a client that asks for a later minor version or for options is told so.
fn negotiate(sender: &mut Sender, startup: &Startup) -> Result<(), PgError> {
    if startup.protocol_number_major != 3 {
        let version = format!("{}.{}", startup.protocol_number_major, startup.protocol_number_minor);
        return Err(PgError::fatal("0A000", format!("unsupported frontend protocol {version}: server supports 3.0")));
    }
    let options: Vec<String> = startup.parameters.keys().filter(|name| name.starts_with("_pq_.")).cloned().collect();
    if startup.protocol_number_minor > 0 || !options.is_empty() {
        sender.put(PgWireBackendMessage::NegotiateProtocolVersion(NegotiateProtocolVersion::new(0, options)))?;
    }
    Ok(())
}
