//! The systemd unit: systemd takes it, and the rights that it gives are enough.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::PathBuf,
    process::Command,
};

use super::{
    namespace::{Namespace, possible},
    program::{Program, assert_whole, number},
    traffic,
};
use crate::support::{root, run, tool};

/// Nobody in particular.
const USER: u32 = 65534;

fn unit() -> String {
    fs::read_to_string(root().join("deploy/systemd/wiretape-record.service")).unwrap()
}

fn setting(unit: &str, name: &str) -> String {
    let line = unit.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

/// Proves that systemd finds no fault with the unit. Its program is replaced by the one that was built, since systemd looks
/// for that too.
#[test]
fn systemd_takes_the_unit() {
    if !tool("systemd-analyze") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wiretape-record.service");
    assert!(setting(&unit(), "ExecStart").starts_with("/usr/bin/wiretape record "));
    fs::write(&path, unit().replace("/usr/bin/wiretape", env!("CARGO_BIN_EXE_wiretape"))).unwrap();
    let output = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path));
    let said = String::from_utf8_lossy(&output.stderr);
    let about: Vec<_> = said.lines().filter(|l| l.contains("wiretape")).collect();
    assert!(about.is_empty(), "{about:?}");
}

/// Proves that an ordinary user with the unit's capabilities, and the unit's own command line, records by the best way, and
/// that its stop signal seals.
#[test]
fn the_units_capabilities_are_enough() {
    if !possible() || !tool("setpriv") {
        return;
    }
    let unit = unit();
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (program, state): (PathBuf, PathBuf) = (dir.path().join("wiretape"), dir.path().join("state"));
    // The build folder need not be one that everybody may enter.
    if fs::hard_link(env!("CARGO_BIN_EXE_wiretape"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_wiretape"), &program).unwrap();
    }
    let db = state.join("wiretape");
    fs::create_dir_all(&db).unwrap();
    chown(&db, Some(USER), Some(USER)).unwrap();
    let names = setting(&unit, "AmbientCapabilities").to_lowercase().replace("cap_", "+").replace(' ', ",");
    let only = format!("-all,{names}");
    let command_line = setting(&unit, "ExecStart").replace("%S", state.to_str().unwrap());

    let alone = Namespace::new();
    let _sink = traffic::sink(&alone, "127.0.0.1");
    let mut command = alone.command("setpriv");
    let user = USER.to_string();
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--no-new-privs"]);
    command.args(["--bounding-set", &only, "--inh-caps", &only, "--ambient-caps", &only]);
    command.arg(&program).args(command_line.split(' ').skip(1));
    let recorder = Program::start(&mut command);
    recorder.wait_for("recording any by tcx");
    traffic::datagrams(&alone, "127.0.0.1", [&b"x"[..]; 20]);
    recorder.signal(setting(&unit, "KillSignal").trim_start_matches("SIG"));
    let ended = recorder.end();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert_whole(&db, "after the stop");
    assert_eq!(number(&db, "select count(*) from packets"), 20, "{}", ended.said);
}
