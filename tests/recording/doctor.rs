//! `wiretape doctor`: what is there as root, and what is missing as anybody else.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::namespace::{Namespace, possible};
use crate::support::{run, tool};

/// Proves that root is told that recording works, and how, with exit code 0.
#[test]
fn root_is_told_that_recording_works() {
    if !possible() {
        return;
    }
    let alone = Namespace::new();
    let said = run(alone.command(env!("CARGO_BIN_EXE_wiretape")).arg("doctor"));
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("recording works here; the way that is taken: "), "{said}");
    for name in ["CAP_NET_RAW", "CAP_BPF", "CAP_NET_ADMIN"] {
        assert!(said.lines().any(|l| l.starts_with("yes  ") && l.contains(name)), "{name} in\n{said}");
    }
}

/// Proves that an ordinary user is told by name each right that is missing and what to do, with exit code 1.
#[test]
fn an_ordinary_user_is_told_what_is_missing() {
    if !possible() || !tool("setpriv") {
        return;
    }
    // The build folder need not be one that everybody may enter.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("wiretape");
    if fs::hard_link(env!("CARGO_BIN_EXE_wiretape"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_wiretape"), &program).unwrap();
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "-all"]);
    let output = command.arg(&program).arg("doctor").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for name in ["CAP_NET_RAW", "CAP_BPF", "CAP_NET_ADMIN"] {
        assert!(said.lines().any(|l| l.starts_with(" NO  ") && l.contains(name)), "{name} in\n{said}");
    }
    assert!(said.contains("do: run as root, or: setcap cap_bpf,cap_net_admin,cap_net_raw+ep on the binary"), "{said}");
    assert!(said.contains("nothing can be recorded here as this user"), "{said}");
}
