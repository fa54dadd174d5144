//! Redis (RESP2 and RESP3): commands, inline ones too, and their replies in order; what subscribers are sent.

use wiretape_engine::column::{Symbol, Text, TextList};

use crate::{
    flow::{Pair, Way},
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::{Chunk, Dissector, End, Gap},
        inbox::Inbox,
        out::Out,
        protocol::{Hint, Over, Protocol},
        stamp::Span,
        text::lossy,
        waiting::Waiting,
    },
};

mod command;
mod value;

use command::{Command, names_channels};
use value::{Part, Parts, Scan, Scanned, Value, shown, type_name};

call_table! {
    /// One row per Redis command with its reply, and per message that a subscriber is sent. method is the command's verb, target
    /// its key or channel, status OK or the first word of the error. Texts are cut at 64 KiB.
    pub static REDIS: "redis", row RedisRow, builder RedisBuilder {
        /// The whole command line, words separated by a space, at most 4 KiB.
        command: Option<Text>,
        /// The first key of the command; NULL for commands without.
        key: Option<Text>,
        /// What follows the verb, at most 255 words.
        arguments: Option<TextList>,
        /// Type of the reply: simple_string, error, integer, bulk_string, array, null, map, set, push, ….
        reply_type: Option<Symbol>,
        /// The reply: of a single value its text, otherwise JSON; NULL for null.
        reply: Option<Text>,
        /// First word of an error: ERR, WRONGTYPE, MOVED, …; NULL for other replies.
        error: Option<Symbol>,
    }
    entry "call" {
        "redis" = "true",
        "redis_type" = "method",
        "redis_command" = "command",
        "redis_key" = r#""key""#,
        "redis_request_size" = "request_bytes",
        "redis_response_size" = "response_bytes",
        "redis_total_size" = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)",
    }
}

/// Bytes of a command line that are shown; the arguments are there in full.
const COMMAND_BYTES: usize = 4 << 10;

/// Bytes of a key: more than any sensible one has.
const KEY_BYTES: usize = 1 << 10;

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "redis",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Redis::default())),
    tables: &[(&REDIS, || Box::new(RedisBuilder::default()))],
};

/// An array of strings, the form of every command; or a reply, or the shortest command, between known ports.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let is_command = p.strip_prefix(b"*").and_then(counted).is_some_and(|rest| {
        matches!(rest, [] | [b'$'])
            || rest.strip_prefix(b"$").is_some_and(|rest| {
                rest.first().is_some_and(u8::is_ascii_digit)
                    && counted(rest).is_none_or(|word| word.first().is_none_or(u8::is_ascii_graphic))
            })
    });
    let is_line = p.contains(&b'\r') && (begins(p) || p.eq_ignore_ascii_case(b"PING\r\n"));
    is_command || hint.port(6379) && is_line
}

/// What follows a count and its line break.
fn counted(p: &[u8]) -> Option<&[u8]> {
    let digits = p.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = if (1..=6).contains(&digits) { p.get(digits..) } else { None };
    rest?.strip_prefix(b"\r\n")
}

/// One connection.
#[derive(Debug, Default)]
struct Redis {
    sides: Pair<Side>,
    /// Which way commands go; unknown until a message says.
    client: Option<Way>,
    waiting: Waiting<(), Asked>,
    /// The client has subscribed: arrays may be messages.
    subscribed: bool,
    /// Lines come unasked for (MONITOR).
    monitored: bool,
    /// Replies that the client does not want (CLIENT REPLY).
    unanswered: Unanswered,
    /// The server sends a copy of its data and then its own commands (PSYNC): that is not read.
    replica: bool,
}

#[derive(Debug, Default)]
struct Side {
    scan: Scan,
    /// What came since bytes are missing or not understood: it may begin in the middle of a value.
    lost: Option<Inbox>,
}

/// Which commands get no reply.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Unanswered {
    #[default]
    None,
    Next,
    All,
}

/// A command that waits.
#[derive(Debug)]
struct Asked {
    half: Half,
    /// As it was sent.
    kept: Vec<u8>,
    /// Replies to come: of a subscription one for each channel.
    replies: usize,
    /// Its replies so far.
    answered: Option<Half>,
}

impl Redis {
    fn message(&mut self, way: Way, value: Value, out: &mut Out<'_>) {
        let is_reply = !matches!(value.kept.first(), Some(b'*' | b'a'..=b'z' | b'A'..=b'Z'));
        let command = Command::of(&value.kept);
        let client = match self.client {
            // What only a server says corrects what was thought.
            Some(client) if client == way && is_reply => {
                self.end(None, out);
                way.back()
            }
            Some(client) => client,
            // An array of words may be either: then the one who began the flow asks.
            None if is_reply || command.is_none() => way.back(),
            None if value.kept.first() == Some(&b'*') => Way::Out,
            None => way,
        };
        self.client = Some(client);
        if client == way { self.ask(&value, command.is_some(), out) } else { self.answer(value, out) }
    }

    fn ask(&mut self, value: &Value, is_command: bool, out: &mut Out<'_>) {
        let half = Half { span: value.span, bytes: value.len };
        let command = Command::of(&value.kept);
        let verb = command.as_ref().map_or("", |c| c.verb.as_str());
        let argument = |at: usize, word: &str| {
            let found = command.as_ref().and_then(|c| c.arguments.get(at));
            found.is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
        };
        let mut asked = Asked { half, kept: value.kept.clone(), replies: 1, answered: None };
        let is_reply_mode = verb == "CLIENT" && argument(0, "REPLY");
        let mode = match self.unanswered {
            _ if is_reply_mode && argument(1, "ON") => Unanswered::None,
            _ if is_reply_mode && argument(1, "OFF") => Unanswered::All,
            _ if is_reply_mode && argument(1, "SKIP") => Unanswered::Next,
            Unanswered::Next => Unanswered::None,
            mode => mode,
        };
        let silent = self.unanswered != Unanswered::None && mode != Unanswered::None || mode != self.unanswered;
        let silent = silent && !(is_reply_mode && mode == Unanswered::None);
        self.unanswered = mode;
        if verb.ends_with("SUBSCRIBE") {
            self.subscribed = true;
            asked.replies = command.as_ref().map_or(1, |c| c.arguments.len().max(1));
        }
        match verb {
            "MONITOR" => self.monitored = true,
            "PSYNC" | "SYNC" => self.replica = true,
            _ => {}
        }
        if silent {
            self.emit(Some(&asked), None, Whole::OneWay, out);
        } else if !is_command {
            // An empty array or line asks nothing; anything else is no command.
            if value.kept.first() == Some(&b'*') && value.len > 4 {
                self.wait(asked, out);
            }
        } else {
            self.wait(asked, out);
        }
    }

    fn wait(&mut self, asked: Asked, out: &mut Out<'_>) {
        if let Some(given_up) = self.waiting.ask((), asked, out.limits().pending_calls) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, Whole::Yes, out);
        }
    }

    fn answer(&mut self, value: Value, out: &mut Out<'_>) {
        let half = Half { span: value.span, bytes: value.len };
        let pushed = self.pushed(&value.kept);
        if let Some(kind) = pushed.as_deref()
            && kind.ends_with("SUBSCRIBE")
            && let Some(asked) = self.waiting.find(&())
            && Command::of(&asked.kept).is_some_and(|c| c.verb == kind)
        {
            let answered = asked.answered.map_or(half, |so_far| so_far.and(half));
            asked.answered = Some(answered);
            asked.replies = asked.replies.saturating_sub(1);
            if asked.replies == 0 {
                let asked = self.waiting.take();
                self.emit(asked.as_ref(), Some((answered, &value.kept)), Whole::Yes, out);
            }
            return;
        }
        let unasked = pushed.is_some() || self.monitored && self.waiting.is_empty();
        if unasked {
            self.emit(None, Some((half, &value.kept)), Whole::OneWay, out);
        } else {
            let asked = self.waiting.take();
            self.emit(asked.as_ref(), Some((half, &value.kept)), Whole::Yes, out);
        }
    }

    /// What kind of message a subscriber is sent here, upper-case, if it is one.
    fn pushed(&self, kept: &[u8]) -> Option<String> {
        let mut parts = Parts::of(kept);
        let Some(Part::Many(kind @ (b'>' | b'*'), _)) = parts.next() else { return None };
        let Some(Part::One(b'$' | b'+', word)) = parts.next() else { return None };
        let may_be = kind == b'>' || self.subscribed || self.waiting.is_empty();
        let is_known = || {
            let words = ["message", "pmessage", "smessage"];
            words.iter().any(|known| known.as_bytes() == word) || word.ends_with(b"subscribe")
        };
        (may_be && (kind == b'>' || is_known())).then(|| lossy(word, KEY_BYTES).to_ascii_uppercase())
    }

    fn emit(&self, asked: Option<&Asked>, answer: Option<(Half, &Vec<u8>)>, whole: Whole, out: &mut Out<'_>) {
        let limit = out.limits().body_bytes;
        let command = asked.and_then(|asked| Command::of(&asked.kept));
        let unread = asked.is_some() && command.is_none();
        let reply = answer.map(|(_, kept)| kept.as_slice());
        let part = reply.and_then(|kept| Parts::of(kept).next());
        let error = match part {
            Some(Part::One(b'-' | b'!', line)) => {
                line.split(u8::is_ascii_whitespace).next().map(|w| lossy(w, KEY_BYTES))
            }
            _ => None,
        };
        let channel = |kept: &[u8]| match Parts::of(kept).nth(2) {
            Some(Part::One(_, channel)) => Some(lossy(channel, KEY_BYTES)),
            _ => None,
        };
        let pushed = if asked.is_none() { reply.and_then(|kept| self.pushed(kept)) } else { None };
        let arguments = command.as_ref().map(|c| words(&c.arguments, limit));
        let key = command.as_ref().and_then(Command::key).map(|key| lossy(key, KEY_BYTES));
        let asked_channel = command.as_ref().filter(|c| names_channels(&c.verb)).and_then(|c| c.arguments.first());
        let channel = match asked_channel {
            Some(channel) => Some(lossy(channel, KEY_BYTES)),
            None => reply.filter(|_| pushed.is_some()).and_then(channel),
        };
        let call = Call {
            app_proto: "redis",
            client: self.client.unwrap_or(Way::Out),
            request: asked.map(|asked| asked.half),
            response: answer.map(|(half, _)| half),
            method: command.as_ref().map(|c| c.verb.as_str()).or(pushed.as_deref()),
            target: key.as_deref().or(channel.as_deref()),
            status: part.map(|_| error.as_deref().unwrap_or("OK")),
            error_type: whole.error_type().or(unread.then_some(ErrorType::Malformed)),
        };
        let line = command.as_ref().map(|c| line(&c.verb, &c.arguments));
        let refs = arguments.as_ref().map(|words| words.iter().map(String::as_str).collect::<Vec<_>>());
        let shown = reply.and_then(|kept| shown(kept, limit));
        let row = RedisRow {
            command: line.as_deref(),
            key: key.as_deref(),
            arguments: refs.as_deref(),
            reply_type: part.map(type_name),
            reply: shown.as_deref(),
            error: error.as_deref(),
        };
        if whole == Whole::OneWay {
            out.emit_one_way::<RedisBuilder>(&call, row)
        } else {
            out.emit::<RedisBuilder>(&call, row)
        }
    }

    /// Everything that waits becomes a row.
    fn end(&mut self, why: Option<ErrorType>, out: &mut Out<'_>) {
        while let Some(asked) = self.waiting.take() {
            let answer = asked.answered.map(|half| (half, Vec::new()));
            self.emit(Some(&asked), answer.as_ref().map(|(half, kept)| (*half, kept)), Whole::of(why), out);
        }
    }

    fn read(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        let mut bytes = chunk.bytes;
        while !bytes.is_empty() {
            let side = self.sides.of_mut(chunk.way);
            // Empty lines between commands are allowed, and say nothing.
            if side.scan.is_empty()
                && let [b'\r' | b'\n', rest @ ..] = bytes
            {
                bytes = rest;
                continue;
            }
            match side.scan.push(chunk.at, bytes) {
                Scanned::More => return,
                Scanned::Whole(read, value) => {
                    bytes = bytes.get(read..).unwrap_or_default();
                    self.message(chunk.way, value, out);
                }
                Scanned::Garbage => {
                    self.lost(chunk.way, out);
                    // The server says what it thinks of that.
                    if self.client == Some(chunk.way) {
                        let half = Half { span: Span::at(chunk.at), bytes: bytes.len() as u64 };
                        self.wait(Asked { half, kept: Vec::new(), replies: 1, answered: None }, out);
                    }
                    return;
                }
            }
        }
    }

    /// What comes next this way may begin in the middle.
    fn lost(&mut self, way: Way, out: &mut Out<'_>) {
        let side = self.sides.of_mut(way);
        side.scan.reset();
        side.lost = Some(Inbox::default());
        // Which replies are missing nobody knows: none of what waits can be told its own.
        if self.client == Some(way.back()) {
            self.end(Some(ErrorType::Gap), out);
        }
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

impl Whole {
    fn of(why: Option<ErrorType>) -> Whole {
        why.map_or(Whole::Yes, Whole::No)
    }

    fn error_type(self) -> Option<ErrorType> {
        match self {
            Whole::No(why) => Some(why),
            _ => None,
        }
    }
}

/// The words as texts, at most `limit` bytes of all.
fn words(words: &[&[u8]], limit: usize) -> Vec<String> {
    let mut room = limit;
    let texts = words.iter().map(|word| {
        let word = lossy(word, room);
        room = room.saturating_sub(word.len());
        word
    });
    texts.collect()
}

fn line(verb: &str, arguments: &[&[u8]]) -> String {
    let mut line = verb.to_owned();
    for word in arguments {
        if line.len() >= COMMAND_BYTES {
            break;
        }
        line.push(' ');
        line.push_str(&lossy(word, COMMAND_BYTES.saturating_sub(line.len())));
    }
    line
}

/// Whether a value may begin here.
fn begins(p: &[u8]) -> bool {
    let Some((kind, rest)) = p.split_first() else { return false };
    let end = rest.iter().take(64).position(|byte| *byte == b'\r');
    let line = rest.get(..end.unwrap_or(rest.len().min(64))).unwrap_or_default();
    match kind {
        b'*' | b'$' | b'%' | b'~' | b'>' | b':' | b'=' | b'!' => {
            let digits = line.strip_prefix(b"-").unwrap_or(line);
            end.is_some() && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
        b'+' | b'-' => !line.is_empty() && line.iter().all(|byte| (b' '..=b'~').contains(byte)),
        b'_' => end == Some(0),
        b'#' => matches!(line, b"t" | b"f"),
        _ => false,
    }
}

impl Dissector for Redis {
    fn data(&mut self, chunk: Chunk<'_>, out: &mut Out<'_>) {
        if self.replica {
            return;
        }
        let side = self.sides.of_mut(chunk.way);
        let Some(lost) = &mut side.lost else { return self.read(chunk, out) };
        if lost.search(chunk.at, chunk.bytes, begins)
            && let Some(found) = side.lost.take()
        {
            found.packets().for_each(|(at, bytes)| self.data(Chunk { at, bytes, ..chunk }, out));
        }
    }

    fn gap(&mut self, gap: Gap, out: &mut Out<'_>) {
        if !self.sides.of_mut(gap.way).scan.pass(gap.bytes) {
            self.lost(gap.way, out);
        }
    }

    fn end(&mut self, end: End, out: &mut Out<'_>) {
        self.end((end == End::Reset).then_some(ErrorType::Reset), out);
        self.sides = Pair::default();
    }

    fn size_bytes(&self) -> usize {
        let waiting = self.waiting.size_bytes(|asked| asked.kept.capacity());
        let side = |side: &Side| side.scan.size_bytes() + side.lost.as_ref().map_or(0, Inbox::size_bytes);
        waiting + side(&self.sides.out) + side(&self.sides.back)
    }
}

#[cfg(test)]
mod tests;
