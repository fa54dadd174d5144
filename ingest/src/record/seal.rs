//! From a complete log and its rows to a segment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wiretape_engine::{
    Error, Result, Writer,
    raw::{Codec, LOG_FILE, LogTail, RawWriter},
    segment::Sealed,
};

use super::{replay::TableRows, retire::Retirer};

/// The database's writer and what retention knows: whoever seals, commits or makes room takes turns.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) writer: Writer,
    pub(super) retirer: Retirer,
}

/// Waits for its turn.
pub(super) fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes the segment of log `id`, ready to be committed. On a full disk, old segments make room as far as the policy
/// goes; after an error the log is as it was.
pub(super) fn seal(
    store: &Arc<Mutex<Store>>,
    id: u32,
    rows: &TableRows,
    codec: Codec,
    workers: usize,
) -> Result<Sealed> {
    loop {
        match write(store, id, rows, codec, workers) {
            Err(e) if e.is_disk_full() => {
                let Store { writer, retirer } = &mut *lock(store);
                if !retirer.make_room(writer)? {
                    return Err(e);
                }
            }
            done => return done,
        }
    }
}

fn write(store: &Mutex<Store>, id: u32, rows: &TableRows, codec: Codec, workers: usize) -> Result<Sealed> {
    let (mut segment, log) = {
        let Store { writer, .. } = &*lock(store);
        (writer.begin_seal(id, codec, workers)?, writer.log_dir(id).join(LOG_FILE))
    };
    let copied = copy_log(&mut LogTail::open(&log)?, segment.raw());
    match copied.and_then(|()| segment.seal(rows)) {
        Err(e) => {
            // What was written so far is of no use and in the way. `seal` took the segment, so by name.
            let Store { writer, .. } = &*lock(store);
            writer.discard_seal(id)?;
            Err(e)
        }
        sealed => sealed,
    }
}

fn copy_log(log: &mut LogTail, raw: &mut RawWriter) -> Result<()> {
    loop {
        match log.next_entry() {
            Ok(Some(entry)) => raw.entry(&entry)?,
            // The rows end where the log is torn or damaged, and so do the packets.
            Ok(None) | Err(Error::Damaged { .. }) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}

/// Publishes a sealed segment, removes its log, and drops what retention says.
pub(super) fn commit(store: &Mutex<Store>, sealed: &Sealed, open_bytes: u64, now_ns: i64) -> Result<()> {
    let Store { writer, retirer } = &mut *lock(store);
    loop {
        match writer.commit(sealed, |_| ()) {
            Err(e) if e.is_disk_full() && retirer.make_room(writer)? => {}
            done => break done?,
        }
    }
    writer.remove_log(sealed.id())?;
    retirer.committed(sealed.meta());
    retirer.retire(writer, open_bytes, now_ns)
}
