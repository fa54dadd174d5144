//! `kill -9` under load, again and again: what the operating system had is there after the next start.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use wiretape::{demo::Random, engine::Db, ingest::TABLES};

use super::{
    namespace::{Namespace, possible},
    program::{Program, assert_whole, exported, number, rows},
    stream::{Stream, number_of},
    traffic,
};
use crate::support::{
    frames::{self, OwnedFrame},
    run, wiretape,
};

/// Kills of a recorder that reads a stream, and of one that captures.
const STREAM_KILLS: usize = 42;
const LIVE_KILLS: usize = 8;
/// Other moments in another run only if it is told so.
const SEED: u64 = 50;
/// A piece of the stream, and the pause after it: 10 MB a second, which a busy machine takes in, and the budget holds.
const PIECE_BYTES: usize = 50_000;
const PAUSE: Duration = Duration::from_millis(5);
/// Latest moment of a kill.
const LATEST_MS: i64 = 900;

/// What the files say right after the kill.
#[derive(Debug)]
struct Left {
    /// Packets of whole segments.
    sealed: u64,
    /// Frames of the logs that have no segment, in order.
    logged: Vec<OwnedFrame>,
}

fn left(db: &Path) -> Left {
    // Killed before there was a database.
    let Ok(view) = Db::open(db, TABLES).and_then(|db| db.view()) else {
        return Left { sealed: 0, logged: Vec::new() };
    };
    let sealed_ids: Vec<u32> = view.segments().iter().map(|s| s.id()).collect();
    let mut logs: Vec<_> = fs::read_dir(db.join("open")).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    logs.sort();
    let mut logged = Vec::new();
    for log in logs {
        // A folder that is being made or removed has another name.
        let Ok(id) = log.file_name().unwrap().to_str().unwrap().parse::<u32>() else { continue };
        // A log is removed a moment after its segment is there.
        if !sealed_ids.contains(&id) && log.join("raw.pcapng").exists() {
            let log = log.join("raw.pcapng");
            // A kill may come between making the file and writing its header.
            if fs::metadata(&log).unwrap().len() > 0 {
                logged.extend(frames::read(&log));
            }
        }
    }
    assert_whole(db, "right after the kill");
    Left { sealed: view.rows("packets"), logged }
}

/// Starts the recorder again, with nothing to record, and asserts what must hold then.
fn restart(db: &Path, at: &str) -> Vec<OwnedFrame> {
    let (program, stdin) = Program::record_stream(db, &["--max-size", "16MiB"]);
    Stream::begin(stdin).unwrap();
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{at}: {}", ended.said);
    assert_whole(db, at);
    assert_eq!(fs::read_dir(db.join("open")).map_or(0, Iterator::count), 0, "{at}: a log has no segment");
    let folders = fs::read_dir(db.join("segments")).map_or(0, Iterator::count);
    assert_eq!(folders, Db::open(db, TABLES).unwrap().view().unwrap().segments().len(), "{at}: half a segment");
    let sums = "select (select coalesce(sum(packets_out + packets_in), 0) from flows) - (select count(flow_id) from packets), \
                (select coalesce(sum(recorded), 0) from system.coverage) - (select count(*) from packets)";
    assert_eq!(rows(db, sums), [["0", "0"]], "{at}: flows and coverage count other packets than there are");
    let frames = exported(db);
    if !frames.is_empty() {
        let restarts = "select sum(restarts), max(gap_ns) > 0, max(gap_ns) < 60000000000 from system.coverage";
        assert_eq!(rows(db, restarts), [["1", "true", "true"]], "{at}");
    }
    frames
}

/// Proves that after a kill at any moment all that was sealed and all whole frames of the open logs are there, to the byte,
/// in order and without a gap, that the database is whole before and after the restart, and that the restart is told.
#[test]
fn a_recorder_of_a_stream_killed_at_any_moment_loses_nothing_that_was_written() {
    let mut random = Random::new(SEED);
    let (mut with_segments, mut with_frames) = (0, 0);
    for n in 0..STREAM_KILLS {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        // Segments of 2 MiB.
        let (program, stdin) = Program::record_stream(&db, &["--max-size", "16MiB"]);
        let feeder = thread::spawn(move || {
            let mut stream = Stream::begin(stdin).unwrap();
            while stream.send(PIECE_BYTES).is_ok() {
                thread::sleep(PAUSE);
            }
            stream.sent()
        });
        let after = Duration::from_millis(random.between(0, LATEST_MS).unsigned_abs());
        thread::sleep(after);
        program.signal("KILL");
        assert_eq!(program.end().code, None);
        feeder.join().unwrap();

        let at = format!("kill {n}, after {after:?}");
        let Left { sealed, logged } = left(&db);
        let logged_to = logged.last().map_or(0, |f| number_of(&f.data) + 1);
        if let Some(first) = logged.first() {
            assert_eq!(number_of(&first.data), sealed, "{at}: the logs go on where the segments end");
        }
        let frames = restart(&db, &at);
        for (n, f) in frames.iter().enumerate() {
            assert_eq!(number_of(&f.data), n as u64, "{at}");
        }
        assert_eq!(frames.len() as u64, logged_to.max(sealed), "{at}: {sealed} were sealed");
        with_segments += usize::from(sealed > 0);
        with_frames += usize::from(!frames.is_empty());
        if n % 10 == 0 && !frames.is_empty() {
            run(wiretape(&["verify", "--db"]).arg(&db));
        }
    }
    eprintln!("{STREAM_KILLS} kills: {with_frames} with frames, {with_segments} with segments sealed before");
    assert!(with_segments > 0 && with_frames > STREAM_KILLS / 2, "{with_segments} and {with_frames}");
}

/// Proves the same of packets from the kernel.
#[test]
fn a_recorder_of_the_loopback_killed_at_any_moment_loses_nothing_that_was_written() {
    if !possible() {
        return;
    }
    let mut random = Random::new(SEED);
    for n in 0..LIVE_KILLS {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("db");
        let alone = Namespace::new();
        let _sink = traffic::sink(&alone, "127.0.0.1");
        let method = super::METHODS[n % super::METHODS.len()];
        let program = Program::record(&alone, &db, &["-i", "lo", "--method", method]);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    traffic::datagrams(&alone, "127.0.0.1", [&[n as u8; 400][..]; 100]);
                }
            });
            thread::sleep(Duration::from_millis(300 + random.between(0, LATEST_MS).unsigned_abs()));
            program.signal("KILL");
            assert_eq!(program.end().code, None);
            done.store(true, Ordering::Relaxed);
        });
        let at = format!("kill {n} of {method}");
        let Left { sealed, logged } = left(&db);
        assert!(sealed == 0 && logged.len() > 100, "{at}: {} frames in the log", logged.len());
        let frames = restart(&db, &at);
        assert!(frames == logged, "{at}: {} of {} frames", frames.len(), logged.len());
        assert_eq!(number(&db, "select count(*) from packets where dst_port = 9009"), logged.len() as i64, "{at}");
    }
}
