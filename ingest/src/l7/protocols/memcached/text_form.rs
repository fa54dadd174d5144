//! memcached's text protocol (protocol.txt): lines, and blocks of bytes that a line announces.

use super::{Answer, MAX_KEYS, Role, Said};
use crate::{
    flow::Way,
    l7::{
        call::Half,
        framed::{Frame, Message},
        text,
    },
};

/// Bytes of a line at most: a request for many keys of up to 250 bytes.
const MAX_LINE_BYTES: usize = 32 << 10;

/// Bytes of a command's name kept.
const MAX_COMMAND_BYTES: usize = 32;

pub(super) enum Read {
    Request(Said),
    Response(Half, Answer),
}

const COMMANDS: [&str; 27] = [
    "get",
    "gets",
    "gat",
    "gats",
    "set",
    "add",
    "replace",
    "append",
    "prepend",
    "cas",
    "delete",
    "incr",
    "decr",
    "touch",
    "stats",
    "flush_all",
    "version",
    "verbosity",
    "quit",
    "mg",
    "ms",
    "md",
    "ma",
    "mn",
    "me",
    "shutdown",
    "lru",
];

const ANSWERS: [&str; 24] = [
    "VALUE",
    "END",
    "STORED",
    "NOT_STORED",
    "EXISTS",
    "NOT_FOUND",
    "DELETED",
    "TOUCHED",
    "OK",
    "ERROR",
    "CLIENT_ERROR",
    "SERVER_ERROR",
    "VERSION",
    "STAT",
    "RESET",
    "BUSY",
    "HD",
    "EN",
    "NF",
    "NS",
    "EX",
    "MN",
    "VA",
    "ME",
];

/// The line that begins here, without its end.
pub(super) fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.get(..MAX_LINE_BYTES).unwrap_or(bytes).iter().position(|byte| *byte == b'\n')?;
    bytes.get(..end).map(<[u8]>::trim_ascii_end)
}

fn words(line: &[u8]) -> impl Iterator<Item = &str> {
    line.split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .map(|word| std::str::from_utf8(word).unwrap_or("?"))
}

/// Who says this line; `None` for what nobody does.
pub(super) fn role(line: &[u8]) -> Option<Role> {
    let first = words(line).next()?;
    if COMMANDS.contains(&first) {
        Some(Role::Client)
    } else if ANSWERS.contains(&first) || first.bytes().all(|byte| byte.is_ascii_digit()) {
        Some(Role::Server)
    } else {
        None
    }
}

/// Bytes of the block that follows a request that stores.
pub(super) fn stored_bytes(line: &[u8]) -> Option<u32> {
    let mut words = words(line);
    let command = words.next()?;
    let _key = words.next()?;
    match command {
        "set" | "add" | "replace" | "append" | "prepend" | "cas" => {
            let (flags, expiry, len) = (words.next()?, words.next()?, words.next()?);
            flags.parse::<u32>().ok()?;
            expiry.parse::<i64>().ok()?;
            len.parse().ok()
        }
        "ms" => words.next()?.parse().ok(),
        _ => None,
    }
}

/// Bytes of the block that follows an answer with a value.
fn found_bytes(line: &[u8]) -> Option<u32> {
    let mut words = words(line);
    match words.next()? {
        "VALUE" => words.nth(2)?.parse().ok(),
        "VA" => words.next()?.parse().ok(),
        _ => None,
    }
}

/// How long the message is that begins here. What a known client says is a request, also one that no server knows.
pub(super) fn frame(head: &[u8], is_client: bool) -> Frame {
    let Some(line) = line(head) else {
        return if head.len() < MAX_LINE_BYTES { Frame::Unknown } else { Frame::Garbage };
    };
    let len = head.iter().position(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    match (role(line), stored_bytes(line).or(found_bytes(line))) {
        (None, _) if !is_client && !line.is_empty() => Frame::Garbage,
        (_, Some(block)) => Frame::Is(len + u64::from(block) + 2),
        _ => Frame::Is(len),
    }
}

pub(super) fn read(way: Way, message: &Message<'_>, limit: usize) -> Option<Read> {
    let line = line(message.bytes)?;
    let half = Half { span: message.span, bytes: message.len };
    let block = message.bytes.iter().position(|byte| *byte == b'\n').and_then(|at| message.bytes.get(at + 1..))?;
    let value = |len: u32| {
        let block = block.get(..len as usize).unwrap_or(block);
        text::text_or_hex(block.get(..limit).unwrap_or(block), limit)
    };
    // One that is none of both is let through by `frame` for a client only.
    Some(match role(line).unwrap_or(Role::Client) {
        Role::Client => {
            let command = text::lossy(words(line).next()?.as_bytes(), MAX_COMMAND_BYTES);
            let mut said = Said::new(way, half, "text", command);
            said.request(line);
            if let Some(len) = stored_bytes(line) {
                said.value_bytes = Some(i64::from(len));
                said.value = Some(value(len));
            }
            Read::Request(said)
        }
        Role::Server => {
            let status = words(line).next()?;
            let is_number = status.bytes().all(|byte| byte.is_ascii_digit());
            let found = found_bytes(line);
            let answer = Answer {
                // A meta command has one answer, also with a value.
                is_partial: matches!(status, "VALUE" | "STAT"),
                status: if is_number { "OK".to_owned() } else { status.to_owned() },
                value: match found {
                    Some(len) => {
                        let flags =
                            words(line).nth(2).filter(|_| status == "VALUE").and_then(|flags| flags.parse().ok());
                        Some((flags, i64::from(len), value(len)))
                    }
                    None => None,
                },
            };
            Read::Response(half, answer)
        }
    })
}

impl Said {
    fn request(&mut self, line: &[u8]) {
        let mut words = words(line).skip(1);
        match self.command.as_str() {
            "get" | "gets" => self.keys = words.take(MAX_KEYS).map(str::to_owned).collect(),
            "gat" | "gats" => {
                self.expiry = words.next().and_then(|expiry| expiry.parse().ok());
                self.keys = words.take(MAX_KEYS).map(str::to_owned).collect();
            }
            "set" | "add" | "replace" | "append" | "prepend" | "cas" => {
                self.keys.extend(words.next().map(str::to_owned));
                self.flags = words.next().and_then(|flags| flags.parse().ok());
                self.expiry = words.next().and_then(|expiry| expiry.parse().ok());
                self.is_quiet = words.last() == Some("noreply");
            }
            "delete" | "incr" | "decr" | "touch" => {
                self.keys.extend(words.next().map(str::to_owned));
                self.is_quiet = words.last() == Some("noreply");
            }
            "mg" | "ms" | "md" | "ma" | "me" => self.keys.extend(words.next().map(str::to_owned)),
            "flush_all" | "verbosity" => self.is_quiet = words.last() == Some("noreply"),
            "quit" => self.is_quiet = true,
            _ => {}
        }
        self.asks_for_values = matches!(self.command.as_str(), "get" | "gets" | "gat" | "gats" | "mg");
    }
}
