//! `wiretape record --watch`: a folder that another program rotates captures in. Each file is imported once it is
//! complete, so a crash on either side loses and doubles nothing: importing knows what is in already.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime},
};

use wiretape_engine::{Writer, manifest::ImportState, retention::Policy};
use wiretape_ingest::{
    import::{ImportConfig, ImportError, import_file},
    keylog::{KeyLog, KeyLogError},
    record,
};

use super::import;
use crate::{End, Failure, cli::Global, interrupt, units};

/// Time between two looks at the folder.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file that has not changed for so long is complete, though none newer is there.
const QUIET: Duration = Duration::from_secs(10);

/// What tells one state of a file from the next.
type State = (u64, Option<SystemTime>);

/// Imports what is complete in `dir`, for ever.
pub(super) fn run(
    global: &Global,
    dir: &Path,
    policy: Policy,
    keylog: Option<&Path>,
    deadline: Option<Instant>,
) -> Result<End, Failure> {
    if !dir.is_dir() {
        return Err(Failure::new(format!("{}: not a folder", dir.display())));
    }
    let db_dir = global.db_dir()?;
    let mut writer = import::open_writer(&db_dir)?;
    writer.set_policy(policy)?;
    if !global.quiet {
        eprintln!("watching {} for captures; Ctrl-C ends it", dir.display());
    }
    let mut watch = Watch::default();
    while !interrupt::flag().load(Ordering::Relaxed) && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        for path in watch.complete(dir)? {
            one(&mut writer, &db_dir, &path, keylog, global)?;
            record::retire(&mut writer, policy, units::now_ns())?;
            if interrupt::flag().load(Ordering::Relaxed) {
                break;
            }
            watch.done.insert(path);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(End::Done)
}

fn one(writer: &mut Writer, db_dir: &Path, path: &Path, keylog: Option<&Path>, global: &Global) -> Result<(), Failure> {
    // Read for each file: it grows.
    let keylog = match keylog.map(KeyLog::read_all) {
        None | Some(Err(KeyLogError::Empty { .. })) => Vec::new(),
        Some(read) => read?.0,
    };
    let config = ImportConfig { keylog, ..import::config(global) };
    match import_file(writer, db_dir, path, &config, &mut |_| {}, interrupt::flag()) {
        Ok(report) => {
            if !global.quiet {
                eprintln!("{}: {}", path.display(), units::count(report.packets, "packet"));
            }
            if let ImportState::Damaged(what) = &report.state {
                eprintln!("warning: {what}");
            }
        }
        // In since before the last restart.
        Err(ImportError::Duplicate { .. }) => {}
        Err(ImportError::Store(e)) => return Err(e.into()),
        Err(e) => eprintln!("{}", Failure::from(e)),
    }
    Ok(())
}

/// What is known of the folder.
#[derive(Debug, Default)]
struct Watch {
    done: HashSet<PathBuf>,
    /// Each other file, as it was last seen, and since when it is so.
    waiting: HashMap<PathBuf, (State, Instant)>,
}

impl Watch {
    /// Files that nobody writes to any more, the oldest first.
    fn complete(&mut self, dir: &Path) -> Result<Vec<PathBuf>, Failure> {
        let failure = |e: std::io::Error| Failure::new(format!("{}: {e}", dir.display()));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(failure)? {
            let path = entry.map_err(failure)?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            // A file that is gone by now was rotated away.
            let Some(meta) = path.metadata().ok().filter(|meta| meta.is_file() && !hidden) else { continue };
            files.push((meta.modified().ok(), path, meta.len()));
        }
        files.sort();
        self.done.retain(|path| files.iter().any(|(_, p, _)| p == path));
        let newest = files.last().map(|(_, path, _)| path.clone());
        let now = Instant::now();
        let mut complete = Vec::new();
        for (modified, path, len) in files {
            if self.done.contains(&path) {
                continue;
            }
            let state = (len, modified);
            let (seen, since) = self.waiting.entry(path.clone()).or_insert((state, now));
            if *seen != state {
                (*seen, *since) = (state, now);
            }
            let quiet = now.duration_since(*since);
            // One look after a newer file came, the last bytes of the one before are written.
            if quiet >= QUIET || (newest.as_ref() != Some(&path) && quiet >= LOOK_EVERY) {
                self.waiting.remove(&path);
                complete.push(path);
            }
        }
        Ok(complete)
    }
}
