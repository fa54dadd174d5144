//! `wiretape doctor`: what recording needs, whether it is here, and what to do where it is not.

use std::io::Write;

use wiretape_ebpf::{Check, Present, permissions};

use crate::{End, Failure, cli::Global, output::Stdout};

/// Say what recording needs and whether this machine and user have it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tries each thing where it can be tried; nothing is changed.
The exit code is 1 if nothing can be recorded.

  wiretape doctor
  sudo setcap cap_bpf,cap_net_admin,cap_net_raw+ep $(command -v wiretape)")]
pub(crate) struct Args {}

pub(crate) fn run(_: &Global, _: &Args) -> Result<End, Failure> {
    let checks = permissions();
    let mut out = Stdout::new();
    let width = checks.iter().map(|c| c.name.len()).max().unwrap_or(0);
    for check in &checks {
        tell(&mut out, check, width)?;
    }
    writeln!(out)?;
    let recordable = ways(&checks);
    match recordable.first() {
        Some(best) => writeln!(out, "recording works here; the way that is taken: {best}")?,
        None => writeln!(out, "nothing can be recorded here as this user; importing and asking need no rights")?,
    }
    out.flush()?;
    Ok(if recordable.is_empty() { End::Incomplete } else { End::Done })
}

fn tell(out: &mut Stdout, check: &Check, width: usize) -> Result<(), Failure> {
    let (mark, why) = match &check.present {
        Present::Yes => ("yes", None),
        Present::No(why) => ("NO", Some(why)),
        Present::Unknown(why) => ("?", Some(why)),
    };
    writeln!(out, "{mark:>3}  {:width$}  for {}", check.name, check.needed_for)?;
    if let Some(why) = why {
        writeln!(out, "     {:width$}  {why}", "")?;
        writeln!(out, "     {:width$}  do: {}", "", check.remedy)?;
    }
    Ok(())
}

/// What each way of capturing needs, the best way first.
const WAYS: [(&str, &[&str]); 3] = [
    ("tcx", &["TCX hooks"]),
    ("clsact", &["CAP_BPF", "CAP_NET_ADMIN", "BPF ring buffer", "TC classifier programs"]),
    ("packet socket", &["packet socket ring"]),
];

/// The ways of capturing that work, the best first.
fn ways(checks: &[Check]) -> Vec<&'static str> {
    let here = |name: &str| checks.iter().any(|c| c.name == name && c.present == Present::Yes);
    WAYS.into_iter().filter(|(_, needs)| needs.iter().all(|need| here(need))).map(|(way, _)| way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_that_a_way_needs_is_made() {
        let checks = permissions();
        for (way, needs) in WAYS {
            for need in needs {
                assert!(checks.iter().any(|c| c.name == *need), "{way} needs {need}, which nobody looks for");
            }
        }
    }
}
