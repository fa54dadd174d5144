//! A full disk: a small tmpfs mount that the recording fills.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    namespace::possible,
    program::{Ended, Program, exported},
    stream::{Stream, number_of},
};
use crate::support::{run, wiretape};

/// Bytes that are written, far more than the disk has.
const PLENTY: usize = 64 << 20;
const PIECE_BYTES: usize = 1 << 20;
/// Time after each piece for a recorder that is to keep up: logs that are not sealed yet cannot go.
const PAUSE: Duration = Duration::from_millis(120);

/// A tmpfs with a file of somebody else's on it, unmounted with this value.
struct Disk {
    dir: TempDir,
    ballast: Vec<u8>,
}

impl Disk {
    /// A disk of 24 MiB, of which this much is taken by a file.
    fn new(ballast_bytes: usize) -> Disk {
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(dir.path()));
        let ballast: Vec<u8> = (0..=250).cycle().take(ballast_bytes).collect();
        fs::write(dir.path().join("ballast"), &ballast).unwrap();
        Disk { dir, ballast }
    }

    fn db(&self) -> PathBuf {
        self.dir.path().join("db")
    }

    /// Fails unless nothing but the database came to the disk, and nothing else changed there.
    fn assert_untouched(&self) {
        assert!(fs::read(self.dir.path().join("ballast")).unwrap() == self.ballast, "somebody else's file changed");
        let mut names: Vec<_> = fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["ballast", "db"]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The folder goes next, and a second panic would hide the first.
        let _unmounted = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}

/// Records a stream of `bytes`, or as much of it as the program takes, with a pause after each piece, and returns the number
/// of frames written.
fn record(db: &Path, args: &[&str], bytes: usize, pause: Duration) -> (u64, Ended) {
    let (program, stdin) = Program::record_stream(db, args);
    let mut stream = Stream::begin(stdin).unwrap();
    for _ in 0..bytes.div_ceil(PIECE_BYTES) {
        if stream.send(PIECE_BYTES.min(bytes)).is_err() {
            break;
        }
        thread::sleep(pause);
    }
    let sent = stream.sent();
    drop(stream);
    (sent, program.end())
}

fn verified(db: &Path) {
    run(wiretape(&["verify", "--db"]).arg(db));
}

/// Proves that a recorder that may not drop anything stops when the disk is full, says so and why, loses nothing that it
/// took, leaves everything else alone, and goes on once there is room.
#[test]
fn a_full_disk_ends_a_recording_that_may_drop_nothing() {
    if !possible() {
        return;
    }
    let disk = Disk::new(4 << 20);
    let (sent, ended) = record(&disk.db(), &[], PLENTY, Duration::ZERO);
    assert!(sent < (PLENTY / 500) as u64, "it took more than the disk holds");
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    for words in
        ["error: ", "No space left on device", "nothing may be dropped to make room (see the retention options)"]
    {
        assert!(ended.said.contains(words), "no \"{words}\" in\n{}", ended.said);
    }
    verified(&disk.db());
    disk.assert_untouched();

    run(Command::new("mount").args(["-o", "remount,size=128m"]).arg(disk.dir.path()));
    let (more, ended) = record(&disk.db(), &[], PIECE_BYTES, Duration::ZERO);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    verified(&disk.db());
    disk.assert_untouched();
    let frames = exported(&disk.db());
    let numbers: Vec<_> = frames.iter().map(|f| number_of(&f.data)).collect();
    let first = numbers.len() - more as usize;
    // 20 MiB were free; the end of what was read is not in the log.
    assert!(first * 500 > 15 << 20, "{first} frames of the first recording");
    assert!(numbers[..first].iter().copied().eq(0..first as u64), "a frame of the first recording is not there");
    assert!(numbers[first..].iter().copied().eq(0..more), "a frame of the second recording is not there");
}

/// Proves that with a budget the recorder goes on, also when the disk has less room than the budget says: the oldest goes.
#[test]
fn a_full_disk_takes_the_oldest_of_a_recording_with_a_budget() {
    if !possible() {
        return;
    }
    // A disk with more room than the budget, with less, and with less than comes in while a log is sealed.
    for (ballast_bytes, pause) in [(4 << 20, PAUSE), (12 << 20, PAUSE), (12 << 20, Duration::ZERO)] {
        let disk = Disk::new(ballast_bytes);
        let (sent, ended) = record(&disk.db(), &["--max-size", "16MiB"], PLENTY, pause);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        assert_eq!(ended.said.contains("note: the disk has room for "), ballast_bytes > 8 << 20, "{}", ended.said);
        verified(&disk.db());
        disk.assert_untouched();
        let captured: u64 =
            ended.said.split(" packets captured").next().unwrap().rsplit('\n').next().unwrap().parse().unwrap();
        let frames = exported(&disk.db());
        let numbers: Vec<_> = frames.iter().map(|f| number_of(&f.data)).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "out of order");
        assert!(numbers[0] > 0, "nothing was dropped");
        // What there was no room for was counted.
        let dropped = sent - captured;
        assert_eq!(dropped > 0, ended.said.contains("dropped for want of disk"), "{}", ended.said);
        eprintln!("{ballast_bytes} B of others: {captured} of {sent} captured, {} kept: {}", numbers.len(), ended.said);
        assert!(numbers.len() * 500 > 1 << 20, "{} frames are left", numbers.len());
    }
}
