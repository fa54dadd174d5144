//! What a killed recorder left: logs without a segment. They become segments before anything else is written.
//!
//! It is itself safe to kill: a log goes only when its segment is committed, so the next start finds either.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{array::AsArray, datatypes::TimestampNanosecondType};
use wiretape_engine::{
    Db, Error, Result, Writer,
    fs::Fs,
    raw::{LOG_FILE, LogTail},
};

use super::{ahead::Ahead, config::RecordConfig, coverage::LogNotes, replay::Replay, retire::Retirer, seal};
use crate::{TABLES, tables::COVERAGE};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Logs that became segments.
    pub logs: u64,
    /// Packets in them.
    pub packets: u64,
    /// Bytes at the end of logs that are no whole block: what a stop of the machine tore.
    pub torn_bytes: u64,
}

/// Opens the database at `dir` for writing, and first makes segments of what a killed recorder left. `now_ns` is the
/// caller's wall clock.
pub fn open_writer(dir: &Path, now_ns: i64) -> Result<(Writer, Recovered)> {
    open_writer_with(dir, Fs::default(), &RecordConfig::default(), now_ns)
}

pub(super) fn open_writer_with(dir: &Path, fs: Fs, config: &RecordConfig, now_ns: i64) -> Result<(Writer, Recovered)> {
    let writer = Writer::open_with(dir, fs)?;
    recover(writer, config, now_ns)
}

/// Makes segments of the logs that `writer` found.
pub fn recover(writer: Writer, config: &RecordConfig, now_ns: i64) -> Result<(Writer, Recovered)> {
    let logs = writer.unsealed().to_vec();
    let mut recovered = Recovered::default();
    if logs.is_empty() {
        return Ok((writer, recovered));
    }
    let retirer = Retirer::new(&writer, config.policy)?;
    let store = Arc::new(Mutex::new(seal::Store { writer, retirer }));
    let mut replay = Replay::new(config.pipeline.clone());
    for (at, &id) in logs.iter().enumerate() {
        let path = seal::lock(&store).writer.log_dir(id).join(LOG_FILE);
        recovered.torn_bytes += read_log(&mut replay, id, &path)?;
        if at + 1 == logs.len() {
            replay.finish();
        }
        let packets = replay.rows();
        let rows = replay.seal()?;
        if rows.iter().all(|(_, batch)| batch.num_rows() == 0) {
            seal::lock(&store).writer.remove_log(id)?;
            continue;
        }
        let sealed = seal::seal(&store, id, &rows, config.codec, config.workers)?;
        seal::commit(&store, &sealed, 0, now_ns)?;
        recovered.logs += 1;
        recovered.packets += packets as u64;
    }
    let store = Arc::into_inner(store).expect("nobody else was given it");
    let store = store.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((store.writer, recovered))
}

/// Reads a log to its end. Returns the bytes there that are no whole block.
fn read_log(replay: &mut Replay, id: u32, path: &Path) -> Result<u64> {
    let mut tail = LogTail::open(path)?;
    replay.begin(id, notes(&mut LogTail::open(path)?)?);
    Ahead::open(path)?.learn(replay)?;
    loop {
        match tail.next_entry() {
            Ok(Some(entry)) => replay.push(&entry),
            Ok(None) | Err(Error::Damaged { .. }) => break,
            Err(e) => return Err(e),
        }
    }
    let len = std::fs::metadata(path).map_err(Error::io(path))?.len();
    Ok(len.saturating_sub(tail.offset()))
}

/// What a log says of itself.
pub(super) fn notes(tail: &mut LogTail) -> Result<LogNotes> {
    match tail.next_entry() {
        Ok(_) | Err(Error::Damaged { .. }) => Ok(LogNotes::parse(tail.comment())),
        Err(e) => Err(e),
    }
}

/// Until when the last recording in the database is known to have been alive, ns since the epoch.
pub(super) fn last_sign_of_life(writer: &Writer) -> Result<Option<i64>> {
    let view = Db::open(writer.dir(), TABLES)?.view()?;
    let Some(last) = view.segments().iter().rev().find(|s| s.table(COVERAGE.name).is_some()) else { return Ok(None) };
    let batches = last.read(COVERAGE.name)?;
    let ends = batches.iter().filter_map(|b| b.column_by_name("end_ts"));
    Ok(ends.filter_map(|c| arrow::compute::max(c.as_primitive::<TimestampNanosecondType>())).max())
}
