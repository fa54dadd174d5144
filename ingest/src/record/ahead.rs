//! Secrets in a log, read before the packets in front of them.
//!
//! A program logs the secrets of a connection a moment after it has sent the first packets that they open, and the recorder
//! looks a moment later. So who follows a log with secrets lets packets wait a second, and takes in the secrets that have come
//! behind them meanwhile.

use std::{collections::VecDeque, path::Path};

use wiretape_engine::{
    Error, Result,
    raw::{LogEntry, LogTail},
};

use super::replay::Replay;

/// So long packets wait for secrets behind them, ns.
const WAIT_NS: i64 = 1_000_000_000;

/// Time between two marks, ns: so much longer than [`WAIT_NS`] a packet may wait.
const MARK_NS: i64 = 100_000_000;

/// A reader of nothing but secrets.
#[derive(Debug)]
pub(super) struct Ahead {
    tail: LogTail,
    /// When, by the recorder's clock, the log had been read up to where; a handful.
    marks: VecDeque<(i64, u64)>,
    /// Packets below have waited.
    ripe: u64,
}

impl Ahead {
    /// Of the log at `path`.
    pub(super) fn open(path: &Path) -> Result<Ahead> {
        Ok(Ahead { tail: LogTail::open(path)?, marks: VecDeque::new(), ripe: 0 })
    }

    /// Takes in the secrets up to where the log ends for now, or is damaged.
    pub(super) fn learn(&mut self, replay: &mut Replay) -> Result<()> {
        loop {
            match self.tail.next_entry() {
                Ok(Some(LogEntry::Secrets(log))) => replay.learn_secrets(log),
                Ok(Some(_)) => {}
                Ok(None) | Err(Error::Damaged { .. }) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    /// Takes in secrets, and says up to which offset packets have waited long enough.
    pub(super) fn ripe_to(&mut self, replay: &mut Replay, now_ns: i64) -> Result<u64> {
        self.learn(replay)?;
        while let Some((_, offset)) = self.marks.pop_front_if(|(at, _)| now_ns.saturating_sub(*at) >= WAIT_NS) {
            self.ripe = offset;
        }
        // A clock that was set back begins anew.
        self.marks.retain(|(at, _)| *at <= now_ns);
        if self.marks.back().is_none_or(|(at, _)| now_ns - at >= MARK_NS) {
            self.marks.push_back((now_ns, self.tail.offset()));
        }
        Ok(self.ripe)
    }
}
