//! SMTP (RFC 5321) over TCP: commands and their replies in order, with pipelining (RFC 2920), chunks (RFC 3030), authentication
//! (RFC 4954) and STARTTLS (RFC 3207), after which another protocol is looked for in the flow.

use wiretape_engine::column::{I64, Symbol, Text, TextList, U16};

use super::replies::{self, Reply};
use crate::{
    flow::Way,
    l7::{
        call::{Call, CallColumns, CallRow, ErrorType, Half, call_table},
        dissector::End,
        framed::{Frame, Framed, Message, Messages},
        out::Out,
        protocol::{Hint, Over, Protocol},
        recognising::Recognising,
        stamp::Stamp,
        text,
        waiting::Waiting,
    },
};

#[cfg(test)]
mod tests;

call_table! {
    /// One row per SMTP command with its reply. method is the command, target its argument (of DATA the subject), status the reply code.
    pub static SMTP: "smtp", row SmtpRow, builder SmtpBuilder {
        /// Argument of the command; of AUTH the mechanism only.
        argument: Option<Text>,
        /// Reply code; of DATA the one after the message. NULL without a reply.
        reply_code: Option<U16> [row_index()],
        /// Text of the reply, line by line.
        reply_text: Option<Text>,
        /// Name by which the client has greeted (EHLO, HELO).
        hello: Option<Symbol>,
        /// Sender of the message under way.
        mail_from: Option<Text>,
        /// Its recipients so far, at most 100.
        rcpt_to: Option<TextList>,
        /// Subject of the message of a DATA, as written (RFC 2047 words are not decoded).
        subject: Option<Text>,
        /// Bytes of the message of a DATA or BDAT.
        data_bytes: Option<I64>,
    }
    entry "call" { "smtp" = "true" }
}

/// Bytes of a command, a reply or a line of a message that are read. RFC 5321 section 4.5.3.1 allows 512 and 1000; extensions and
/// long replies more.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Recipients kept of a message: what every server must take (RFC 5321 section 4.5.3.1.8).
const MAX_RECIPIENTS: usize = 100;

/// Bytes of an argument or a subject kept.
const MAX_TEXT_BYTES: usize = 1000;

/// Over TCP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "smtp",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Smtp::default()))),
    tables: &[(&SMTP, || Box::new(SmtpBuilder::default()))],
};

/// A greeting that says SMTP, or a client's own.
fn probe(_: &Hint, p: &[u8]) -> bool {
    let banner = p.starts_with(b"220 ") || p.starts_with(b"220-");
    let says = |word: &[u8]| p.get(..512).unwrap_or(p).windows(word.len()).any(|window| window == word);
    banner && says(b"SMTP") || (p.starts_with(b"EHLO ") || p.starts_with(b"HELO ")) && p.ends_with(b"\r\n")
}

/// Commands (IANA SMTP service extensions). What else a client says is not shown: it may be a password.
const COMMANDS: [&str; 18] = [
    "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "AUTH",
    "STARTTLS", "ETRN", "TURN", "XCLIENT",
];

/// A connection.
#[derive(Debug, Default)]
struct Smtp {
    client: Option<Way>,
    mode: Mode,
    waiting: Waiting<(), Asked>,
    /// The DATA command whose message is under way.
    data: Option<Command>,
    in_headers: bool,
    hello: Option<String>,
    mail_from: Option<String>,
    rcpt_to: Vec<String>,
}

/// What the client's bytes are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    #[default]
    Commands,
    /// Lines of a message, up to one with a point alone.
    Data,
    /// So many bytes of a message.
    Chunk(u64),
    /// The answer to a server's challenge.
    Secret,
}

/// What a reply is to.
#[derive(Debug)]
enum Asked {
    Command(Command),
    /// The leave to send a message.
    Go,
    /// A message.
    Message(Command),
}

#[derive(Debug)]
struct Command {
    half: Half,
    verb: &'static str,
    argument: String,
    subject: Option<String>,
    data_bytes: Option<i64>,
    mail_from: Option<String>,
    rcpt_to: Vec<String>,
}

impl Command {
    fn grow(&mut self, half: Half) {
        self.half = Half { span: self.half.span.until(half.span.last), bytes: self.half.bytes + half.bytes };
    }

    fn size_bytes(&self) -> usize {
        self.argument.capacity()
            + text::size_bytes(self.subject.iter().chain(&self.mail_from))
            + text::size_bytes(&self.rcpt_to)
    }
}

impl Smtp {
    /// Whether what goes this way is the client's; `None` where the bytes do not tell yet.
    fn is_client(&self, way: Way, head: &[u8]) -> Option<bool> {
        match self.client {
            Some(client) => Some(client == way),
            None => replies::begins(head).map(|is_reply| !is_reply),
        }
    }

    fn command(&mut self, half: Half, line: &[u8], out: &mut Out<'_>) {
        let (verb, argument) = replies::words(line);
        let verb = COMMANDS.iter().find(|known| **known == verb).copied().unwrap_or("other");
        let argument = match verb {
            "other" => String::new(),
            "AUTH" => text::lossy(argument.split(|b| *b == b' ').next().unwrap_or_default(), MAX_TEXT_BYTES),
            "MAIL" | "RCPT" => path(&text::lossy(argument, MAX_TEXT_BYTES)),
            _ => text::lossy(argument, MAX_TEXT_BYTES),
        };
        match verb {
            "EHLO" | "HELO" | "LHLO" => self.hello = Some(argument.clone()),
            "MAIL" => {
                self.mail_from = Some(argument.clone());
                self.rcpt_to.clear();
            }
            "RCPT" if self.rcpt_to.len() < MAX_RECIPIENTS => self.rcpt_to.push(argument.clone()),
            _ => {}
        }
        let is_about_mail = matches!(verb, "MAIL" | "RCPT" | "DATA" | "BDAT");
        let mut command = Command {
            half,
            verb,
            argument,
            subject: None,
            data_bytes: None,
            mail_from: self.mail_from.clone().filter(|_| is_about_mail),
            rcpt_to: if is_about_mail { self.rcpt_to.clone() } else { Vec::new() },
        };
        let asked = match verb {
            "DATA" => {
                self.mode = Mode::Data;
                self.in_headers = true;
                command.data_bytes = Some(0);
                self.data = Some(command);
                Asked::Go
            }
            "BDAT" => {
                let len = command.argument.split(' ').next().and_then(|len| len.parse::<u32>().ok()).unwrap_or(0);
                if len > 0 {
                    self.mode = Mode::Chunk(u64::from(len));
                }
                command.data_bytes = Some(i64::from(len));
                Asked::Command(command)
            }
            _ => Asked::Command(command),
        };
        self.ask(asked, out);
    }

    fn ask(&mut self, asked: Asked, out: &mut Out<'_>) {
        let limit = out.limits().pending_calls;
        match self.waiting.ask((), asked, limit) {
            Some(Asked::Command(command) | Asked::Message(command)) => {
                out.count_dropped_call();
                self.emit(Some(&command), None, None, out);
            }
            Some(Asked::Go) | None => {}
        }
    }

    /// A line of a message.
    fn content(&mut self, half: Half, line: &[u8], out: &mut Out<'_>) {
        let Some(data) = &mut self.data else { return self.mode = Mode::Commands };
        data.grow(half);
        let line_text = replies::trim(line);
        if line_text == b"." {
            self.mode = Mode::Commands;
            if let Some(command) = self.data.take() {
                self.ask(Asked::Message(command), out);
            }
            return;
        }
        data.data_bytes = data.data_bytes.map(|bytes| bytes.saturating_add(i64::try_from(half.bytes).unwrap_or(0)));
        if self.in_headers {
            self.in_headers = !line_text.is_empty();
            if let Some((name, value)) = line_text.split_at_checked(8)
                && name.eq_ignore_ascii_case(b"subject:")
            {
                data.subject = Some(text::lossy(value.trim_ascii(), MAX_TEXT_BYTES));
            }
        }
    }

    fn reply(&mut self, way: Way, half: Half, reply: &Reply, out: &mut Out<'_>) {
        let is_challenge = reply.code == 334;
        if is_challenge && matches!(self.waiting.find(&()), Some(Asked::Command(command)) if command.verb == "AUTH") {
            self.mode = Mode::Secret;
            return;
        }
        let asked = match self.waiting.answer(&()) {
            Some(Asked::Go) if reply.code == 354 => return,
            Some(Asked::Go) => {
                self.mode = Mode::Commands;
                self.data.take()
            }
            Some(Asked::Command(command) | Asked::Message(command)) => Some(command),
            None => None,
        };
        if asked.as_ref().is_some_and(|command| command.verb == "STARTTLS") && reply.code == 220 {
            out.hand_over(Box::new(Recognising::default()));
        }
        self.emit(asked.as_ref(), Some((way, half, reply)), None, out);
    }

    fn emit(
        &self,
        asked: Option<&Command>,
        reply: Option<(Way, Half, &Reply)>,
        error_type: Option<ErrorType>,
        out: &mut Out<'_>,
    ) {
        let said = reply.map(|(_, _, reply)| reply);
        let code = said.map(|reply| reply.code.to_string());
        let is_greeting = asked.is_none() && self.hello.is_none() && said.is_some_and(|r| matches!(r.code, 220 | 554));
        let argument = asked.map(|c| c.argument.as_str()).filter(|argument| !argument.is_empty());
        let recipients = asked.map(|c| text::refs(&c.rcpt_to)).filter(|list| !list.is_empty());
        let from = self.client.or(reply.map(|(way, ..)| way.back()));
        let call = Call {
            app_proto: "smtp",
            client: from.unwrap_or(Way::Out),
            request: asked.map(|c| c.half),
            response: reply.map(|(_, half, _)| half),
            method: asked.map(|c| c.verb).or(is_greeting.then_some("greeting")),
            target: asked.and_then(|c| c.subject.as_deref()).or(argument),
            status: code.as_deref(),
            error_type,
        };
        let row = SmtpRow {
            argument,
            reply_code: said.map(|reply| reply.code),
            reply_text: said.map(|reply| reply.text.as_str()),
            hello: self.hello.as_deref(),
            mail_from: asked.and_then(|c| c.mail_from.as_deref()),
            rcpt_to: recipients.as_deref(),
            subject: asked.and_then(|c| c.subject.as_deref()),
            data_bytes: asked.and_then(|c| c.data_bytes),
        };
        if is_greeting { out.emit_one_way::<SmtpBuilder>(&call, row) } else { out.emit::<SmtpBuilder>(&call, row) }
    }
}

/// The address in `FROM:<a@b> SIZE=1`; all of it where there is none.
fn path(argument: &str) -> String {
    let after = argument.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    after.map_or(argument, |(address, _)| address).to_owned()
}

impl Messages for Smtp {
    const MAX_BYTES: usize = MAX_LINE_BYTES;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        match (self.is_client(way, head), self.mode) {
            (None, _) => Frame::Unknown,
            (Some(true), Mode::Chunk(len)) => Frame::Is(len),
            // A line of a message may be of any length: it is read in pieces.
            (Some(true), Mode::Data) if head.len() >= MAX_LINE_BYTES / 2 && !head.contains(&b'\n') => {
                Frame::Is(head.len() as u64)
            }
            (Some(true), _) => replies::line(head),
            (Some(false), _) => replies::frame(head),
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        if self.is_client(way, message.bytes) == Some(false) {
            self.client = Some(way.back());
            if let Some(reply) = replies::read(message.bytes) {
                self.reply(way, half, &reply, out);
            }
            return;
        }
        self.client = Some(way);
        match self.mode {
            Mode::Commands => self.command(half, message.bytes, out),
            Mode::Data => self.content(half, message.bytes, out),
            Mode::Chunk(_) => self.mode = Mode::Commands,
            Mode::Secret => self.mode = Mode::Commands,
        }
    }

    /// Which replies are missing is not known, so that nothing waits on.
    fn lost(&mut self, way: Way, _: Stamp, out: &mut Out<'_>) {
        if self.client == Some(way) {
            if self.mode != Mode::Data {
                self.mode = Mode::Commands;
            }
            return;
        }
        while let Some(asked) = self.waiting.take() {
            if let Asked::Command(command) | Asked::Message(command) = asked {
                self.emit(Some(&command), None, Some(ErrorType::Gap), out);
            }
        }
    }

    fn begins(&self, way: Way, head: &[u8]) -> bool {
        let verb = || replies::words(head.split(|byte| *byte == b'\n').next().unwrap_or_default()).0;
        match self.is_client(way, head) {
            Some(true) => self.mode == Mode::Data || COMMANDS.contains(&verb().as_str()),
            Some(false) => replies::begins(head) == Some(true),
            None => false,
        }
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(asked) = self.waiting.take() {
            if let Asked::Command(command) | Asked::Message(command) = asked {
                self.emit(Some(&command), None, None, out);
            }
        }
        if let Some(command) = self.data.take() {
            self.emit(Some(&command), None, None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let waiting = self.waiting.size_bytes(|asked| match asked {
            Asked::Command(command) | Asked::Message(command) => command.size_bytes(),
            Asked::Go => 0,
        });
        let texts = self.hello.iter().chain(&self.mail_from).chain(&self.rcpt_to);
        waiting + self.data.as_ref().map_or(0, Command::size_bytes) + text::size_bytes(texts)
    }
}
