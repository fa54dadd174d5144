//! A budget of disk, kept all along while packets come and queries run.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use wiretape::sql::Session;

use super::{
    program::{Program, assert_whole, exported, number},
    stream::{Stream, number_of},
};
use crate::support::{run, store, wiretape};

/// Bytes of frames that are sent, and of the budget.
const SENT_BYTES: usize = 100 << 20;
const BUDGET: &str = "16MiB";
/// What the database may take at any time: the budget, and a quarter of it for what is on its way from one form to the next,
/// which a machine that seals slowly has more of.
const MOST_BYTES: u64 = 20 << 20;
/// A piece of the stream and the pause after it: 6 MB a second.
const PIECE_BYTES: usize = 125_000;
const PAUSE: Duration = Duration::from_millis(20);

/// Queries that read rows, indexes and exact packets.
const QUESTIONS: [&str; 5] = [
    "select count(*), min(ts), max(ts) from packets",
    "select src_ip, sum(packets_out + packets_in) from flows group by src_ip order by 2 desc limit 3",
    "select count(*) from packets where src_ip = '10.1.0.7'",
    "select sum(octet_length(frame(packet_id))) from packets where dst_ip in ('10.2.0.3', '10.2.3.1')",
    "select sum(recorded) from system.coverage",
];

/// Bytes on the disk below a folder, as `du` counts them. What goes meanwhile takes nothing.
fn disk_usage(path: &Path) -> u64 {
    let own = fs::symlink_metadata(path).map_or(0, |m| m.blocks() * 512);
    let inner = fs::read_dir(path).into_iter().flatten().flatten().map(|e| disk_usage(&e.path()));
    own + inner.sum::<u64>()
}

/// Asks all questions again and again until told to stop. Returns how many were answered.
fn ask(session: impl Fn() -> Arc<Session>, done: &AtomicBool) -> usize {
    let mut answered = 0;
    while !done.load(Ordering::Relaxed) {
        for sql in QUESTIONS {
            store::batches(&session(), sql).unwrap_or_else(|e| panic!("after {answered} answers: {sql}: {e:?}"));
            answered += 1;
        }
    }
    answered
}

/// Proves that a recording with a budget stays within it, at every moment that was looked at, while six times as much comes
/// in; that no query under way minds what retention drops, in a session that lasts, in new ones and in other processes; and
/// that the newest packets are those left.
#[test]
fn a_budget_holds_and_no_query_fails() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let (program, stdin) = Program::record_stream(&db, &["--max-size", BUDGET]);
    let mut stream = Stream::begin(stdin).unwrap();
    stream.send(PIECE_BYTES).unwrap();
    while !db.join("manifest.json").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    let (done, most, looks) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let (lasting, fresh, processes) = thread::scope(|scope| {
        let lasting = Arc::new(store::open(&db).session());
        let lasting = scope.spawn(|| ask(move || Arc::clone(&lasting), &done));
        let fresh = scope.spawn(|| ask(|| Arc::new(store::open(&db).session()), &done));
        let processes = scope.spawn(|| {
            let mut answered = 0;
            while !done.load(Ordering::Relaxed) {
                run(wiretape(&["query", "-q", "--db"]).arg(&db).arg(QUESTIONS[answered % QUESTIONS.len()]));
                answered += 1;
            }
            answered
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(disk_usage(&db), Ordering::Relaxed);
                looks.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        while stream.sent() * 500 < SENT_BYTES as u64 && !fresh.is_finished() && !lasting.is_finished() {
            stream.send(PIECE_BYTES).unwrap();
            thread::sleep(PAUSE);
        }
        done.store(true, Ordering::Relaxed);
        (lasting.join().unwrap(), fresh.join().unwrap(), processes.join().unwrap())
    });
    let sent = stream.sent();
    drop(stream);
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let (most, looks) = (most.into_inner(), looks.into_inner());
    eprintln!(
        "{sent} frames sent; at most {most} B on the disk in {looks} looks; {lasting} answers of one session, {fresh} of new \
         ones, {processes} of processes\n{}",
        ended.said
    );
    assert!(most < MOST_BYTES, "{most} bytes on the disk");
    assert!(looks > 50 && lasting > 10 && fresh > 10 && processes > 3);
    assert_whole(&db, "at the end");
    let numbers: Vec<_> = exported(&db).iter().map(|f| number_of(&f.data)).collect();
    assert!(numbers[0] > 0, "nothing was dropped");
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order");
    assert_eq!(numbers.len() as i64, number(&db, "select count(*) from packets"));
    let lost = ended.said.contains("dropped for want of disk");
    assert!(lost || *numbers.last().unwrap() == sent - 1, "the newest is not there");
}
