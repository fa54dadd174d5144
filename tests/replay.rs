//! Rows made anew from the packets of sealed segments: the same where nothing changed, the new ones whole or not at all where
//! something did.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use arrow::array::RecordBatch;
use wiretape::{
    engine::{
        Db, Error, TableDef, Writer, fs::Fs, manifest::Manifest, raw::Resolution, retention::Expired, verify::verify,
    },
    ingest::{
        Frame, Interface, TABLES,
        import::{ImportConfig, import_file},
        pipeline::PipelineConfig,
        record::{Clock, RecordConfig, Recorder},
        replay::{ReplayConfig, ReplayReport, replay_segments},
    },
};

use crate::{
    crash::assert_whole,
    support::{
        frames,
        store::{import, open, rows},
    },
};

/// No replay of the small capture takes more writes, fsyncs, renames and removals.
const MAX_STEPS: u64 = 1000;

fn replay_with(db: &Path, wanted: &[u32], config: &ReplayConfig, fs: Fs) -> Result<ReplayReport, Error> {
    let mut writer = Writer::open_with(db, fs)?;
    let report = replay_segments(&mut writer, wanted, config, &mut |_, _| (), &AtomicBool::new(false))?;
    writer.sweep()?;
    Ok(report)
}

fn replay(db: &Path) -> ReplayReport {
    replay_with(db, &[], &ReplayConfig::default(), Fs::default()).unwrap()
}

/// The rows of every table, segment by segment as they are stored. Read without SQL: there are hundreds of stops.
fn all_rows(db: &Path) -> Vec<(u32, &'static str, Vec<RecordBatch>)> {
    let view = Db::open(db, TABLES).unwrap().view().unwrap();
    let of = |table: &'static TableDef| {
        view.segments().iter().map(move |s| (s.id(), table.name, s.read(table.name).unwrap()))
    };
    TABLES.iter().flat_map(|table| of(table)).filter(|(_, _, rows)| !rows.is_empty()).collect()
}

/// Imports without reading application protocols.
fn import_without_calls(db: &Path, capture: &Path, segment_rows: usize) {
    let mut writer = Writer::open(db).unwrap();
    let pipeline = PipelineConfig { l7: None, ..PipelineConfig::default() };
    let config = ImportConfig { segment_rows, pipeline, ..ImportConfig::default() };
    import_file(&mut writer, db, capture, &config, &mut |_| (), &AtomicBool::new(false)).unwrap();
}

/// Records the first packets of the demo's hour as if they came from a kernel, twice, the clock going on between.
fn record(db: &Path, capture: &Path, segment_rows: u32) {
    let now = Arc::new(AtomicI64::new(0));
    for node in [Some("web-1".to_owned()), None] {
        let clock = Arc::clone(&now);
        let config = RecordConfig {
            capture_source: "ebpf".to_owned(),
            segment_rows,
            pipeline: PipelineConfig { node, ..PipelineConfig::default() },
            ..RecordConfig::default()
        };
        let all = frames::read(capture);
        now.store(all[0].ts_ns, Ordering::Relaxed);
        let clock = Clock::new(move || clock.load(Ordering::Relaxed));
        let mut recorder = Recorder::begin(db, config, clock).unwrap();
        let (name, resolution) = ("eth7".to_owned(), Resolution::Nano);
        recorder.interface(Interface { link_type: 1, snaplen: 0, name, resolution }).unwrap();
        for (n, f) in all.iter().enumerate() {
            now.store(f.ts_ns, Ordering::Relaxed);
            let (ts_ns, link_type, orig_len) = (f.ts_ns, f.link_type, f.orig_len);
            let frame = Frame { ts_ns, interface: 0, link_type, orig_len, data: &f.data, direction: None };
            recorder.push(&frame).unwrap();
            if n % 10 == 9 {
                recorder.tick().unwrap();
            }
        }
        recorder.finish().unwrap();
    }
}

/// Proves that rows are a function of the packets: a replay of what was imported, and of what was recorded, writes the very files
/// that are there, flows across segments included, and says so.
#[test]
fn a_replay_of_the_raw_log_gives_identical_rows() {
    let dir = tempfile::tempdir().unwrap();
    let capture = frames::office(dir.path(), 3000);
    let [imported, recorded] = ["imported", "recorded"].map(|name| dir.path().join(name));
    import(&imported, &capture, 400, Fs::default()).unwrap();
    record(&recorded, &capture, 400);
    for db in [imported, recorded] {
        let before = (all_rows(&db), fs::read(Manifest::path(&db)).unwrap());
        assert!(before.0.iter().any(|(_, table, _)| *table == "dns"), "packets, flows and calls");
        let segments = Db::open(&db, TABLES).unwrap().view().unwrap().segments().len() as u64;
        let packets = Db::open(&db, TABLES).unwrap().view().unwrap().rows("packets");
        let expected = ReplayReport { unchanged: segments, packets, ..ReplayReport::default() };
        assert_eq!(replay(&db), expected);
        assert!((all_rows(&db), fs::read(Manifest::path(&db)).unwrap()) == before, "nothing was touched");
        assert_eq!(verify(&db, TABLES).unwrap().findings, []);
    }
}

/// Proves that segments get the rows that today's code reads, that whoever looked before goes on seeing what there was, and that of
/// segments only those that were named are changed.
#[test]
fn segments_get_the_rows_that_are_read_today() {
    let dir = tempfile::tempdir().unwrap();
    let capture = frames::office(dir.path(), 3000);
    let [today, db] = ["today", "old"].map(|name| dir.path().join(name));
    import(&today, &capture, 400, Fs::default()).unwrap();
    import_without_calls(&db, &capture, 400);
    let reader = open(&db);
    let before = reader.db().view().unwrap();
    assert_eq!(before.rows("dns"), 0);
    let some = replay_with(&db, &[2, 4], &ReplayConfig::default(), Fs::default()).unwrap();
    assert_eq!((some.changed, some.packets), (2, 1600), "read from the first, no further than need be");
    let calls = "select distinct call_id >> 32 from calls order by 1";
    assert_eq!(rows(&reader.session(), calls), [["2"], ["4"]]);

    let report = replay(&db);
    assert_eq!((report.changed, report.unchanged), (6, 2));
    assert!(all_rows(&db) == all_rows(&today), "as if they had been read then");
    assert_eq!(before.rows("dns"), 0, "a view is what it was");
    assert!(reader.db().view().unwrap().rows("dns") > 0);
    assert_eq!(verify(&db, TABLES).unwrap().findings, []);
    assert_eq!(replay(&db).changed, 0);
}

/// Proves the order of writes: wherever the process stops, all rows are as before or all are new, packets are whole, and the next
/// replay ends as if nothing had happened.
#[test]
fn a_stop_at_any_step_of_a_replay_leaves_the_old_rows_or_the_new() {
    let dir = tempfile::tempdir().unwrap();
    let capture = frames::office(dir.path(), 250);
    let [old, new] = ["old", "new"].map(|name| dir.path().join(name));
    import_without_calls(&old, &capture, 100);
    import(&new, &capture, 100, Fs::default()).unwrap();
    let (old_rows, new_rows) = (all_rows(&old), all_rows(&new));
    assert!(old_rows != new_rows);
    let (mut kept, mut changed) = (0, 0);
    for stop in 0..MAX_STEPS {
        let db = copy(&old, dir.path().join(format!("stopped-{stop}")));
        let done = replay_with(&db, &[], &ReplayConfig::default(), Fs::stopping_after(stop));
        if done.is_ok() {
            assert!(kept > 50 && changed > 2, "{kept} stops before the commit and {changed} after it");
            return;
        }
        drop(Writer::open(&db).unwrap_or_else(|e| panic!("after {stop} steps: {e}")));
        assert_whole(&db, "replayed");
        let rows = all_rows(&db);
        assert!(rows == old_rows || rows == new_rows, "after {stop} steps it is neither");
        *(if rows == old_rows { &mut kept } else { &mut changed }) += 1;
        replay(&db);
        assert!(all_rows(&db) == new_rows, "after {stop} steps and another replay");
        fs::remove_dir_all(&db).unwrap();
    }
    panic!("the replay never ends");
}

/// Proves that a segment whose packets were dropped keeps its rows and is counted, and that those behind it are made anew.
#[test]
fn a_segment_without_packets_is_left_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let capture = frames::office(dir.path(), 1000);
    let db = dir.path().join("db");
    import_without_calls(&db, &capture, 250);
    let mut writer = Writer::open(&db).unwrap();
    let segment = Arc::clone(&Db::open(&db, TABLES).unwrap().view().unwrap().segments()[0]);
    let raw = segment.raw_component().unwrap();
    let (file, size_bytes) = (raw.file.clone(), raw.size_bytes);
    writer.retire(&[Expired::Component { id: 1, file, size_bytes }]).unwrap();
    writer.sweep().unwrap();
    drop(writer);
    let report = replay(&db);
    assert_eq!((report.without_packets, report.changed, report.packets), (1, 3, 750));
    let session = open(&db).session();
    assert_eq!(rows(&session, "select count(*) from packets"), [["1000"]]);
    assert_eq!(rows(&session, "select min(call_id >> 32) from calls"), [["2"]]);
    let both = "select (select sum(packets_out + packets_in) from flows) - (select count(flow_id) from packets)";
    assert_eq!(rows(&session, both), [["0"]], "every packet is in one flow");
    assert_eq!(verify(&db, TABLES).unwrap().findings, []);
}

fn copy(from: &Path, to: PathBuf) -> PathBuf {
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
    to
}
