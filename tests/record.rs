//! The recorder without a kernel: frames handed to it, rows and packets asked for, stops at every step.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use wiretape::{
    engine::{Error, fs::Fs, raw::Resolution, retention::Policy, verify::verify},
    ingest::{
        Frame, Interface, TABLES,
        record::{Clock, Counts, MIN_BUDGET_BYTES, RecordConfig, RecordError, Recorder, open_writer},
    },
};

use crate::support::{
    frames::{self, OwnedFrame},
    store::{import, open, rows},
};

/// Packets of a segment: the small capture makes five.
const SEGMENT_ROWS: u32 = 100;
const PACKETS: usize = 450;

/// When frames without a time of their own begin.
const START_NS: i64 = 1_700_000_000_000_000_000;

/// No recording of the small capture takes more writes, fsyncs, renames and removals.
const MAX_STEPS: u64 = 3000;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that stands still until it is set.
fn clock(ns: &Arc<AtomicI64>) -> Clock {
    let ns = Arc::clone(ns);
    Clock::new(move || ns.load(Ordering::Relaxed))
}

fn config() -> RecordConfig {
    RecordConfig { segment_rows: SEGMENT_ROWS, ..RecordConfig::default() }
}

fn interface() -> Interface {
    Interface { link_type: 1, snaplen: 0, name: String::new(), resolution: Resolution::Nano }
}

fn frame(f: &OwnedFrame) -> Frame<'_> {
    Frame { ts_ns: f.ts_ns, interface: 0, link_type: f.link_type, orig_len: f.orig_len, data: &f.data, direction: None }
}

/// Records `frames` with a tick after every tenth. Returns how many of them were with the operating system when it ended,
/// and how it ended.
fn record(db: &Path, frames: &[OwnedFrame], fs: Fs, now: &Arc<AtomicI64>) -> (usize, Result<u64, RecordError>) {
    let mut safe = 0;
    now.store(now.load(Ordering::Relaxed).max(frames[0].ts_ns), Ordering::Relaxed);
    let mut run = || {
        let mut recorder = Recorder::begin_with(db, config(), clock(now), fs.clone())?;
        recorder.interface(interface())?;
        for (n, f) in frames.iter().enumerate() {
            now.store(f.ts_ns, Ordering::Relaxed);
            recorder.push(&frame(f))?;
            if n % 10 == 9 {
                recorder.tick()?;
                safe = n + 1;
            }
        }
        Ok(recorder.finish()?.recorded)
    };
    let end = run();
    (if end.is_ok() { frames.len() } else { safe }, end)
}

fn all_rows(db: &Path) -> [Vec<Vec<String>>; 2] {
    let session = open(db).session();
    ["select * from packets order by packet_id", "select * from flows order by flow_id"].map(|sql| rows(&session, sql))
}

fn number(db: &Path, sql: &str) -> i64 {
    rows(&open(db).session(), sql)[0][0].parse().unwrap()
}

/// Proves that there is one way from packets to rows: what is recorded live and what is imported from a file are the same
/// rows, flows across segments included.
#[test]
fn recording_a_capture_gives_the_rows_of_importing_it() {
    let dir = tempfile::tempdir().unwrap();
    let capture = frames::office(dir.path(), PACKETS);
    import(&dir.path().join("imported"), &capture, SEGMENT_ROWS as usize, Fs::default()).unwrap();
    let (_, end) = record(&dir.path().join("recorded"), &frames::read(&capture), Fs::default(), &Arc::default());
    assert_eq!(end.unwrap(), PACKETS as u64);
    let [recorded, imported] = ["recorded", "imported"].map(|db| all_rows(&dir.path().join(db)));
    for (recorded, imported) in recorded.iter().zip(&imported) {
        assert_eq!(recorded.len(), imported.len());
        for (recorded, imported) in recorded.iter().zip(imported) {
            assert_eq!(recorded, imported);
        }
    }
    assert_eq!(verify(&dir.path().join("recorded"), TABLES).unwrap().findings, []);
}

/// Proves that a reader in no way connected with the recorder sees packets, flows, exact bytes and coverage before anything
/// is sealed, that they are the same afterwards, and that a view once taken does not change under a statement.
#[test]
fn open_segments_are_rows_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let all = frames::read(&frames::office(dir.path(), PACKETS));
    let now = Arc::new(AtomicI64::new(all[0].ts_ns));
    // Large enough for all of it.
    let config = RecordConfig { segment_rows: 10_000, ..config() };
    let mut recorder = Recorder::begin(&db, config, clock(&now)).unwrap();
    recorder.interface(Interface { name: "eth7".to_owned(), ..interface() }).unwrap();
    let database = open(&db);
    let session = database.session();
    let count = |sql: &str| -> i64 { rows(&session, sql)[0][0].parse().unwrap() };
    let mut pushed = 0;
    for part in all.chunks(90) {
        for f in part {
            now.store(f.ts_ns, Ordering::Relaxed);
            recorder.push(&frame(f)).unwrap();
        }
        recorder.tick().unwrap();
        pushed += part.len() as i64;
        let began = Instant::now();
        while count("select count(*) from packets") < pushed {
            assert!(began.elapsed() < PATIENCE, "{pushed} packets never become visible");
            sleep(Duration::from_millis(5));
        }
        let flows = "select coalesce(sum(packets_out + packets_in), 0) from flows";
        assert_eq!(count(flows), count("select count(*) from packets where flow_id is not null"));
    }
    let questions = [
        "select packet_id, ts, src_ip, dst_ip, src_port, dst_port, proto, tcp_flags from packets order by packet_id",
        "select packet_id, encode(frame(packet_id), 'hex') from packets where dst_port = 53 order by packet_id",
        "select count(*) from packets where src_ip like '10.%' and proto = 'tcp'",
        "select flow_id, src_ip, packets_out, packets_in from flows order by flow_id",
    ];
    let before = questions.map(|sql| rows(&session, sql));
    assert_eq!(before[0].len(), PACKETS);
    assert!(before[1].len() > 3, "there is something to compare");
    let plan = rows(&session, "explain select count(*) from packets where dst_port = 53");
    assert!(
        plan.iter().flatten().any(|t| t.contains("OpenSegmentsExec: table=packets, segments=1, rows=450")),
        "{plan:?}"
    );
    let open_pcap = dir.path().join("open.pcap");
    rows(&session, &format!("copy (select * from packets) to '{}'", open_pcap.display()));
    assert!(frames::read(&open_pcap) == all, "the exact packets come back from an open segment");

    assert_eq!(recorder.finish().unwrap().recorded, PACKETS as u64);
    assert!(questions.map(|sql| rows(&session, sql)) == before, "sealed rows are other rows");
    let covered = "select sum(recorded), sum(received), sum(dropped_ring + dropped_limit + filtered), sum(restarts) from system.coverage where iface = 'eth7'";
    assert_eq!(rows(&session, covered), [["450", "450", "0", "0"]]);
}

/// Proves that packets which the kernel has counted and still holds when a log ends are received once: by the log that gets them. A
/// half-hour's recording told of six packets too many before, one for about every third log.
#[test]
fn what_the_source_still_holds_when_a_log_ends_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let all = frames::read(&frames::office(dir.path(), PACKETS));
    let now = Arc::new(AtomicI64::new(all[0].ts_ns));
    let config = RecordConfig { segment_rows: 10_000, segment_ns: 1_000_000_000, ..config() };
    let mut recorder = Recorder::begin(&db, config, clock(&now)).unwrap();
    recorder.interface(Interface { name: "eth7".to_owned(), ..interface() }).unwrap();
    let mut received = 0;
    for part in all.chunks(90) {
        for f in part {
            recorder.push(&frame(f)).unwrap();
        }
        received += part.len() as u64;
        // Five more were counted than came so far, one of those that came was kept out, and the log is old enough to end.
        let (held, filtered) = (if received < PACKETS as u64 { 5 } else { 0 }, received / 90);
        recorder.counts(0, Counts { received: received + filtered + held, filtered, ..Counts::default() });
        now.fetch_add(2_000_000_000, Ordering::Relaxed);
        recorder.tick().unwrap();
    }
    let report = recorder.finish().unwrap();
    assert!(report.recorded == PACKETS as u64 && report.segments > 4, "a log ended each time: {report:?}");
    assert_eq!((report.counts.received, report.counts.filtered), (PACKETS as u64 + 5, 5));
    let covered = "select sum(recorded), sum(received), sum(filtered) from system.coverage where iface = 'eth7'";
    assert_eq!(rows(&open(&db).session(), covered), [["450", "455", "5"]]);
}

/// Proves the order of writes of a recorder: wherever it stops, what was handed to the operating system is there after the
/// next start, nothing is half, and the time that was not recorded is told.
#[test]
fn a_stop_at_any_step_of_a_recording_loses_nothing_that_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let all = frames::read(&frames::office(dir.path(), PACKETS));
    let now = Arc::new(AtomicI64::new(0));
    let (mut stopped, mut recovered_some) = (0, 0);
    let step = 7; // a stop takes 0.2 s; with 1 here every step was seen to hold
    let mut stop = u64::from(std::process::id()) % step;
    loop {
        assert!(stop < MAX_STEPS, "the recording never ends");
        let db = dir.path().join(format!("stopped-{stop}"));
        now.store(0, Ordering::Relaxed);
        let (safe, end) = record(&db, &all, Fs::stopping_after(stop), &now);
        if end.is_ok() {
            break;
        }
        stopped += 1;
        let last_ns = all[safe.saturating_sub(1)].ts_ns;
        now.store(all[PACKETS - 1].ts_ns + 60_000_000_000, Ordering::Relaxed);
        // Recovery is stopped as well, after as many steps.
        drop(Recorder::begin_with(&db, config(), clock(&now), Fs::stopping_after(stop % 97)));
        let recorder = begin_again(&db, &now).unwrap_or_else(|e| panic!("after {stop} steps: {e}"));
        recovered_some += u64::from(recorder.recovered().packets > 0);
        let mut recorder = recorder;
        recorder.interface(interface()).unwrap();
        recorder.finish().unwrap();
        assert_eq!(verify(&db, TABLES).unwrap().findings, [], "after {stop} steps");
        assert_recorded(&db, &all, safe, &format!("after {stop} steps"));
        if safe > 0 {
            let gap = number(&db, "select max(gap_ns) from system.coverage");
            let least = now.load(Ordering::Relaxed) - all[PACKETS - 1].ts_ns;
            assert!(
                gap >= least && gap <= now.load(Ordering::Relaxed) - last_ns + 20_000_000_000,
                "after {stop} steps: {gap}"
            );
        }
        std::fs::remove_dir_all(&db).unwrap();
        stop += step;
    }
    assert!(stopped > 30 && recovered_some > 10, "{stopped} stops, {recovered_some} with something to recover");
}

/// Begins where a recorder of this process has ended. A process that another test starts holds the database's lock as well
/// between its fork and its exec, so it is asked for more than once.
fn begin_again(db: &Path, now: &Arc<AtomicI64>) -> Result<Recorder, RecordError> {
    let began = Instant::now();
    loop {
        match Recorder::begin(db, config(), clock(now)) {
            Err(RecordError::Store(Error::Locked { .. })) if began.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(1));
            }
            recorder => return recorder,
        }
    }
}

/// The first of `all` are in, in order and to the byte, at least `safe` of them, and every flow counts its packets.
fn assert_recorded(db: &Path, all: &[OwnedFrame], safe: usize, at: &str) {
    let session = open(db).session();
    let there = rows(
        &session,
        "select cast(ts as bigint), orig_len, encode(frame(packet_id), 'hex') from packets order by packet_id",
    );
    assert!((safe..=all.len()).contains(&there.len()), "{at}: {} of at least {safe} packets are in", there.len());
    for (row, f) in there.iter().zip(all) {
        let hex: String = f.data.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(*row, [f.ts_ns.to_string(), f.orig_len.to_string(), hex], "{at}");
    }
    let sums =
        "select (select coalesce(sum(packets_out + packets_in), 0) from flows) - (select count(flow_id) from packets)";
    assert_eq!(rows(&session, sums), [["0"]], "{at}");
    let covered = "select coalesce(sum(recorded), 0) - (select count(*) from packets) from system.coverage";
    assert_eq!(rows(&session, covered), [["0"]], "{at}: coverage counts what is in");
}

/// Proves that the budget holds while segments come, that the oldest go first, and that what is left is whole.
#[test]
fn retention_keeps_the_newest_within_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let capture = dir.path().join("flood.pcap");
    frames::flood(&capture, 240_000);
    let all = frames::read(&capture);
    let now = Arc::new(AtomicI64::new(all[0].ts_ns));
    let budget = MIN_BUDGET_BYTES;
    let config = RecordConfig {
        segment_rows: 5000,
        policy: Policy { max_bytes: Some(budget), ..Policy::default() },
        ..RecordConfig::default()
    };
    let mut recorder = Recorder::begin(&db, config, clock(&now)).unwrap();
    recorder.interface(interface()).unwrap();
    for (n, f) in all.iter().enumerate() {
        now.store(f.ts_ns, Ordering::Relaxed);
        recorder.push(&frame(f)).unwrap();
        if n % 1000 == 0 {
            recorder.tick().unwrap();
            while recorder.report().behind_bytes > 1 << 18 {
                sleep(Duration::from_millis(1));
            }
        }
    }
    let report = recorder.finish().unwrap();
    assert_eq!((report.recorded, report.dropped_limit), (all.len() as u64, 0));
    let (_writer, _) = open_writer(&db, 0).unwrap(); // what was retired last goes at the next start at the latest
    let size: u64 = walk(&db);
    assert!(size <= budget, "{size} bytes on the disk");
    assert_eq!(verify(&db, TABLES).unwrap().findings, []);
    let left = number(&db, "select count(*) from packets");
    assert!(left > 0 && left < all.len() as i64, "{left} packets are left");
    let newest = number(&db, "select cast(max(ts) as bigint) from packets");
    assert_eq!(newest, all[all.len() - 1].ts_ns);
    let gaps =
        number(&db, "select (cast(max(ts) as bigint) - cast(min(ts) as bigint)) / 1000 + 1 - count(*) from packets");
    assert_eq!(gaps, 0, "what is left is one stretch of time");
}

/// Proves that no more is on the disk than the budget says however much comes in between two ticks: what there is no room for is counted.
#[test]
fn a_burst_between_two_ticks_keeps_to_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let now = Arc::new(AtomicI64::new(START_NS));
    let config = RecordConfig {
        policy: Policy { max_bytes: Some(MIN_BUDGET_BYTES), ..Policy::default() },
        ..RecordConfig::default()
    };
    let mut recorder = Recorder::begin(&db, config, clock(&now)).unwrap();
    recorder.interface(interface()).unwrap();
    let data = [0xa5; 1400];
    let burst = 4 * MIN_BUDGET_BYTES / data.len() as u64;
    for n in 0..burst {
        let ts_ns = START_NS + n as i64;
        let frame = Frame { ts_ns, interface: 0, link_type: 1, orig_len: 1400, data: &data, direction: None };
        recorder.push(&frame).unwrap();
        if n % 256 == 0 {
            assert!(walk(&db) <= MIN_BUDGET_BYTES, "{} bytes on the disk", walk(&db));
        }
    }
    let report = recorder.finish().unwrap();
    assert_eq!(report.recorded + report.dropped_limit, burst);
    assert!(report.recorded > 0 && report.dropped_limit > 0, "{report:?}");
    assert_eq!(verify(&db, TABLES).unwrap().findings, []);
}

/// Proves that a budget that nothing can be recorded within is refused at once, instead of dropping every packet.
#[test]
fn a_budget_that_is_too_small_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let policy = Policy { raw_max_bytes: Some(MIN_BUDGET_BYTES - 1), ..Policy::default() };
    let config = RecordConfig { policy, ..RecordConfig::default() };
    let refused = Recorder::begin(dir.path(), config, clock(&Arc::default())).unwrap_err().to_string();
    assert_eq!(refused, "8388607 bytes are not enough to record within: the least is 8388608");
}

fn walk(dir: &Path) -> u64 {
    // What goes meanwhile takes nothing.
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { walk(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}
