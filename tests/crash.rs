//! What a crash, a damaged disk and a second writer do to a database: nothing that is not told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wiretape::{
    engine::{
        Db, Error, Segment, Writer,
        fs::Fs,
        manifest::Manifest,
        verify::{Finding, verify},
    },
    ingest::{TABLES, import::ImportError},
};

use crate::support::{
    frames,
    store::{import, open, rows},
};

/// Packets of the small capture, and of one of its segments: five segments.
const PACKETS: usize = 450;
const SEGMENT_ROWS: usize = 100;

/// No import of the small capture takes more writes, fsyncs, renames and removals.
const MAX_STEPS: u64 = 1000;

/// All rows of both tables.
fn all_rows(db: &Path) -> [Vec<Vec<String>>; 2] {
    let session = open(db).session();
    ["select * from packets order by packet_id", "select * from flows order by flow_id"].map(|sql| rows(&session, sql))
}

/// Whole segments only: each opens, every byte of it is as written, its packets are numbered without a gap, and the
/// import's record counts exactly them.
pub(crate) fn assert_whole(db: &Path, at: &str) {
    let view = Db::open(db, TABLES).and_then(|db| db.view()).unwrap_or_else(|e| panic!("{at}: {e}"));
    let report = verify(db, TABLES).unwrap();
    assert!(report.findings.is_empty(), "{at}: {:?}", report.findings);
    assert_eq!(report.segments, view.segments().len(), "{at}");
    let recorded: u64 = view.imports().iter().map(|i| i.packets).sum();
    assert_eq!(recorded, view.rows("packets"), "{at}: the record counts the packets that are in");
    let mut folders: Vec<_> =
        fs::read_dir(db.join("segments")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let live: Vec<_> = Manifest::read(db).unwrap().segments.iter().map(|s| s.folder()).collect();
    assert_eq!(folders, live, "{at}: nothing lies in segments/ that is not listed");
}

/// Proves the order of writes: wherever the process stops, what is listed is whole, and importing again ends as if nothing
/// had happened.
#[test]
fn a_stop_at_any_step_of_an_import_costs_nothing_but_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let capture = frames::office(dir.path(), PACKETS);
    let undisturbed = dir.path().join("undisturbed");
    let report = import(&undisturbed, &capture, SEGMENT_ROWS, Fs::default()).unwrap();
    assert_eq!((report.packets, report.segments.len()), (PACKETS as u64, PACKETS.div_ceil(SEGMENT_ROWS)));
    let expected = all_rows(&undisturbed);
    assert_eq!(expected[0].len(), PACKETS);
    let mut resumed = 0;
    for stop in 0..MAX_STEPS {
        let db = dir.path().join(format!("stopped-{stop}"));
        let done = import(&db, &capture, SEGMENT_ROWS, Fs::stopping_after(stop));
        if done.is_ok() {
            assert!(stop > 50, "an import of five segments takes more than {stop} steps");
            assert!(resumed > 30, "most stops come after a segment, but {resumed} only went on from one");
            return;
        }
        // The next writer finds its feet, and clears what no manifest lists.
        drop(Writer::open(&db).unwrap_or_else(|e| panic!("after {stop} steps: {e}")));
        assert_whole(&db, &format!("after {stop} steps"));
        let again = match import(&db, &capture, SEGMENT_ROWS, Fs::default()) {
            Ok(report) => report.resumed_after,
            // Stopped after the last commit: all is in.
            Err(ImportError::Duplicate { packets, .. }) => packets,
            Err(e) => panic!("after {stop} steps: {e}"),
        };
        resumed += u64::from(again > 0);
        assert!(all_rows(&db) == expected, "after {stop} steps and another import the rows are other rows");
        fs::remove_dir_all(&db).unwrap();
    }
    panic!("the import never ends");
}

/// A small database, and the paths of one of each kind of component.
fn database(dir: &Path) -> (PathBuf, Vec<PathBuf>) {
    let db = dir.join("db");
    import(&db, &frames::office(dir, PACKETS), 250, Fs::default()).unwrap();
    let segment = Segment::open(&db.join("segments/0000000002"), &[]).unwrap();
    let mut files: Vec<PathBuf> = segment.meta().components.iter().map(|c| segment.dir().join(&c.file)).collect();
    files.push(segment.dir().join("segment.json"));
    let kinds: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    for kind in ["packets.parquet", "packets.idx", "flows.parquet", "segment.json"] {
        assert!(kinds.contains(&kind), "{kind} among {kinds:?}");
    }
    assert!(kinds.iter().any(|k| k.starts_with("raw.")), "{kinds:?}");
    (db, files)
}

/// Places in a file of `len` bytes: both ends, the middle, and some between.
fn places(len: usize) -> Vec<usize> {
    let mut places = vec![0, 1, 17, len / 5, len / 3, len / 2, len * 4 / 5, len - 9, len - 1];
    places.retain(|at| *at < len);
    places
}

/// What verify finds.
fn found(db: &Path) -> Vec<Finding> {
    verify(db, TABLES).unwrap().findings
}

/// Proves that no byte of any component can change unnoticed, and that the file is named.
#[test]
fn a_flipped_byte_in_any_component_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (path, files) = database(dir.path());
    assert_eq!(found(&path), []);
    for file in files {
        let good = fs::read(&file).unwrap();
        for at in places(good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&file, &bad).unwrap();
            let findings = found(&path);
            assert!(
                findings.iter().any(|f| f.path == file),
                "byte {at} of {}: found only {findings:?}",
                file.display()
            );
        }
        fs::write(&file, &good).unwrap();
    }
    assert_eq!(found(&path), [], "put right again");
}

#[test]
fn a_component_that_is_cut_or_gone_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (path, files) = database(dir.path());
    for file in files.iter().filter(|f| !f.ends_with("segment.json")) {
        let good = fs::read(file).unwrap();
        for cut in [good.len() - 1, good.len() / 2, 0] {
            fs::write(file, &good[..cut]).unwrap();
            let findings = found(&path);
            assert!(findings.iter().any(|f| f.path == *file), "{} cut to {cut}: {findings:?}", file.display());
        }
        fs::remove_file(file).unwrap();
        let findings = found(&path);
        let missing = |f: &&Finding| f.path == *file && f.what == "missing";
        assert!(findings.iter().any(|f| missing(&f)), "{} gone: {findings:?}", file.display());
        fs::write(file, &good).unwrap();
    }
}

#[test]
fn a_damaged_manifest_is_named_and_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = database(dir.path());
    let file = Manifest::path(&path);
    let good = fs::read(&file).unwrap();
    for at in places(good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 0x01;
        fs::write(&file, &bad).unwrap();
        assert!(found(&path).iter().any(|f| f.path == file), "byte {at}");
        for error in [Db::open(&path, TABLES).unwrap_err(), Writer::open(&path).unwrap_err()] {
            assert!(matches!(&error, Error::Damaged { path, .. } if *path == file), "byte {at}: {error}");
        }
        assert!(fs::read(&file).unwrap() == bad, "left for somebody to look at");
    }
    assert_eq!(fs::read_dir(path.join("segments")).unwrap().count(), 2, "and no segment was cleared away");
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = database(dir.path());
    let first = Writer::open(&path).unwrap();
    let refused = Writer::open(&path).unwrap_err();
    assert!(matches!(&refused, Error::Locked { path: at } if *at == path), "{refused}");
    assert_eq!(Db::open(&path, TABLES).unwrap().view().unwrap().rows("packets"), PACKETS as u64);
    drop(first);
    Writer::open(&path).unwrap();
}
