//! One file per command: its arguments and what it does.

pub(crate) mod calls;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod kfl;
pub(crate) mod query;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod verify;

mod capture_filter;
mod captures;
mod database;
mod results;
mod stdin;
mod watch;

use crate::{
    End, Failure,
    cli::{Cli, Command},
};

/// Runs the command that the user chose.
pub(crate) fn run(cli: &Cli) -> Result<End, Failure> {
    let global = &cli.global;
    match &cli.command {
        Command::Import(args) => import::run(global, args),
        Command::Query(args) => query::run(global, args),
        Command::Calls(args) => calls::run(global, args),
        Command::Kfl(args) => kfl::run(global, args),
        Command::Show(args) => show::run(global, args),
        Command::Export(args) => export::run(global, args),
        Command::Serve(args) => serve::run(global, args),
        Command::Record(args) => record::run(global, args),
        Command::Replay(args) => replay::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::Doctor(args) => doctor::run(global, args),
        Command::Demo(args) => demo::run(global, args),
        Command::Info(args) => info::run(global, args),
        Command::Verify(args) => verify::run(global, args),
    }
}
