//! Redis commands: their words, and which of them is the key.

use super::value::{Part, Parts};

/// Words of a command that are looked at. MSET and the like may have any number.
pub(super) const MAX_WORDS: usize = 256;

/// A command, as it was sent.
#[derive(Debug, Clone)]
pub(super) struct Command<'a> {
    /// Upper-case.
    pub(super) verb: String,
    pub(super) arguments: Vec<&'a [u8]>,
}

/// Bytes of a verb at most: those of modules have a name with them.
const MAX_VERB_BYTES: usize = 64;

impl<'a> Command<'a> {
    /// Reads an array of strings, or a line of words (inline commands).
    pub(super) fn of(kept: &'a [u8]) -> Option<Command<'a>> {
        let mut words: Vec<&[u8]> = if kept.first() == Some(&b'*') {
            let mut parts = Parts::of(kept);
            let Some(Part::Many(b'*', _)) = parts.next() else { return None };
            let words = parts.take(MAX_WORDS).map(|part| match part {
                Part::One(b'$', word) => Some(word),
                _ => None,
            });
            words.collect::<Option<_>>()?
        } else {
            let words = kept.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.take(MAX_WORDS).collect()
        };
        let verb = *words.first()?;
        let is_verb = verb.first().is_some_and(u8::is_ascii_alphabetic) && verb.len() <= MAX_VERB_BYTES;
        if !is_verb || !verb.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        words.remove(0);
        Some(Command { verb: String::from_utf8_lossy(verb).to_ascii_uppercase(), arguments: words })
    }

    /// The first key; where a command names channels, the first of them. `None` for a command that has neither.
    pub(super) fn key(&self) -> Option<&'a [u8]> {
        let number = |at: usize| self.arguments.get(at).is_some_and(|n| **n != b"0"[..]);
        let at = match self.verb.as_str() {
            verb if WITHOUT_KEY.contains(&verb) => return None,
            "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" if number(1) => 2,
            "EVAL" | "EVALSHA" | "EVAL_RO" | "EVALSHA_RO" | "FCALL" | "FCALL_RO" => return None,
            "OBJECT" | "XGROUP" | "XINFO" | "BITOP" | "MEMORY" => 1,
            "LMPOP" | "ZMPOP" | "ZUNION" | "ZINTER" | "ZDIFF" | "SINTERCARD" | "ZINTERCARD" => 1,
            "MIGRATE" | "BLMPOP" | "BZMPOP" => 2,
            "XREAD" | "XREADGROUP" => {
                1 + self.arguments.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"))?
            }
            _ => 0,
        };
        self.arguments.get(at).copied()
    }
}

/// Commands whose first argument is no key.
const WITHOUT_KEY: [&str; 62] = [
    "PING",
    "ECHO",
    "AUTH",
    "HELLO",
    "SELECT",
    "QUIT",
    "INFO",
    "CONFIG",
    "CLIENT",
    "COMMAND",
    "CLUSTER",
    "DBSIZE",
    "FLUSHALL",
    "FLUSHDB",
    "MULTI",
    "EXEC",
    "DISCARD",
    "UNWATCH",
    "PUBSUB",
    "SCAN",
    "KEYS",
    "RANDOMKEY",
    "SCRIPT",
    "FUNCTION",
    "TIME",
    "SAVE",
    "BGSAVE",
    "LASTSAVE",
    "SHUTDOWN",
    "SLOWLOG",
    "LATENCY",
    "MONITOR",
    "ROLE",
    "REPLICAOF",
    "SLAVEOF",
    "PSYNC",
    "SYNC",
    "REPLCONF",
    "ACL",
    "MODULE",
    "WAIT",
    "WAITAOF",
    "SWAPDB",
    "ASKING",
    "READONLY",
    "READWRITE",
    "RESET",
    "DEBUG",
    "FAILOVER",
    "BGREWRITEAOF",
    "LOLWUT",
    "SENTINEL",
    "PUBLISH",
    "SPUBLISH",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "RESTORE-ASKING",
    "PFSELFTEST",
];

/// Whether a command names channels, or patterns of them, in place of keys.
pub(super) fn names_channels(verb: &str) -> bool {
    verb.ends_with("SUBSCRIBE") || matches!(verb, "PUBLISH" | "SPUBLISH")
}
