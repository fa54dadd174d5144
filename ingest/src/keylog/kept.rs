//! Secrets on their way into raw logs.

use std::collections::VecDeque;

use wiretape_engine::{Result, raw::MAX_SECRETS_BYTES};

use super::Line;

/// Bytes of lines, the latest, that each further log begins with: the connections that were open when the log before was full,
/// and some thousand before them.
const MAX_RECENT_BYTES: usize = 1 << 20;

/// Bytes of lines that may wait for a log: a hundred thousand connections. Later ones are not kept.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Lines that are in no log yet, and the latest of those that are.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    waiting: Vec<u8>,
    recent: VecDeque<u8>,
}

impl Kept {
    /// Takes in the usable lines of a log of secrets.
    pub(crate) fn add(&mut self, log: &[u8]) {
        for line in log.split(|byte| *byte == b'\n').filter(|line| matches!(Line::parse(line), Ok(Some(_)))) {
            if self.waiting.len() + line.len() < MAX_WAITING_BYTES {
                self.waiting.extend_from_slice(line.trim_ascii());
                self.waiting.push(b'\n');
            }
        }
    }

    /// The next log begins: it gets the latest lines of before first.
    pub(crate) fn begin_log(&mut self) {
        let mut lines = Vec::from(std::mem::take(&mut self.recent));
        lines.append(&mut self.waiting);
        self.waiting = lines;
    }

    /// Hands out what waits, in pieces of whole lines that each fit a block. After an error nothing of it waits any more.
    pub(crate) fn write(&mut self, mut write: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let lines = std::mem::take(&mut self.waiting);
        let mut piece = 0..0;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if piece.len() + line.len() > MAX_SECRETS_BYTES {
                write(lines.get(piece.clone()).unwrap_or_default())?;
                piece.start = piece.end;
            }
            piece.end += line.len();
        }
        if !piece.is_empty() {
            write(lines.get(piece).unwrap_or_default())?;
        }
        self.recent.extend(lines);
        while self.recent.len() > MAX_RECENT_BYTES {
            let line = self.recent.iter().position(|byte| *byte == b'\n').map_or(self.recent.len(), |at| at + 1);
            self.recent.drain(..line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> String {
        format!("CLIENT_RANDOM {number:064x} {}\n", "07".repeat(48))
    }

    fn written(kept: &mut Kept) -> Vec<String> {
        let mut pieces = Vec::new();
        let text = |piece: &[u8]| String::from_utf8(piece.to_vec()).unwrap();
        kept.write(|piece| {
            pieces.push(text(piece));
            Ok(())
        })
        .unwrap();
        pieces
    }

    /// Proves that each usable line is handed out once, in blocks that are not too long, and that a further log begins with the
    /// latest of them, which are no more than the limit.
    #[test]
    fn each_line_is_in_a_log_once_and_the_latest_begin_the_next() {
        let mut kept = Kept::default();
        kept.begin_log();
        kept.add(b"nonsense\n# comment\n");
        assert!(written(&mut kept).is_empty());
        let all: String = (0..10_000).map(line).collect();
        kept.add(all.as_bytes());
        let pieces = written(&mut kept);
        assert!(pieces.iter().all(|p| p.len() <= MAX_SECRETS_BYTES && p.ends_with('\n')) && pieces.len() > 10);
        assert_eq!(pieces.concat(), all);
        assert!(written(&mut kept).is_empty());
        kept.begin_log();
        kept.add(line(10_000).as_bytes());
        let next = written(&mut kept).concat();
        assert!(next.len() <= MAX_RECENT_BYTES + 200 && next.len() > MAX_RECENT_BYTES / 2);
        assert_eq!(next, (all + &line(10_000))[10_001 * line(0).len() - next.len()..]);
    }
}
