//! The program under test: started, listened to, signalled and ended; and what its database says.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wiretape::{engine::verify::verify, ingest::TABLES};

use super::namespace::Namespace;
use crate::support::{
    self,
    frames::{self, OwnedFrame},
    run, store, wiretape,
};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// All of its standard error.
    pub(crate) said: String,
}

/// A program that runs. It does not outlive the test.
pub(crate) struct Program {
    child: Child,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts it; what it says is kept.
    pub(crate) fn start(command: &mut Command) -> Program {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let listener = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *heard.lock().unwrap() += &(line + "\n");
            }
        });
        Program { child, said, listener: Some(listener) }
    }

    /// `wiretape record` inside a namespace, started and recording.
    pub(crate) fn record(namespace: &Namespace, db: &Path, args: &[&str]) -> Program {
        let program = Program::start(inside(namespace, &["record", "--db"]).arg(db).args(args));
        program.wait_for("recording ");
        program
    }

    /// `wiretape record -r -` and the pipe it reads, which holds whatever is written until it is read.
    pub(crate) fn record_stream(db: &Path, args: &[&str]) -> (Program, ChildStdin) {
        let mut command = wiretape(&["record", "-r", "-", "--db"]);
        let mut program = Program::start(command.arg(db).args(args).stdin(Stdio::piped()));
        let stdin = program.child.stdin.take().unwrap();
        (program, stdin)
    }

    /// All it has said by now.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this, and fails if it ends before.
    #[track_caller]
    pub(crate) fn wait_for(&self, words: &str) {
        let began = Instant::now();
        while !self.said().contains(words) {
            let ended = self.listener.as_ref().is_some_and(JoinHandle::is_finished);
            assert!(!ended && began.elapsed() < PATIENCE, "never said \"{words}\": {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal: INT, TERM, USR1, KILL.
    pub(crate) fn signal(&self, signal: &str) {
        support::signal(&self.child, signal);
    }

    /// Whether it is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let began = Instant::now();
        while self.is_running() {
            assert!(began.elapsed() < PATIENCE, "still running after {PATIENCE:?}: {}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
        self.listener.take().unwrap().join().unwrap();
        Ended { code: self.child.wait().unwrap().code(), said: self.said() }
    }

    /// Ctrl-C, and a good end.
    #[track_caller]
    pub(crate) fn stop(self) -> String {
        self.signal("INT");
        let ended = self.end();
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        ended.said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already where the test went well.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The program with these arguments inside a namespace.
pub(crate) fn inside(namespace: &Namespace, args: &[&str]) -> Command {
    let mut command = namespace.command(env!("CARGO_BIN_EXE_wiretape"));
    command.args(args).env_remove("WIRETAPE_DB");
    command
}

/// Fails unless every byte of the database is as it was written.
#[track_caller]
pub(crate) fn assert_whole(db: &Path, at: &str) {
    let report = verify(db, TABLES).unwrap_or_else(|e| panic!("{at}: {e}"));
    assert!(report.findings.is_empty(), "{at}: {:?}", report.findings);
}

/// The rows of a query.
pub(crate) fn rows(db: &Path, sql: &str) -> Vec<Vec<String>> {
    store::rows(&store::open(db).session(), sql)
}

/// The single number of a query.
#[track_caller]
pub(crate) fn number(db: &Path, sql: &str) -> i64 {
    rows(db, sql)[0][0].parse().unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// What `wiretape export` gives back of the whole database, in time order.
pub(crate) fn exported(db: &Path) -> Vec<OwnedFrame> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("exported.pcap");
    run(wiretape(&["export", "-q", "--db"]).arg(db).arg("-w").arg(&path));
    frames::read(&path)
}
