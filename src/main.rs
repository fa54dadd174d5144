//! The `wiretape` program: reads the command line, runs one command, and turns what came of it into an exit code.
//!
//! Data goes to standard output and nothing else does. Exit codes: 0 done, 1 an error or an incomplete result, 2 the
//! command line was not understood, 130 stopped by Ctrl-C.

mod cli;
mod commands;
mod failure;
mod interrupt;
mod output;
mod units;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, failure::Failure};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command ended when nothing was wrong with running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All that was asked for.
    Done,
    /// The command did its work, and the answer is bad news that was already told: damage, a truncated capture.
    Incomplete,
    /// Ctrl-C.
    Interrupted,
}

fn main() -> ExitCode {
    // Rows are built in buffers that come and go: with huge pages the kernel cleared 2 MiB where a few KiB were used, a third of
    // an import's processor time. A kernel that refuses leaves things as they are.
    let _ = nix::sys::prctl::set_thp_disable(true);
    let cli = Cli::parse();
    let result = interrupt::install().and_then(|()| commands::run(&cli));
    if output::pipe_is_closed() {
        return ExitCode::SUCCESS;
    }
    match result {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Incomplete) => ExitCode::FAILURE,
        Ok(End::Interrupted) => ExitCode::from(130),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
