//! The command line: what all commands share, and the list of commands. Each command's own arguments are with its code.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    Failure, commands,
    units::{parse_duration, parse_size},
};

/// A database of packets: import captures, ask in SQL, get the exact packets back.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Start here:
  wiretape demo                                  see it work, with nothing but this program
  wiretape import capture.pcap                   make a database of your own packets
  wiretape record -i eth0                        or record what passes now
  wiretape query \"select proto, count(*) from packets group by proto\"
  wiretape export --where \"dst_port = 53\" -w dns.pcap")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Database directory [default: wiretape in the user's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "WIRETAPE_DB", hide_env_values = true)]
    pub(crate) db: Option<PathBuf>,
    /// Memory that queries, or the rows of an import, may hold
    #[arg(long, global = true, value_name = "SIZE", default_value = "1GiB", value_parser = parse_size)]
    pub(crate) memory_limit: usize,
    /// How long one statement may run, such as 30s [default: no limit]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) time_limit: Option<Duration>,
    /// Threads to use [default: one per core]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Print results and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

impl Global {
    /// The database directory: as given, or `wiretape` in the user's data folder (XDG Base Directory Specification).
    pub(crate) fn db_dir(&self) -> Result<PathBuf, Failure> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let data_home = || absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        match &self.db {
            Some(dir) => Ok(dir.clone()),
            None => data_home().map(|dir| dir.join("wiretape")).ok_or_else(|| {
                Failure::new("there is no home directory to keep a database in").hint("name one with --db DIR")
            }),
        }
    }

    /// Threads to use.
    pub(crate) fn threads(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// One per file in `src/commands`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Record(commands::record::Args),
    Import(commands::import::Args),
    Query(commands::query::Args),
    Calls(commands::calls::Args),
    Kfl(commands::kfl::Args),
    Show(commands::show::Args),
    Export(commands::export::Args),
    Replay(commands::replay::Args),
    Serve(commands::serve::Args),
    Status(commands::status::Args),
    Demo(commands::demo::Args),
    Info(commands::info::Args),
    Verify(commands::verify::Args),
    Doctor(commands::doctor::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_every_command_may_stand_after_it() {
        let cli = Cli::try_parse_from(["wiretape", "info", "--db", "x", "--memory-limit", "64MiB", "-q"]).unwrap();
        assert_eq!((cli.global.db, cli.global.memory_limit, cli.global.quiet), (Some("x".into()), 64 << 20, true));
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} has no description", command.get_name());
            assert!(command.get_after_help().is_some(), "{} has no example", command.get_name());
        }
    }

    #[test]
    fn examples_are_not_broken_into_two_lines() {
        for command in Cli::command().get_subcommands() {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let long = examples.lines().find(|line| line.chars().count() > 98);
            assert_eq!(long, None, "in the help of {}", command.get_name());
        }
    }
}
