//! The extended protocol: Parse, Bind, Describe, Execute, Close. Parameters and results in text or binary, portals read
//! in portions.

use std::sync::Arc;

use pgwire::messages::{
    PgWireBackendMessage, PgWireFrontendMessage,
    data::ParameterDescription,
    extendedquery::{
        Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, PortalSuspended,
        TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
    },
};

use super::{Connection, send::Sent};
use crate::{
    backend::{Portal, PortalState, PreparedStatement, Reply, Work},
    cancel::Stop,
    encode::Format,
    error::PgError,
    script,
};

impl Connection {
    /// Handles one message of the extended protocol.
    pub(super) async fn extended(&mut self, message: PgWireFrontendMessage) -> Result<(), Stop> {
        match message {
            PgWireFrontendMessage::Parse(parse) => self.parse(parse).await,
            PgWireFrontendMessage::Bind(bind) => self.bind(&bind),
            PgWireFrontendMessage::Describe(describe) => self.describe(&describe),
            PgWireFrontendMessage::Execute(execute) => self.execute(&execute).await,
            PgWireFrontendMessage::Close(close) => self.close(&close),
            _ => Err(Stop::Error(PgError::fatal("08P01", "unexpected message type"))),
        }
    }

    async fn parse(&mut self, parse: Parse) -> Result<(), Stop> {
        let name = parse.name.unwrap_or_default();
        if name.is_empty() {
            self.backend.statements.remove("");
        }
        let mut pieces = script::split(&parse.query)?;
        let statement = match (pieces.pop(), pieces.is_empty()) {
            (None, _) => PreparedStatement { work: Work::Empty, parameters: Vec::new() },
            (Some(piece), true) => {
                let timeout = self.backend.settings().statement_timeout();
                self.interrupts.begin(timeout);
                let prepare = self.backend.prepare(&piece, &parse.type_oids);
                self.interrupts.guard(&mut self.receiver, prepare).await??
            }
            (Some(_), false) => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(PgError::new("42601", message).into());
            }
        };
        self.backend.keep_statement(&name, statement)?;
        self.put(PgWireBackendMessage::ParseComplete(ParseComplete::new()))
    }

    fn bind(&mut self, bind: &Bind) -> Result<(), Stop> {
        let statement = self.statement_named(bind.statement_name.as_deref().unwrap_or_default())?;
        let (given, needed) = (bind.parameters.len(), statement.parameters.len());
        if given != needed {
            let name = bind.statement_name.as_deref().unwrap_or_default();
            let message = format!(
                "bind message supplies {given} parameters, but prepared statement \"{name}\" requires {needed}"
            );
            return Err(PgError::new("08P01", message).into());
        }
        let formats = formats(&bind.parameter_format_codes, needed)?;
        let bound = statement.parameters.iter().zip(&bind.parameters).zip(formats).enumerate();
        let params = bound
            .map(|(index, ((parameter, bytes), format))| parameter.decode(index + 1, bytes.as_ref(), format))
            .collect::<Result<Vec<_>, _>>()?;
        let columns = self.backend.columns(&statement.work)?;
        let formats = formats_of_result(&bind.result_column_format_codes, columns.len())?;
        let portal = Portal {
            work: statement.work.clone(),
            params,
            columns: Arc::new(columns),
            formats,
            state: PortalState::Bound,
            hold: false,
        };
        let name = bind.portal_name.as_deref().unwrap_or_default();
        self.backend.keep_portal(name, portal)?;
        self.put(PgWireBackendMessage::BindComplete(BindComplete::new()))
    }

    fn describe(&mut self, describe: &Describe) -> Result<(), Stop> {
        let name = describe.name.as_deref().unwrap_or_default();
        match describe.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                let statement = self.statement_named(name)?;
                let columns = self.backend.columns(&statement.work)?;
                let oids = statement.parameters.iter().map(|parameter| parameter.pg_type.oid()).collect();
                self.put(PgWireBackendMessage::ParameterDescription(ParameterDescription::new(oids)))?;
                self.put_description(&columns, &[])
            }
            TARGET_TYPE_BYTE_PORTAL => {
                let portal = self.backend.portal(name)?;
                let (columns, formats) = (Arc::clone(&portal.columns), portal.formats.clone());
                self.put_description(&columns, &formats)
            }
            _ => Err(Stop::Error(PgError::fatal("08P01", "invalid DESCRIBE message subtype"))),
        }
    }

    async fn execute(&mut self, execute: &Execute) -> Result<(), Stop> {
        let name = execute.name.as_deref().unwrap_or_default();
        let max_rows = u64::try_from(execute.max_rows).unwrap_or(0);
        let timeout = self.backend.settings().statement_timeout();
        self.interrupts.begin(timeout);
        if matches!(self.backend.portal(name)?.state, PortalState::Bound) && !self.start_portal(name).await? {
            return Ok(());
        }
        let portal = self.backend.portal(name)?;
        let (mut source, verb) = match &portal.state {
            PortalState::Rows(source, verb) => (source.clone(), *verb),
            _ => return self.finish_again(name),
        };
        let formats = portal.formats.clone();
        let sent = self.send_rows(&mut source, &formats, max_rows).await;
        let state = match &sent {
            Ok(Sent::Suspended) => PortalState::Rows(source, verb),
            _ => PortalState::Done,
        };
        if let Some(portal) = self.backend.portals.get_mut(name) {
            portal.state = state;
        }
        match sent? {
            Sent::All(rows) => self.put_tag(PortalState::tag(verb, rows)),
            Sent::Suspended => self.put(PgWireBackendMessage::PortalSuspended(PortalSuspended::new())),
        }
    }

    /// Begins a bound portal; true when it gives rows, false when it is done already.
    async fn start_portal(&mut self, name: &str) -> Result<bool, Stop> {
        // A statement may take long to its first row; what was answered before must not wait for it.
        self.flush().await?;
        let Some(portal) = self.backend.portals.get_mut(name) else { return Ok(false) };
        portal.state = PortalState::Done;
        let (work, params) = (portal.work.clone(), portal.params.clone());
        let start = self.backend.start(&work, params);
        match self.interrupts.guard(&mut self.receiver, start).await?? {
            Reply::Empty => {
                if let Some(portal) = self.backend.portals.get_mut(name) {
                    portal.state = PortalState::Bound;
                }
                self.put_empty()?;
                Ok(false)
            }
            Reply::Tag(tag) => {
                self.announce()?;
                self.put_tag(tag)?;
                Ok(false)
            }
            Reply::Rows(source, verb) => {
                self.announce()?;
                if let Some(portal) = self.backend.portals.get_mut(name) {
                    portal.state = PortalState::Rows(source, verb);
                }
                Ok(true)
            }
            Reply::Copy(copy, columns) => {
                self.announce()?;
                self.send_copy(copy, &columns).await?;
                Ok(false)
            }
        }
    }

    /// Execute of a portal that has given all its rows: none are left.
    fn finish_again(&mut self, name: &str) -> Result<(), Stop> {
        if self.backend.portal(name)?.columns.is_empty() {
            return Err(PgError::new("55000", format!("portal \"{name}\" cannot be run")).into());
        }
        self.put_tag(PortalState::tag("SELECT", 0))
    }

    fn close(&mut self, close: &Close) -> Result<(), Stop> {
        let name = close.name.as_deref().unwrap_or_default();
        match close.target_type {
            TARGET_TYPE_BYTE_STATEMENT => drop(self.backend.statements.remove(name)),
            _ => drop(self.backend.portals.remove(name)),
        }
        self.put(PgWireBackendMessage::CloseComplete(CloseComplete::new()))
    }

    fn statement_named(&self, name: &str) -> Result<Arc<PreparedStatement>, PgError> {
        let message = || match name {
            "" => "unnamed prepared statement does not exist".to_owned(),
            name => format!("prepared statement \"{name}\" does not exist"),
        };
        self.backend.statements.get(name).cloned().ok_or_else(|| PgError::new("26000", message()))
    }
}

/// The formats of `count` values from the codes of a Bind: none for all text, one for all, or one each.
fn formats(codes: &[i16], count: usize) -> Result<Vec<Format>, PgError> {
    let format = |code: &i16| match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(PgError::new("22023", format!("unsupported format code: {other}"))),
    };
    match codes {
        [] => Ok(vec![Format::Text; count]),
        [all] => Ok(vec![format(all)?; count]),
        each if each.len() == count => each.iter().map(format).collect(),
        each => {
            let message = format!("bind message has {} formats but {count} values", each.len());
            Err(PgError::new("08P01", message))
        }
    }
}

/// As [`formats`]; formats for a statement without rows are ignored, as drivers send them always.
fn formats_of_result(codes: &[i16], count: usize) -> Result<Vec<Format>, PgError> {
    if count == 0 { Ok(Vec::new()) } else { formats(codes, count) }
}
