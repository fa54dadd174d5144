//! Network namespaces of a test's own, and what must be there to make them.
#![expect(
    unsafe_code,
    reason = "a thread enters a namespace, and asks for its time, by system calls std has no names for"
)]

use std::{
    env, fs,
    os::fd::AsRawFd,
    path::Path,
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

/// Says whether live tests can run here. Where they cannot it says so on standard error, or fails where that was asked for.
pub(crate) fn possible() -> bool {
    let why = match () {
        // SAFETY: takes and touches nothing.
        () if unsafe { libc::geteuid() } != 0 => "network namespaces and captures need root",
        () if !has("ip", "-V") => "there is no ip (Debian package iproute2)",
        () if !has("tcpdump", "--version") => "there is no tcpdump",
        () => return true,
    };
    assert!(env::var_os("WIRETAPE_TESTS_REQUIRE_TOOLS").is_none(), "{why}, and WIRETAPE_TESTS_REQUIRE_TOOLS is set");
    eprintln!("SKIPPED: {why}");
    false
}

fn has(tool: &str, argument: &str) -> bool {
    Command::new(tool).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// A network namespace with its loopback up; deleted with this value.
#[derive(Debug)]
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wiretape-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = Self(name);
        run(Command::new("ip").args(["netns", "add", &namespace.0]));
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip` inside.
    pub(crate) fn ip(&self, words: &str) {
        run(Command::new("ip").args(["-n", &self.0]).args(words.split_whitespace()));
    }

    /// A command to be started inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    /// Its name, for commands that move a device here.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// A way in for a thread that outlives the borrow.
    pub(crate) fn handle(&self) -> Handle {
        Handle(fs::File::open(Path::new("/run/netns").join(&self.0)).unwrap())
    }

    /// Runs `work` on a thread inside: sockets, captures and interface names there are this namespace's.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let handle = self.handle();
        let entered = move || {
            handle.enter();
            work()
        };
        thread::scope(|scope| scope.spawn(entered).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

/// An open namespace.
#[derive(Debug)]
pub(crate) struct Handle(fs::File);

impl Handle {
    /// Moves the calling thread inside, for good.
    pub(crate) fn enter(&self) {
        // SAFETY: the descriptor is open; only the calling thread changes its namespace.
        assert_eq!(unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) }, 0, "setns");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A namespace that stays is found by its name; a second panic would hide the first.
        let _deleted = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Two namespaces joined by a veth pair: `west` (10.7.0.1, fd07::1) on the first one's side, `east` (10.7.0.2, fd07::2) on the other.
pub(crate) fn joined() -> (Namespace, Namespace) {
    let (west, east) = (Namespace::new(), Namespace::new());
    west.ip(&format!("link add west type veth peer name east netns {}", east.0));
    for (namespace, name, host) in [(&west, "west", 1), (&east, "east", 2)] {
        namespace.ip(&format!("addr add 10.7.0.{host}/24 dev {name}"));
        namespace.ip(&format!("addr add fd07::{host}/64 dev {name} nodad"));
        namespace.ip(&format!("link set {name} up"));
    }
    (west, east)
}

/// Processor time the calling thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Runs a command to its good end and returns what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
