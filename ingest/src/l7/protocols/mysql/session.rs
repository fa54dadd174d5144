//! What was asked and what came of it. Commands are answered in order; where an answer ends is seen by what is in it, so that
//! nothing need be known of what client and server have agreed on before the capture began.

use std::{collections::VecDeque, sync::Arc};

use super::{
    MysqlBuilder, MysqlRow,
    compressed::How,
    packets::{self, Ended, Failure, Login, NAME_BYTES, capability},
    sql::{self, Prepared, TARGET_BYTES},
};
use crate::{
    flow::{Pair, Way},
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
    phase: Phase,
    login: Login,
    server_version: Option<String>,
    /// The greeting, until a login is seen behind it.
    greeting: Option<Half>,
    asked: VecDeque<Asked>,
    answer: Answer,
    within: Within,
    /// The last packet of a direction goes on in the next.
    continued: Pair<bool>,
    statements: Prepared<u32>,
    /// Of the last statement that was prepared.
    last_statement: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Behind the server's greeting, until it lets the client in.
    Login,
    Encrypted,
    #[default]
    Commands,
    /// As commands, the first time.
    In,
}

/// Where in an answer the next packet is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// At its beginning, or that of another result.
    #[default]
    Start,
    /// So many columns are still to come.
    Columns(u64),
    /// Behind the last column.
    BehindColumns,
    Rows,
}

/// A command that waits.
#[derive(Debug)]
struct Asked {
    /// Its number; none for a login.
    command: Option<u8>,
    half: Half,
    query: Option<Arc<str>>,
    statement_id: Option<u32>,
    /// The database it asks for.
    database: Option<String>,
}

/// What has come of an answer.
#[derive(Debug, Default)]
struct Answer {
    half: Option<Half>,
    rows: Option<i64>,
    ended: Ended,
    failure: Option<Failure>,
}

/// Commands that are read apart from others.
const QUIT: u8 = 1;
const INIT_DB: u8 = 2;
const QUERY: u8 = 3;
const FIELD_LIST: u8 = 4;
const STATISTICS: u8 = 9;
const CHANGE_USER: u8 = 17;
const BINLOG_DUMP: u8 = 18;
const PREPARE: u8 = 22;
const EXECUTE: u8 = 23;
const SEND_LONG_DATA: u8 = 24;
const CLOSE: u8 = 25;
const RESET: u8 = 26;
const FETCH: u8 = 28;
const BINLOG_DUMP_GTID: u8 = 30;
const BULK_EXECUTE: u8 = 0xfa;

/// In place of a number: the statement that was prepared last (MariaDB).
const LAST_STATEMENT: u32 = u32::MAX;

impl Session {
    pub(super) fn encrypted(&self) -> bool {
        self.phase == Phase::Encrypted
    }

    /// How packets are compressed from now on; asked after each packet.
    pub(super) fn compressed(&mut self) -> Option<How> {
        if self.phase != Phase::In {
            return None;
        }
        self.phase = Phase::Commands;
        match self.login.capabilities {
            can if can & capability::COMPRESS != 0 => Some(How::Zlib),
            can if can & capability::ZSTD != 0 => Some(How::Zstd),
            _ => None,
        }
    }

    /// Whether a packet is a command, by its number and direction.
    pub(super) fn is_command(&self, way: Way, seq: u8) -> bool {
        seq == 0 && self.phase == Phase::Commands && self.client == Some(way)
    }

    /// Whether a packet only goes on with the one before, and whether the next one will with it.
    pub(super) fn continues(&mut self, way: Way, is_full: bool) -> bool {
        std::mem::replace(self.continued.of_mut(way), is_full)
    }

    /// A packet of the client.
    pub(super) fn ask(&mut self, seq: u8, payload: &[u8], message: &Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        match self.phase {
            Phase::Login if self.asked.is_empty() => self.log_in(half, payload, out),
            Phase::Commands if seq == 0 => self.command(half, payload, out),
            // What is asked for meanwhile: proof of a password, a local file.
            _ => {}
        }
    }

    fn log_in(&mut self, half: Half, payload: &[u8], out: &mut Out<'_>) {
        self.greeting = None;
        self.login = packets::login(payload).unwrap_or_default();
        let database = self.login.database.clone();
        let asked = Asked { command: None, half, query: None, statement_id: None, database };
        if self.login.user.is_none() && self.login.capabilities & capability::SSL != 0 {
            self.phase = Phase::Encrypted;
            return self.emit(Some(&asked), &Answer::default(), Whole::OneWay, out);
        }
        self.wait(asked, out);
    }

    fn command(&mut self, half: Half, payload: &[u8], out: &mut Out<'_>) {
        let mut body = Cursor::new(payload);
        let Some(command) = body.u8() else { return };
        let mut asked = Asked { command: Some(command), half, query: None, statement_id: None, database: None };
        match command {
            QUERY | PREPARE => {
                let statement = if command == QUERY {
                    packets::statement(body.rest())
                } else {
                    lossy(body.rest(), sql::STATEMENT_BYTES)
                };
                if command == QUERY && sql::verb(&statement).as_deref() == Some("USE") {
                    let name = statement.split_whitespace().nth(1).unwrap_or_default();
                    asked.database = Some(name.trim_matches(['`', ';', '"']).to_owned());
                }
                asked.query = Some(statement.into());
            }
            INIT_DB => asked.database = Some(lossy(body.rest(), NAME_BYTES)),
            CHANGE_USER => self.login.user = Some(lossy(body.until_zero(), NAME_BYTES)),
            EXECUTE | BULK_EXECUTE | SEND_LONG_DATA | CLOSE | RESET | FETCH => {
                let id = body.array().map(u32::from_le_bytes);
                let id = id.map(|id| if id == LAST_STATEMENT { self.last_statement } else { id });
                asked.statement_id = id;
                asked.query = id.and_then(|id| self.statements.get(&id));
            }
            _ => {}
        }
        if command == CLOSE
            && let Some(id) = asked.statement_id
        {
            self.statements.remove(&id);
        }
        // What a server does not answer.
        if matches!(command, QUIT | SEND_LONG_DATA | CLOSE) {
            self.emit(Some(&asked), &Answer::default(), Whole::OneWay, out);
        } else {
            self.wait(asked, out);
        }
    }

    fn wait(&mut self, asked: Asked, out: &mut Out<'_>) {
        self.asked.push_back(asked);
        if self.asked.len() > out.limits().pending_calls {
            out.count_dropped_call();
            let answer = std::mem::take(&mut self.answer);
            if let Some(asked) = self.asked.pop_front() {
                self.emit(Some(&asked), &answer, Whole::No(ErrorType::NoResponse), out);
            }
        }
    }

    /// A packet of the server.
    pub(super) fn answer(
        &mut self,
        seq: u8,
        payload: &[u8],
        continued: bool,
        message: &Message<'_>,
        out: &mut Out<'_>,
    ) {
        let half = Half { span: message.span, bytes: message.len };
        self.unanswered(out);
        if seq == 0
            && self.asked.is_empty()
            && let Some(version) = packets::greeting(payload)
        {
            (self.server_version, self.phase, self.greeting) = (Some(version), Phase::Login, Some(half));
            return;
        }
        let Some(asked) = self.asked.front() else {
            // An answer to what was not seen; of a result set there is no telling where it ends. An error may be all that a
            // server says.
            if matches!(payload, [0 | 0xff, ..]) && seq <= 1 {
                let failure = payload.strip_prefix(&[0xff]).and_then(packets::failure);
                let ended = payload.strip_prefix(&[0]).and_then(packets::ok).unwrap_or_default();
                let whole = if seq == 0 && failure.is_some() { Whole::OneWay } else { Whole::Yes };
                self.emit(None, &Answer { half: Some(half), rows: None, ended, failure }, whole, out);
            }
            return;
        };
        if self.within == Within::Start && self.answer.half.is_none() && seq > 1 && self.phase == Phase::Commands {
            // The rest of an answer that has been read, or was never asked for.
            return;
        }
        let command = asked.command;
        self.answer.half = Some(self.answer.half.map_or(half, |so_far| so_far.and(half)));
        if continued {
            return;
        }
        if let [0xff, body @ ..] = payload
            && let Some(failure) = packets::failure(body)
        {
            self.answer.failure = Some(failure);
            return self.settle(out);
        }
        match self.within {
            Within::Start => self.first(command, payload, out),
            Within::Columns(left) if left > 1 => self.within = Within::Columns(left - 1),
            Within::Columns(_) => self.within = Within::BehindColumns,
            Within::BehindColumns | Within::Rows => match packets::end_of_rows(payload) {
                Some(ended) if self.within == Within::BehindColumns && payload.len() == 5 && !ended.cursor => {
                    self.within = Within::Rows;
                }
                Some(ended) => self.ended(ended, out),
                None => {
                    self.within = Within::Rows;
                    self.answer.rows = Some(self.answer.rows.unwrap_or(0).saturating_add(1));
                }
            },
        }
    }

    /// A greeting without a login behind it becomes a row.
    fn unanswered(&mut self, out: &mut Out<'_>) {
        if let Some(half) = self.greeting.take() {
            self.emit(None, &Answer { half: Some(half), ..Answer::default() }, Whole::OneWay, out);
        }
    }

    /// The first packet of an answer, or of a result in it.
    fn first(&mut self, command: Option<u8>, payload: &[u8], out: &mut Out<'_>) {
        match (command, payload) {
            (None | Some(CHANGE_USER), [0, ..]) => self.settle(out),
            // Another way to authenticate, and what belongs to one.
            (None | Some(CHANGE_USER), [0xfe, plugin @ ..]) => {
                let plugin = Cursor::new(plugin).until_zero();
                if !plugin.is_empty() {
                    self.login.plugin = Some(lossy(plugin, NAME_BYTES));
                }
            }
            (None | Some(CHANGE_USER), _) => {}
            (Some(STATISTICS | BINLOG_DUMP | BINLOG_DUMP_GTID), _) => self.settle(out),
            (Some(PREPARE), [0, body @ ..]) => {
                let id = body.first_chunk().map(|id| u32::from_le_bytes(*id));
                if let (Some(id), Some(asked)) = (id, self.asked.front_mut()) {
                    asked.statement_id = Some(id);
                    self.last_statement = id;
                    if let Some(query) = asked.query.clone() {
                        self.statements.insert(id, query);
                    }
                }
                // What it says of parameters and columns comes behind, and is passed over.
                self.settle(out);
            }
            (Some(FIELD_LIST | FETCH), _) => {
                if let Some(ended) = packets::end_of_rows(payload) {
                    return self.ended(ended, out);
                }
                self.within = Within::Rows;
                self.answer.rows = Some(self.answer.rows.unwrap_or(0) + 1);
            }
            (_, [0, body @ ..]) => self.ended(packets::ok(body).unwrap_or_default(), out),
            (_, [0xfe, ..]) => self.ended(packets::end_of_rows(payload).unwrap_or_default(), out),
            // The server asks for a file.
            (_, [0xfb, ..] | []) => {}
            (_, payload) => {
                let mut cursor = Cursor::new(payload);
                let columns = packets::number(&mut cursor).unwrap_or(0);
                self.answer.rows = self.answer.rows.or(Some(0));
                // MariaDB leaves out columns that the client knows already.
                let known = cursor.rest() == [0];
                self.within = if known || columns == 0 { Within::BehindColumns } else { Within::Columns(columns) };
            }
        }
    }

    /// A result has ended.
    fn ended(&mut self, ended: Ended, out: &mut Out<'_>) {
        let before = self.answer.ended;
        let affected = match (before.affected_rows, ended.affected_rows) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.answer.ended = Ended { affected_rows: affected, insert_id: before.insert_id.or(ended.insert_id), ..ended };
        self.within = Within::Start;
        if !ended.more_results {
            self.settle(out);
        }
    }

    /// The first that waits is answered.
    fn settle(&mut self, out: &mut Out<'_>) {
        self.within = Within::Start;
        let answer = std::mem::take(&mut self.answer);
        let Some(asked) = self.asked.pop_front() else { return };
        self.emit(Some(&asked), &answer, Whole::Yes, out);
        if answer.failure.is_none() {
            if asked.command.is_none() {
                self.phase = Phase::In;
            }
            self.login.database = asked.database.or(self.login.database.take());
        }
    }

    fn emit(&self, asked: Option<&Asked>, answer: &Answer, whole: Whole, out: &mut Out<'_>) {
        let query = asked.and_then(|asked| asked.query.as_deref());
        let command = match asked.map(|asked| asked.command) {
            Some(Some(command)) => packets::command_name(command),
            Some(None) if self.phase == Phase::Encrypted => Some("SSLRequest"),
            Some(None) => Some("Login"),
            None => (whole == Whole::OneWay).then_some("greeting"),
        };
        let verb = query.and_then(sql::verb);
        let failure = answer.failure.as_ref();
        let code = failure.map(|failure| failure.code.to_string());
        let error_type = if let Whole::No(why) = whole { Some(why) } else { None };
        let asked_database = asked.and_then(|asked| asked.database.as_deref());
        let call = Call {
            app_proto: "mysql",
            client: self.client.unwrap_or(Way::Out),
            request: asked.map(|asked| asked.half),
            response: answer.half,
            method: verb.as_deref().or(command),
            target: query.map(|query| head(query, TARGET_BYTES)).or(asked_database),
            status: code.as_deref().or(answer.half.map(|_| "OK")),
            error_type,
        };
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let row = MysqlRow {
            command,
            query,
            statement_id: asked.and_then(|asked| asked.statement_id),
            database: self.login.database.as_deref(),
            user: self.login.user.as_deref(),
            auth: self.login.plugin.as_deref().filter(|_| command == Some("Login")),
            server_version: self.server_version.as_deref(),
            row_count: answer.rows,
            affected_rows: answer.ended.affected_rows.map(signed),
            insert_id: answer.ended.insert_id.map(signed),
            success: answer.half.filter(|_| error_type.is_none()).map(|_| failure.is_none()),
            error_code: failure.map(|failure| failure.code),
            error_state: failure.and_then(|failure| failure.state.as_deref()),
            error_message: failure.map(|failure| failure.message.as_str()),
        };
        if whole == Whole::OneWay {
            out.emit_one_way::<MysqlBuilder>(&call, row);
        } else {
            out.emit::<MysqlBuilder>(&call, row);
        }
    }

    /// Bytes of one direction are missing.
    pub(super) fn lost(&mut self, way: Way, out: &mut Out<'_>) {
        *self.continued.of_mut(way) = false;
        // Which answers are missing nobody knows: none of what waits can be told its own.
        if self.client == Some(way.back()) {
            self.end(Some(ErrorType::Gap), out);
        }
        if self.phase == Phase::Login {
            self.phase = Phase::In;
        }
    }

    /// Everything that waits becomes a row.
    pub(super) fn end(&mut self, why: Option<ErrorType>, out: &mut Out<'_>) {
        self.unanswered(out);
        let why = Whole::No(why.unwrap_or(ErrorType::NoResponse));
        let mut answer = std::mem::take(&mut self.answer);
        self.within = Within::Start;
        for asked in std::mem::take(&mut self.asked) {
            self.emit(Some(&asked), &std::mem::take(&mut answer), why, out);
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        let query = |asked: &Asked| asked.query.as_ref().map_or(0, |query| query.len());
        let asked: usize = self.asked.iter().map(|asked| size_of::<Asked>() + query(asked)).sum();
        asked + self.statements.size_bytes()
    }
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
