//! What the integration tests share: where things are, and how to say loudly that something was skipped.

pub(crate) mod frames;
pub(crate) mod store;
pub(crate) mod tls;

use std::{
    path::PathBuf,
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

/// The repository's root: where it is now, which for a program that a kept target folder holds need not be where it was built.
pub(crate) fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says it to tests").into()
}

/// The shared corpus of captures with ground truth, where this machine has it.
pub(crate) fn corpus() -> Option<PathBuf> {
    let path = root().join("../shared/corpus/dev-set");
    if path.is_dir() {
        return Some(path);
    }
    skipped("the corpus is not at ../shared/corpus");
    None
}

/// Whether `tool` can be run. Where it cannot, says so, or fails if this machine was said to have every tool.
pub(crate) fn tool(tool: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().is_ok_and(|o| o.status.success());
    if !found {
        assert!(std::env::var_os("WIRETAPE_TESTS_REQUIRE_TOOLS").is_none(), "{tool} is not installed");
        skipped(&format!("{tool} is not installed"));
    }
    found
}

/// Says on stderr that part of the tests did not run.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// The `wiretape` binary with these arguments.
pub(crate) fn wiretape(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wiretape"));
    command.args(args).env_remove("WIRETAPE_DB");
    command
}

/// Runs a command that must succeed and gives its output.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the command can be started");
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Asks a process that this test started to end: `signal` is INT or TERM.
pub(crate) fn signal(child: &Child, signal: &str) {
    run(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()));
}

/// Waits for a process, and kills it after `limit`.
pub(crate) fn wait(mut child: Child, limit: Duration) -> Output {
    let began = Instant::now();
    while child.try_wait().expect("the process is ours").is_none() {
        if began.elapsed() > limit {
            child.kill().expect("the process is ours");
            panic!("still running after {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("the process is ours")
}
