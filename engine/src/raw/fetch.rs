//! Many packets in one go: each frame that holds one of them is read once, in order, some threads ahead of the caller.
//!
//! ```text
//! rows ─► groups of one frame ─┬─► decoder 0: frames 0, 2, 4 … ─┬─► walk the blocks ─► callback, in row order
//!                              └─► decoder 1: frames 1, 3, 5 … ─┘
//! ```

use std::{collections::VecDeque, iter::Peekable, sync::mpsc, thread};

use super::{
    RawPacket,
    read::{RawReader, Scratch},
};
use crate::{Error, Result};

/// Frames that each decoder thread has before it: enough that it never waits for the caller.
const FRAMES_AHEAD: usize = 8;

/// Fewer frames than this are read without threads: starting one takes as long as reading two or three.
const MIN_FRAMES_FOR_THREADS: usize = 16;

impl RawReader {
    /// Calls `f` with row and packet for each of `rows`, in their order, until it returns an error. Ascending rows are
    /// fast; any order is correct. Up to `threads` threads decompress ahead of the calling one; with 0 or 1, and for
    /// few packets, it does so itself.
    pub fn for_each<E: From<Error>>(
        &self,
        rows: impl IntoIterator<Item = u32>,
        threads: usize,
        mut f: impl FnMut(u32, RawPacket<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut groups = Groups { reader: self, rows: rows.into_iter().peekable() };
        let mut ahead = VecDeque::new();
        if threads > 1 {
            while ahead.len() < (threads * FRAMES_AHEAD).max(MIN_FRAMES_FOR_THREADS) {
                let Some(group) = groups.next(Vec::new())? else { break };
                ahead.push_back(group);
            }
            if ahead.len() >= MIN_FRAMES_FOR_THREADS {
                return self.fetch_with_threads(threads, ahead, &mut groups, &mut f);
            }
        }
        let mut scratch = self.scratch()?;
        let (mut plain, mut spare) = (Vec::new(), Vec::new());
        loop {
            let group = match ahead.pop_front() {
                Some(group) => group,
                None => match groups.next(spare)? {
                    Some(group) => group,
                    None => return Ok(()),
                },
            };
            self.load(group.frame, &mut scratch, &mut plain)?;
            self.visit(&group, &plain, &mut f)?;
            spare = group.rows;
        }
    }

    fn fetch_with_threads<E: From<Error>>(
        &self,
        threads: usize,
        mut groups_ahead: VecDeque<Group>,
        groups: &mut Groups<'_, impl Iterator<Item = u32>>,
        f: &mut impl FnMut(u32, RawPacket<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        thread::scope(|scope| {
            // Dropped when this closure returns, on whatever path: that ends the decoders.
            let mut decoders = Vec::with_capacity(threads);
            for _ in 0..threads {
                let (jobs, job_queue) = mpsc::channel();
                let (done, results) = mpsc::channel();
                let scratch = self.scratch()?;
                thread::Builder::new()
                    .spawn_scoped(scope, move || self.decode_all(scratch, &job_queue, &done))
                    .map_err(Error::io(self.path()))?;
                decoders.push(Decoder { jobs, results });
            }
            for (group, decoder) in groups_ahead.iter().zip((0..threads).cycle()) {
                self.send(&decoders, decoder, (group.frame, Vec::new()))?;
            }
            let mut turn = (0..threads).cycle().zip((0..threads).cycle().skip(groups_ahead.len() % threads));
            while let (Some(group), Some((from, to))) = (groups_ahead.pop_front(), turn.next()) {
                let result = decoders.get(from).and_then(|d| d.results.recv().ok());
                let plain = result.ok_or_else(|| self.stopped())??;
                self.visit(&group, &plain, f)?;
                if let Some(next) = groups.next(group.rows)? {
                    self.send(&decoders, to, (next.frame, plain))?;
                    groups_ahead.push_back(next);
                }
            }
            Ok(())
        })
    }

    fn decode_all(&self, mut scratch: Scratch, jobs: &mpsc::Receiver<Job>, done: &mpsc::Sender<Result<Vec<u8>>>) {
        for (frame, mut plain) in jobs {
            let result = self.load(frame, &mut scratch, &mut plain).map(|()| plain);
            if done.send(result).is_err() {
                return;
            }
        }
    }

    fn send(&self, decoders: &[Decoder], to: usize, job: Job) -> Result<()> {
        let sent = decoders.get(to).map(|d| d.jobs.send(job));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(self.stopped()) }
    }

    fn stopped(&self) -> Error {
        Error::io(self.path())(std::io::Error::other("a decompression thread stopped"))
    }

    fn visit<E: From<Error>>(
        &self,
        group: &Group,
        plain: &[u8],
        f: &mut impl FnMut(u32, RawPacket<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut walk = self.walk(group.frame, plain);
        for &row in &group.rows {
            f(row, walk.packet(row)?)?;
        }
        Ok(())
    }
}

/// A frame to load, and a buffer for its bytes.
type Job = (usize, Vec<u8>);

struct Decoder {
    jobs: mpsc::Sender<Job>,
    results: mpsc::Receiver<Result<Vec<u8>>>,
}

/// Rows that one frame holds.
struct Group {
    frame: usize,
    rows: Vec<u32>,
}

struct Groups<'a, I: Iterator<Item = u32>> {
    reader: &'a RawReader,
    rows: Peekable<I>,
}

impl<I: Iterator<Item = u32>> Groups<'_, I> {
    /// The next rows that are in one frame, in the buffer `spare`.
    fn next(&mut self, mut spare: Vec<u32>) -> Result<Option<Group>> {
        let Some(&first) = self.rows.peek() else { return Ok(None) };
        let frame = self.reader.frame_of(first)?;
        let end = self.reader.end_row(frame);
        let start = frame.checked_sub(1).map_or(0, |before| self.reader.end_row(before));
        spare.clear();
        // The same row over and over must not fill memory: a group is no longer than its frame has rows.
        let limit = (end - start) as usize;
        while spare.len() < limit {
            let Some(row) = self.rows.next_if(|row| (start..end).contains(row)) else { break };
            spare.push(row);
        }
        Ok(Some(Group { frame, rows: spare }))
    }
}
