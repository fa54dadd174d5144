//! FTP (RFC 959), its control connection, over TCP: commands and their replies in order. After AUTH TLS (RFC 4217) another
//! protocol is looked for in the flow. Data connections are flows of their own and are not read.

use wiretape_engine::column::{Symbol, Text, U16};

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

call_table! {
    /// One row per FTP command with its reply. method is the command, target its argument, status the final reply's code.
    pub static FTP: "ftp", row FtpRow, builder FtpBuilder {
        /// Argument of the command: a path, a name; not that of PASS and ACCT.
        argument: Option<Text>,
        /// User who is logged in or about to.
        user_name: Option<Symbol>,
        /// Code of the preliminary reply (1xx), which says that a transfer begins; NULL without one.
        preliminary_code: Option<U16>,
        /// Code of the final reply; NULL without one.
        reply_code: Option<U16> [row_index()],
        /// Text of the final reply, line by line.
        reply_text: Option<Text>,
    }
    entry "call" { "ftp" = "true" }
}

/// Bytes of a command or a reply that are read. Listings in replies (STAT, HELP) have some KB.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Bytes of an argument kept.
const MAX_TEXT_BYTES: usize = 1000;

/// Over TCP.
pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "ftp",
    over: Over::Tcp,
    probe,
    dissect: Some(|| Box::new(Framed::new(Ftp::default()))),
    tables: &[(&FTP, || Box::new(FtpBuilder::default()))],
};

/// A greeting from port 21, or one that says FTP.
fn probe(hint: &Hint, p: &[u8]) -> bool {
    let banner = p.starts_with(b"220 ") || p.starts_with(b"220-");
    banner && (hint.src_port == 21 || p.get(..512).unwrap_or(p).windows(3).any(|window| window == b"FTP"))
}

/// Commands of RFC 959, 2228, 2389, 2428, 2640, 3659 and 4217.
const COMMANDS: [&str; 44] = [
    "USER", "PASS", "ACCT", "CWD", "CDUP", "SMNT", "QUIT", "REIN", "PORT", "PASV", "TYPE", "STRU", "MODE", "RETR",
    "STOR", "STOU", "APPE", "ALLO", "REST", "RNFR", "RNTO", "ABOR", "DELE", "RMD", "MKD", "PWD", "LIST", "NLST",
    "SITE", "SYST", "STAT", "HELP", "NOOP", "AUTH", "PBSZ", "PROT", "CCC", "FEAT", "OPTS", "EPRT", "EPSV", "SIZE",
    "MDTM", "MLSD",
];

/// A connection.
#[derive(Debug, Default)]
struct Ftp {
    client: Option<Way>,
    user: Option<String>,
    waiting: Waiting<(), Command>,
}

#[derive(Debug)]
struct Command {
    half: Half,
    verb: String,
    argument: String,
    preliminary: Option<(Half, u16)>,
}

impl Ftp {
    /// Whether what goes this way is the client's; `None` where the bytes do not tell yet.
    fn is_client(&self, way: Way, head: &[u8]) -> Option<bool> {
        match self.client {
            Some(client) => Some(client == way),
            None => replies::begins(head).map(|is_reply| !is_reply),
        }
    }

    fn command(&mut self, half: Half, line: &[u8], out: &mut Out<'_>) {
        let (verb, argument) = replies::words(line);
        let is_secret = matches!(verb.as_str(), "PASS" | "ACCT" | "ADAT");
        let argument = if is_secret { String::new() } else { text::lossy(argument, MAX_TEXT_BYTES) };
        if verb == "USER" {
            self.user = Some(argument.clone());
        }
        let limit = out.limits().pending_calls;
        if let Some(given_up) = self.waiting.ask((), Command { half, verb, argument, preliminary: None }, limit) {
            out.count_dropped_call();
            self.emit(Some(&given_up), None, None, out);
        }
    }

    fn reply(&mut self, way: Way, half: Half, reply: &Reply, out: &mut Out<'_>) {
        if reply.code < 200
            && let Some(command) = self.waiting.find(&())
        {
            command.preliminary.get_or_insert((half, reply.code));
            return;
        }
        let command = self.waiting.answer(&());
        if reply.code == 234 && command.as_ref().is_some_and(|command| command.verb == "AUTH") {
            out.hand_over(Box::new(Recognising::default()));
        }
        self.emit(command.as_ref(), Some((way, half, reply)), None, out);
    }

    fn emit(
        &self,
        command: Option<&Command>,
        reply: Option<(Way, Half, &Reply)>,
        error_type: Option<ErrorType>,
        out: &mut Out<'_>,
    ) {
        let said = reply.map(|(_, _, reply)| reply);
        let preliminary = command.and_then(|c| c.preliminary);
        let code = said.map(|reply| reply.code.to_string());
        let is_greeting =
            command.is_none() && self.user.is_none() && said.is_some_and(|r| matches!(r.code, 120 | 220 | 421));
        let argument = command.map(|c| c.argument.as_str()).filter(|argument| !argument.is_empty());
        let last = reply.map(|(_, half, _)| half);
        let response = match (preliminary, last) {
            (Some((first, _)), Some(last)) => {
                Some(Half { span: first.span.until(last.span.last), bytes: first.bytes + last.bytes })
            }
            (first, last) => last.or(first.map(|(half, _)| half)),
        };
        let call = Call {
            app_proto: "ftp",
            client: self.client.or(reply.map(|(way, ..)| way.back())).unwrap_or(Way::Out),
            request: command.map(|c| c.half),
            response,
            method: command.map(|c| c.verb.as_str()).or(is_greeting.then_some("greeting")),
            target: argument,
            status: code.as_deref(),
            error_type,
        };
        let row = FtpRow {
            argument,
            user_name: self.user.as_deref(),
            preliminary_code: preliminary.map(|(_, code)| code),
            reply_code: said.map(|reply| reply.code),
            reply_text: said.map(|reply| reply.text.as_str()),
        };
        if is_greeting { out.emit_one_way::<FtpBuilder>(&call, row) } else { out.emit::<FtpBuilder>(&call, row) }
    }
}

impl Messages for Ftp {
    const MAX_BYTES: usize = MAX_LINE_BYTES;

    fn frame(&mut self, way: Way, head: &[u8]) -> Frame {
        match self.is_client(way, head) {
            None => Frame::Unknown,
            Some(true) => replies::line(head),
            Some(false) => replies::frame(head),
        }
    }

    fn message(&mut self, way: Way, message: Message<'_>, out: &mut Out<'_>) {
        let half = Half { span: message.span, bytes: message.len };
        if self.is_client(way, message.bytes) == Some(true) {
            self.client = Some(way);
            return self.command(half, message.bytes, out);
        }
        self.client = Some(way.back());
        if let Some(reply) = replies::read(message.bytes) {
            self.reply(way, half, &reply, out);
        }
    }

    /// Which replies are missing is not known, so that nothing waits on.
    fn lost(&mut self, way: Way, _: Stamp, out: &mut Out<'_>) {
        if self.client != Some(way) {
            while let Some(command) = self.waiting.take() {
                self.emit(Some(&command), None, Some(ErrorType::Gap), out);
            }
        }
    }

    fn begins(&self, way: Way, head: &[u8]) -> bool {
        let verb = || replies::words(head.split(|byte| *byte == b'\n').next().unwrap_or_default()).0;
        match self.is_client(way, head) {
            Some(true) => COMMANDS.contains(&verb().as_str()),
            Some(false) => replies::begins(head) == Some(true),
            None => false,
        }
    }

    fn end(&mut self, _: End, out: &mut Out<'_>) {
        while let Some(command) = self.waiting.take() {
            self.emit(Some(&command), None, None, out);
        }
    }

    fn size_bytes(&self) -> usize {
        let each = |command: &Command| command.verb.capacity() + command.argument.capacity();
        self.waiting.size_bytes(each) + text::size_bytes(&self.user)
    }
}

#[cfg(test)]
mod tests {
    use crate::l7::testing::{Talk, select};

    const COLUMNS: [&str; 7] =
        ["method", "target", "status", "error_type", "user_name", "preliminary_code", "reply_text"];

    /// Proves a session: greeting, login without its password, a transfer with two replies, replies of several lines.
    #[test]
    fn a_session_is_a_row_per_command() {
        let rows = Talk::tcp(21)
            .server("220 FTP ready\r\n")
            .client("USER bob\r\n")
            .server("331 password?\r\n")
            .client("PASS secret\r\n")
            .server("230-hi\r\n230 in\r\n")
            .client("retr a b.txt\r\n")
            .server("150 here\r\n")
            .server("226 done\r\n")
            .client("FEAT\r\nCWD /x\r\n")
            .server("211-a\r\n MDTM\r\n211 end\r\n550 no\r\n")
            .rows();
        let expected = [
            ["greeting", "", "220", "", "", "", "FTP ready"],
            ["USER", "bob", "331", "", "bob", "", "password?"],
            ["PASS", "", "230", "", "bob", "", "hi\nin"],
            ["RETR", "a b.txt", "226", "", "bob", "150", "done"],
            ["FEAT", "", "211", "", "bob", "", "a\n MDTM\nend"],
            ["CWD", "/x", "550", "", "bob", "", "no"],
        ];
        assert_eq!(select(&rows, &COLUMNS), expected);
        assert_eq!((&*rows[3]["latency_ns"], &*rows[0]["src_ip"]), ("1000000", "10.0.0.1"));
    }

    /// Proves that halves say so, that after AUTH TLS another protocol is recognised, and that a line without end is passed over.
    #[test]
    fn halves_hand_over_and_lines_without_end() {
        let talk = Talk::tcp(21).server("220 x\r\n").client("AUTH TLS\r\n").server("234 go\r\n").client("EHLO c\r\n");
        let said = [["greeting", "ftp", "220"], ["AUTH", "ftp", "234"], ["EHLO", "smtp", ""]];
        assert_eq!(select(&talk.rows(), &["method", "app_proto", "status"]), said);
        let server = talk.rows_of_server();
        assert_eq!(select(&server, &["status", "error_type"]), [["220", ""], ["234", "no_request"]]);
        let gap = Talk::tcp(21)
            .server("220 x\r\n")
            .client("CWD a\r\n")
            .server("250 ok\r\n")
            .client("PWD\r\n")
            .server("257 /\r\n");
        let said = [["greeting", "220", ""], ["CWD", "", "gap"], ["PWD", "", "gap"], ["", "257", "no_request"]];
        assert_eq!(select(&gap.rows_without(2), &["method", "status", "error_type"]), said);
        let long = vec![b'x'; 40_000];
        let talk = Talk::tcp(21).server("220 x\r\n").client(long).client("NOOP\r\n").server("200 ok\r\n");
        assert_eq!(select(&talk.rows_from(0)[1..], &["method", "status"]), [["NOOP", "200"]]);
    }
}
