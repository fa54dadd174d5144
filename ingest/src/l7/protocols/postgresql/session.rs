//! What was asked and what came of it. Everything is answered in order; messages of the extended protocol that only prepare an
//! execution are part of its row.

use std::{collections::VecDeque, sync::Arc};

use super::{
    PostgresqlBuilder, PostgresqlRow,
    sql::{self, Prepared, STATEMENT_BYTES, TARGET_BYTES},
    wire::{self, Failure, First, NAME_BYTES, Startup},
};
use crate::{
    flow::Way,
    l7::{
        call::{Call, ErrorType, Half},
        cursor::Cursor,
        framed::Message,
        out::Out,
        text::{head, lossy},
    },
};

/// One connection: who speaks, and what waits.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) client: Option<Way>,
    startup: Startup,
    server_version: Option<String>,
    backend_pid: Option<u32>,
    asked: VecDeque<Asked>,
    /// What was sent since the last execution and leads up to the next.
    lead: Option<Half>,
    /// What has come so far of the answer to the first that waits.
    answer: Answer,
    statements: Prepared<String>,
    portals: Prepared<String>,
}

/// A message that is answered.
#[derive(Debug)]
struct Asked {
    kind: Kind,
    half: Half,
    query: Option<Arc<str>>,
    statement: Option<String>,
    /// It becomes a row even if all goes well.
    shown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Startup,
    Ssl,
    Gss,
    Cancel,
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Function,
    Sync,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Startup => "Startup",
            Kind::Ssl => "SSLRequest",
            Kind::Gss => "GSSENCRequest",
            Kind::Cancel => "CancelRequest",
            Kind::Query => "Query",
            Kind::Parse => "Parse",
            Kind::Bind => "Bind",
            Kind::Describe => "Describe",
            Kind::Execute => "Execute",
            Kind::Close => "Close",
            Kind::Function => "FunctionCall",
            Kind::Sync => "Sync",
        }
    }

    /// Whether ReadyForQuery is the end of its answer.
    fn ends_turn(self) -> bool {
        matches!(self, Kind::Startup | Kind::Query | Kind::Function | Kind::Sync)
    }
}

/// What has come of an answer.
#[derive(Debug, Default)]
struct Answer {
    half: Option<Half>,
    auth: Option<String>,
    tag: Option<String>,
    rows: Option<i64>,
    copy_bytes: Option<i64>,
    failure: Option<Failure>,
}

/// Whether a row is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// If both halves are there.
    Yes,
    /// Without a second half.
    OneWay,
    /// No, for this reason.
    No(ErrorType),
}

fn half_of(message: &Message<'_>) -> Half {
    Half { span: message.span, bytes: message.len }
}

impl Session {
    /// Whether the next byte of the server says if it will encrypt.
    pub(super) fn awaits_encryption(&self) -> bool {
        self.asked.front().is_some_and(|asked| matches!(asked.kind, Kind::Ssl | Kind::Gss))
    }

    /// The server says whether it will encrypt. Returns whether it will.
    pub(super) fn encryption(&mut self, answer: u8, message: &Message<'_>, out: &mut Out<'_>) -> bool {
        self.answer =
            Answer { half: Some(half_of(message)), tag: Some(char::from(answer).to_string()), ..Answer::default() };
        self.settle(out);
        answer != b'N'
    }

    /// The first message of a client.
    pub(super) fn begin(&mut self, first: First, body: &[u8], message: &Message<'_>, out: &mut Out<'_>) {
        let kind = match first {
            First::Startup => {
                self.startup = wire::startup(body);
                Kind::Startup
            }
            First::Ssl => Kind::Ssl,
            First::Gss => Kind::Gss,
            First::Cancel => Kind::Cancel,
        };
        let asked = Asked { kind, half: half_of(message), query: None, statement: None, shown: true };
        if kind == Kind::Cancel {
            self.backend_pid = body.first_chunk().map(|pid| u32::from_be_bytes(*pid));
            return self.emit(Some(&asked), Answer::default(), Whole::OneWay, out);
        }
        self.wait(asked, out);
    }

    /// A message of the client.
    pub(super) fn ask(&mut self, kind: u8, mut body: Cursor<'_>, message: &Message<'_>, out: &mut Out<'_>) {
        let mut half = half_of(message);
        let name = |bytes: &[u8]| lossy(bytes, NAME_BYTES);
        let (kind, query, statement) = match kind {
            b'Q' => (Kind::Query, Some(Arc::from(lossy(body.until_zero(), STATEMENT_BYTES))), None),
            b'P' => {
                let statement = name(body.until_zero());
                let query: Arc<str> = lossy(body.until_zero(), STATEMENT_BYTES).into();
                self.statements.insert(statement.clone(), Arc::clone(&query));
                (Kind::Parse, Some(query), Some(statement))
            }
            b'B' => {
                let (portal, statement) = (name(body.until_zero()), name(body.until_zero()));
                let query = self.statements.get(&statement);
                self.portals.remove(&portal);
                if let Some(query) = &query {
                    self.portals.insert(portal, Arc::clone(query));
                }
                // What prepares an execution is part of it.
                let turn = self.asked.iter_mut().rev().take_while(|asked| !asked.kind.ends_turn());
                let mut parses =
                    turn.filter(|asked| asked.kind == Kind::Parse && asked.statement.as_ref() == Some(&statement));
                if let Some(parse) = parses.next().filter(|_| self.lead.is_some()) {
                    parse.shown = false;
                }
                (Kind::Bind, query, Some(statement))
            }
            b'D' | b'C' => {
                let is_statement = body.u8() == Some(b'S');
                let of = name(body.until_zero());
                let query = if is_statement { self.statements.get(&of) } else { self.portals.get(&of) };
                let kind = if kind == b'D' { Kind::Describe } else { Kind::Close };
                match (kind, is_statement) {
                    (Kind::Close, true) => self.statements.remove(&of),
                    (Kind::Close, false) => self.portals.remove(&of),
                    _ => {}
                }
                (kind, query, is_statement.then_some(of))
            }
            b'E' => {
                let portal = name(body.until_zero());
                let bound = self.asked.iter().rev().find(|asked| asked.kind == Kind::Bind);
                let statement = bound.and_then(|bind| bind.statement.clone());
                (Kind::Execute, self.portals.get(&portal), statement)
            }
            b'F' => (Kind::Function, None, None),
            b'S' => (Kind::Sync, None, None),
            // Flush: what was prepared stands for itself.
            b'H' => return self.lead = None,
            b'd' => return self.copied(message),
            _ => return,
        };
        match kind {
            Kind::Parse | Kind::Bind | Kind::Describe => {
                self.lead = Some(self.lead.map_or(half, |lead| lead.and(half)));
            }
            Kind::Execute => half = self.lead.take().map_or(half, |lead| lead.and(half)),
            _ => self.lead = None,
        }
        let shown = matches!(kind, Kind::Query | Kind::Parse | Kind::Execute | Kind::Function);
        self.wait(Asked { kind, half, query, statement, shown }, out);
    }

    fn wait(&mut self, asked: Asked, out: &mut Out<'_>) {
        self.asked.push_back(asked);
        if self.asked.len() > out.limits().pending_calls {
            out.count_dropped_call();
            let given_up = self.asked.pop_front();
            let answer = std::mem::take(&mut self.answer);
            if let Some(asked) = given_up.filter(|asked| asked.shown) {
                self.emit(Some(&asked), answer, Whole::No(ErrorType::NoResponse), out);
            }
        }
    }

    /// A message of the server.
    pub(super) fn answer(&mut self, kind: u8, mut body: Cursor<'_>, message: &Message<'_>, out: &mut Out<'_>) {
        let half = half_of(message);
        if kind == b'A' {
            return self.notification(body, half, out);
        }
        self.answer.half = Some(self.answer.half.map_or(half, |so_far| so_far.and(half)));
        let front = self.asked.front().map(|asked| asked.kind);
        match kind {
            b'R' => self.answer.auth = self.answer.auth.take().or_else(|| wire::authentication(body.rest())),
            b'K' => self.backend_pid = body.array().map(u32::from_be_bytes),
            b'S' if body.until_zero() == b"server_version" => {
                self.server_version = Some(lossy(body.until_zero(), NAME_BYTES));
            }
            b'1' => self.settle_kind(Kind::Parse, out),
            b'2' => self.settle_kind(Kind::Bind, out),
            b'3' => self.settle_kind(Kind::Close, out),
            b'T' | b'n' if front == Some(Kind::Describe) => self.settle(out),
            b's' => self.settle_kind(Kind::Execute, out),
            b'd' => self.copied(message),
            b'C' | b'I' => {
                let tag = lossy(body.until_zero(), NAME_BYTES);
                if let Some(rows) = wire::rows_of(&tag) {
                    self.answer.rows = Some(self.answer.rows.unwrap_or(0).saturating_add(rows));
                }
                self.answer.tag = Some(tag);
                match front {
                    None | Some(Kind::Sync) => self.unasked(Whole::Yes, out),
                    Some(Kind::Query) => {}
                    _ => self.settle_kind(Kind::Execute, out),
                }
            }
            b'E' => {
                let failure = wire::failure(body.rest());
                let is_last = failure.severity == "FATAL" || failure.severity == "PANIC";
                self.answer.failure = Some(failure);
                match front {
                    // The server goes, whatever was asked.
                    None | Some(Kind::Sync) => self.unasked(if is_last { Whole::OneWay } else { Whole::Yes }, out),
                    Some(Kind::Query | Kind::Function) if !is_last => {}
                    Some(_) => self.settle_any(out),
                }
            }
            b'Z' => self.turn_ended(out),
            _ => {}
        }
    }

    /// Data of a COPY, either way.
    fn copied(&mut self, message: &Message<'_>) {
        let bytes = i64::try_from(message.len.saturating_sub(5)).unwrap_or(i64::MAX);
        self.answer.copy_bytes = Some(self.answer.copy_bytes.unwrap_or(0).saturating_add(bytes));
    }

    /// The first that waits is answered.
    fn settle(&mut self, out: &mut Out<'_>) {
        let Some(asked) = self.asked.pop_front() else { return };
        if asked.shown {
            let answer = std::mem::take(&mut self.answer);
            self.emit(Some(&asked), answer, Whole::Yes, out);
        }
    }

    /// … and becomes a row, whatever it is.
    fn settle_any(&mut self, out: &mut Out<'_>) {
        if let Some(asked) = self.asked.front_mut() {
            asked.shown = true;
        }
        self.settle(out);
    }

    /// The first of this kind is answered; what should have been before is not.
    fn settle_kind(&mut self, kind: Kind, out: &mut Out<'_>) {
        let mut turn = self.asked.iter().take_while(|asked| !asked.kind.ends_turn());
        let Some(at) = turn.position(|asked| asked.kind == kind) else { return };
        let passed: Vec<Asked> = self.asked.drain(..at).collect();
        for asked in passed.iter().filter(|asked| asked.shown) {
            self.emit(Some(asked), Answer::default(), Whole::No(ErrorType::Gap), out);
        }
        self.settle(out);
    }

    /// The server is ready for what comes next: everything up to the end of the turn has its answer, or will have none.
    fn turn_ended(&mut self, out: &mut Out<'_>) {
        while let Some(asked) = self.asked.pop_front() {
            let is_last = asked.kind.ends_turn();
            if asked.shown {
                // Behind an error the rest of a turn is passed over.
                let answer = if is_last { std::mem::take(&mut self.answer) } else { Answer::default() };
                self.emit(Some(&asked), answer, Whole::Yes, out);
            }
            if is_last {
                break;
            }
        }
        self.answer = Answer::default();
    }

    fn unasked(&mut self, whole: Whole, out: &mut Out<'_>) {
        let answer = std::mem::take(&mut self.answer);
        self.emit(None, answer, whole, out);
    }

    fn notification(&mut self, mut body: Cursor<'_>, half: Half, out: &mut Out<'_>) {
        body.array::<4>();
        let (channel, payload) =
            (lossy(body.until_zero(), NAME_BYTES), lossy(body.until_zero(), out.limits().body_bytes));
        let call = Call {
            app_proto: "postgresql",
            client: self.client.unwrap_or(Way::Out),
            request: None,
            response: Some(half),
            method: Some("Notification"),
            target: Some(&channel),
            status: None,
            error_type: None,
        };
        let row = PostgresqlRow { command: Some("Notification"), payload: Some(&payload), ..self.row() };
        out.emit_one_way::<PostgresqlBuilder>(&call, row);
    }

    /// What every row says of the session.
    fn row(&self) -> PostgresqlRow<'_> {
        PostgresqlRow {
            command: None,
            query: None,
            statement: None,
            database: self.startup.database.as_deref(),
            user: self.startup.user.as_deref(),
            application_name: self.startup.application_name.as_deref(),
            auth: None,
            server_version: self.server_version.as_deref(),
            backend_pid: self.backend_pid,
            tag: None,
            row_count: None,
            copy_bytes: None,
            success: None,
            error_code: None,
            error_severity: None,
            error_message: None,
            payload: None,
        }
    }

    fn emit(&self, asked: Option<&Asked>, answer: Answer, whole: Whole, out: &mut Out<'_>) {
        let query = asked.and_then(|asked| asked.query.as_deref());
        let command = asked.map(|asked| asked.kind.name());
        let verb = query.and_then(sql::verb);
        let of_startup = self.startup.database.as_deref().filter(|_| command == Some(Kind::Startup.name()));
        let failure = answer.failure.as_ref();
        let is_encryption = asked.is_some_and(|asked| matches!(asked.kind, Kind::Ssl | Kind::Gss));
        let status = match failure {
            Some(failure) => Some(failure.code.as_str()),
            None if is_encryption => answer.tag.as_deref(),
            None => answer.half.map(|_| "OK"),
        };
        let error_type = if let Whole::No(why) = whole { Some(why) } else { None };
        let call = Call {
            app_proto: "postgresql",
            client: self.client.unwrap_or(Way::Out),
            request: asked.map(|asked| asked.half),
            response: answer.half,
            method: verb.as_deref().or(command),
            target: query.map(|query| head(query, TARGET_BYTES)).or(of_startup),
            status,
            error_type,
        };
        let row = PostgresqlRow {
            command,
            query,
            statement: asked.and_then(|asked| asked.statement.as_deref()),
            auth: answer.auth.as_deref(),
            tag: answer.tag.as_deref().filter(|_| !is_encryption),
            row_count: answer.rows,
            copy_bytes: answer.copy_bytes,
            success: answer.half.filter(|_| error_type.is_none()).map(|_| failure.is_none()),
            error_code: failure.map(|failure| failure.code.as_str()),
            error_severity: failure.map(|failure| failure.severity.as_str()),
            error_message: failure.map(|failure| failure.message.as_str()),
            ..self.row()
        };
        if whole == Whole::OneWay {
            out.emit_one_way::<PostgresqlBuilder>(&call, row);
        } else {
            out.emit::<PostgresqlBuilder>(&call, row);
        }
    }

    /// Bytes of one direction are missing.
    pub(super) fn lost(&mut self, from_client: Option<bool>, out: &mut Out<'_>) {
        self.lead = None;
        // Which answers are missing nobody knows: none of what waits can be told its own.
        if from_client == Some(false) {
            self.end(Some(ErrorType::Gap), out);
        }
    }

    /// Everything that waits becomes a row.
    pub(super) fn end(&mut self, why: Option<ErrorType>, out: &mut Out<'_>) {
        let why = Whole::No(why.unwrap_or(ErrorType::NoResponse));
        let mut answer = std::mem::take(&mut self.answer);
        for asked in std::mem::take(&mut self.asked) {
            if asked.shown {
                self.emit(Some(&asked), std::mem::take(&mut answer), why, out);
            }
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        let query = |asked: &Asked| asked.query.as_ref().map_or(0, |query| query.len());
        let asked: usize = self.asked.iter().map(|asked| size_of::<Asked>() + query(asked)).sum();
        asked + self.statements.size_bytes() + self.portals.size_bytes()
    }
}
