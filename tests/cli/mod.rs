//! The program as a user runs it: what it prints where, and its exit codes.

mod calls;
mod export;
mod follow;
mod import;
mod keylog;
mod kfl;
mod query;
mod replay;
mod whole;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{frames, wiretape};

/// What a command did.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Nothing but success, and nothing said that was not asked for.
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Exit code 1, and an explanation.
    #[track_caller]
    fn failed_saying(self, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no \"{word}\" in\n{}", self.stderr);
        }
        self
    }
}

/// A folder to work in, and the database `db` in it.
struct Desk {
    dir: TempDir,
}

impl Desk {
    fn new() -> Desk {
        Desk { dir: tempfile::tempdir().unwrap() }
    }

    /// With the first 3000 packets of the demo's hour imported.
    fn with_packets() -> Desk {
        let desk = Desk::new();
        let capture = frames::office(desk.dir.path(), 3000);
        desk.run(&["import", capture.to_str().unwrap()]).ok();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The first `packets` of the demo's hour as capture `name`.
    fn capture(&self, name: &str, packets: usize) -> PathBuf {
        let mut all = wiretape::demo::packets();
        all.truncate(packets);
        self.write(name, &wiretape::demo::pcap(&all))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = wiretape(args);
        command.current_dir(self.dir.path()).env("WIRETAPE_DB", self.path("db"));
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    /// With standard input.
    fn run_with(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        // A command that does not read it has closed it.
        let feed = std::thread::spawn(move || pipe.write_all(&stdin).is_ok());
        let output = child.wait_with_output().unwrap();
        feed.join().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Ran { code: output.status.code(), stdout: output.stdout, stderr }
    }

    /// The single value of a query.
    fn value(&self, sql: &str) -> String {
        let ran = self.run(&["query", "--format", "csv", sql]).ok();
        ran.text().lines().nth(1).unwrap_or_default().to_owned()
    }

    fn packets(&self) -> usize {
        self.value("select count(*) from packets").parse().unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
