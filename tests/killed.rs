//! `kill -9` and Ctrl-C on a real import: the process is gone, and the database is whole.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use wiretape::{demo::Random, engine::Db, ingest::TABLES};

use crate::{
    crash::assert_whole,
    support::{frames, run, signal, store::scratch, wait, wiretape},
};

const PACKETS: u32 = 200_000;
/// Small enough for a dozen segments.
const MEMORY_LIMIT: &str = "8MiB";
const KILLS: usize = 12;
/// Killing is to come at other moments in another run of the test only if it is told so.
const SEED: u64 = 9;
const PATIENCE: Duration = Duration::from_secs(120);

/// A capture that takes a while.
static FLOOD: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = scratch("flood").join("flood.pcap");
    frames::flood(&path, PACKETS);
    path
});

fn start(db: &Path) -> Child {
    let mut command = wiretape(&["import", "--memory-limit", MEMORY_LIMIT, "--threads", "1", "--db"]);
    command.arg(db).arg(&*FLOOD).stderr(Stdio::piped()).spawn().unwrap()
}

/// File name, size and checksum of every component: what the rows and packets are, without reading them.
fn components(db: &Path) -> Vec<(u32, String, u64, String)> {
    let view = Db::open(db, TABLES).unwrap().view().unwrap();
    let of = |s: &wiretape::engine::Segment| {
        let id = s.id();
        s.meta()
            .components
            .iter()
            .map(move |c| (id, c.file.clone(), c.size_bytes, c.checksum.clone()))
            .collect::<Vec<_>>()
    };
    view.segments().iter().flat_map(|s| of(s)).collect()
}

/// Proves that nothing but whole segments is ever seen, and that an import killed a dozen times ends in the same bytes as
/// one that was left in peace.
#[test]
fn an_import_killed_again_and_again_ends_in_the_same_database() {
    let dir = tempfile::tempdir().unwrap();
    let (peace, war) = (dir.path().join("peace"), dir.path().join("war"));
    let began = Instant::now();
    let output = wait(start(&peace), PATIENCE);
    let alone = began.elapsed();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = components(&peace);
    assert!(expected.len() > 4 * 4, "several segments: {}", expected.len());

    let mut random = Random::new(SEED);
    let (mut killed, mut between) = (0, 0);
    for n in 0..KILLS {
        let mut child = start(&war);
        let limit = i64::try_from(alone.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(random.between(0, limit * 2 / 3).unsigned_abs()));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        if !war.join("manifest.json").exists() {
            continue;
        }
        assert_segments_whole(&war, &format!("kill {n}"));
        let segments = Db::open(&war, TABLES).unwrap().view().unwrap().segments().len();
        between += usize::from(segments > 0 && segments < expected.len() / 4);
    }
    assert!(killed > 0 && between > 0, "{killed} kills, {between} of them between the first segment and the last");
    let output = wait(start(&war), PATIENCE);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || text.contains("already imported"), "{text}");
    assert_whole(&war, "the end");
    assert_eq!(components(&war), expected);
}

/// As a reader sees it right after the kill, before any writer cleared up.
fn assert_segments_whole(db: &Path, at: &str) {
    let view = Db::open(db, TABLES).and_then(|db| db.view()).unwrap_or_else(|e| panic!("{at}: {e}"));
    let report = wiretape::engine::verify::verify(db, TABLES).unwrap();
    assert!(report.findings.is_empty(), "{at}: {:?}", report.findings);
    assert_eq!(view.imports().iter().map(|i| i.packets).sum::<u64>(), view.rows("packets"), "{at}");
}

/// Ctrl-C seals what is whole, says so, exits with 130, and the same command goes on from there.
#[test]
fn ctrl_c_seals_what_is_in_and_the_same_command_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let child = start(&db);
    // The first segment is there, the last is not.
    let began = Instant::now();
    while fs::read_dir(db.join("segments")).map_or(0, Iterator::count) == 0 {
        assert!(began.elapsed() < PATIENCE, "no segment appears");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "INT");
    let output = wait(child, PATIENCE);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("are in and sealed; importing it again goes on from there"), "{text}");
    assert_whole(&db, "after Ctrl-C");
    let sealed = Db::open(&db, TABLES).unwrap().view().unwrap().rows("packets");
    assert!(sealed > 0 && sealed < u64::from(PACKETS), "{sealed} packets sealed");
    let output = wait(start(&db), PATIENCE);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("going on after"), "{text}");
    assert_eq!(Db::open(&db, TABLES).unwrap().view().unwrap().rows("packets"), u64::from(PACKETS));
    run(wiretape(&["verify", "--db"]).arg(&db));
}

/// A second `wiretape import` does not wait and does not harm the first.
#[test]
fn a_second_import_at_the_same_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _writer = wiretape::engine::Writer::open(dir.path()).unwrap();
    let output = wait(start(dir.path()), PATIENCE);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("another process is writing to this database"), "{text}");
}
